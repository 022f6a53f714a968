"""The view `generation`: one row a generation, added up from the facts when somebody asks.

A worker does not keep these sums: it would have to write them for every event, and DuckDB adds up
only the columns and generations that a query names.
"""

from __future__ import annotations

from streams.engine.activity import CENSORED_REASONS, PPM, SHORT_SKIP_MS, SKIP_REASONS
from streams.events.measures import (
    FEEDBACK_ACTIONS,
    FEEDBACK_NAMES,
    LISTEN_NAMES,
    MEASURE_NAMES,
    MEASURES,
    RESTRICTED_MS,
    STREAM_MS,
)

ATTRIBUTES = (
    *("surface", "position", "model_id", "model_version", "prompt_template_version"),
    *("content_origin", "artist_consent", "artist_ids", "taxonomy"),
)
"""What a generation takes from its first exposure, by event time, then source and id."""
COUNTS: dict[str, str] = {
    "scores_n": "valid judge scores",
    "score_errors_n": "judge scores that failed",
    "labels_n": "human labels",
}
COLUMNS: dict[str, str] = {
    "shard": "partition of the input topics this row comes from",
    "generation_id": "one AI output; what joins the streams",
    "first_exposure_us": "earliest exposure, microseconds UTC; null: orphan",
    "first_exposure_source": "source of the earliest exposure event",
    "first_exposure_id": "id of the earliest exposure event",
    **{name: f"{name} of the first exposure" for name in ATTRIBUTES},
    "first_activity_us": "earliest listen or feedback, microseconds UTC",
    "last_activity_us": "latest listen or feedback, microseconds UTC",
    **{measure.name: measure.meaning for measure in MEASURES},
    **COUNTS,
}
"""The view's columns and what they hold."""


def _n(condition: str) -> str:
    return f"count(*) FILTER ({condition})"


def _texts(values: tuple[str, ...]) -> str:
    return ", ".join(f"'{value}'" for value in values)


_SKIP = f"reason_end IN ({_texts(SKIP_REASONS)})"
_CONTENT = "coalesce(ms_content_unique, ms_played)"
_RATIO = f"least({_CONTENT}, track_duration_ms) * {PPM} // track_duration_ms"
EXPOSURES = {
    "exposures_n": "count(*)",
    "opted_in_n": _n("artist_consent = 'opted_in'"),
    "gen_latencies_n": "count(gen_latency_ms)",
    "gen_latency_ms": "sum(gen_latency_ms)",
}
LISTENS = {
    "starts_n": "count(*)",
    "uncensored_n": _n(f"coalesce(reason_end, 'unknown') NOT IN ({_texts(CENSORED_REASONS)})"),
    "ms_played": "sum(ms_played)",
    "first_60s_ms": f"sum(least(ms_played, {RESTRICTED_MS}))",
    "streams_30s_n": _n(f"ms_played >= {STREAM_MS}"),
    "skips_n": _n(_SKIP),
    "early_skips_n": _n(f"{_SKIP} AND ms_played < {STREAM_MS}"),
    "skips_under_5s_n": _n(f"{_SKIP} AND ms_played < {SHORT_SKIP_MS}"),
    "listen_plus_n": _n(f"{_CONTENT} * 2 > track_duration_ms"),
    "completes_n": _n("reason_end = 'trackdone'"),
    "repeats_n": _n(f"{_CONTENT} > track_duration_ms"),
    "played_ratios_n": "count(track_duration_ms)",
    "played_ratio_ppm": f"sum({_RATIO})",
    "offline_n": _n("offline"),
    "incognito_n": _n("incognito"),
    "organic_n": _n("is_organic"),
    "organic_ms_played": "sum(ms_played) FILTER (is_organic)",
}
FEEDBACK = {
    **{column: _n(f"action = '{action}'") for action, column in FEEDBACK_ACTIONS.items()},
    "values_n": "count(value)",
    "value_micro": f"sum(round(value * {PPM})::BIGINT)",
}
assert tuple(LISTENS) == LISTEN_NAMES, "every listen measure has its SQL"
assert tuple(FEEDBACK) == FEEDBACK_NAMES, "every feedback measure has its SQL"
_SCORED = "score_value IS NOT NULL AND error_type IS NULL"
_FAILED = "error_type IS NOT NULL"
_HAPPENED = {"first_activity_us": "min(event_time_us)", "last_activity_us": "max(event_time_us)"}
_FIRST = ", ".join(f"'{name}': {name}" for name in ("source", "event_id", *ATTRIBUTES))
PARTS: tuple[tuple[str, str, dict[str, str]], ...] = (
    (
        "exposure",
        "true",
        {
            "first_exposure_us": "min(event_time_us)",
            "first": f"arg_min({{{_FIRST}}}, (event_time_us, source, event_id))",
            **EXPOSURES,
        },
    ),
    ("listen", "generation_id IS NOT NULL", _HAPPENED | LISTENS),
    ("feedback", "generation_id IS NOT NULL", _HAPPENED | FEEDBACK),
    (
        "judge_score",
        f"score_value IS NOT NULL OR {_FAILED}",
        {"scores_n": _n(_SCORED), "score_errors_n": _n(_FAILED)},
    ),
    ("human_label", "true", {"labels_n": "count(*)"}),
)
"""Of each fact table: which rows, and what they tell of their generation."""


def _part(table: str, rows: str, told: dict[str, str]) -> str:
    values = ", ".join(f"{sql} AS {name}" for name, sql in told.items())
    return (
        f"SELECT shard, generation_id, {values} FROM {table} WHERE {rows} "
        "GROUP BY shard, generation_id"
    )


def _of_first(name: str, column: str) -> str:
    return f"any_value(first.{column}) AS {name}"


def ddl() -> str:
    """CREATE VIEW generation."""
    own = {"first_exposure_source": "source", "first_exposure_id": "event_id"}
    firsts = own | {name: name for name in ATTRIBUTES}
    sums = (f"coalesce(sum({name}), 0)::BIGINT AS {name}" for name in (*MEASURE_NAMES, *COUNTS))
    columns = [
        "min(first_exposure_us) AS first_exposure_us",
        *(_of_first(name, column) for name, column in firsts.items()),
        "min(first_activity_us) AS first_activity_us",
        "max(last_activity_us) AS last_activity_us",
        *sums,
    ]
    parts = "\n    UNION ALL BY NAME\n    ".join(_part(*part) for part in PARTS)
    return (
        "\nCREATE VIEW generation AS\nSELECT shard, generation_id,\n    "
        + ",\n    ".join(columns)
        + f"\nFROM (\n    {parts}\n)\nGROUP BY shard, generation_id;\n"
    )
