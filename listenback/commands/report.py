"""`listenback report`: tonight's verdicts from the published warehouse."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from analytics.nightly import Request, analyse
from analytics.report.write import to_json, write_report
from listenback.console import err, out
from listenback.definitions import definitions
from listenback.options import setting
from streams.clock import now_us
from streams.settings import load_settings
from streams.warehouse.connect import open_readable

if TYPE_CHECKING:
    from analytics.results import Report

FailOn = Literal["none", "error", "warn"]
FINDINGS, UNTRUSTWORTHY = 1, 4

WarehouseFile = Annotated[
    Path | None, typer.Option("--warehouse", help="A published file (default: the data dir's).")
]
ConfigDir = Annotated[
    Path | None,
    typer.Option(
        "--config", help="Holds metrics/ and experiments/ (default: ./config, else built in)."
    ),
]
OutDir = Annotated[
    Path | None, typer.Option("--out", help="Where to write (default: reports/<date>).")
]
OneExperiment = Annotated[
    str | None, typer.Option("--experiment", "-e", help="Only this experiment.")
]
AsJson = Annotated[
    bool, typer.Option("--json", help="JSON on stdout; files only where --out names a folder.")
]
FailOnOption = Annotated[
    FailOn,
    typer.Option(
        "--fail-on",
        help="error: exit 4 for untrustworthy data, 1 for harm; warn: 4 for a doubt too.",
    ),
]


def report(
    *,
    warehouse: WarehouseFile = None,
    config: ConfigDir = None,
    out_dir: OutDir = None,
    experiment: OneExperiment = None,
    as_json: AsJson = False,
    fail_on: FailOnOption = "none",
    data_dir: Annotated[Path | None, setting("data_dir")] = None,
) -> None:
    """Say which variant is better, how sure that is, and which judge saw it.

    Writes report.html, report.md and report.json: verdicts with intervals
    that hold at every look, what judges said beside what listeners did, and
    whether tonight's data can be trusted. A failed run leaves the last files.

    Examples:
      listenback report
      listenback report --experiment dj-voice --out tonight
      listenback report --json | jq '.experiments[].verdicts[].state'
      listenback report --fail-on error     for a scheduler
    """
    file = warehouse or load_settings(data_dir=data_dir).warehouse_file
    catalog = definitions(config)
    command = shlex.join(["listenback", *sys.argv[1:]])
    request = Request(file.name, now_us=now_us(), experiment=experiment, command=command)
    con = open_readable(file)
    try:
        found = analyse(con, catalog, request)
    finally:
        con.close()
    if as_json:
        sys.stdout.write(to_json(found) + "\n")
    if out_dir is not None or not as_json:
        written = write_report(found, out_dir or Path("reports") / found.date)
        err.print(str(written.html), markup=False)
    if not as_json:
        out.print("\n".join(found.headline), markup=False)
    raise typer.Exit(exit_code(found, fail_on))


def exit_code(found: Report, fail_on: FailOn) -> int:
    """What the scheduler hears: distrust before harm, harm before nothing."""
    if fail_on == "none":
        return 0
    states = {verdict.state for result in found.experiments for verdict in result.verdicts}
    doubts = {"bad"} if fail_on == "error" else {"bad", "look"}
    if found.trust.level in doubts or "invalid" in states:
        return UNTRUSTWORTHY
    return FINDINGS if "do not ship" in states else 0
