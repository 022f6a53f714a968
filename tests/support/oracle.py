"""The slow, obvious oracle: everything recomputed with plain SQL over all facts of a warehouse.

Written apart from the engine: SQL over whole tables, no differences, no batches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from streams.events.measures import (
    ACTIVITY_NAMES,
    EXPOSURE_NAMES,
    FEEDBACK_ACTIONS,
    MEASURE_NAMES,
)
from streams.warehouse.layout import TABLES

if TYPE_CHECKING:
    import duckdb

FEEDBACK_COUNTS = ",\n".join(
    f"(action = '{action}')::BIGINT AS {column}" for action, column in FEEDBACK_ACTIONS.items()
)
ACTIVITY = """
CREATE OR REPLACE TEMP TABLE o_activity AS
SELECT shard, generation_id, user_key, event_time_us, record_time_us,
    coalesce(incognito, false) AS incognito,
    1 AS starts_n,
    CASE WHEN reason_end IN ('trackerror', 'unexpected_exit', 'unexpected_exit_while_paused')
        THEN 0 ELSE 1 END AS uncensored_n,
    ms_played,
    least(ms_played, 60000) AS first_60s_ms,
    CASE WHEN ms_played >= 30000 THEN 1 ELSE 0 END AS streams_30s_n,
    CASE WHEN reason_end IN ('fwdbtn', 'backbtn') THEN 1 ELSE 0 END AS skips_n,
    CASE WHEN reason_end IN ('fwdbtn', 'backbtn') AND ms_played < 30000
        THEN 1 ELSE 0 END AS early_skips_n,
    CASE WHEN reason_end IN ('fwdbtn', 'backbtn') AND ms_played < 5000
        THEN 1 ELSE 0 END AS skips_under_5s_n,
    CASE WHEN 2 * coalesce(ms_content_unique, ms_played) > track_duration_ms
        THEN 1 ELSE 0 END AS listen_plus_n,
    CASE WHEN reason_end = 'trackdone' THEN 1 ELSE 0 END AS completes_n,
    CASE WHEN coalesce(ms_content_unique, ms_played) > track_duration_ms
        THEN 1 ELSE 0 END AS repeats_n,
    CASE WHEN track_duration_ms IS NULL THEN 0 ELSE 1 END AS played_ratios_n,
    CASE WHEN track_duration_ms IS NULL THEN 0 ELSE
        least(coalesce(ms_content_unique, ms_played), track_duration_ms) * 1000000
        // track_duration_ms END AS played_ratio_ppm,
    CASE WHEN offline THEN 1 ELSE 0 END AS offline_n,
    CASE WHEN incognito THEN 1 ELSE 0 END AS incognito_n,
    CASE WHEN generation_id IS NULL OR is_organic THEN 1 ELSE 0 END AS organic_n,
    CASE WHEN generation_id IS NULL OR is_organic THEN ms_played ELSE 0 END AS organic_ms_played
FROM listen
"""
FEEDBACK = f"""
CREATE OR REPLACE TEMP TABLE o_feedback AS
SELECT shard, generation_id, user_key, event_time_us, record_time_us, false AS incognito,
    {FEEDBACK_COUNTS},
    (value IS NOT NULL)::BIGINT AS values_n,
    coalesce(round(value * 1000000)::BIGINT, 0) AS value_micro
FROM feedback
"""
ZEROED = "coalesce({name}, 0)::BIGINT AS {name}"
ALL_ACTIVITY = f"""
CREATE OR REPLACE TEMP TABLE o_all AS
SELECT row_number() OVER () AS n, shard, generation_id, user_key, event_time_us, record_time_us,
    incognito, {", ".join(ZEROED.format(name=name) for name in ACTIVITY_NAMES)}
FROM (FROM o_activity UNION ALL BY NAME FROM o_feedback)
"""
EXPOSURES = """
CREATE OR REPLACE TEMP TABLE o_exposure AS
SELECT shard, generation_id, user_key, experiment_id AS e0, variant_id AS v0,
    coalesce(experiment_id, '') AS experiment_id, coalesce(variant_id, '') AS variant_id,
    unit_type, unit_id, coalesce(surface, 'other') AS surface, event_time_us, record_time_us,
    source, event_id,
    1 AS exposures_n,
    CASE WHEN artist_consent = 'opted_in' THEN 1 ELSE 0 END AS opted_in_n,
    CASE WHEN gen_latency_ms IS NULL THEN 0 ELSE 1 END AS gen_latencies_n,
    coalesce(gen_latency_ms, 0) AS gen_latency_ms
FROM exposure
"""
FIRST = """
CREATE OR REPLACE TEMP TABLE o_first AS
SELECT * FROM o_exposure e WHERE NOT EXISTS (
    SELECT 1 FROM o_exposure x
    WHERE x.shard = e.shard AND x.generation_id = e.generation_id AND x.user_key = e.user_key
    AND x.experiment_id = e.experiment_id
    AND (x.event_time_us, x.source, x.event_id) < (e.event_time_us, e.source, e.event_id)
)
"""
JOINED = f"""
CREATE OR REPLACE TEMP TABLE o_joined AS
SELECT a.n, a.shard, f.experiment_id, f.variant_id, f.unit_type, f.unit_id, f.surface,
    'exposed' AS attribution, f.event_time_us AS exposed_at_us, a.event_time_us, a.record_time_us,
    a.incognito, {", ".join(f"a.{name}" for name in ACTIVITY_NAMES)}
