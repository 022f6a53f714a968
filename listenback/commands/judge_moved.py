"""`listenback judges moved`: the judge, the system or the traffic?"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import polars as pl
import typer

from analytics.judges.ledger import chosen, read_ledger
from analytics.judges.moved import change_of, moved
from analytics.judges.traffic import read_traffic
from analytics.read import check_warehouse
from listenback.console import out, print_columns, print_error, print_json
from listenback.days import day
from listenback.figures import number, row
from listenback.options import setting
from streams.errors import ConfigError, UntrustworthyError
from streams.settings import load_settings
from streams.warehouse.reading import open_warehouse

if TYPE_CHECKING:
    from analytics.judges.moved import Moved

ALPHA = 0.05
SPAN = ".."
EPOCH = dt.date(1970, 1, 1)

Dimension = Annotated[str, typer.Option("--dimension", help="Whose mean moved.")]
Before = Annotated[str, typer.Option("--from", help="A day, or first..last.")]
After = Annotated[str, typer.Option("--to", help="A later day, or first..last.")]
JudgeName = Annotated[Optional[str], typer.Option("--judge", help="Only this judge.")]
WarehouseFile = Annotated[
    Optional[Path], typer.Option("--warehouse", help="A published file (default: the data dir's).")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object with every figure.")]


def moved_command(
    *,
    dimension: Dimension,
    before: Before,
    after: After,
    judge: JudgeName = None,
    warehouse: WarehouseFile = None,
    as_json: AsJson = False,
    data_dir: Annotated[Optional[Path], setting("data_dir")] = None,
) -> None:
    r"""Split the change of a mean score: judge, system or traffic.

    The judge's part is read off the frozen anchors that both periods graded,
    the traffic's from the shares of surfaces, places and intents; the rest is
    the system. Days are those on which the scores were given. Two evaluator
    epochs without common anchors are not compared (exit code 5).

    Examples:
      listenback judges moved --dimension musicality \
        --from 2026-10-20 --to 2026-10-21
      listenback judges moved --dimension musicality --json \
        --from 2026-10-15..2026-10-18 --to 2026-10-22..2026-10-25
    """
    periods = (_days(before, "--from"), _days(after, "--to"))
    if periods[1][0] <= periods[0][1]:
        raise ConfigError("--to begins before --from is over.", where="--to")
    file = warehouse or load_settings(data_dir=data_dir).warehouse_file
    con = open_warehouse(file)
    try:
        check_warehouse(con, str(file))
        entries = chosen(
            read_ledger(con, alpha=ALPHA), judge=judge, dimension=dimension, epoch=None
        )
        traffic, anchors = read_traffic(con, dimension)
    finally:
        con.close()
    names = sorted({one.instrument.judge for one in entries})
    found = _splits(names, (traffic, anchors), periods, is_one_asked_for=judge is not None)
    if not found:
        raise UntrustworthyError(
            f"no judge scored '{dimension}' in both periods.", done="Nothing was compared."
        )
    if as_json:
        print_json({"dimension": dimension, "judges": {k: asdict(v) for k, v in found.items()}})
        return
    for name, one in found.items():
        _say(name, one)


def _splits(
    names: list[str],
    frames: tuple[pl.DataFrame, pl.DataFrame],
    periods: tuple[tuple[int, int], tuple[int, int]],
    *,
    is_one_asked_for: bool,
) -> dict[str, Moved]:
    """By judge; one without scores in a period is named and left out, unless it was asked for."""
    found = {}
    for name in names:
        traffic, anchors = (frame.filter(pl.col("judge_id") == name) for frame in frames)
        try:
            found[name] = moved(change_of(traffic, anchors, periods), alpha=ALPHA)
        except UntrustworthyError as error:
            if is_one_asked_for:
                raise
            print_error("Left out", f"{name}: {error}")
    return found


def _days(text: str, where: str) -> tuple[int, int]:
    """First and last day as days since 1970."""
    first, _, last = text.partition(SPAN)
    ends = (day(first, where) - EPOCH).days, (day(last or first, where) - EPOCH).days
    if ends[1] < ends[0]:
        raise ConfigError(f"'{text}' ends before it begins.", where=where)
    return ends


def _say(name: str, one: Moved) -> None:
    """A sentence, then the figures."""
    out.print(f"{name}: {sentence(one)}", markup=False)
    figures = [one.before, one.after, one.total, *one.parts, one.alarm.moved]
    print_columns([("figure", "value", "interval", "p", "n", "note"), *map(row, figures)])
    out.print("")


def sentence(one: Moved) -> str:
    """What moved, in words."""
    change = f"the mean moved by {number(one.total.value)} points"
    if one.cause == "none":
        told = "no part of it is certain"
    else:
        parts: dict[str, Any] = {"judge": one.judge, "system": one.system, "traffic": one.traffic}
        told = f"most of what is certain is the {one.cause} ({number(parts[one.cause].value)})"
    alarm = "; ALARM: the judge has left its anchors" if one.alarm.is_raised else ""
    return f"{change}; {told}{alarm}"
