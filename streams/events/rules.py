"""Rules that hold between the fields of an event, or between an event and its record.

A rule is an expression over an accepted frame, so that it is written once: pydantic judges single
fields, these judge the rest, each a whole batch at a time. A rule over nulls holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from streams.events.dead_letter import ErrorClass
from streams.events.source import REASON

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.events.contract import Contract
    from streams.events.limits import Limits


@dataclass(frozen=True, slots=True)
class Rule:
    """What must hold, the field to look at first, and what is said where it does not.

    name: the error type of the dead letter.
    """

    name: str
    field_path: str | None
    reason: str
    holds: pl.Expr
    error_class: ErrorClass = ErrorClass.SEMANTIC


def any_of(name: str, fields: Sequence[str]) -> Rule:
    """At least one of the fields is there."""
    reason = f"one of {', '.join(fields)} must be there"
    there = pl.any_horizontal(pl.col(field).is_not_null() for field in fields)
    return Rule(name, fields[0], reason, there, ErrorClass.SCHEMA)


SCORE_IN_RANGE: Final = (
    Rule(
        "score_range_empty",
        "score_min",
        "score_min must lie below score_max",
        pl.col("score_min") < pl.col("score_max"),
        ErrorClass.SCHEMA,
    ),
    Rule(
        "score_out_of_range",
        "score_value",
        "score_value must lie within [score_min, score_max]",
        (pl.col("score_value") >= pl.col("score_min"))
        & (pl.col("score_value") <= pl.col("score_max")),
        ErrorClass.SCHEMA,
    ),
)
EXPOSURE_RULES: Final = (
    Rule(
        "variant_without_experiment",
        "variant_id",
        "experiment_id and variant_id come together or not at all",
        pl.col("experiment_id").is_null() == pl.col("variant_id").is_null(),
    ),
    Rule(
        "consent_opted_out",
        "artist_consent",
        "an artist opted out; only content_origin human may be exposed then",
        pl.col("artist_consent").ne_missing("opted_out")
        | pl.col("content_origin").eq_missing("human"),
        ErrorClass.CONSENT_BLOCK,
    ),
)
LISTEN_RULES: Final = (
    Rule(
        "started_after_end",
        "started_at",
        "started_at must not lie after event_time, which is when the play ended",
        pl.col("started_at_us") <= pl.col("event_time_us"),
    ),
)
JUDGE_SCORE_RULES: Final = (
    Rule(
        "score_beside_error",
        "score_value",
        "score_value must be null beside error_type: a judge that failed has given no score",
        pl.col("error_type").is_null() | pl.col("score_value").is_null(),
        ErrorClass.SCHEMA,
    ),
    any_of("score_missing", ("score_value", "score_label", "error_type")),
    *SCORE_IN_RANGE,
)
HUMAN_LABEL_RULES: Final = (
    any_of("label_missing", ("preference", "score_value", "score_label")),
    Rule(
        "preference_of_one",
        "other_generation_id",
        "a preference needs other_generation_id, another than generation_id",
        pl.col("preference").is_null()
        | pl.col("other_generation_id").ne(pl.col("generation_id")).fill_null(value=False),
    ),
    *SCORE_IN_RANGE,
)


def record_rules(contract: Contract, limits: Limits) -> tuple[Rule, ...]:
    """What must hold between an event and its record: its columns `key` and `record_time_us`.

    A record without a key is refused too: it lies in an arbitrary partition and would meet none of
    the events it belongs to.
    """
    key = pl.coalesce(contract.key_fields).cast(pl.Binary)
    behind_us = pl.col("record_time_us") - pl.col("event_time_us")
    return (
        Rule(
            "key_mismatch",
            contract.key_field,
            f"the record's key must be the event's {', else '.join(contract.key_fields)}",
            pl.col("key").eq_missing(key),
        ),
        Rule(
            "event_in_future",
            "event_time",
            f"event_time lies more than {limits.future_max_us // 1_000} ms after the record's time",
            behind_us >= -limits.future_max_us,
        ),
        Rule(
            "late_beyond_horizon",
            "event_time",
            f"event_time lies more than {limits.horizon_us // 1_000} ms before the record's time",
            behind_us <= limits.horizon_us,
            ErrorClass.LATE_BEYOND_HORIZON,
        ),
    )


def value_rules(limits: Limits) -> tuple[Rule, ...]:
    """What must hold of a record's `value` before anyone reads it."""
    size = pl.col("value").bin.size()
    return (
        Rule("value_null", None, "no value", pl.col("value").is_not_null(), ErrorClass.DECODE),
        Rule("value_empty", None, "an empty value", size > 0, ErrorClass.DECODE),
        Rule(
            "message_too_large",
            None,
            f"more than {limits.message_bytes_max} bytes",
            size <= limits.message_bytes_max,
            ErrorClass.DECODE,
        ),
    )


def broken(frame: pl.DataFrame, rules: Sequence[Rule]) -> pl.DataFrame:
    """The rows that break a rule, each with the reason of the first: `row` and REASON columns.

    Needs `row` and what the rules look at. Rows keep their order.
    """
    breaks = [
        pl.when(~rule.holds.fill_null(value=True)).then(pl.lit(number, pl.Int32))
        for number, rule in enumerate(rules)
    ]
    first = frame.select("row", number=pl.coalesce(breaks)).drop_nulls()
    reasons = pl.DataFrame(
        [(rule.error_class, rule.name, rule.reason, rule.field_path) for rule in rules],
        schema=REASON,
        orient="row",
    )
    return first.select("row", *(reasons[name].gather(first["number"]) for name in REASON))
