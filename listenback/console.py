"""Where output goes: data on stdout, everything else on stderr."""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Sequence

BROKEN_PIPE = 141  # 128 + SIGPIPE: what a shell reports of a writer whose reader went away


class PipeConsole(Console):
    """A console whose reader may go away (`listenback query ... | head`)."""

    def on_broken_pipe(self) -> NoReturn:
        """End quietly: what is not read needs no traceback, and 1 would mean findings."""
        stop_writing()
        raise SystemExit(BROKEN_PIPE)


out = PipeConsole(highlight=False, soft_wrap=True)
err = PipeConsole(stderr=True, highlight=False, soft_wrap=True)
_state = {"level": logging.INFO}


def stop_writing() -> None:
    """Point stdout nowhere, so that the flush at exit does not fail once more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


def configure(*, quiet: bool = False, verbose: bool = False) -> None:
    """What -q and -v ask for: -q leaves only data, errors and the exit code."""
    err.quiet = quiet
    _state["level"] = logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO


def without_color() -> None:
    """What --no-color asks for; in the environment too, for typer's own consoles and children."""
    os.environ["NO_COLOR"] = "1"
    out.no_color = err.no_color = True


def log_level() -> int:
    """The level of `logging` that -q and -v ask for."""
    return _state["level"]


def is_interactive() -> bool:
    """Progress is drawn for people only."""
    return sys.stderr.isatty() and not err.quiet and not os.environ.get("CI")


def print_error(kind: str, message: str) -> None:
    """One line on stderr, whatever -q says."""
    err.quiet = False
    err.print(f"[bold red]{kind}[/]: ", end="")
    err.print(" ".join(message.split()), markup=False)


def counted(n: int, word: str) -> str:
    """`1 shard`, `2 shards`, `1,000 shards`."""
    return f"{n:,} {word}" if n == 1 else f"{n:,} {word}s"


def print_json(value: Any) -> None:  # noqa: ANN401 - whatever json can say
    """One JSON document on stdout."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")


def print_columns(rows: Sequence[Sequence[str]]) -> None:
    """Rows of text in aligned columns on stdout; a row stays one line, for grep and awk."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write("  ".join(cells).rstrip() + "\n")
