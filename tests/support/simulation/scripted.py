"""One worker that reads a scripted log to its end."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from support.messages import batch_of
from support.simulation import script

from streams.events.decode import decode
from streams.events.examples import encode_example
from streams.events.limits import Limits
from streams.warehouse.erasures import Request
from streams.warehouse.layout import FACT_TABLES

if TYPE_CHECKING:
    from streams.events.contract import Contract
    from streams.pipeline import Pipeline

WHOLE = script.EVENTS_N * 2


def joined(worker: Pipeline, seed: int, *, chunk_records: int | None = None) -> script.Log:
    """Read the log of a seed: at once, or in small flushes with the topics in turns."""
    log = script.scripted(random.Random(f"log {seed}"))
    worker.assign(frozenset(script.SHARDS))
    size = chunk_records or WHOLE
    for start in range(0, WHOLE, size):
        for place, records in log.items():
            if part := records[start : start + size]:
                worker.add(script.batch(part, place))
        if worker.rows_buffered():
            worker.flush()
    return log


def check_erasure(worker: Pipeline) -> None:
    """What an erasure took from a topic and shard stands in its books."""
    before = _facts_n(worker)
    worker.erase([Request("of a", "a" * 64, requested_at_us=0)])
    after = _facts_n(worker)
    books = worker._con.execute("SELECT topic, shard, erased_n FROM topic_shard").fetchall()
    gone = {place: n - after.get(place, 0) for place, n in before.items()}
    assert any(gone.values())
    assert {(topic, shard): n for topic, shard, n in books if n} == {
        place: n for place, n in gone.items() if n
    }


def _facts_n(worker: Pipeline) -> dict[tuple[str, int], int]:
    """Facts by topic and shard."""
    return {
        (topic.value, shard): n
        for topic, table in FACT_TABLES.items()
        for shard, n in worker._con.execute(
            f"SELECT shard, count(*) FROM {table} GROUP BY shard"
        ).fetchall()
    }


def check_sizes(contract: Contract) -> None:
    """A message may have as many bytes as the limit says, not one more, and must have some."""
    value = encode_example(contract)
    batch = batch_of(contract, [value, value + b" ", b"", None])
    decoded = decode(batch, contract, Limits(message_bytes_max=len(value)))
    assert decoded.accepted["offset"].to_list() == [100]
    told = decoded.rejected["error_type"].to_list()
    assert told == ["message_too_large", "value_empty", "value_null"]
