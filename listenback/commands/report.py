"""`listenback report`: tonight's verdicts from the published warehouse."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from analytics.artists import with_artists
from analytics.changes import Before, with_changes
from analytics.disagreement import with_disagreement
from analytics.judges.daysums import DaySums
from analytics.judges.in_report import with_trials
from analytics.judges.trial import Asked, try_judges
from analytics.nightly import Request, analyse
from analytics.report.write import to_json, write_report
from analytics.revision import with_revisions
from listenback.console import err, out
from listenback.days import day
from listenback.definitions import definitions
from listenback.options import setting
from listenback.results_file import keep_results
from streams.clock import now_us
from streams.errors import ConfigError
from streams.settings import load_settings
from streams.warehouse import nights
from streams.warehouse.reading import open_warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from analytics.catalog import Catalog
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
AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of", metavar="DATE", help="The report of a night that `listenback nightly` pinned."
    ),
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
    as_of: AsOf = None,
    as_json: AsJson = False,
    fail_on: FailOnOption = "none",
    data_dir: Annotated[Path | None, setting("data_dir")] = None,
) -> None:
    """Say which variant is better, how sure that is, and which judge saw it.

    Writes report.html, report.md, report.json and results.duckdb (the same
    numbers as tables, for SQL): verdicts with intervals
    that hold at every look, what judges said beside what listeners did, and
    whether tonight's data can be trusted. A failed run leaves the last files.

    Examples:
      listenback report
      listenback report --experiment dj-voice --out tonight
      listenback report --json | jq '.experiments[].verdicts[].state'
      listenback report --as-of 2026-11-21  the same bytes as that night
    """
    settings = load_settings(data_dir=data_dir)
    if as_of is None:
        command = shlex.join(["listenback", *sys.argv[1:]])
        file = warehouse or settings.warehouse_file
        request = Request(file.name, now_us=now_us(), experiment=experiment, command=command)
        found = look_at(file, config, request)
    else:
        if warehouse is not None or config is not None:
            raise ConfigError(
                "--as-of looks at what was pinned; --warehouse and --config name something else.",
                where="listenback report",
                todo="Give the one or the other.",
            )
        night = nights.find(settings.nights_dir, day(as_of, "--as-of"))
        found = look_again(night, experiment)
    if as_json:
        sys.stdout.write(to_json(found) + "\n")
    if out_dir is not None or not as_json:
        folder = out_dir or Path("reports") / found.date
        written = write_report(found, folder)
        keep_results(found, folder)
        err.print(str(written.html), markup=False)
    if not as_json:
        out.print("\n".join(found.headline), markup=False)
    raise typer.Exit(exit_code(found, fail_on))


def look_at(
    file: Path, config: Path | None, request: Request, before: Before | None = None
) -> Report:
    """The report of a published file. before: what the night before said."""
    catalog = definitions(config)
    con = open_warehouse(file)
    try:
        return analysed(con, catalog, request, before)
    finally:
        con.close()


def analysed(
    con: DuckDBPyConnection, catalog: Catalog, request: Request, before: Before | None = None
) -> Report:
    """The night's analysis and everything that stands beside it."""
    found = with_artists(con, analyse(con, catalog, request))
    trials = try_judges(con, catalog, Asked(), before=DaySums.empty())
    entries = [trial.entry for trial in trials.trials]
    found = with_disagreement(con, with_trials(found, trials.trials), entries, trials.rated)
    if before is None:
        return found
    again = found.experiments
    if before.as_of is not None and before.as_of.isoformat() != found.as_of:
        again = analyse(con, catalog, dataclasses.replace(request, as_of=before.as_of)).experiments
    return with_changes(found, before, again)


def look_again(night: nights.Night, experiment: str | None = None) -> Report:
    """The report of a pinned night: the same bytes each time, by the same listenback."""
    if night.look.version != version("listenback"):
        err.print(
            f"the night of {night.look.date} was made by listenback {night.look.version}; "
            f"this is {version('listenback')}, which may count otherwise.",
            markup=False,
        )
    request = Request(
        night.warehouse.name,
        now_us=night.look.looked_at_us,
        experiment=experiment,
        command=night.look.command,
    )
    before = Before(night.look.last) if night.look.last else None
    found = look_at(night.warehouse, night.definitions, request, before)
    return with_revisions(found, night.look.last_verdicts, date=night.look.last_date)


def exit_code(found: Report, fail_on: FailOn) -> int:
    """What the scheduler hears: distrust before harm, harm before nothing."""
    if fail_on == "none":
        return 0
    states = {verdict.state for result in found.experiments for verdict in result.verdicts}
    doubts = {"bad"} if fail_on == "error" else {"bad", "look"}
    if found.trust.level in doubts or "invalid" in states:
        return UNTRUSTWORTHY
    return FINDINGS if {"do not ship", "iterate"} & states else 0
