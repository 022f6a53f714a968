"""The judge's budget from a warehouse: what waits, what its like told before, what is drawn."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from analytics.judges.budget import KINDS, History, design, drawn
from analytics.judges.daysums import DAY_US
from analytics.judges.figure import finite
from analytics.stats.checks import floats
from streams.errors import UntrustworthyError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from analytics.judges.identity import Instrument

CELL: Final = ("surface", "variant", "listeners", "is_rated")
HISTORY_MIN: Final = 30
"""Scored items below which there is nothing to design by."""
_ITEMS = f"""
WITH score AS (
    SELECT generation_id, score_value AS score, 1 / coalesce(sampling_prob, 1) AS weight,
        true AS is_tried
    FROM generation_score
    WHERE judge_id = $judge AND dimension = $dimension AND evaluator_epoch = $epoch
), rating AS (
    SELECT generation_id, avg(score_value) AS rating FROM human_label
    WHERE dimension = $dimension AND score_value IS NOT NULL GROUP BY generation_id
)
SELECT g.generation_id, g.first_exposure_us // {DAY_US} AS day, coalesce(e.surface, '') AS surface,
    coalesce(e.experiment_id || ':' || e.variant_id, '') AS variant,
    CASE WHEN coalesce(g.starts_n, 0) = 0 THEN 'not played'
        WHEN g.saves_n > g.unsaves_n THEN 'saved'
        WHEN 2 * g.early_skips_n >= g.starts_n THEN 'skipped' ELSE 'kept' END AS listeners,
    r.rating IS NOT NULL AS is_rated, r.rating, s.score, s.weight,
    (g.starts_n - g.early_skips_n) / nullif(g.starts_n, 0) AS kept,
    coalesce(s.is_tried, false) AS is_tried
FROM generation g JOIN exposure e ON e.generation_id = g.generation_id
    AND e.source = g.first_exposure_source AND e.event_id = g.first_exposure_id
LEFT JOIN score s ON s.generation_id = g.generation_id
LEFT JOIN rating r ON r.generation_id = g.generation_id
ORDER BY g.generation_id
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """days: items first met on so many last days with any item are candidates."""

    instrument: Instrument
    cap_usd: float
    days: int
    cost_usd: float


@dataclass(frozen=True, eq=False, slots=True)
class Spending:
    """drawn: generation_id, sampling_prob, sampling_reason. cells: CELL, items, probability, cost.

    width: per kind of estimate, expected width as a share of that of uniform sampling; None where
    the history does not carry it.
    """

    asked: Asked
    drawn: pl.DataFrame
    cells: pl.DataFrame
    waiting: int
    scored_before: int
    uniform: float
    width: dict[str, float | None]
    expected_usd: float

    @property
    def drawn_usd(self) -> float:
        """What the items drawn will cost."""
        return self.drawn.height * self.asked.cost_usd


def plan_spending(con: DuckDBPyConnection, asked: Asked, *, seed: int) -> Spending:
    """What to score next. Raises UntrustworthyError where nothing waits or little was scored."""
    one = asked.instrument
    names = {"judge": one.judge, "dimension": one.dimension, "epoch": one.epoch}
    items = con.sql(_ITEMS, params=names).pl()
    last = items["day"].max()
    waiting = items.filter(
        ~pl.col("is_tried"), pl.col("day") > pl.lit(last, dtype=pl.Int64) - asked.days
    )
    if waiting.is_empty():
        raise UntrustworthyError(
            f"no item of the last {asked.days} days waits for a score.", where="judges budget"
        )
    before = items.filter(pl.col("score").is_not_null())
    if before.height < HISTORY_MIN:
        raise UntrustworthyError(
            f"{one.words} has scored {before.height} items; {HISTORY_MIN} are needed to design by.",
            where="judges budget",
            todo="Draw the first items at random and log the probability.",
        )
    return _planned(asked, waiting, before, seed=seed)


def _planned(asked: Asked, waiting: pl.DataFrame, before: pl.DataFrame, *, seed: int) -> Spending:
    cells = (
        pl.concat([waiting.select(CELL), before.select(CELL)])
        .unique()
        .sort(CELL)
        .with_row_index("cell")
        .with_columns(pl.col("cell").cast(pl.Int64))
    )
    of = {
        name: frame.join(cells, on=CELL, maintain_order="left")["cell"].to_numpy()
        for name, frame in (("waiting", waiting), ("before", before))
    }
    n = floats(np.bincount(of["waiting"], minlength=cells.height))
    cost = np.full(cells.height, asked.cost_usd)
    made = design(_history(before, of["before"]), n, cost, asked.cap_usd)
    p = made.probability[of["waiting"]]
    chosen = drawn(p, np.full(len(p), asked.cost_usd), _rng(asked.instrument, seed))
    told = waiting.select("generation_id").with_columns(
        sampling_prob=pl.Series(p, dtype=pl.Float64), sampling_reason=pl.lit("active")
    )
    table = cells.drop("cell").with_columns(
        items=pl.Series(n).cast(pl.Int64),
        probability=pl.Series(made.probability),
        cost=pl.Series(cost),
    )
    return Spending(
        asked,
        told[chosen],
        table.filter(pl.col("items") > 0),
        waiting.height,
        before.height,
        made.uniform,
        {kind: finite(width) for kind, width in zip(KINDS, made.width, strict=True)},
        float(made.probability @ (n * cost)),
    )


def _history(before: pl.DataFrame, cell: np.ndarray) -> History:
    arm = pl.concat_str("surface", "variant", separator="\x1f").rank("dense").cast(pl.Int64) - 1
    return History(
        floats(before["score"].to_numpy()),
        floats(before["weight"].to_numpy()),
        before.select(arm.alias("arm"))["arm"].to_numpy(),
        cell,
        floats(before["kept"].fill_null(np.nan).to_numpy()),
        floats(before["rating"].fill_null(np.nan).to_numpy()),
    )


def _rng(one: Instrument, seed: int) -> np.random.Generator:
    """The same instrument and seed draw the same."""
    named = f"{one.judge}\x1f{one.dimension}\x1f{one.epoch}\x1f{seed}"
    return np.random.default_rng(int.from_bytes(hashlib.sha256(named.encode()).digest()[:8]))
