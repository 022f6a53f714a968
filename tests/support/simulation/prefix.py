"""What any file of a worker must hold: exactly the events before its offsets."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from support.simulation import script

from streams.events.topics import Topic
from streams.warehouse.layout import FACT_TABLES

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from support.simulation.script import Log, Place

BOOKS = (
    "SELECT topic, shard, next_offset, read_n, accepted_n, duplicate_n, dead_lettered_n, late_n, "
    "unknown_enum_n, record_time_us_max FROM topic_shard"
)
HELD = " UNION ALL ".join(
    f"SELECT '{topic.value}', shard, \"offset\" FROM {view}" for topic, view in FACT_TABLES.items()
)
HELD += " ORDER BY ALL"
"""Facts of all topics in one query: a life asks for them often, and planning costs most of it."""


def check_prefix(con: DuckDBPyConnection, log: Log, *, is_whole: bool = False) -> None:
    """A file holds exactly the events before its offsets: lost = 0, doubled = 0, balanced."""
    booked = {(topic, shard): n for topic, shard, *n in con.execute(BOOKS).fetchall()}
    held: dict[Place, list[int]] = {}
    for name, shard, offset in con.execute(HELD).fetchall():
        held.setdefault((Topic(name), shard), []).append(offset)
    newest: dict[int, int] = {}
    for (topic, shard), records in sorted(log.items()):
        next_offset, *counts = booked.get((topic.value, shard), [0])
        behind = [r for r in records if r.offset < next_offset]
        accepted = [r for r in behind if r.fate == script.ACCEPTED]
        facts = held.pop((topic, shard), [])
        assert facts == [r.offset for r in accepted], f"{topic}[{shard}]: facts"
        assert not counts or counts == told_of(behind), f"{topic}[{shard}]: the balance"
        assert not is_whole or behind == records, f"{topic}[{shard}] was not read to its end"
        if accepted:
            latest = max(r.event_time_us for r in accepted)
            newest[shard] = max(newest.get(shard, latest), latest)
    assert held == {}, "facts of no shard of the log"
    assert dict(con.execute("FROM shard_watermark").fetchall()) == newest, "the watermark"


def told_of(records: list[script.Record]) -> list[int]:
    """What the books must say of these records, in the order of BOOKS."""
    fates = Counter(r.fate for r in records)
    accepted = [r for r in records if r.fate == script.ACCEPTED]
    return [
        len(records),
        *(fates[fate] for fate in (script.ACCEPTED, script.DUPLICATE, script.DEAD)),
        sum(r.is_late for r in accepted),
        sum(r.is_unknown for r in accepted),
        max(r.time_ms for r in records) * 1_000,
    ]
