"""The dead letter: a refused message with its raw bytes and the reason, on `<topic>.dlq`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from streams.events.event import Message
from streams.events.fields import OPEN, Count, Flag, Id, Instant, Kind, ShortText

ERROR_MESSAGE_CHARS_MAX: Final = 500


class ErrorClass(StrEnum):
    """Why a message was refused, coarse enough to redrive by."""

    DECODE = "decode"  # no JSON object came out of the bytes
    SCHEMA = "schema"  # a field is missing, of another type or outside its range
    SEMANTIC = "semantic"  # each field is well, together they cannot be
    UNKNOWN_TARGET = "unknown_target"
    LATE_BEYOND_HORIZON = "late_beyond_horizon"
    CONFLICT = "conflict"
    CONSENT_BLOCK = "consent_block"
    SINK = "sink"


ErrorClassName = Annotated[
    Literal[
        "decode",
        "schema",
        "semantic",
        "unknown_target",
        "late_beyond_horizon",
        "conflict",
        "consent_block",
        "sink",
        "other",
    ],
    *OPEN,
]
INCURABLE: Final = frozenset({ErrorClass.DECODE, ErrorClass.CONSENT_BLOCK})
"""The bytes themselves say it, so the same bytes are refused for ever."""
BOUNDED_BY_SETTINGS: Final = frozenset({"message_too_large", "nested_too_deep"})


def is_replayable(error_class: str, error_type: str) -> bool:
    """Whether another setting, version or moment may accept the same bytes."""
    return error_class not in INCURABLE or error_type in BOUNDED_BY_SETTINGS


TimestampType = Annotated[Literal["create", "log_append", "unknown", "other"], *OPEN]
Base64 = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]*={0,2}$"), Kind.TEXT]
HeaderPair = Annotated[tuple[str, Base64 | None], Field(strict=False)]  # JSON has no tuples
Headers = Annotated[list[HeaderPair], Kind.PAIRS]


class DeadLetterEnvelope(Message):
    """A refused message; the bytes are those that came, so that it can be sent again.

    Required: dlq_id, the original place, error_class, error_type, error_message. key_b64 and
    value_b64 are null where the record had none, or where the flood's bounds left them in the topic
    they came from: then value_bytes_n is not null.
    """

    dlq_id: Id = Field(description="This dead letter")
    original_topic: Id = Field(description="Topic it came from")
    original_partition: Count = Field(description="Partition it came from")
    original_offset: Count = Field(description="Offset it came from")
    original_timestamp_us: Instant | None = Field(
        None, alias="original_timestamp", description="The record's own Kafka time, UTC"
    )
    timestamp_type: TimestampType | None = Field(None, description="Who set that time")
    key_b64: Base64 | None = Field(None, description="Raw key, base64")
    value_b64: Base64 | None = Field(None, description="Raw value, base64")
    value_bytes_n: Count | None = Field(None, description="Bytes of the raw value; null: none")
    headers: Headers | None = Field(
        None, description="Record headers in their order: [name, value in base64 or null]"
    )
    consumer_group: Id | None = Field(None, description="Group that read it")
    worker_id: Id | None = Field(None, description="Worker that refused it")
    app_version: Id | None = Field(None, description="Version of that worker")
    config_hash: Id | None = Field(None, description="Hash of its settings")
    error_class: ErrorClassName = Field(description="Why, coarse")
    error_type: Id = Field(description="Why, as an identifier")
    error_message: ShortText = Field(description="Why, in words; holds nothing of the message")
    field_path: Id | None = Field(None, description="Field at fault")
    attempt: Count | None = Field(None, description="How often it was refused, redriven or not")
    first_failed_at_us: Instant | None = Field(
        None, alias="first_failed_at", description="First refusal, by the log's time, UTC"
    )
    last_failed_at_us: Instant | None = Field(
        None, alias="last_failed_at", description="This refusal, by the log's time, UTC"
    )
    replayable: Flag | None = Field(None, description="Sending it again can help")
    redrive_of: Id | None = Field(None, description="The dead letter it was when last sent again")
    redrive_count: Count | None = Field(None, description="How often it was sent again")
