"""The feed: between the event loop, where batches arrive, and the sink's own thread.

Bounded in rows and bytes, in order, one call of the sink at a time and never on the event loop.
While the sink commits, fetching goes on until the feed is full; then it waits. The first failure
ends it: nothing more is taken, and nothing is acknowledged that the sink did not make durable.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from faust.types import TP

from streams.clock import monotonic_ms
from streams.errors import IntegrityError
from streams.events.batch import Batch
from streams.events.topics import JOINED_TOPICS
from streams.publishing import Publishing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from streams.settings import Settings
    from streams.sink import Flushed, Sink, TopicShard
    from streams.transport import Fetched

T = TypeVar("T")
log = logging.getLogger(__name__)

WAITING_BYTES_MAX = 128 << 20
"""Bytes fetched ahead of the sink."""
FLUSH_BYTES_MAX = 256 << 20
"""Bytes that force a flush, however few rows they are."""
ADD_ROWS_MIN = 20_000
"""Rows worth a call of the sink before the flush is due: decoding has a cost per call, not only per
row, and at a low rate a fetch brings a handful of rows."""


@dataclass(slots=True)
class Progress:
    """Counts since the start; read = accepted + duplicate + dead-lettered."""

    read_n: int = 0
    accepted_n: int = 0
    duplicate_n: int = 0
    dead_lettered_n: int = 0
    flushes_n: int = 0
    flushes_ms: float = 0.0
    published_n: int = 0

    def count(self, flushed: Flushed) -> None:
        """Add one flush."""
        self.read_n += flushed.read_n
        self.accepted_n += flushed.accepted_n
        self.duplicate_n += flushed.duplicate_n
        self.dead_lettered_n += flushed.dead_lettered_n
        self.flushes_n += 1
        self.flushes_ms += flushed.took_ms


class Feed:
    """Satisfies streams.transport.Intake for the transport; agents call `take`."""

    def __init__(
        self, settings: Settings, sink: Sink, *, partitions_n: int, accept_loss: bool = False
    ) -> None:
        """Feed this sink.

        Args:
            settings: flush_rows_max also bounds the rows fetched ahead.
            sink: called from one thread only.
            partitions_n: of each topic, as the sink has agreed to it.
            accept_loss: go on where Kafka has deleted records before we read them.
        """
        self._settings = settings
        self._sink = sink
        self._accept_loss = accept_loss
        self.partitions_n = partitions_n
        self.publishing = Publishing(sink)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sink")
        self._names = {settings.topic(topic): topic.value for topic in JOINED_TOPICS}
        self._waiting: deque[Fetched] = deque()
        self._waiting_rows = self._waiting_bytes = self._unflushed_bytes = 0
        self._oldest_ms: float | None = None
        self._is_open = self._is_ending = self._is_unpublished = False
        self._positions: dict[TP, int] = {}
        self._durable: dict[TP, int] = {}
        self._room, self._wake = asyncio.Event(), asyncio.Event()
        self._room.set()
        self.epoch = 0
        self.taken_at_ms = self.turned_at_ms = monotonic_ms()
        self.progress = Progress()
        self.failed = asyncio.Event()
        self.failure: BaseException | None = None
        self.letters_due = asyncio.Event()
        self.letters_due.set()  # some may be left from the last run

    # What the transport asks (streams.transport.Intake).

    async def room(self) -> None:
        """Return when the feed takes another fetch."""
        await self._room.wait()

    async def assign(self, tps: frozenset[TP]) -> Mapping[TP, int]:
        """Let the sink own the shards of these partitions; its next offsets.

        Raises IntegrityError unless each shard is there in all of its topics.
        """
        self._close()
        shards = frozenset(tp.partition for tp in tps)
        if {TP(name, shard) for name in self._names for shard in shards} != set(tps):
            raise IntegrityError(
                f"the group gave out parts of shards: {_uneven(tps)}.",
                where=self._settings.group,
                done="Nothing of it was read.",
                todo="A topic was deleted or its partitions changed: `listenback topics check`. "
                "Or others are in the group: let only listenback workers of one version be.",
            )
        if any(shard >= self.partitions_n for shard in shards):
            raise IntegrityError(
                f"the topics had {self.partitions_n} partitions and now have more: keys have "
                "moved, and what belongs together would no longer meet.",
                where=self._settings.group,
                done="Nothing of the new ones was read.",
                todo="Make topics with the new count under another --topic-prefix, send the "
                "events there, and begin anew with another --data-dir.",
            )
        offsets = await self.call(self._sink.assign, shards)
        self._durable.clear()
        return {TP(self._settings.topic(topic), shard): n for (topic, shard), n in offsets.items()}

    def opened(
        self, wanted: Mapping[TP, int], begin: Mapping[TP, int], end: Mapping[TP, int]
    ) -> None:
        """The transport reads from here on. Raises IntegrityError where the log is not ours."""
        for tp, offset in wanted.items():
            self._check_log(tp, offset, begin[tp], end[tp])
        self._positions = {tp: max(offset, begin[tp]) for tp, offset in wanted.items()}
        self._is_open = True
        self.taken_at_ms = monotonic_ms()
        log.info("reading shards %s", sorted({tp.partition for tp in wanted}))

    def durable_offsets(self) -> Mapping[TP, int]:
        """The next offset of each partition as the sink has committed it."""
        return self._durable

    def plain_topic(self, name: str) -> str:
        """The topic without prefix."""
        return self._names[name]

    # What the agents do.

    def take(self, batch: Fetched) -> None:
        """Queue a batch for the sink. What belongs to an assignment that is over is dropped."""
        if not self._is_open or batch.epoch != self.epoch:
            return
        tp = TP(self._settings.topic(batch.topic), batch.shard)
        if batch.position != self._positions[tp]:
            self.fail(self._out_of_step(tp, batch))
            return
        self._positions[tp] = batch.next_position
        if not len(batch):  # offsets without records: markers of transactions
            return
        self._waiting.append(batch)
        self._waiting_rows += len(batch)
        self._waiting_bytes += batch.bytes_n
        self.taken_at_ms = monotonic_ms()
        if self._oldest_ms is None:
            self._oldest_ms = self.taken_at_ms
        if self._is_worth_a_call:
            self._wake.set()
        self._set_room()

    # What the worker does.

    async def run(self) -> None:
        """Move batches into the sink until `end` or a failure."""
        try:
            while self.failure is None and not self._is_ending:
                await self._until_due()
                await self._turn()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - a panic in a library is no Exception
            self.fail(error)

    def end(self) -> None:
        """Let `run` return after the visit to the sink that is under way."""
        self._is_ending = True
        self._wake.set()

    async def release(self) -> None:
        """Before shards are given away: flush what the sink has, publish it, own nothing."""
        was_open = self._is_open
        self._close()
        if was_open:
            flushed = await self.call(self._let_go)
            self._note(flushed)
            await self.call(self._sink.assign, frozenset())

    async def call(self, work: Callable[..., T], *args: object) -> T:
        """Run something in the sink's thread, after what is queued there."""
        done = await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)
        self.turned_at_ms = monotonic_ms()
        return done

    def fail(self, error: BaseException) -> None:
        """Take nothing more. The first failure counts."""
        if self.failure is None:
            self.failure = error
            self._close()
            self.failed.set()

    def shut(self) -> None:
        """End the sink's thread when what it does is done."""
        self._thread.shutdown(wait=True)

    @property
    def positions(self) -> Mapping[TP, int] | None:
        """Where each of our partitions will be read next; None while the group deals them out."""
        return self._positions if self._is_open else None

    @property
    def is_drained(self) -> bool:
        """Whether all that was taken is durable."""
        return self._oldest_ms is None

    # How.

    @property
    def _is_worth_a_call(self) -> bool:
        return self._waiting_rows >= min(ADD_ROWS_MIN, self._settings.flush_rows_max)

    def _check_log(self, tp: TP, wanted: int, begin: int, end: int) -> None:
        where = f"{tp.topic}[{tp.partition}]"
        if wanted > end:
            raise IntegrityError(
                f"the log ends at offset {end}, but {wanted} is to be read next: the topic was "
                "recreated, or this is another cluster.",
                where=where,
                done="Nothing was read.",
                todo="Name the right broker, or keep the old data and begin anew: "
                "--data-dir with an empty directory.",
            )
        if 0 < wanted < begin:
            what = f"offsets {wanted} to {begin - 1} were deleted before they were read."
            if not self._accept_loss:
                raise IntegrityError(
                    what,
                    where=where,
                    done="Nothing was read.",
                    todo="Raise retention.ms of the topic for the next time; to go on without "
                    "them: listenback worker --accept-loss",
                )
            log.error("%s: %s Going on without them, as asked.", where, what)

    def _out_of_step(self, tp: TP, batch: Fetched) -> IntegrityError:
        return IntegrityError(
            f"a fetch begins at {batch.position}, {self._positions[tp]} was expected: Kafka "
            "deleted what was not yet read, or a batch was lost on the way.",
            where=f"{tp.topic}[{tp.partition}]",
            done="Nothing of it was taken.",
            todo="Start the worker again: it reads on at the last committed offset.",
        )

    def _close(self) -> None:
        """Forget what waits: it is not acknowledged, so it will be read again."""
        self.epoch += 1
        self._is_open = False
        self._waiting.clear()
        self._waiting_rows = self._waiting_bytes = 0
        self._oldest_ms = None
        self._room.set()
        self._wake.set()

    def _set_room(self) -> None:
        is_full = (
            self._waiting_rows >= self._settings.flush_rows_max
            or self._waiting_bytes >= WAITING_BYTES_MAX
        )
        self._room.clear() if is_full else self._room.set()

    async def _until_due(self) -> None:
        """Return when rows are worth a call, when they are old, or when a tick is over."""
        age_max_ms = self._settings.flush_age_max_ms
        waited_ms = 0.0 if self._oldest_ms is None else monotonic_ms() - self._oldest_ms
        try:
            async with asyncio.timeout(max(0.0, age_max_ms - waited_ms) / 1_000):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    async def _turn(self) -> None:
        """One visit to the sink's thread."""
        epoch, oldest_ms = self.epoch, self._oldest_ms
        age_max_ms = self._settings.flush_age_max_ms
        is_old = oldest_ms is not None and monotonic_ms() - oldest_ms >= age_max_ms
        batches = self._next_batches() if is_old or self._is_worth_a_call else []
        self._unflushed_bytes += sum(batch.bytes_n for batch in batches)
        is_due = is_old or self._unflushed_bytes >= FLUSH_BYTES_MAX
        flushed = await self.call(self._work, batches, is_due)
        if flushed is not None and epoch == self.epoch:
            self._oldest_ms = monotonic_ms() if self._waiting else None
        self._note(flushed)

    def _next_batches(self) -> list[Fetched]:
        """What waits, up to the rows of a flush."""
        batches: list[Fetched] = []
        rows_n = 0
        while self._waiting and rows_n < self._settings.flush_rows_max:
            batch = self._waiting.popleft()
            batches.append(batch)
            rows_n += len(batch)
            self._waiting_bytes -= batch.bytes_n
        self._waiting_rows -= rows_n
        self._set_room()
        if self._is_worth_a_call:
            self._wake.set()
        return batches

    def _work(self, batches: list[Fetched], is_due: bool) -> Flushed | None:  # noqa: FBT001 - for an executor
        """In the sink's thread: add, flush when due, publish when due."""
        for batch in merged(batches):
            self._sink.add(batch)
        rows_n = self._sink.rows_buffered()
        flushed = None
        if rows_n and (is_due or rows_n >= self._settings.flush_rows_max):
            flushed = self._sink.flush()
            self._is_unpublished = True
        if self.publishing.if_due():
            self._is_unpublished = False
        self.progress.published_n = self.publishing.published_n
        return flushed

    def _let_go(self) -> Flushed | None:
        """In the sink's thread: make all of it durable and readable."""
        flushed = self._sink.flush() if self._sink.rows_buffered() else None
        if flushed is not None or self._is_unpublished:
            self._is_unpublished = not self.publishing.now()
        self.progress.published_n = self.publishing.published_n
        return flushed

    def _note(self, flushed: Flushed | None) -> None:
        if flushed is not None:
            self._unflushed_bytes = 0
            self.progress.count(flushed)
            for (topic, shard), offset in flushed.next_offsets.items():
                self._durable[TP(self._settings.topic(topic), shard)] = offset
            if flushed.dead_lettered_n:
                self.letters_due.set()


