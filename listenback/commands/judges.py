"""`listenback judges`: which judges there are, and what plain files of ratings say of any judge."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from analytics.judges.identity import bridge
from analytics.judges.ledger import chosen, read_ledger
from analytics.judges.rated import read_rated
from analytics.read import check_warehouse
from listenback.commands import (
    judge_arms,
    judge_budget,
    judge_fused,
    judge_moved,
    judge_outcomes,
    judge_pairs,
    judge_ratings,
)
from listenback.console import out, print_columns, print_json
from listenback.figures import number
from listenback.lazy import CONTEXT_SETTINGS
from listenback.options import setting
from streams.errors import ConfigError, IntegrityError
from streams.settings import load_settings
from streams.warehouse.reading import open_warehouse

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from analytics.judges.identity import Bridge
    from analytics.judges.ledger import Entry
    from analytics.judges.rated import Rated

WarehouseFile = Annotated[
    Optional[Path], typer.Option("--warehouse", help="A published file (default: the data dir's).")
]
DataDir = Annotated[Optional[Path], setting("data_dir")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object with every figure.")]

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings=CONTEXT_SETTINGS,
    help="""Measure judges on plain files of ratings, or list those in the warehouse.

    Every number has an interval, its n and its method; what the data cannot
    carry is said in words, and where nothing can be said the exit code is 4.
    docs/judges.md explains each figure.

    Examples:
      listenback judges agreement l.csv --item item --rater rater --value stars
      listenback judges outcome tracks.parquet --score score --outcome listens
      listenback judges pairwise v.csv --preference p --score-a a --score-b b
    """,
)
app.command("agreement")(judge_ratings.agreement)
app.command("outcome")(judge_outcomes.outcome)
app.command("bias")(judge_outcomes.bias)
app.command("pairwise")(judge_pairs.pairwise)
app.command("orders")(judge_pairs.orders)
app.command("compare")(judge_arms.compare)
app.command("ppi")(judge_arms.ppi)
app.command("fused")(judge_fused.fused)
app.command("budget")(judge_budget.budget)
app.command("moved")(judge_moved.moved_command)


def _open(warehouse: Path | None, data_dir: Path | None) -> DuckDBPyConnection:
    file = warehouse or load_settings(data_dir=data_dir).warehouse_file
    con = open_warehouse(file)
    check_warehouse(con, str(file))
    return con


@app.command("list")
def list_judges(
    *,
    judge: Annotated[Optional[str], typer.Option("--judge", help="Only this judge.")] = None,
    dimension: Annotated[Optional[str], typer.Option("--dimension", help="Only this one.")] = None,
    warehouse: WarehouseFile = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List judges, dimensions and epochs: coverage, lag, errors, cost.

    Coverage: share of the generations first met while it scored that have a
    score. Lag: from first exposure to score, median and 95th percentile.

    Examples:
      listenback judges list
      listenback judges list --judge aria --json
    """
    con = _open(warehouse, data_dir)
    try:
        found = chosen(read_ledger(con, alpha=0.05), judge=judge, dimension=dimension, epoch=None)
    finally:
        con.close()
    if as_json:
        print_json({"judges": [asdict(one) for one in found]})
        return
    if not found:
        out.print("No judge has scored anything yet.", markup=False)
        return
    head = ("judge", "dimension", "epoch", "model", "days", "scores", "coverage", "errors")
    print_columns([(*head, "lag p50, p95", "USD per 1,000"), *(_line(one) for one in found)])


def _line(one: Entry) -> tuple[str, ...]:
    lag = " ".join(f"{part:,.0f}s" if part is not None else "-" for part in one.lag_s)
    shares = [
        f"{part.value:.1%}" if part.value is not None else "-"
        for part in (one.coverage, one.errors)
    ]
    return (
        *(one.instrument.judge, one.instrument.dimension, one.instrument.epoch[:8]),
        *(one.model or "-", f"{one.first_day} to {one.last_day}", f"{one.scores:,}"),
        *(*shares, lag, number(one.cost_per_1k_usd) if one.cost_per_1k_usd is not None else "-"),
    )


@app.command()
def epochs(
    first: Annotated[str, typer.Argument(help="Epoch, or its first digits.")],
    second: Annotated[str, typer.Argument(help="The other epoch.")],
    *,
    judge: Annotated[str, typer.Option("--judge", help="The judge.")],
    dimension: Annotated[Optional[str], typer.Option("--dimension", help="Only this one.")] = None,
    over_bridge: Annotated[
        bool, typer.Option("--bridge", help="Compare over the items that both scored.")
    ] = False,
    warehouse: WarehouseFile = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Compare two evaluator epochs of a judge: only over a bridge.

    Another rubric, prompt or model is another instrument. Without --bridge
    this is refused (exit code 5); with it, the shift is measured on the items
    that both scored, such as the frozen anchors.

    Examples:
      listenback judges epochs 0525 4496 --judge aria --bridge
    """
    con = _open(warehouse, data_dir)
    try:
        entries = read_ledger(con, alpha=0.05)
        sides = [_one(entries, judge, dimension, part) for part in (first, second)]
        if not over_bridge:
            raise IntegrityError(
                f"{sides[0].instrument.words} and {sides[1].instrument.words} are two instruments.",
                where="judges epochs",
                done="Nothing was compared.",
                todo="With --bridge the items that both scored are compared.",
            )
        rated = read_rated(con)
    finally:
        con.close()
    found = _bridge(rated, sides)
    if as_json:
        print_json(asdict(found))
        return
    shift = found.shift
    span = f"{number(shift.low)} to {number(shift.high)}" if shift.known else shift.reason
    out.print(
        f"the second epoch gives the {shift.n} items that both scored {number(shift.value)} points"
        f" more ({span})",
        markup=False,
    )


def _bridge(rated: Rated, sides: list[Entry]) -> Bridge:
    """The shift over the items, anchors too, that both epochs scored."""
    frames = [
        rated.items_scored_by(one.instrument).rename({"score": name})
        for one, name in zip(sides, ("first", "second"), strict=True)
    ]
    both = frames[0].join(frames[1], on="generation_id")
    pairs = (both["first"].to_numpy(), both["second"].to_numpy())
    return bridge(sides[0].instrument.epoch, sides[1].instrument.epoch, pairs, alpha=0.05)


def _one(entries: tuple[Entry, ...], judge: str, dimension: str | None, epoch: str) -> Entry:
    found = chosen(entries, judge=judge, dimension=dimension, epoch=epoch)
    if len(found) != 1:
        known = ", ".join(one.instrument.words for one in found)
        raise ConfigError(
            f"'{epoch}' names {len(found)} instruments ({known}).",
            where="judges epochs",
            todo="Give more digits, or --dimension.",
        )
    return found[0]
