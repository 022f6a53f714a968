"""`listenback trust`: which judge may be used for what, and why."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from analytics.judges.certificate import RULES, Certificate, Rules
from analytics.judges.daysums import DaySums, load, save
from analytics.judges.trial import Asked, Trial, Trials, try_judges
from analytics.judges.words import told
from analytics.read import check_warehouse
from listenback.console import err, out, print_columns, print_json
from listenback.definitions import definitions
from listenback.options import setting
from streams.errors import ConfigError
from streams.settings import load_settings
from streams.warehouse.reading import open_warehouse

SCHEMA = "listenback.trust/1"
UNTRUSTWORTHY = 4
HEAD = ("judge", "dimension", "epoch", "surface", "state", "use")

WarehouseFile = Annotated[
    Optional[Path], typer.Option("--warehouse", help="A published file (default: the data dir's).")
]
ConfigDir = Annotated[
    Optional[Path],
    typer.Option("--config", help="Holds experiments/, which name the controls."),
]
JudgeName = Annotated[Optional[str], typer.Option("--judge", help="Only this judge.")]
Dimension = Annotated[Optional[str], typer.Option("--dimension", help="Only this dimension.")]
EpochStart = Annotated[
    Optional[str], typer.Option("--epoch", help="Only epochs that begin with these digits.")
]
Margin = Annotated[
    float,
    typer.Option("--margin", help="Share of the people's scale that an unfairness may have."),
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Read every day again; keep no sums (as with --warehouse).")
]
FailOn = Annotated[bool, typer.Option("--fail-on-revoked", help="Exit 4 where a judge is revoked.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object with every figure.")]


def trust(
    *,
    warehouse: WarehouseFile = None,
    config: ConfigDir = None,
    judge: JudgeName = None,
    dimension: Dimension = None,
    epoch: EpochStart = None,
    margin: Margin = RULES.margin_share,
    fresh: Fresh = False,
    fail_on_revoked: FailOn = False,
    as_json: AsJson = False,
    data_dir: Annotated[Optional[Path], setting("data_dir")] = None,
) -> None:
    """Say of each judge what it may be used for, and why.

    A certificate per judge, dimension, evaluator epoch and surface: may it
    gate, may it only rank, or is it not to be used? From its agreement with
    people, what listeners kept, its fairness to each variant and the frozen
    reference items. A day on which nothing changed is not read again: its
    sums are kept in the data dir.

    Examples:
      listenback trust
      listenback trust --judge aria --json
      listenback trust --warehouse demo/data/published/warehouse.duckdb
    """
    if not 0 < margin < 1:
        raise ConfigError(f"--margin is {margin}, not between 0 and 1.", where="--margin")
    settings = load_settings(data_dir=data_dir)
    file = warehouse or settings.warehouse_file
    kept = None if fresh or warehouse else settings.data_dir / "judges"
    asked = Asked(judge, dimension, epoch, Rules(margin_share=margin))
    con = open_warehouse(file)
    try:
        check_warehouse(con, str(file))
        before = load(kept) if kept else DaySums.empty()
        found = try_judges(con, definitions(config), asked, before=before)
    finally:
        con.close()
    if kept:
        _keep(kept, found.sums)
    if as_json:
        print_json(as_dict(found))
    else:
        _say(found)
    states = {one.state for trial in found.trials for one in trial.certificates}
    raise typer.Exit(UNTRUSTWORTHY if fail_on_revoked and "REVOKED" in states else 0)


def _keep(folder: Path, sums: DaySums) -> None:
    """The sums for the next night; a folder that may not be written to costs time, not truth."""
    try:
        save(folder, sums)
    except OSError as error:
        err.print(f"the day sums are not kept: {error}", markup=False)


def _say(found: Trials) -> None:
    if not found.trials:
        out.print("No judge has scored anything yet.", markup=False)
    else:
        print_columns([HEAD, *(_line(one) for trial in found.trials for one in trial.certificates)])
        out.print("")
    for trial in found.trials:
        out.print("\n".join([*told(trial), ""]), markup=False)
    sums = found.sums
    err.print(
        f"{sums.days_read} days read, {sums.days_kept} unchanged since the last look", markup=False
    )


def _line(one: Certificate) -> tuple[str, ...]:
    named = (one.instrument.judge, one.instrument.dimension, one.instrument.epoch[:8])
    return (*named, one.surface or "-", one.state, one.use)


def as_dict(found: Trials) -> dict[str, Any]:
    """Every figure of every certificate, with the schema's name."""
    return {"schema": SCHEMA, "judges": [_trial(trial) for trial in found.trials]}


def _trial(trial: Trial) -> dict[str, Any]:
    entry = asdict(trial.entry)
    record = asdict(trial.record)
    certificates = [_certificate(one) for one in trial.certificates]
    return {**entry, "certificates": certificates, "experiments": record}


def _certificate(one: Certificate) -> dict[str, Any]:
    made = asdict(one)
    alt = one.evidence.heard.alt
    if alt is not None:
        made["evidence"]["heard"]["alt"] = {
            "enough": alt.enough,
            "winning_rate": alt.winning_rate if alt.enough else None,
            "advantage": alt.advantage if alt.enough else None,
            "passed": alt.passed,
        }
    return {**made, "weight": one.weight}
