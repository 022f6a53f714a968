"""The import itself: tables to messages, messages past the decoder, what it accepts to a writer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from streams.event_writer import RECORD
from streams.events.batch import Batch
from streams.events.decode import decode
from streams.events.instant_columns import instants_us
from streams.importers.rows import Messages, check_columns, messages
from streams.importers.sources import ROW
from streams.importers.tables import chunks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from streams.event_writer import EventWriter
    from streams.events.contract import Contract
    from streams.events.limits import Limits
    from streams.events.topics import Topic
    from streams.importers.mapping import TableMapping


@dataclass(frozen=True, slots=True)
class Reason:
    """Why rows gave no event of a topic. topic: None where the row could not even be read."""

    topic: Topic | None
    error_class: str
    error_type: str
    field: str | None


@dataclass(slots=True)
class Tally:
    """What became of the rows of the files so far. Every message is sent or refused."""

    rows_n: int = 0
    sent: Counter[Topic] = field(default_factory=Counter)
    refused: Counter[Reason] = field(default_factory=Counter)
    first: dict[Reason, tuple[str, int, str]] = field(default_factory=dict)

    def refuse(self, reason: Reason, file: str, row: int, why: str) -> None:
        """Count a refusal; the first of each reason is remembered as (file, row, words)."""
        self.refused[reason] += 1
        self.first.setdefault(reason, (file, row, why))

    @property
    def sent_n(self) -> int:
        """Events sent."""
        return self.sent.total()

    @property
    def refused_n(self) -> int:
        """Messages refused."""
        return self.refused.total()

    def told(self) -> dict[str, Any]:
        """The tally, ready for JSON."""
        return {
            "rows_n": self.rows_n,
            "sent_n": self.sent_n,
            "refused_n": self.refused_n,
            "sent": {str(topic): n for topic, n in sorted(self.sent.items())},
            "refused": [
                {
                    "topic": reason.topic,
                    "error_class": reason.error_class,
                    "error_type": reason.error_type,
                    "field": reason.field,
                    "n": n,
                    "first_file": self.first[reason][0],
                    "first_row": self.first[reason][1],
                    "why": self.first[reason][2],
                }
                for reason, n in self.refused.most_common()
            ],
        }


@dataclass(frozen=True, slots=True)
class Terms:
    """How messages are taken. secret: of the user keys, None where no user is named.

    record_time_ms: the records' time; None: each has its event's own, so that history does not
    count as late.
    """

    limits: Limits
    secret: bytes | None
    record_time_ms: int | None


@dataclass(frozen=True, slots=True)
class Importer:
    """Takes files, holds their messages against the contracts, writes what is accepted."""

    terms: Terms
    writer: EventWriter
    tally: Tally

    def table(self, path: Path, mapping: TableMapping) -> Iterator[int]:
        """Import a table; yields how many rows each chunk of it had. Raises ConfigError."""
        types: dict[str, pl.DataType] = {}
        for chunk in chunks(path, mapping.delimiter, mapping.rows):
            for one in chunk.unread:
                reason = Reason(None, "table", one.error_type, None)
                self.tally.refuse(reason, path.name, one.row, one.reason)
            if chunk.rows.width > 1:  # more than ROW: some row of it was read
                self._rows(chunk.rows, types, path.name, mapping)
            rows_n = chunk.rows.height + len(chunk.unread)
            self.tally.rows_n += rows_n
            yield rows_n

    def _rows(
        self, rows: pl.DataFrame, types: dict[str, pl.DataType], file: str, mapping: TableMapping
    ) -> None:
        """Pass rows through every block. types: of the columns seen so far; empty before any."""
        rows = rows.with_columns(
            pl.lit(None, dtype=pl.String).alias(name)
            for name in mapping.optional
            if name not in rows.columns
        )
        if not types:
            for block in mapping.blocks:
                check_columns(block, rows.columns, file)
        rows = _complete(rows, types)
        for block in mapping.blocks:
            made = messages(rows, block, file, self.terms.secret)
            self.take(made, block.contract, file)

    def take(self, made: Messages, contract: Contract, file: str) -> None:
        """Write the messages that the decoder accepts, count the others."""
        topic = contract.topic
        for one in made.refused:
            reason = Reason(topic, one.error_class, one.error_type, one.field)
            self.tally.refuse(reason, file, one.row, one.reason)
        records = made.frame.with_columns(
            timestamp_ms=_times_ms(made.frame["event_time"], self.terms.record_time_ms),
            is_json=pl.lit(value=True),
        )
        batch = Batch(
            topic=topic,
            shard=0,
            offsets=records[ROW].to_list(),
            record_times_ms=records["timestamp_ms"].to_list(),
            keys=records["key"].to_list(),
            values=records["value"].to_list(),
        )
        rejected = decode(batch, contract, self.terms.limits).rejected
        columns = ("error_class", "error_type", "field_path", "offset", "error_message")
        for error_class, error_type, path, row, why in rejected.select(columns).rows():
            self.tally.refuse(Reason(topic, error_class, error_type, path), file, row, why)
        if not rejected.is_empty():
            records = records.filter(~pl.col(ROW).is_in(rejected["offset"].implode()))
        if not records.is_empty():
            self.writer.write(topic, records.select(RECORD.names()))
            self.tally.sent[topic] += records.height


def _times_ms(event_times: pl.Series, record_time_ms: int | None) -> pl.Series:
    """The records' times; 0 where an event's own cannot be read, which the decoder will say."""
    if record_time_ms is not None:
        return pl.Series([record_time_ms], dtype=pl.Int64).new_from_index(0, len(event_times))
    quoted = event_times.to_frame("time").select(pl.format('"{}"', "time").alias("quoted"))[
        "quoted"
    ]
    return (instants_us(quoted) // 1_000).fill_null(0)


def _complete(rows: pl.DataFrame, types: dict[str, pl.DataType]) -> pl.DataFrame:
    """The rows with all columns seen so far, none without a type; adds to types what is new.

    JSON leaves out what is null, and a column of nulls has the type that it had before, or text.
    """
    known = {name: dtype for name, dtype in rows.schema.items() if dtype != pl.Null}
    types |= {name: known.get(name, pl.String()) for name in rows.columns if name not in types}
    types |= known
    absent = (name for name in types if name not in known)
    return rows.with_columns(pl.lit(None, dtype=types[name]).alias(name) for name in absent)
