"""One flush: read the touched rows, ask the core, write what it says, all with the offsets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from streams import dead_letters
from streams.engine import apply, books, dedupe, join
from streams.events.contracts import CONTRACTS
from streams.events.source import REJECTED, SOURCE
from streams.events.topics import JOINED_TOPICS
from streams.warehouse import erasures, state, writer
from streams.warehouse.connect import frame

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from duckdb import DuckDBPyConnection

    from streams.engine.rules import Rules
    from streams.events.batch import Batch
    from streams.events.topics import Topic

NO_EVENTS = {
    topic: pl.DataFrame(schema={**SOURCE, **CONTRACTS[topic].schema}) for topic in JOINED_TOPICS
}
NO_REJECTED = pl.DataFrame(schema=REJECTED)


@dataclass(slots=True)
class Buffer:
    """What came since the last flush: as it came by topic, and what is decoded of it."""

    undecoded: dict[Topic, list[Batch]] = field(default_factory=dict)
    accepted: dict[Topic, list[pl.DataFrame]] = field(default_factory=dict)
    rejected: dict[Topic, list[pl.DataFrame]] = field(default_factory=dict)
    read: list[tuple[str, int, int, int, int]] = field(default_factory=list)
    rows_n: int = 0


@dataclass(frozen=True, slots=True)
class Arrived:
    """What came since the last flush.

    accepted, rejected: decoded frames by topic; a topic may be absent.
    read: books.READ rows, one a batch: what was read, whatever became of it.
    """

    accepted: Mapping[Topic, Sequence[pl.DataFrame]]
    rejected: Mapping[Topic, Sequence[pl.DataFrame]]
    read: pl.DataFrame


def commit(con: DuckDBPyConnection, arrived: Arrived, rules: Rules) -> books.Outcome:
    """Dedupe, join, move windows and commit with the offsets, in one transaction."""
    valid = {
        topic: pl.concat([NO_EVENTS[topic], *arrived.accepted.get(topic, ())])
        for topic in JOINED_TOPICS
    }
    rejected = {
        topic: pl.concat([NO_REJECTED, *arrived.rejected.get(topic, ())]) for topic in JOINED_TOPICS
    }
    firsts = valid
    if any(rows.height for rows in valid.values()):
        repeated = state.repeated(con, valid)
        firsts = {topic: dedupe.firsts(rows, repeated[topic]) for topic, rows in valid.items()}
    kept, erased = erasures.split(con, firsts)
    outcome = books.Outcome(valid, firsts, rejected, erased)
    if arrived.read.height:
        changes = apply.with_erased(_changes(con, kept, rules), erased)
        booked = books.booked(
            frame(con, "FROM topic_shard", books.BOOKS),
            arrived.read,
            outcome,
            out_of_orderness_us=rules.out_of_orderness_us,
        )
        letters = dead_letters.booked(con, rejected, rules.dead_letters)
        letter_rows = erasures.redacted(con, letters.rows)
        writer.write(con, kept, changes, writer.Books(booked, letter_rows, letters.counts, erased))
        state.forget_touched(con)
    return outcome


def _changes(
    con: DuckDBPyConnection, accepted: Mapping[Topic, pl.DataFrame], rules: Rules
) -> apply.Changes:
    """Read what the new events touch, and ask the core."""
    new = apply.new_of(accepted)
    meetings = join.meetings(state.firsts(con, new), new.exposures)
    return apply.apply(new, meetings, state.stored(con, new, meetings, rules), rules)
