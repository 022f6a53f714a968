"""`erasure`: forget a user."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from streams.events.event import Message, SchemaVersion
from streams.events.fields import HexKey, Id, Instant, Kind
from streams.events.instants import INSTANT_PATTERN

ErasureScope = Annotated[
    str, StringConstraints(pattern=rf"^all$|^before:{INSTANT_PATTERN.removeprefix('^')}"), Kind.TEXT
]


class Erasure(Message):
    """A request to remove everything of a user, or everything before a moment.

    Required: request_id, user_key (also the Kafka key), requested_at. scope null counts as all,
    deadline_at null as 30 days after requested_at.
    """

    request_id: Id = Field(description="This request")
    user_key: HexKey = Field(description="Whom to forget; the Kafka key")
    requested_at_us: Instant = Field(alias="requested_at", description="When it was asked, UTC")
    scope: ErasureScope | None = Field(None, description="all, or before:<RFC 3339 timestamp>")
    deadline_at_us: Instant | None = Field(
        None, alias="deadline_at", description="When it must be done, UTC"
    )
    schema_version: SchemaVersion | None = Field(None, description="MODEL-REVISION-ADDITION")
