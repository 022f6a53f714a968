"""Items that people rated or judges scored, and where they were first met.

Labels are few, so they are read whole each night; what listeners did is in daysums.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from analytics.judges.daysums import DAY_US

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from analytics.judges.identity import Instrument

_RATINGS = """
SELECT generation_id, dimension, rater_key AS rater, score_value AS value, score_min AS low,
    score_max AS high
FROM human_label WHERE score_value IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY generation_id, dimension, rater_key
    ORDER BY event_time_us DESC, source, event_id) = 1
ORDER BY generation_id, dimension, event_time_us, source, event_id
"""
_PREFERENCES = """
SELECT generation_id AS a, other_generation_id AS b, dimension, rater_key AS rater,
    CASE preference WHEN 'A' THEN 1.0 WHEN 'B' THEN -1.0 ELSE 0.0 END AS human,
    CASE presented_order WHEN 'AB' THEN 1.0 WHEN 'BA' THEN -1.0 END AS first_shown
FROM human_label WHERE preference IN ('A', 'B', 'TIE', 'BOTH_BAD')
    AND other_generation_id IS NOT NULL
ORDER BY ALL
"""
_MET = f"""
SELECT g.generation_id, g.first_exposure_us // {DAY_US} AS day,
    coalesce(e.user_key, e.unit_id, g.generation_id) AS unit, coalesce(e.surface, '') AS surface,
    coalesce(e.experiment_id, '') AS experiment_id, coalesce(e.variant_id, '') AS variant_id,
    coalesce(g.model_id, '') AS model, g.position AS place,
    (g.starts_n - g.early_skips_n) / nullif(g.starts_n, 0) AS kept,
    (g.saves_n > g.unsaves_n)::DOUBLE AS saved
FROM generation g JOIN exposure e ON e.generation_id = g.generation_id
    AND e.source = g.first_exposure_source AND e.event_id = g.first_exposure_id
ORDER BY g.generation_id
"""
_SCORES = """
SELECT s.generation_id, s.judge_id, s.dimension, s.evaluator_epoch, s.score_value AS score,
    s.score_min AS low, s.score_max AS high, 1 / coalesce(s.sampling_prob, 1) AS weight
FROM generation_score s WHERE s.score_value IS NOT NULL ORDER BY ALL
"""
_ANCHORS = """
SELECT generation_id, judge_id, dimension, evaluator_epoch, event_time_us, score_value AS score
FROM judge_score WHERE coalesce(is_anchor, false) AND score_value IS NOT NULL ORDER BY ALL
"""
NAMES = ("judge_id", "dimension", "evaluator_epoch")


@dataclass(frozen=True, eq=False)
class Rated:
    """Everything that people, judges and first exposures say of items; one frame each."""

    met: pl.DataFrame
    ratings: pl.DataFrame
    preferences: pl.DataFrame
    scores: pl.DataFrame
    anchors: pl.DataFrame

    def of(self, instrument: Instrument) -> pl.DataFrame:
        """This instrument's scores: generation_id, score, low, high, weight."""
        return _only(self.scores, instrument)

    def anchors_of(self, instrument: Instrument) -> pl.DataFrame:
        """Its scores of the frozen reference items, over time."""
        return _only(self.anchors, instrument)

    def items_scored_by(self, instrument: Instrument) -> pl.DataFrame:
        """Each item, anchors too, with the mean of the instrument's valid scores of it."""
        parts = [
            part.select("generation_id", "score")
            for part in (self.of(instrument), self.anchors_of(instrument))
        ]
        return pl.concat(parts).group_by("generation_id").agg(pl.col("score").mean())


def _only(frame: pl.DataFrame, instrument: Instrument) -> pl.DataFrame:
    values = (instrument.judge, instrument.dimension, instrument.epoch)
    return frame.filter(
        *(pl.col(name) == value for name, value in zip(NAMES, values, strict=True))
    ).drop(NAMES)


def read_rated(con: DuckDBPyConnection) -> Rated:
    """Labels, scores and where each item was first met."""
    frames = [con.sql(sql).pl() for sql in (_MET, _RATINGS, _PREFERENCES, _SCORES, _ANCHORS)]
    return Rated(*frames)


def items_of(rated: Rated, instrument: Instrument, *, surface: str) -> pl.DataFrame:
    """Items of a surface from the days on which the instrument scored, scored or rated.

    Columns: generation_id, unit, experiment_id, variant_id, model, place, kept, saved, score,
    weight (null where not scored), first, second, rating (the mean; null where nobody rated).
    """
    scores = rated.of(instrument).select("generation_id", "score", "weight")
    met = rated.met.filter(pl.col("surface") == surface)
    days = met.join(scores, on="generation_id", how="semi")["day"]
    if days.is_empty():
        return _empty(met, scores)
    ratings = rated.ratings.filter(pl.col("dimension") == instrument.dimension)
    by_item = ratings.group_by("generation_id", maintain_order=True).agg(
        first=pl.col("value").first(),
        second=pl.col("value").get(1, null_on_oob=True),
        rating=pl.col("value").mean(),
    )
    near = met.filter(pl.col("day").is_between(days.min(), days.max()))
    joined = near.join(scores, on="generation_id", how="left").join(
        by_item, on="generation_id", how="left"
    )
    return joined.filter(pl.col("score").is_not_null() | pl.col("rating").is_not_null()).sort(
        "generation_id"
    )


def _empty(met: pl.DataFrame, scores: pl.DataFrame) -> pl.DataFrame:
    none = pl.lit(None, dtype=pl.Float64)
    both = met.clear().join(scores.clear(), on="generation_id", how="left")
    return both.with_columns(first=none, second=none, rating=none)
