"""`listenback judges budget`: which items to score next."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from analytics.judges.budget import KINDS
from analytics.judges.ledger import chosen, read_ledger
from analytics.judges.spending import Asked, Spending, plan_spending
from analytics.read import check_warehouse
from listenback.console import out, print_columns, print_json
from listenback.figures import number
from listenback.options import setting
from streams.errors import ConfigError
from streams.settings import load_settings
from streams.warehouse.reading import open_warehouse

if TYPE_CHECKING:
    from analytics.judges.ledger import Entry

SHORT = 8

Cap = Annotated[float, typer.Option("--cap", help="What scoring may cost, US dollars.")]
JudgeName = Annotated[str, typer.Option("--judge", help="The judge.")]
Dimension = Annotated[Optional[str], typer.Option("--dimension", help="Only this dimension.")]
EpochStart = Annotated[
    Optional[str], typer.Option("--epoch", help="The epoch that begins so (default: the newest).")
]
Days = Annotated[
    int, typer.Option("--days", help="Items first met on so many last days are candidates.")
]
CostPerScore = Annotated[
    Optional[float],
    typer.Option("--cost-per-score", help="US dollars (default: what its scores have cost)."),
]
Seed = Annotated[int, typer.Option("--seed", help="Of the draw; the same seed draws the same.")]
OutFile = Annotated[
    Optional[Path],
    typer.Option("--out", "-o", help="JSON lines: generation_id and sampling_prob to log."),
]
WarehouseFile = Annotated[
    Optional[Path], typer.Option("--warehouse", help="A published file (default: the data dir's).")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object with every cell.")]


def budget(
    *,
    judge: JudgeName,
    cap: Cap,
    dimension: Dimension = None,
    epoch: EpochStart = None,
    days: Days = 1,
    cost_per_score: CostPerScore = None,
    seed: Seed = 0,
    out_file: OutFile = None,
    warehouse: WarehouseFile = None,
    as_json: AsJson = False,
    data_dir: Annotated[Optional[Path], setting("data_dir")] = None,
) -> None:
    r"""Choose which items a judge scores next, under a cost cap.

    Items whose like moved the trust intervals most are drawn oftener: rated,
    skipped, of variants and surfaces on which scores spread. Each item drawn
    comes with the probability to log as sampling_prob, with sampling_reason
    active, so that every estimate stays unbiased.

    Examples:
      listenback judges budget --judge aria --cap 5 \
        --cost-per-score 0.01 --out tomorrow.jsonl
      listenback judges budget --judge aria --cap 5 \
        --cost-per-score 0.01 --days 7 --json
    """
    if days < 1:
        raise ConfigError(f"--days is {days}; it is at least 1.", where="--days")
    file = warehouse or load_settings(data_dir=data_dir).warehouse_file
    con = open_warehouse(file)
    try:
        check_warehouse(con, str(file))
        entries = chosen(
            read_ledger(con, alpha=0.05), judge=judge, dimension=dimension, epoch=epoch
        )
        entry = _newest(entries)
        asked = Asked(entry.instrument, cap, days, _cost(entry, cost_per_score))
        made = plan_spending(con, asked, seed=seed)
    finally:
        con.close()
    if out_file is not None:
        made.drawn.write_ndjson(out_file)
    if as_json:
        print_json(_as_dict(made))
    else:
        _say(made, out_file)


def _newest(entries: tuple[Entry, ...]) -> Entry:
    """The instrument that scored last; ConfigError where several dimensions are meant."""
    known = sorted({one.instrument.dimension for one in entries})
    if len(known) != 1:
        raise ConfigError(
            f"this names {len(known)} dimensions ({', '.join(known)}).",
            where="--dimension",
            todo="Name one: a score is of one dimension.",
        )
    return max(entries, key=lambda one: (one.last_day, one.first_day, one.instrument.epoch))


def _cost(entry: Entry, given: float | None) -> float:
    """US dollars a score."""
    if given is not None:
        return given
    if entry.cost_per_1k_usd is None:
        raise ConfigError(
            "its scores do not say what they cost.",
            where="--cost-per-score",
            todo="Give --cost-per-score, or let scores carry cost_usd.",
        )
    return entry.cost_per_1k_usd / 1_000


def _as_dict(made: Spending) -> dict[str, Any]:
    return {
        "judge": made.asked.instrument.judge,
        "dimension": made.asked.instrument.dimension,
        "evaluator_epoch": made.asked.instrument.epoch,
        "cap_usd": made.asked.cap_usd,
        "expected_usd": made.expected_usd,
        "drawn_usd": made.drawn_usd,
        "items": made.waiting,
        "drawn": made.drawn.height,
        "scored_before": made.scored_before,
        "uniform_probability": made.uniform,
        "width_vs_uniform": made.width,
        "cells": json.loads(made.cells.write_json()),
    }


def _say(made: Spending, out_file: Path | None) -> None:
    """What is drawn and what it brings, in words."""
    one = made.asked.instrument
    where = f", in {out_file}" if out_file else " (name a file with --out to keep them)"
    out.print(
        f"{one.words}: {made.drawn.height:,} of {made.waiting:,} items, {made.drawn_usd:.2f} USD"
        f" of at most {made.asked.cap_usd:.2f}{where}",
        markup=False,
    )
    for kind in KINDS:
        width = made.width[kind]
        told = (
            "the history does not carry it"
            if width is None
            else f"expected width {width:.0%} of that of uniform sampling at this cost"
        )
        out.print(f"{kind}: {told}", markup=False)
    head = ("surface", "variant", "listeners", "rated", "items", "probability", "cost")
    rows = [
        (
            *(surface or "-", variant or "-", did, "yes" if is_rated else "no"),
            *(f"{n:,}", number(p), number(cost)),
        )
        for surface, variant, did, is_rated, n, p, cost in made.cells.iter_rows()
    ]
    print_columns([head, *rows])
