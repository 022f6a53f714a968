"""The dead letter: a refused message with its raw bytes and the reason, on `<topic>.dlq`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints

from streams.events.event import Message
from streams.events.fields import OPEN, Count, Flag, Id, Instant, Kind, Labels, ShortText

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
TimestampType = Annotated[Literal["create", "log_append", "unknown", "other"], *OPEN]
Base64 = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]*={0,2}$"), Kind.TEXT]


class DeadLetterEnvelope(Message):
    """A refused message; the bytes are those that came, so that it can be sent again.

    Required: dlq_id, the original place, error_class, error_type, error_message. key_b64 and
    value_b64 are null where the record had none.
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
    headers: Labels | None = Field(None, description="Record headers as text")
    consumer_group: Id | None = Field(None, description="Group that read it")
    worker_id: Id | None = Field(None, description="Worker that refused it")
    app_version: Id | None = Field(None, description="Version of that worker")
    config_hash: Id | None = Field(None, description="Hash of its settings")
    error_class: ErrorClassName = Field(description="Why, coarse")
    error_type: Id = Field(description="Why, as an identifier")
    error_message: ShortText = Field(description="Why, in words; holds nothing of the message")
    field_path: Id | None = Field(None, description="Field at fault")
    attempt: Count | None = Field(None, description="How often it was tried")
    first_failed_at_us: Instant | None = Field(
        None, alias="first_failed_at", description="First refusal, UTC"
    )
    last_failed_at_us: Instant | None = Field(
        None, alias="last_failed_at", description="Last refusal, UTC"
    )
    replayable: Flag | None = Field(None, description="Sending it again can help")
    redrive_count: Count | None = Field(None, description="How often it was sent again")
