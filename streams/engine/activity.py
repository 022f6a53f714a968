"""Listens and feedback as additive integers: what one event adds to every sum."""

from __future__ import annotations

from functools import cache

import polars as pl

from streams.engine.columns import ACTIVITY, EXPOSURE, NO_EXPERIMENT
from streams.events.measures import (
    FEEDBACK_ACTIONS,
    FEEDBACK_NAMES,
    LISTEN_NAMES,
    RESTRICTED_MS,
    STREAM_MS,
)

SKIP_REASONS = ("fwdbtn", "backbtn")
CENSORED_REASONS = ("trackerror", "unexpected_exit", "unexpected_exit_while_paused")
"""Neither skip nor completion: the listener did not decide."""
SHORT_SKIP_MS = 5_000
PPM = 1_000_000
HAPPENED = (
    *("shard", "generation_id", "user_key", "event_time_us", "record_time_us"),
    "incognito",
)
"""What every listen and piece of feedback tells beside its measures."""


def _n(condition: pl.Expr) -> pl.Expr:
    """1 where the condition holds, 0 where it does not or is unknown."""
    return condition.fill_null(value=False).cast(pl.Int64)


def _listen_expressions() -> dict[str, pl.Expr]:
    played = pl.col("ms_played")
    duration = pl.col("track_duration_ms")
    content = pl.coalesce("ms_content_unique", "ms_played")
    reason = pl.col("reason_end").fill_null("unknown")
    skip = reason.is_in(SKIP_REASONS)
    organic = pl.col("generation_id").is_null() | pl.col("is_organic").fill_null(value=False)
    ratio_ppm = pl.min_horizontal(content, duration) * PPM // duration
    return {
        "starts_n": pl.lit(1, pl.Int64),
        "uncensored_n": _n(~reason.is_in(CENSORED_REASONS)),
        "ms_played": played,
        "first_60s_ms": played.clip(upper_bound=RESTRICTED_MS),
        "streams_30s_n": _n(played >= STREAM_MS),
        "skips_n": _n(skip),
        "early_skips_n": _n(skip & (played < STREAM_MS)),
        "skips_under_5s_n": _n(skip & (played < SHORT_SKIP_MS)),
        "listen_plus_n": _n(content * 2 > duration),
        "completes_n": _n(reason == "trackdone"),
        "repeats_n": _n(content > duration),
        "played_ratios_n": _n(duration.is_not_null()),
        "played_ratio_ppm": pl.when(duration.is_not_null()).then(ratio_ppm).otherwise(0),
        "offline_n": _n(pl.col("offline")),
        "incognito_n": _n(pl.col("incognito")),
        "organic_n": _n(organic),
        "organic_ms_played": pl.when(organic).then(played).otherwise(0),
    }


def of_listens(listens: pl.DataFrame) -> pl.DataFrame:
    """Of listen events, one row each: HAPPENED and LISTEN_NAMES.

    Needs generation_id, user_key, the two times, and of the contract `listen`: ms_played,
    ms_content_unique, track_duration_ms, reason_end, offline, incognito, is_organic.
    """
    expressions = _listen_expressions()
    assert tuple(expressions) == LISTEN_NAMES, "every listen measure has its expression"
    return listens.select(
        *HAPPENED[:-1],
        pl.col("incognito").fill_null(value=False),
        **{name: expression.cast(pl.Int64) for name, expression in expressions.items()},
    )


def of_feedback(feedback: pl.DataFrame) -> pl.DataFrame:
    """Of feedback events, one row each: HAPPENED and FEEDBACK_NAMES. Needs action and value."""
    value = pl.col("value")
    expressions = {
        column: _n(pl.col("action") == action) for action, column in FEEDBACK_ACTIONS.items()
    } | {
        "values_n": _n(value.is_not_null()),
        "value_micro": (value.fill_null(0) * PPM).round(0).cast(pl.Int64),
    }
    assert tuple(expressions) == FEEDBACK_NAMES, "every feedback measure has its expression"
    return feedback.select(*HAPPENED[:-1], pl.lit(value=False).alias("incognito"), **expressions)


def as_activity(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of listens or feedback as ACTIVITY rows: what the other kind counts is 0."""
    return rows.with_columns(_absent(frozenset(rows.columns))).select(ACTIVITY.names())


@cache
def _absent(present: frozenset[str]) -> list[pl.Expr]:
    """Nothing, of what rows with these columns do not count."""
    return [pl.lit(0, dtype).alias(name) for name, dtype in ACTIVITY.items() if name not in present]


def of_exposures(exposures: pl.DataFrame) -> pl.DataFrame:
    """EXPOSURE rows: key columns without nulls, and what one exposure adds to the sums.

    Needs the contract `exposure`'s columns named in EXPOSURE, artist_consent and gen_latency_ms.
    """
    latency = pl.col("gen_latency_ms")
    return exposures.with_columns(
        pl.col("experiment_id", "variant_id").fill_null(NO_EXPERIMENT),
        pl.col("surface").fill_null("other"),
        exposures_n=pl.lit(1, pl.Int64),
        opted_in_n=_n(pl.col("artist_consent") == "opted_in"),
        gen_latencies_n=_n(latency.is_not_null()),
        gen_latency_ms=latency.fill_null(0).cast(pl.Int64),
    ).select(EXPOSURE.names())
