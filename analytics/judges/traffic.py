"""What was scored when, and what kind of traffic it was; the frozen anchors apart from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analytics.judges.daysums import DAY_US

if TYPE_CHECKING:
    import polars as pl
    from duckdb import DuckDBPyConnection

_TRAFFIC = f"""
SELECT s.judge_id, s.evaluator_epoch, s.generation_id, s.event_time_us // {DAY_US} AS day,
    s.score_value AS score, 1 / coalesce(s.sampling_prob, 1) AS weight,
    coalesce(e.user_key, e.unit_id, g.generation_id) AS unit, coalesce(g.surface, '') AS surface,
    CASE WHEN g.position IS NULL THEN 'unknown' WHEN g.position = 0 THEN 'first'
        WHEN g.position < 3 THEN 'near the top' ELSE 'below' END AS place,
    coalesce(json_extract_string(g.taxonomy, '$.intent'), '') AS intent
FROM generation_score s JOIN generation g USING (generation_id)
JOIN exposure e ON e.generation_id = g.generation_id
    AND e.source = g.first_exposure_source AND e.event_id = g.first_exposure_id
WHERE s.dimension = $dimension AND s.score_value IS NOT NULL
    AND s.generation_id NOT IN (SELECT generation_id FROM judge_score
        WHERE coalesce(is_anchor, false) AND generation_id IS NOT NULL)
ORDER BY ALL
"""
_ANCHORS = f"""
SELECT judge_id, evaluator_epoch, generation_id, event_time_us // {DAY_US} AS day,
    score_value AS score
FROM judge_score
WHERE dimension = $dimension AND coalesce(is_anchor, false) AND score_value IS NOT NULL
ORDER BY ALL
"""


def read_traffic(con: DuckDBPyConnection, dimension: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(scored items, graded anchors) of a dimension, of every judge.

    Items: judge_id, evaluator_epoch, generation_id, day (of the score, since 1970), score, weight
    (1 / sampling probability), unit, surface, place, intent. Anchors: the first four and score.
    """
    asked = {"dimension": dimension}
    return con.sql(_TRAFFIC, params=asked).pl(), con.sql(_ANCHORS, params=asked).pl()
