"""The views that readers use: sums over shards, times as timestamps, maturity, balance."""

from __future__ import annotations

from streams.events.measures import MEASURES
from streams.warehouse import fact_views, generation_view
from streams.warehouse.layout import FACT_TABLES, TABLES

RULES_TABLE = """
CREATE TABLE rules (
    window_sizes_s INTEGER[], out_of_orderness_us BIGINT, horizon_us BIGINT, future_max_us BIGINT,
    message_bytes_max BIGINT, dead_letter_rows_max BIGINT, dead_letter_bytes_max BIGINT
);
COMMENT ON TABLE rules IS 'the settings that shape the rows of this file: one row';
COMMENT ON COLUMN rules.window_sizes_s IS 'sizes of the tumbling windows, seconds';
COMMENT ON COLUMN rules.out_of_orderness_us IS 'distance of the watermark, microseconds';
COMMENT ON COLUMN rules.horizon_us IS 'how late an event may come, microseconds';
COMMENT ON COLUMN rules.future_max_us IS 'how far an event may lie after its record, microseconds';
COMMENT ON COLUMN rules.message_bytes_max IS 'larger messages are dead letters';
COMMENT ON COLUMN rules.dead_letter_rows_max IS 'dead letters of a kind and block with a row';
COMMENT ON COLUMN rules.dead_letter_bytes_max IS 'raw bytes of dead letters kept of a block';
CREATE TABLE log_shape (partitions_n INTEGER);
COMMENT ON TABLE log_shape IS 'the log this file was made from: one row, none before a worker ran';
COMMENT ON COLUMN log_shape.partitions_n IS 'partitions of each topic; keys lie by this number';
CREATE TABLE erasure (
    request_id VARCHAR, key_hash VARCHAR, before_us BIGINT, requested_at_us BIGINT,
    is_scrubbed BOOLEAN
);
COMMENT ON TABLE erasure IS 'users to forget: their rows were removed, what comes is not kept';
COMMENT ON COLUMN erasure.request_id IS 'the request';
COMMENT ON COLUMN erasure.key_hash IS 'SHA-256 of the user key, which itself is forgotten';
COMMENT ON COLUMN erasure.before_us IS 'only events before it, microseconds UTC; null: all';
COMMENT ON COLUMN erasure.requested_at_us IS 'when it was asked, microseconds UTC';
COMMENT ON COLUMN erasure.is_scrubbed IS 'whether this file was written anew since';
CREATE TABLE archive_gone (file VARCHAR);
COMMENT ON TABLE archive_gone IS 'archived parts that were written anew without somebody';
COMMENT ON COLUMN archive_gone.file IS 'the old part; it goes when no published file names it';
"""

MATURE = """
    CASE WHEN w.watermark_us - r.horizon_us >= window_start_us + size_s * 1000000
         THEN 'final' ELSE 'provisional' END AS status,
    greatest(0, least(1, (w.watermark_us - r.horizon_us - window_start_us)
         / (size_s * 1000000.0)))::DOUBLE AS maturity"""


def _sums(table: str) -> str:
    return ",\n    ".join(f"sum({name})::BIGINT AS {name}" for name in TABLES[table].counted)


def _some(table: str) -> str:
    """What a late exposure has emptied is as if it never was."""
    return " OR ".join(f"sum({name}) <> 0" for name in TABLES[table].counted)


