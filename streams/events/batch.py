"""A batch: the records of one Kafka fetch of one topic partition, in columns."""

from __future__ import annotations

import bisect
import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl


RECORD_TIME_MS_MAX = 4_102_444_800_000
"""2100-01-01: beyond it a record time is no time, and its microseconds may not fit."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Equal-length sequences, one element a record, in offset order.

    record_times_ms: the record's own Kafka timestamp (milliseconds UTC): what the log says of when
    it was written, so that lateness is the same on every replay.
    timestamp_types: who set it, 0 the producer, 1 the broker; empty: all by producers.
    unreadable: of offsets whose record could not be read from the log, why; they have no value.
    """

    topic: str
    shard: int
    offsets: Sequence[int]
    record_times_ms: Sequence[int]
    keys: Sequence[bytes | None]
    values: Sequence[bytes | None]
    headers: Sequence[Sequence[tuple[str, bytes | None]]] = field(default=())
    timestamp_types: Sequence[int] = field(default=(), kw_only=True)
    unreadable: Mapping[int, str] = field(default_factory=dict, kw_only=True)

    def __len__(self) -> int:
        """How many records."""
        return len(self.offsets)

    def with_sane_times(self) -> Batch:
        """The same with record times between 1970 and 2100: producers may claim any number."""
        if not len(self) or (
            min(self.record_times_ms) >= 0 and max(self.record_times_ms) <= RECORD_TIME_MS_MAX
        ):
            return self
        times_ms = [min(max(time_ms, 0), RECORD_TIME_MS_MAX) for time_ms in self.record_times_ms]
        return dataclasses.replace(self, record_times_ms=times_ms)

    def starting_at(self, offset: int) -> Batch:
        """The records from an offset on; the same batch where that is all of them."""
        start = bisect.bisect_left(self.offsets, offset)
        return self if start == 0 else self._part(slice(start, None))

    def before(self, offset: int) -> Batch:
        """The records below an offset; the same batch where that is all of them."""
        stop = bisect.bisect_left(self.offsets, offset)
        return self if stop == len(self) else self._part(slice(stop))

    def _part(self, rows: slice) -> Batch:
        return Batch(
            self.topic,
            self.shard,
            self.offsets[rows],
            self.record_times_ms[rows],
            self.keys[rows],
            self.values[rows],
            self.headers[rows],
            timestamp_types=self.timestamp_types[rows],
            unreadable=self.unreadable,
        )


@dataclass(frozen=True, slots=True)
class Decoded:
    """What became of a batch: each record is in exactly one of the two frames.

    accepted: SOURCE columns, then the contract's columns.
    rejected: REJECTED columns: raw bytes unchanged, and why.
    """

    accepted: pl.DataFrame
    rejected: pl.DataFrame
