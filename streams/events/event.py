"""What every event has: who it is, where it comes from, when it happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from streams.events.fields import OPEN, Id, Instant, Kind
from streams.events.refused_names import refuse_raw_identity

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL_VERSION: Final = 1
"""The MODEL of MODEL-REVISION-ADDITION (Snowplow's SchemaVer) that this code reads."""

Environment = Annotated[Literal["prod", "staging", "dev", "other"], *OPEN]
SchemaVersion = Annotated[
    str, StringConstraints(pattern=rf"^{MODEL_VERSION}-[0-9]+-[0-9]+$", max_length=32), Kind.TEXT
]


@dataclass(frozen=True, slots=True)
class Derivation:
    """A field that follows from others: where it is absent and they are there, it is computed."""

    field: str
    parts: tuple[str, ...]
    formula: Callable[..., str]


class Message(BaseModel):
    """A flat JSON object. Unknown fields are ignored, null means absent, types are exact."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        strict=True,
        frozen=True,
        extra="ignore",
        allow_inf_nan=False,
        protected_namespaces=(),
        serialize_by_alias=False,
    )


class Event(Message):
    """The common fields. Identical (source, event_id) is the same event.

    `ingested_at` is not sent: it is the record's own Kafka time, the column `record_time_us`.

    own_id: the field that names this kind of event (`exposure_id`, ...). It and `event_id` stand in
    for each other: where one is absent, the other serves as both.
    derivations: the fields that follow from others.
    """

    own_id: ClassVar[str] = "event_id"
    derivations: ClassVar[tuple[Derivation, ...]] = ()

    event_id: Id = Field(description="Unique within the source, best a UUIDv7; the dedupe key")
    source: Id = Field(description="URI reference of the producer")
    schema_version: SchemaVersion | None = Field(
        None, description="MODEL-REVISION-ADDITION; absent means the current one"
    )
    event_time_us: Instant = Field(alias="event_time", description="When it happened, UTC")
    recorded_time_us: Instant | None = Field(
        None, alias="recorded_time", description="When the producer wrote it down, UTC"
    )
    environment: Environment | None = Field(None, description="Where the producer runs")

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, value: object) -> object:
        """Refuse raw identities, take null for absent, fill in what follows from other fields."""
        if not isinstance(value, dict):
            return value
        refuse_raw_identity(value)
        return cls.completed({name: said for name, said in value.items() if said is not None})

    @classmethod
    def completed(cls, fields: dict[str, Any]) -> dict[str, Any]:
        """The fields that are there, and what follows from them."""
        whole = dict(fields)
        for absent, present in (("event_id", cls.own_id), (cls.own_id, "event_id")):
            if absent not in whole and present in whole:
                whole[absent] = whole[present]
        for derivation in cls.derivations:
            parts = [whole.get(part) for part in derivation.parts]
            if derivation.field not in whole and all(isinstance(part, str) for part in parts):
                whole[derivation.field] = derivation.formula(*parts)
        return whole
