"""Rules that hold between the fields of an event.

A rule is an expression over an accepted frame, so that it is written once: pydantic judges single
fields, these judge the rest, each a whole batch at a time. A rule over nulls holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl

from streams.events.dead_letter import ErrorClass

if TYPE_CHECKING:
    from collections.abc import Sequence


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