def _uneven(tps: Iterable[TP]) -> str:
    """Topics by how many partitions of each were given, in words."""
    counts = Counter(tp.topic for tp in tps)
    return ", ".join(f"{n} of {topic}" for topic, n in sorted(counts.items())) or "none"


def merged(batches: Iterable[Batch]) -> list[Batch]:
    """One batch a topic and shard, in order: a call of the sink costs per batch, too."""
    parts: dict[TopicShard, list[Batch]] = {}
    for batch in batches:
        parts.setdefault((batch.topic, batch.shard), []).append(batch)
    return [_joined(group) for group in parts.values()]


def _joined(batches: list[Batch]) -> Batch:
    first = batches[0]
    if len(batches) == 1:
        return first
    has_headers = any(batch.headers for batch in batches)
    has_types = any(batch.timestamp_types for batch in batches)
    return Batch(
        first.topic,
        first.shard,
        [n for batch in batches for n in batch.offsets],
        [ms for batch in batches for ms in batch.record_times_ms],
        [key for batch in batches for key in batch.keys],
        [value for batch in batches for value in batch.values],
        [pairs for batch in batches for pairs in batch.headers or [()] * len(batch)]
        if has_headers
        else (),
        timestamp_types=[
            kind for batch in batches for kind in batch.timestamp_types or [0] * len(batch)
        ]
        if has_types
        else (),
    )
