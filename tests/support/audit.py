"""What a warehouse must say after any faults, held against the log itself, message by message."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import polars as pl
from aiokafka import AIOKafkaConsumer, TopicPartition
from support.oracle import differences

from streams.events.contracts import CONTRACTS
from streams.events.topics import JOINED_TOPICS
from streams.topics import joined_names, partition_states
from streams.warehouse.layout import FACT_TABLES

if TYPE_CHECKING:
    from pathlib import Path

    from streams.events.topics import Topic
    from streams.settings import Settings

PLACE = ["topic", "shard", "offset"]
EVENT = ["topic", "source", "event_id"]
READ_WAIT_MAX_S = 120


@dataclass(frozen=True)
class Audit:
    """lost: events of the log that are no row. doubled: rows beyond one an event. unread: messages
    of the log that no counter knows. wrong: derived tables that differ from the SQL oracle."""

    log_n: int
    events_n: int
    lost: int
    doubled: int
    misplaced: int
    unread: int
    unbalanced: int
    wrong: dict[str, pl.DataFrame]

    @property
    def is_clean(self) -> bool:
        found = self.lost, self.doubled, self.misplaced, self.unread, self.unbalanced
        return found == (0, 0, 0, 0, 0) and not self.wrong


def audit(settings: Settings, file: Path) -> Audit:
    """Hold a warehouse file against the whole log."""
    log = read_log(settings)
    with duckdb.connect(str(file), read_only=True) as con:
        facts = _facts(con)
        dead = con.sql('SELECT topic, shard::BIGINT AS shard, "offset" FROM dead_letter').pl()
        books = con.sql(
            "SELECT topic, shard::BIGINT AS shard, next_offset, read_n,"
            " read_n - accepted_n - duplicate_n - dead_lettered_n AS missing_n FROM topic_shard"
        ).pl()
    with duckdb.connect() as con:  # the oracle writes temporary tables; the file is read-only
        con.execute(f"ATTACH '{file}' AS w (READ_ONLY)")
        con.execute("USE w")
        wrong = differences(con)
    alive = log.join(dead, on=PLACE, how="anti")
    first = alive.group_by("topic", "shard", "source", "event_id").agg(pl.col("offset").min())
    read = log.group_by("topic", "shard").agg(end=pl.col("offset").max() + 1, n=pl.len())
    booked = read.join(books, on=["topic", "shard"], how="full", coalesce=True).fill_null(-1)
    return Audit(
        log_n=log.height,
        events_n=first.height,
        lost=first.join(facts, on=EVENT, how="anti").height,
        doubled=facts.height - facts.select(EVENT).unique().height,
        misplaced=facts.join(first, on=[*EVENT, "shard", "offset"], how="anti").height,
        unread=booked.filter(
            (pl.col("n") != pl.col("read_n")) | (pl.col("end") > pl.col("next_offset"))
        ).height,
        unbalanced=int((books["missing_n"] != 0).sum()),
        wrong=wrong,
    )


def read_log(settings: Settings) -> pl.DataFrame:
    """Every message: topic, shard, offset, and source and event_id where it is JSON that says so.

    Read by a plain client, apart from our transport.
    """
    rows = asyncio.run(asyncio.wait_for(_read(settings), READ_WAIT_MAX_S))
    names = {settings.topic(topic): topic for topic in JOINED_TOPICS}
    table = [
        (names[t].value, shard, at, *_identity(names[t], value)) for t, shard, at, value in rows
    ]
    schema = {"topic": pl.String, "shard": pl.Int64, "offset": pl.Int64}
    identity = {"source": pl.String, "event_id": pl.String}
    return pl.DataFrame(table, schema=schema | identity, orient="row")


async def _read(settings: Settings) -> list[tuple[str, int, int, bytes | None]]:
    ends = {
        TopicPartition(state.topic, state.partition): state.end_offset
        for state in partition_states(settings)
        if state.topic in joined_names(settings) and state.end_offset > state.begin_offset
    }
    rows: list[tuple[str, int, int, bytes | None]] = []
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign(list(ends))
        await consumer.seek_to_beginning(*ends)
        quiet_n = 0
        while quiet_n < 2:  # the embedded broker's answer to "where is the end" is too low
            got = await consumer.getmany(timeout_ms=1_000)
            rows += [
                (r.topic, r.partition, r.offset, r.value) for part in got.values() for r in part
            ]
            is_there = [await consumer.position(tp) >= end for tp, end in ends.items()]
            quiet_n = quiet_n + 1 if not got and all(is_there) else 0
    finally:
        await consumer.stop()
    return rows


def _identity(topic: Topic, value: bytes | None) -> tuple[str | None, str | None]:
    """What makes two messages one event: source, and event_id or the kind's own id."""
    try:
        fields = json.loads(value or b"")
    except ValueError:
        return None, None
    if not isinstance(fields, dict):
        return None, None
    found = fields.get("source"), fields.get("event_id") or fields.get(CONTRACTS[topic].own_id)
    return tuple(one if isinstance(one, str) else None for one in found)


def _facts(con: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    places = 'shard::BIGINT AS shard, "offset", source, event_id'
    parts = [
        f"SELECT '{t.value}' AS topic, {places} FROM {name}" for t, name in FACT_TABLES.items()
    ]
    return con.sql(" UNION ALL ".join(parts)).pl()
