"""One worker that reads a scripted log to its end."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from support.messages import batch_of
from support.simulation import script

from streams.events.decode import decode
from streams.events.examples import encode_example
from streams.events.limits import Limits

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


def check_sizes(contract: Contract) -> None:
    """A message may have as many bytes as the limit says, not one more, and must have some."""
    value = encode_example(contract)
    batch = batch_of(contract, [value, value + b" ", b"", None])
    decoded = decode(batch, contract, Limits(message_bytes_max=len(value)))
    assert decoded.accepted["offset"].to_list() == [100]
    told = decoded.rejected["error_type"].to_list()
    assert told == ["message_too_large", "value_empty", "value_null"]
