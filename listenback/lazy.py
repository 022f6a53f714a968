"""Commands that are imported when they are run, so that `listenback --help` starts at once.

The root group knows of each command its name, its one line of help and where it lives. Only the
command that was asked for is imported: polars, DuckDB and Faust take seconds to load.
"""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from listenback import console

if TYPE_CHECKING:
    from collections.abc import Mapping

CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"]}


class Entry(NamedTuple):
    """A command the root knows without importing it."""

    target: str  # "package.module:name" of a function, or of a typer.Typer holding several
    line: str  # the first line of its help, equal to the docstring's (tests/unit/test_cli.py)


def load(name: str, target: str) -> TyperCommand | TyperGroup:
    """Import what `package.module:attribute` names and make it the command `name`."""
    module, _, attribute = target.partition(":")
    found: Any = getattr(importlib.import_module(module), attribute)
    if isinstance(found, typer.Typer):
        command: Any = get_group(found)
    else:
        single = typer.Typer(
            add_completion=False, rich_markup_mode="rich", context_settings=CONTEXT_SETTINGS
        )
        single.command(name)(found)
        command = get_command(single)
    command.name = name
    for one in (command, *getattr(command, "commands", {}).values()):
        one.help = reflowed(one.help or "")
    return command  # type: ignore[no-any-return] # typer's click is private, hence untyped here


def flags_without_value(command: Any, ctx: Any) -> None:  # noqa: ANN401 - typer's private click
    """Show `--json`, not `--json <bool>`: a flag takes no value."""
    for parameter in command.get_params(ctx):
        if getattr(parameter, "is_flag", False) and parameter.metavar is None:
            parameter.metavar = ""


def reflowed(text: str) -> str:
    """Prose as one line a paragraph, for the terminal to break; what is indented stays as it is."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(
        paragraph if "\n " in paragraph else paragraph.replace("\n", " ")
        for paragraph in paragraphs
    )


class LazyGroup(TyperGroup):
    """A group that lists placeholders and swaps in the real command when one is called."""

    entries: ClassVar[Mapping[str, Entry]] = {}

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - handed on to typer as they are
        super().__init__(**attributes)
        for name, entry in self.entries.items():
            self.commands[name] = TyperCommand(name, help=entry.line)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - typer's private click
        """The command that `args` begins with, imported by now."""
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and name in self.entries:
            command = load(name, self.entries[name].target)
            for shown in (command, *getattr(command, "commands", {}).values()):
                flags_without_value(shown, ctx)
        return name, command, rest

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - typer's private click
        """Run the command; typer itself would end a broken pipe with 1, which means findings."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            console.stop_writing()
            raise typer.Exit(console.BROKEN_PIPE) from None

    def format_help(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401 - typer's private click
        """The help page of the group."""
        flags_without_value(self, ctx)
        super().format_help(ctx, formatter)
