"""A contract: one event's model and all that is derived from it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from streams.events.columns import Column, columns_of
from streams.events.fields import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.events.event import Event
    from streams.events.rules import Rule
    from streams.events.topics import Topic


@dataclass(frozen=True, slots=True, eq=False)  # each is one constant: itself and no other
class Contract:
    """What the messages of a topic must be.

    key_fields: the record's key equals the first of these that is not null.
    rules: what must hold between fields, or between an event and its record, in order of telling.
    example: a message with every field, as documented for producers.
    columns, schema: derived; `schema` is that of accepted frames, without the SOURCE columns.
    """

    name: str
    topic: Topic
    model: type[Event]
    key_fields: tuple[str, ...]
    rules: tuple[Rule, ...]
    example: Mapping[str, object]
    columns: tuple[Column, ...] = field(init=False)
    schema: pl.Schema = field(init=False)

    def __post_init__(self) -> None:
        """Derive the columns."""
        columns = columns_of(self.model)
        schema: dict[str, pl.DataType] = {}
        for column in columns:
            schema |= column.frame_columns()
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "schema", pl.Schema(schema))

    @property
    def key_field(self) -> str:
        """The field that joins the topics, and their Kafka key."""
        return self.key_fields[0]

    @property
    def own_id(self) -> str:
        """The field that names this kind of event, interchangeable with `event_id`."""
        return self.model.own_id

    @property
    def enum_columns(self) -> tuple[Column, ...]:
        """The columns that have a `<field>_raw` beside them."""
        return tuple(column for column in self.columns if column.kind is Kind.ENUM)
