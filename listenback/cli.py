"""The `listenback` command: registers the commands and turns errors into lines and exit codes."""

from __future__ import annotations

import sys

import typer

from listenback.console import err
from streams.errors import ListenbackError

app = typer.Typer(
    name="listenback",
    help="Join what listeners do with what LLM judges said, continuously.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Entry point: a wrong that a person can put right ends as a line and an exit code."""
    try:
        app()
    except ListenbackError as error:
        err.print(f"[bold red]{type(error).__name__}[/]: ", end="")
        err.print(str(error), markup=False)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        err.print("interrupted")
        sys.exit(130)