FROM o_all a JOIN o_first f USING (shard, generation_id, user_key)
UNION ALL
SELECT a.n, a.shard, '', '', '', '', '',
    CASE WHEN a.generation_id IS NULL THEN 'organic' ELSE 'orphan' END,
    NULL, a.event_time_us, a.record_time_us,
    a.incognito, {", ".join(f"a.{name}" for name in ACTIVITY_NAMES)}
FROM o_all a WHERE NOT EXISTS (
    SELECT 1 FROM o_first f
    WHERE f.shard = a.shard AND f.generation_id = a.generation_id AND f.user_key = a.user_key
)
"""
NO_ACTIVITY = ", ".join(f"0 AS {name}" for name in ACTIVITY_NAMES)
NO_EXPOSURE = ", ".join(f"0 AS {name}" for name in EXPOSURE_NAMES)
MET = f"""shard, experiment_id, variant_id, surface, 'exposed' AS attribution,
    event_time_us AS at_us, record_time_us, {", ".join(EXPOSURE_NAMES)}, {NO_ACTIVITY}"""
BOTH = f"record_time_us, {NO_EXPOSURE}, {', '.join(ACTIVITY_NAMES)}"
ROWS = f"""
CREATE OR REPLACE TEMP TABLE o_rows AS
SELECT 'exposure' AS basis, {MET} FROM o_exposure
UNION ALL BY NAME
SELECT 'activity' AS basis, {MET} FROM o_exposure
UNION ALL BY NAME
SELECT 'activity' AS basis, shard, '' AS experiment_id, '' AS variant_id, '' AS surface,
    'all' AS attribution, event_time_us AS at_us, record_time_us,
    {", ".join(EXPOSURE_NAMES)}, {NO_ACTIVITY} FROM o_exposure
UNION ALL BY NAME
SELECT 'activity' AS basis, shard, '' AS experiment_id, '' AS variant_id, '' AS surface,
    'all' AS attribution, event_time_us AS at_us, {BOTH} FROM o_all
UNION ALL BY NAME
SELECT 'exposure' AS basis, shard, experiment_id, variant_id, surface, attribution,
    exposed_at_us AS at_us, {BOTH} FROM o_joined WHERE attribution = 'exposed'
UNION ALL BY NAME
SELECT 'activity' AS basis, shard, experiment_id, variant_id, surface, attribution,
    event_time_us AS at_us, {BOTH} FROM o_joined
