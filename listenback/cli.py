"""The `listenback` command: knows the commands and turns errors into lines and exit codes.

A command is a function in `listenback/commands/<name>.py` (or a `typer.Typer` there, for a noun
with several verbs) and one line in COMMANDS. Its docstring opens with the line of COMMANDS, then
explains, and ends with an `Examples:` block; it is shown as it stands.
"""

from __future__ import annotations

import sys
import traceback
from types import MappingProxyType
from typing import Annotated, Any

import typer
from typer.main import get_command

from listenback import console
from listenback.lazy import CONTEXT_SETTINGS, Entry, LazyGroup
from streams.errors import ListenbackError

INTERRUPTED = 130
DUCKDB_INTERRUPTED = ("Query interrupted", "INTERRUPT Error: Interrupted!")
"""What DuckDB's errors say where Ctrl-C, or its own call, ends a query."""
INTERNAL_ERROR = 70  # EX_SOFTWARE: a bug of ours; 1 means findings

COMMANDS = MappingProxyType(
    {
        "compare": Entry(
            "listenback.commands.compare:compare",
            "Compare two variants: differences with intervals, n, method and maturity.",
        ),
        "config": Entry("listenback.commands.config:app", "Show the settings and their origin."),
        "demo": Entry(
            "listenback.commands.demo:demo", "Simulate, stream, join and report, on this machine."
        ),
        "dlq": Entry(
            "listenback.commands.dlq:app",
            "Look at dead letters, send them again, or set them aside.",
        ),
        "doctor": Entry(
            "listenback.commands.doctor:doctor", "Find what is wrong here and what to do about it."
        ),
        "erase": Entry(
            "listenback.commands.erase:erase",
            "Forget a user in every file of the data directory, and prove it.",
        ),
        "hash": Entry(
            "listenback.commands.hash:content_hash",
            "Print the content hash of a warehouse: equal rows, equal hash.",
        ),
        "import": Entry(
            "listenback.commands.imports:app", "Turn histories and tables into events."
        ),
        "judges": Entry(
            "listenback.commands.judges:app",
            "Measure judges on plain files of ratings, or list those in the warehouse.",
        ),
        "metrics": Entry(
            "listenback.commands.metrics:app",
            "Check, list and show the definitions of metrics and experiments.",
        ),
        "mine": Entry(
            "listenback.commands.mine:mine",
            "Find where judges and listeners disagree, and write a set to learn from.",
        ),
        "nightly": Entry(
            "listenback.commands.nightly:nightly",
            "Make the night's report, keep what it was made from, tell those who wait.",
        ),
        "plan": Entry(
            "listenback.commands.plan:plan",
            "Say how many units a decision needs, what effect they see, or with what power.",
        ),
        "publish": Entry(
            "listenback.commands.publish:publish",
            "Merge what all workers published into one warehouse.duckdb.",
        ),
        "query": Entry(
            "listenback.commands.query:query",
            "Ask the published warehouse; reading never stops the worker.",
        ),
        "replay": Entry(
            "listenback.commands.replay:replay",
            "Rebuild the warehouse from its log or its facts, beside the live one, and compare.",
        ),
        "report": Entry(
            "listenback.commands.report:report",
            "Say which variant is better, how sure that is, and which judge saw it.",
        ),
        "schedule": Entry(
            "listenback.commands.schedule:schedule",
            "Make the night's report at set times, until told to end.",
        ),
        "schema": Entry(
            "listenback.commands.schema:app",
            "Write the contracts in the forms that other tools read.",
        ),
        "serve": Entry(
            "listenback.commands.serve:serve",
            "Show live windows, balance, verdicts over the nights, judges, dead letters.",
        ),
        "simulate": Entry(
            "listenback.commands.simulate:simulate", "Make events whose truth is known."
        ),
        "topics": Entry(
            "listenback.commands.topics:app", "Create the topics, list them, check them."
        ),
        "trust": Entry(
            "listenback.commands.trust:trust",
            "Say of each judge what it may be used for, and why.",
        ),
        "version": Entry("listenback.commands.version:version", "Print the versions in use."),
        "worker": Entry(
            "listenback.commands.worker:worker",
            "Read the five topics into the warehouse until told to end.",
        ),
    }
)


class Root(LazyGroup):
    """The commands, in the order of COMMANDS."""

    entries = COMMANDS


app = typer.Typer(
    name="listenback",
    cls=Root,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings=CONTEXT_SETTINGS,
)


def _print_version(*, wanted: bool) -> None:
    """`listenback 0.1.0`, then the end."""
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - 30 ms, for this option only

        typer.echo(f"listenback {version('listenback')}")
        raise typer.Exit


def _without_color(*, wanted: bool) -> None:
    """Before any other output."""
    if wanted:
        console.without_color()


@app.callback(invoke_without_command=True)
def root(
    ctx: typer.Context,
    *,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Only data and errors; nothing about progress.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log what is done and why, on stderr.")
    ] = False,
    no_color: Annotated[
        bool,
        typer.Option(
            "--no-color",
            is_eager=True,
            callback=_without_color,
            help="No colours; the same as setting NO_COLOR.",
        ),
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_print_version, help="Print the version, then end."
        ),
    ] = False,
) -> None:
    """Join what listeners do with what LLM judges said, continuously.

    Which model variant do listeners prefer, how sure is that, and which judge saw it coming?

    Examples:
      listenback demo                       everything once, no services needed
      listenback worker --bootstrap HOST    from your Kafka into a warehouse
      listenback query "FROM generation"    read it while the worker writes
      listenback report                     tonight's verdicts, with intervals
    """
    del no_color, version  # their callbacks have acted
    console.configure(quiet=quiet, verbose=verbose)
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help(), nl=False)


def run(args: list[str]) -> int:
    """Run one command line and say how it ended: the exit code."""
    command: Any = get_command(app)
    try:
        code = command(args=args, prog_name="listenback", standalone_mode=False)
        sys.stdout.flush()
    except ListenbackError as error:
        console.print_error(type(error).__name__, str(error))
        return error.exit_code
    except typer.TyperException as error:
        return _usage_error(error)
    except typer.Abort:
        code = INTERRUPTED
    except BrokenPipeError:
        console.stop_writing()
        return console.BROKEN_PIPE
    except Exception as error:  # noqa: BLE001 - the outermost edge: it is a bug of ours, mostly
        if str(error) not in DUCKDB_INTERRUPTED:
            if said := _damage(error):
                console.print_error(type(said).__name__, str(said))
                return said.exit_code
            traceback.print_exc()
            console.print_error(
                "Internal error", "this is a bug in listenback; the lines above say where."
            )
            return INTERNAL_ERROR
        code = INTERRUPTED
    if code == INTERRUPTED:
        console.print_error("Interrupted", "ended as asked.")
    return code if isinstance(code, int) else 0


def _damage(error: Exception) -> ListenbackError | None:
    """What DuckDB found wrong with a file in the middle of reading it; None: it is our bug."""
    if "duckdb" not in sys.modules:  # half a second, for an error that cannot be of it
        return None
    from streams.warehouse.trouble import damage  # noqa: PLC0415 - see the line above

    return damage(error)


def _usage_error(error: typer.TyperException) -> int:
    """One line for a command line that does not hold together; `--help` comes with it."""
    message = error.format_message()
    if message:  # empty where a group without a command has just printed its help
        ctx = getattr(error, "ctx", None)
        path = ctx.command_path if ctx else "listenback"
        console.print_error("Usage", f"{message} See: {path} --help")
    return error.exit_code


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run(sys.argv[1:]))
