"""Judges beside people: of the pairs that a person decided, how often the judge scored alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analytics.results import Agreement, finite
from analytics.stats.proportions import Counts, wilson_limits

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from analytics.scores import Instrument

PAIRS_MIN = 30
"""Fewer decided pairs carry no statement."""
PAIRS = """\
WITH pair AS (
    SELECT dimension AS label_dimension, generation_id AS a, other_generation_id AS b,
        preference = 'A' AS prefers_a
    FROM human_label
    WHERE preference IN ('A', 'B') AND other_generation_id IS NOT NULL
), instrument AS (
    SELECT DISTINCT judge_id, dimension, evaluator_epoch FROM generation_score
), seen AS (
    SELECT i.judge_id, i.dimension, i.evaluator_epoch, p.label_dimension, p.prefers_a,
        x.score_value AS score_a, y.score_value AS score_b,
        coalesce(x.generation_id, y.generation_id) IS NOT NULL AS known
    FROM pair p CROSS JOIN instrument i
    LEFT JOIN generation_score x ON x.generation_id = p.a AND x.dimension = i.dimension
        AND x.evaluator_epoch = i.evaluator_epoch AND x.judge_id = i.judge_id
    LEFT JOIN generation_score y ON y.generation_id = p.b AND y.dimension = i.dimension
        AND y.evaluator_epoch = i.evaluator_epoch AND y.judge_id = i.judge_id
)
SELECT judge_id, dimension, label_dimension, evaluator_epoch,
    count(*) FILTER (score_a <> score_b AND (score_a > score_b) = prefers_a) AS higher_agreed,
    count(*) FILTER (score_a <> score_b) AS decided,
    count(*) FILTER (score_a = score_b) AS ties,
    count(*) FILTER (score_a IS NULL OR score_b IS NULL) AS unscored
FROM seen GROUP BY ALL HAVING bool_or(known) ORDER BY ALL"""


def read_agreement(
    con: DuckDBPyConnection,
    instruments: dict[tuple[str, str, str], Instrument],
    *,
    alpha: float,
) -> tuple[Agreement, ...]:
    """Per judge, dimension, epoch and label dimension; Wilson intervals over pairs.

    Ties of people (TIE, BOTH_BAD) decide nothing and are left out; ties of the judge are counted
    beside. Pairs count as independent, also where one person made several.
    """
    rows = con.sql(PAIRS).fetchall()
    return tuple(_agreement(row, instruments, alpha=alpha) for row in rows)


def _agreement(
    row: tuple[str, str, str, str, int, int, int, int],
    instruments: dict[tuple[str, str, str], Instrument],
    *,
    alpha: float,
) -> Agreement:
    judge, dimension, label_dimension, epoch, higher, decided, ties, unscored = row
    instrument = instruments.get((judge, dimension, epoch))
    agreed = higher if instrument is None or instrument.higher_is_better else decided - higher
    low, high = wilson_limits(Counts.of(np.asarray(agreed), np.asarray(decided)), alpha=alpha)
    return Agreement(
        judge,
        dimension,
        label_dimension,
        epoch,
        instrument.model if instrument else "",
        agreed,
        decided,
        agreed / decided if decided else None,
        finite(low),
        finite(high),
        ties,
        unscored,
        _standing(decided, finite(low), finite(high)),
    )


def _standing(decided: int, low: float | None, high: float | None) -> str:
    """Against a coin's half."""
    if decided < PAIRS_MIN or low is None or high is None:
        return "not enough data"
    if low > 0.5:
        return "better than a coin"
    return "worse than a coin" if high < 0.5 else "no better than a coin"
