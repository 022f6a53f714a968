"""What judges say of the variants: one mean per variant, dimension and evaluator epoch.

Epochs are never averaged: another rubric, prompt or model is another instrument. An error is a
missing score, counted. Graded generations were drawn with known probabilities, so each score
weighs 1 / probability (Hajek 1971); generations of one unit hang together, so the unit is the
cluster.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from analytics.results import Estimate, JudgeArm, JudgeView, finite
from analytics.stats.means import mean_interval, welch_interval
from analytics.stats.moments import Marginal, Moments
from analytics.stats.ratios import ratio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

SCORED_UNITS_MIN = 2
_SCORES = """
WITH met AS (
    SELECT e.experiment_id, u.variant_id, e.generation_id, e.unit_type, e.unit_id
    FROM exposure e JOIN {units} u
        ON u.experiment_id = e.experiment_id AND u.unit_type = e.unit_type
        AND u.unit_id = e.unit_id AND NOT u.is_multiple
    WHERE e.experiment_id <> ''
    QUALIFY row_number() OVER (PARTITION BY e.experiment_id, e.generation_id
        ORDER BY e.event_time_us, e.source, e.event_id) = 1
)
SELECT m.experiment_id, m.variant_id, s.judge_id, s.dimension, s.evaluator_epoch,
    m.unit_type || ':' || m.unit_id AS unit, s.score_value, 1 / s.sampling_prob AS weight,
    s.errors_n
FROM met m JOIN generation_score s USING (generation_id)
ORDER BY ALL
"""
_INSTRUMENTS = """
SELECT judge_id, dimension, evaluator_epoch,
    coalesce(arg_max(judge_model_resolved, event_time_us), arg_max(judge_model, event_time_us), ''),
    coalesce(arg_max(higher_is_better, event_time_us), true)
FROM judge_score GROUP BY ALL
"""
KEY = ("experiment_id", "judge_id", "dimension", "evaluator_epoch", "variant_id")


@dataclass(frozen=True, slots=True)
class Instrument:
    """A judge in one epoch and dimension: the model that answered, the direction of the scale."""

    model: str
    higher_is_better: bool


@dataclass(frozen=True, eq=False, slots=True)
class ScoredArm:
    """One variant under one instrument: what leaves, and the Hajek mean's marginal over units."""

    arm: JudgeArm
    marginal: Marginal


def read_instruments(con: DuckDBPyConnection) -> dict[tuple[str, str, str], Instrument]:
    """By judge, dimension and epoch."""
    return {tuple(row[:3]): Instrument(row[3], row[4]) for row in con.sql(_INSTRUMENTS).fetchall()}


def read_scores(
    con: DuckDBPyConnection, *, units: str, alpha: float
) -> dict[str, dict[tuple[str, str, str], dict[str, ScoredArm]]]:
    """By experiment; then judge, dimension and epoch; then variant: its Hajek mean.

    units: the folded table; a generation counts once, for the unit that met it first.
    """
    rows = con.sql(_SCORES.format(units=units)).pl()
    found: dict[str, dict[tuple[str, str, str], dict[str, ScoredArm]]] = {}
    for key, part in rows.partition_by(KEY, as_dict=True).items():
        experiment, judge, dimension, epoch, variant = (str(word) for word in key)
        instruments = found.setdefault(experiment, {})
        arms = instruments.setdefault((judge, dimension, epoch), {})
        arms[variant] = _scored(variant, part, alpha=alpha)
    return found


def judge_views(
    arms: dict[tuple[str, str, str], dict[str, ScoredArm]],
    instruments: dict[tuple[str, str, str], Instrument],
    *,
    pair: tuple[str, str],
    alpha: float,
) -> tuple[JudgeView, ...]:
    """Each instrument's view of one experiment's (control, treatment), in a fixed order."""
    views = []
    for key in sorted(arms):
        if not arms[key].keys() & set(pair):
            continue
        judge, dimension, epoch = key
        instrument = instruments.get(key, Instrument(model="", higher_is_better=True))
        sides = [arms[key].get(variant, _nothing(variant)) for variant in pair]
        difference = _difference(sides, alpha=alpha)
        views.append(
            JudgeView(
                judge,
                dimension,
                epoch,
                instrument.model,
                instrument.higher_is_better,
                sides[0].arm,
                sides[1].arm,
                difference,
                _preferred(difference, instrument, pair),
                "",
            )
        )
    return tuple(views)


def _scored(variant: str, part: pl.DataFrame, *, alpha: float) -> ScoredArm:
    """The weighted mean as a ratio over units: sum of weight * score over sum of weights."""
    valid = part.filter(pl.col("score_value").is_not_null())
    by_unit = valid.group_by("unit", maintain_order=True).agg(
        (pl.col("weight") * pl.col("score_value")).sum().alias("scores"), pl.col("weight").sum()
    )
    marginal = ratio(Moments.of(by_unit.select("scores", "weight").to_numpy()))
    interval = mean_interval(marginal, alpha=alpha)
    arm = JudgeArm(
        variant,
        units=len(by_unit),
        scored=len(valid),
        errors=int(part["errors_n"].sum()),
        mean=finite(marginal.mean) if len(by_unit) >= SCORED_UNITS_MIN else None,
        low=finite(interval.low),
        high=finite(interval.high),
    )
    return ScoredArm(arm, marginal)


def _nothing(variant: str) -> ScoredArm:
    empty = Marginal(np.zeros(()), np.asarray(np.nan), np.zeros(()))
    return ScoredArm(JudgeArm(variant, 0, 0, 0, None, None, None), empty)


def _difference(sides: Sequence[ScoredArm], *, alpha: float) -> Estimate | None:
    interval = welch_interval(sides[0].marginal, sides[1].marginal, alpha=alpha)
    if not bool(interval.enough):
        return None
    return Estimate(
        "Hajek means, units as clusters, Welch t",
        finite(interval.estimate),
        finite(interval.low),
        finite(interval.high),
        finite(interval.se),
        finite(interval.p),
        1 - alpha,
    )


def _preferred(difference: Estimate | None, instrument: Instrument, pair: tuple[str, str]) -> str:
    """The variant that the judge clearly prefers, or ''."""
    if difference is None or difference.low is None or difference.high is None:
        return ""
    if difference.low <= 0 <= difference.high:
        return ""
    return pair[int((difference.low > 0) == instrument.higher_is_better)]