IDLE_TIMEOUT_S = 600
"""A shard is idle when half of the shards at least hold records newer by this. It is told by the
log's times, never by a clock, and moves what readers are told of freshness, never a sum. Half of
them, so that one producer with a wild clock does not make all others look idle."""
IDLE = f"""
CREATE VIEW idle_shard AS
WITH newest AS (
    SELECT shard, max(record_time_us_max) AS newest_us FROM topic_shard GROUP BY shard
)
SELECT shard FROM newest
WHERE newest_us < (SELECT -quantile_disc(-newest_us, 0.5) FROM newest) - {IDLE_TIMEOUT_S}000000;
"""
WATERMARK = """
CREATE VIEW watermark AS
SELECT coalesce(min(event_time_us_max), 0) - (SELECT out_of_orderness_us FROM rules)
    AS watermark_us
FROM shard_watermark ANTI JOIN idle_shard USING (shard);
"""
WINDOW_AGGREGATE = f"""
CREATE VIEW window_aggregate AS
SELECT basis, size_s,
    make_timestamp(window_start_us) AS window_start,
    make_timestamp(window_start_us + size_s * 1000000) AS window_end,
    experiment_id, variant_id, surface, attribution,
    {_sums("window_sum")},{MATURE}
FROM window_sum, watermark w, rules r
GROUP BY ALL
HAVING {_some("window_sum")};
"""
WINDOW_JUDGE_SCORE = f"""
CREATE VIEW window_judge_score AS
SELECT size_s,
    make_timestamp(window_start_us) AS window_start,
    make_timestamp(window_start_us + size_s * 1000000) AS window_end,
    experiment_id, variant_id, surface, dimension, evaluator_epoch,
    {_sums("window_score_sum")},
    sum(weighted_score_micro) / nullif(sum(weight_micro), 0) AS score_mean,{MATURE}
FROM window_score_sum, watermark w, rules r
GROUP BY ALL
HAVING {_some("window_score_sum")};
"""
UNIT_DAY = f"""
CREATE VIEW unit_day AS
SELECT experiment_id, variant_id, unit_type, unit_id, day,
    {_sums("unit_day_sum")}
FROM unit_day_sum
GROUP BY ALL
HAVING {_some("unit_day_sum")};
"""
TOPIC_OF = (
    "CASE table_name "
    + " ".join(f"WHEN '{name}' THEN '{topic}'" for topic, name in FACT_TABLES.items())
    + " END"
)
PIPELINE_HEALTH = f"""
CREATE VIEW pipeline_health AS
SELECT t.topic, t.shard, t.next_offset, t.read_n, t.accepted_n, t.duplicate_n, t.dead_lettered_n,
    t.read_n = t.accepted_n + t.duplicate_n + t.dead_lettered_n AS is_balanced,
    coalesce(d.flooded_n, 0) AS flooded_n, t.late_n, t.unknown_enum_n, t.erased_n,
    make_timestamp(t.record_time_us_max) AS newest_record_at,
    w.event_time_us_max - r.out_of_orderness_us AS watermark_us,
    make_timestamp(w.event_time_us_max - r.out_of_orderness_us) AS watermark_at,
    coalesce(o.orphans_n, 0) AS orphans_n,
    coalesce(a.archived_n, 0) AS archived_n,
    coalesce(a.archived_bytes_n, 0) AS archived_bytes_n,
    t.shard IN (SELECT shard FROM idle_shard) AS is_idle
FROM topic_shard t CROSS JOIN rules r
LEFT JOIN shard_watermark w USING (shard)
LEFT JOIN (
    SELECT shard, count(DISTINCT generation_id) AS orphans_n FROM orphan GROUP BY shard
) o USING (shard)
LEFT JOIN (
    SELECT {TOPIC_OF} AS topic, shard, sum(part_rows_n)::BIGINT AS archived_n,
        sum(bytes_n)::BIGINT AS archived_bytes_n
    FROM archive_part GROUP BY ALL
) a ON a.topic = t.topic AND a.shard = t.shard
LEFT JOIN (
    SELECT topic, shard, sum(refused_n - whole_n)::BIGINT AS flooded_n
    FROM dead_letter_count GROUP BY topic, shard
) d ON d.topic = t.topic AND d.shard = t.shard;
"""
VIEW_COMMENTS = {
    **fact_views.COMMENTS,
    "generation": "one row a generation: its first exposure and sums of all that happened to it",
    "idle_shard": "shards that get no records while others do: they do not hold the watermark",
    "watermark": "how far the slowest shard that is not idle has come in event time, less the "
    "out-of-orderness",
    "window_aggregate": "sums per tumbling window, over all shards; half-open [start, end), UTC",
    "window_judge_score": "judge scores of what was exposed per window, per evaluator epoch",
    "unit_day": "sums per experiment, variant, unit and UTC day; experiment '' is all a user did",
    "pipeline_health": "per topic and shard: read = accepted + duplicate + dead-lettered, offsets",
}
COLUMN_COMMENTS = {
    "window_start": "start of the window, inclusive, UTC",
    "window_end": "end of the window, exclusive, UTC",
    "status": "final: a horizon behind the watermark; only later plays of what it exposed add",
    "maturity": "share of the window that is a horizon older than the watermark, 0 to 1",
    "score_mean": "mean latest score, weighted by 1 / sampling probability",
    "watermark_us": "largest event time less the out-of-orderness, microseconds UTC",
    "watermark_at": "the watermark as a timestamp, UTC",
    "is_balanced": "whether read = accepted + duplicate + dead-lettered",
    "flooded_n": "refused messages whose bytes are in the topic alone, beyond the flood's bounds",
    "newest_record_at": "newest message handled, by the log's time, UTC",
    "is_idle": "nothing was written to this shard for so long that the watermark goes on without",
    "archived_n": "accepted events that lie in Parquet parts; they count like the others",
    "archived_bytes_n": "size of those parts, bytes",
    "orphans_n": "generations of this shard with plays or feedback that wait for an exposure",
}
WINDOW_IDS = ("size_s", "window_start", "window_end", "experiment_id", "variant_id", "surface")
VIEW_COLUMNS: dict[str, tuple[str, ...]] = {
    "generation": tuple(generation_view.COLUMNS),
    **{name: tuple(TABLES[name].columns) for name in FACT_TABLES.values()},
    "idle_shard": ("shard",),
    "watermark": ("watermark_us",),
    "window_aggregate": (
        *("basis", *WINDOW_IDS, "attribution"),
        *(*TABLES["window_sum"].counted, "status", "maturity"),
    ),
    "window_judge_score": (
        *(*WINDOW_IDS, "dimension", "evaluator_epoch"),
        *(*TABLES["window_score_sum"].counted, "score_mean", "status", "maturity"),
    ),
    "unit_day": (
        *("experiment_id", "variant_id", "unit_type", "unit_id", "day"),
        *(measure.name for measure in MEASURES),
    ),
    "pipeline_health": (
        *("topic", "shard", "next_offset", "read_n", "accepted_n", "duplicate_n"),
        *("dead_lettered_n", "is_balanced", "flooded_n", "late_n", "unknown_enum_n"),
        "erased_n",
        "newest_record_at",
        *("watermark_us", "watermark_at", "orphans_n", "archived_n", "archived_bytes_n"),
        "is_idle",
    ),
}


def ddl() -> str:
    """The rules table, the views and their comments."""
    views = [IDLE, WATERMARK, WINDOW_AGGREGATE, WINDOW_JUDGE_SCORE, UNIT_DAY, PIPELINE_HEALTH]
    views += [fact_views.ddl(name) for name in FACT_TABLES.values()]
    views.append(generation_view.ddl())
    comments = [
        f"COMMENT ON VIEW {name} IS '{_q(text)}';"
        for name, text in VIEW_COMMENTS.items()
        if name not in fact_views.COMMENTS
    ]
    comments += [
        f"COMMENT ON COLUMN {view}.\"{column}\" IS '{_q(meaning(view, column))}';"
        for view, names in VIEW_COLUMNS.items()
        if view not in fact_views.COMMENTS
        for column in names
    ]
    return "\n".join([RULES_TABLE, *views, *comments])


def meaning(view: str, column: str) -> str:
    """What a view's column holds."""
    if view in FACT_TABLES.values():
        return TABLES[view].meaning(column)
    if view == "generation":
        return generation_view.COLUMNS[column]
    return COLUMN_COMMENTS.get(column) or TABLES["window_sum"].meaning(column)


def _q(text: str) -> str:
    return text.replace("'", "''")
