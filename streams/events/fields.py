"""The types that event fields are made of: what each may hold on the wire and in a frame.

Every alias carries its `Kind`, which decides the column's polars type, and its limits, from which
pydantic and the vectorised checks both read. The ranges are wide; they exist so that integer sums
over hundreds of millions of rows stay inside 64 bits and no unit error passes unseen.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final, get_args

from annotated_types import Ge, Gt, Le, MaxLen
from pydantic import BeforeValidator, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError, core_schema

from streams.events.instants import INSTANT_REASON, instant_us

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler

ID_CHARS_MAX: Final = 512
TEXT_CHARS_MAX: Final = 10_000
LIST_ITEMS_MAX: Final = 1_000
MS_MAX: Final = 366 * 86_400_000
COUNT_MAX: Final = 1_000_000_000_000
VALUE_MAX: Final = 1e6
SCORE_MAX: Final = 1e6
SAMPLING_PROB_MIN: Final = 1e-6
"""Rarer than one in a million is no sampling plan, and its weight would drown all others."""
OTHER: Final = "other"
"""What an enum value that this version does not know becomes; `<field>_raw` keeps it."""


class Kind(StrEnum):
    """How a field is written in JSON and held in a frame."""

    TEXT = "text"  # string -> String
    ENUM = "enum"  # string -> String, and `<field>_raw` String
    WHOLE = "whole"  # integer -> Int64
    REAL = "real"  # number -> Float64
    FLAG = "flag"  # true, false -> Boolean
    INSTANT = "instant"  # RFC 3339 string -> Int64, microseconds UTC
    TEXTS = "texts"  # array of strings -> List(String)
    LABELS = "labels"  # object of strings -> String: canonical JSON, keys sorted
    PAIRS = "pairs"  # array of [name, base64 or null] -> String: in no event, only around one


class Open:
    """Marks a Literal as open: a string that it does not list reads as `other`."""

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Map unknown strings before the Literal sees them; anything but a string is refused."""
        values = frozenset(get_args(source))
        assert OTHER in values, f"an open enum lists {OTHER!r}"

        def known(value: object) -> object:
            return OTHER if isinstance(value, str) and value not in values else value

        return core_schema.no_info_before_validator_function(known, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, object]:
        """The values, and that others are taken too."""
        return {**handler(schema), "x-others-become": OTHER}


def _instant(value: object) -> int:
    us = instant_us(value) if isinstance(value, str) else None
    if us is None:
        raise PydanticCustomError("timestamp", INSTANT_REASON)
    return us


def canonical_labels(value: object) -> str:
    """An object of strings as JSON with sorted keys and no blanks."""
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise PydanticCustomError("labels", "must be an object whose values are strings")
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


OPEN: Final = (Kind.ENUM, Open())
"""Unpacked into an enum's Annotated."""

Id = Annotated[str, StringConstraints(min_length=1, max_length=ID_CHARS_MAX), Kind.TEXT]
"""An identifier: never empty, since absent is null."""
Text = Annotated[str, StringConstraints(max_length=TEXT_CHARS_MAX), Kind.TEXT]
ShortText = Annotated[str, StringConstraints(max_length=500), Kind.TEXT]
HexKey = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$"), Kind.TEXT]
"""HMAC-SHA256, 64 lower-case hexadecimal digits: never a raw user id."""
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$"), Kind.TEXT]
Flag = Annotated[bool, Kind.FLAG]
Count = Annotated[int, Ge(0), Le(COUNT_MAX), Kind.WHOLE]
Millis = Annotated[int, Ge(0), Le(MS_MAX), Kind.WHOLE]
MillisSome = Annotated[int, Ge(1), Le(MS_MAX), Kind.WHOLE]
Polarity = Annotated[int, Ge(-1), Le(1), Kind.WHOLE]
Probability = Annotated[float, Ge(0.0), Le(1.0), Kind.REAL]
SamplingProbability = Annotated[float, Ge(SAMPLING_PROB_MIN), Le(1.0), Kind.REAL]
PositiveProbability = Annotated[float, Gt(0.0), Le(1.0), Kind.REAL]
"""A probability to divide by."""
Value = Annotated[float, Ge(-VALUE_MAX), Le(VALUE_MAX), Kind.REAL]
Amount = Annotated[float, Ge(0.0), Le(VALUE_MAX), Kind.REAL]
Score = Annotated[float, Ge(-SCORE_MAX), Le(SCORE_MAX), Kind.REAL]
Instant = Annotated[
    int,
    BeforeValidator(_instant),
    WithJsonSchema({"type": "string", "format": "date-time"}),
    Kind.INSTANT,
]
Texts = Annotated[list[Id], MaxLen(LIST_ITEMS_MAX), Kind.TEXTS]
Labels = Annotated[
    str,
    BeforeValidator(canonical_labels),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}}),
    Kind.LABELS,
]