"""
SUMS = ", ".join(f"sum({name})::BIGINT AS {name}" for name in MEASURE_NAMES)
WINDOWS = f"""
SELECT shard, basis, size_s, (at_us // (size_s * 1000000)) * size_s * 1000000 AS window_start_us,
    experiment_id, variant_id, surface, attribution, {SUMS},
    sum((record_time_us >= (at_us // (size_s * 1000000) + 1) * size_s * 1000000
        + (SELECT out_of_orderness_us FROM rules))::INT)::BIGINT AS revision
FROM o_rows, (SELECT unnest(window_sizes_s)::BIGINT AS size_s FROM rules)
GROUP BY ALL
HAVING {" OR ".join(f"sum({name}) <> 0" for name in (*MEASURE_NAMES,))} OR revision <> 0
"""
DAY = "make_date((event_time_us // 86400000000)::INTEGER)"
UNIT_DAYS = f"""
SELECT shard, experiment_id, variant_id, unit_type, unit_id, day, {SUMS} FROM (
    SELECT *, {NO_ACTIVITY}, {DAY} AS day FROM o_exposure WHERE experiment_id <> ''
    UNION ALL BY NAME
    SELECT *, {NO_EXPOSURE}, {DAY} AS day FROM o_joined
    WHERE experiment_id <> '' AND NOT incognito
    UNION ALL BY NAME
    SELECT shard, '' AS experiment_id, '' AS variant_id, 'user' AS unit_type,
        user_key AS unit_id, {DAY} AS day, {NO_EXPOSURE}, {", ".join(ACTIVITY_NAMES)}
    FROM o_all WHERE NOT incognito
) GROUP BY ALL
HAVING {" OR ".join(f"sum({name}) <> 0" for name in MEASURE_NAMES)}
"""
SCORES = """
SELECT shard, generation_id, dimension, evaluator_epoch,
    count(*) FILTER (error_type IS NULL AND score_value IS NOT NULL) AS scores_n,
    count(*) FILTER (error_type IS NOT NULL) AS errors_n,
    arg_max(score_value, (event_time_us, coalesce(repeat_idx, 0), source, event_id))
        FILTER (error_type IS NULL AND score_value IS NOT NULL) AS score_value
FROM judge_score WHERE score_value IS NOT NULL OR error_type IS NOT NULL GROUP BY ALL
"""
WINDOW_SCORES = """
WITH first AS (
    SELECT shard, generation_id, experiment_id, variant_id, surface, event_time_us FROM o_first
), scored AS (
    SELECT s.*, f.experiment_id, f.variant_id, f.surface, f.event_time_us AS exposed_at_us,
        s.score_value IS NOT NULL AS ok,
        CASE WHEN s.score_value IS NULL THEN 0 ELSE 1 / s.sampling_prob END AS weight
    FROM generation_score s JOIN first f USING (shard, generation_id)
)
SELECT shard, size_s, exposed_at_us // (size_s * 1000000) * size_s * 1000000 AS window_start_us,
    experiment_id, variant_id, surface, dimension, evaluator_epoch,
    sum(ok::INT)::BIGINT AS scored_n, sum((NOT ok)::INT)::BIGINT AS errored_n,
    sum(coalesce(round(score_value * 1000000), 0)::BIGINT)::BIGINT AS score_micro,
    sum(round(weight * 1000000)::BIGINT)::BIGINT AS weight_micro,
    sum(round(coalesce(score_value, 0) * weight * 1000000)::BIGINT)::BIGINT
        AS weighted_score_micro
FROM scored, (SELECT unnest(window_sizes_s)::BIGINT AS size_s FROM rules)
GROUP BY ALL
"""
GENERATIONS = f"""
SELECT shard, generation_id,
    min(CASE WHEN kind = 'e' THEN event_time_us END) AS first_exposure_us,
    min(CASE WHEN kind = 'a' THEN event_time_us END) AS first_activity_us,
    max(CASE WHEN kind = 'a' THEN event_time_us END) AS last_activity_us,
    {SUMS},
    sum(scores_n)::BIGINT AS scores_n, sum(score_errors_n)::BIGINT AS score_errors_n,
    sum(labels_n)::BIGINT AS labels_n
FROM (
    SELECT *, {NO_ACTIVITY}, 'e' AS kind, 0 AS scores_n, 0 AS score_errors_n, 0 AS labels_n
    FROM o_exposure
    UNION ALL BY NAME
    SELECT *, {NO_EXPOSURE}, 'a' AS kind, 0 AS scores_n, 0 AS score_errors_n, 0 AS labels_n
    FROM o_all WHERE generation_id IS NOT NULL
    UNION ALL BY NAME
    SELECT shard, generation_id, NULL AS event_time_us, {NO_ACTIVITY}, {NO_EXPOSURE}, 's' AS kind,
        (error_type IS NULL AND score_value IS NOT NULL)::INT AS scores_n,
        (error_type IS NOT NULL)::INT AS score_errors_n, 0 AS labels_n FROM judge_score
    WHERE score_value IS NOT NULL OR error_type IS NOT NULL
    UNION ALL BY NAME
    SELECT shard, generation_id, NULL AS event_time_us, {NO_ACTIVITY}, {NO_EXPOSURE}, 'l' AS kind,
        0 AS scores_n, 0 AS score_errors_n, 1 AS labels_n FROM human_label
) GROUP BY ALL
"""
STEPS = (ACTIVITY, FEEDBACK, ALL_ACTIVITY, EXPOSURES, FIRST, JOINED, ROWS)
EXPECTED = {
    "window_sum": WINDOWS,
    "unit_day_sum": UNIT_DAYS,
    "generation_score": SCORES,
    "window_score_sum": WINDOW_SCORES,
    "generation": GENERATIONS,
}
TOLERATED_MICRO = ("weight_micro", "weighted_score_micro")


def rows_of(table: str) -> str:
    """SQL for a relation's rows; of sums one a key, however many differences they lie in."""
    if table not in TABLES or not TABLES[table].counted:
        return f"(SELECT * FROM {table})"
    key = ", ".join(TABLES[table].key)
    sums = ", ".join(f"sum({name})::BIGINT AS {name}" for name in TABLES[table].counted)
    some = " OR ".join(f"sum({name}) <> 0" for name in TABLES[table].counted)
    return f"(SELECT {key}, {sums} FROM {table} GROUP BY {key} HAVING {some})"


def differences(con: duckdb.DuckDBPyConnection) -> dict[str, pl.DataFrame]:
    """Per derived table the rows on which the warehouse and the oracle differ; empty: equal."""
    for step in STEPS:
        con.execute(step)
    found = {}
    for table, sql in EXPECTED.items():
        expected = con.sql(sql).pl()
        names = expected.columns
        stored = con.sql(f"SELECT {', '.join(names)} FROM {rows_of(table)}").pl()
        expected = expected.cast(dict(stored.schema))
        only_stored = stored.join(expected, on=names, how="anti", nulls_equal=True)
        only_expected = expected.join(stored, on=names, how="anti", nulls_equal=True)
        wrong = pl.concat(
            [
                only_stored.with_columns(side=pl.lit("stored")),
                only_expected.with_columns(side=pl.lit("oracle")),
            ]
        )
        if wrong.height or stored.height != expected.height:
            found[table] = wrong
    return found
