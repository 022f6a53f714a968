"""The feed: between the event loop, where batches arrive, and the sink's own two threads.

Bounded in rows and bytes, in order, never on the event loop. While one thread commits a flush, the
other reads what the next one will hold and seals it, so that it can be committed at once, and
fetching goes on until the feed is full; then they wait for the commit. The first failure ends it:
nothing more is taken, and nothing is acknowledged that the sink did not make durable.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from faust.types import TP

from streams.clock import monotonic_ms
from streams.errors import IntegrityError
from streams.events.topics import JOINED_TOPICS
from streams.log_checks import check_log, out_of_step, uneven
from streams.merge import merged
from streams.progress import Progress
from streams.publishing import Publishing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streams.settings import Settings
    from streams.sink import Commit, Flushed, Sink
    from streams.transport import Fetched

T = TypeVar("T")
log = logging.getLogger(__name__)

WAITING_BYTES_MAX = 128 << 20
"""Bytes fetched ahead of the sink."""
FLUSH_BYTES_MAX = 256 << 20
"""Bytes that force a flush, however few rows they are."""
AHEAD = 3
"""Fetched ahead of the sink is a third of a flush, or what a call of it is worth if that is more:
the sink holds another flush already while it commits one."""
ADD_ROWS_MIN = 20_000
"""Rows worth a call of the sink before the flush is due: decoding has a cost per call, not only per
row, and at a low rate a fetch brings a handful of rows."""


class Feed:
    """Satisfies streams.transport.Intake for the transport; agents call `take`."""

    def __init__(
        self, settings: Settings, sink: Sink, *, partitions_n: int, accept_loss: bool = False
    ) -> None:
        """Feed this sink.

        Args:
            settings: flush_rows_max also bounds the rows fetched ahead: AHEAD.
            sink: its file is touched from one thread only, what it reads ahead from another.
            partitions_n: of each topic, as the sink has agreed to it.
            accept_loss: go on where Kafka has deleted records before we read them.
        """
        self._settings = settings
        self._sink = sink
        self._accept_loss = accept_loss
        self.partitions_n = partitions_n
        self.publishing = Publishing(sink)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sink")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="reader")
        self._in_turn = asyncio.Lock()
        self._commit: asyncio.Task[None] | None = None
        self._names = {settings.topic(topic): topic.value for topic in JOINED_TOPICS}
        self._waiting: deque[Fetched] = deque()
        self._waiting_rows = self._waiting_bytes = self._unflushed_bytes = 0
        self._oldest_ms: float | None = None
        self._waiting_since_ms: float | None = None
        self._seal_from_ms = float("-inf")
        self._seal_took_ms = self._commit_took_ms = 0.0
        self._is_open = self._is_ending = False
        self._positions: dict[TP, int] = {}
        self._durable: dict[TP, int] = {}
        self._room, self._wake = asyncio.Event(), asyncio.Event()
        self._room.set()
        self.epoch = 0
        self.taken_at_ms = self.turned_at_ms = monotonic_ms()
        self.progress = Progress()
        self.failed = asyncio.Event()
        self.failure: BaseException | None = None
        self.dealt = asyncio.Event()
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
                f"the group gave out parts of shards: {uneven(tps)}.",
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
        async with self._in_turn:
            await self._committed()
            await self._read(lambda: None)  # a turn that was cancelled may still be adding
            offsets = await self.call(self._sink.assign, shards)
        self._durable.clear()
        return {TP(self._settings.topic(topic), shard): n for (topic, shard), n in offsets.items()}

    def opened(
        self, wanted: Mapping[TP, int], begin: Mapping[TP, int], end: Mapping[TP, int]
    ) -> None:
        """The transport reads from here on. Raises IntegrityError where the log is not ours."""
        for tp, offset in wanted.items():
            check_log(tp, offset, begin[tp], end[tp], accept_loss=self._accept_loss)
        self._positions = {tp: max(offset, begin[tp]) for tp, offset in wanted.items()}
        self._is_open = True
        self.dealt.set()
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
            self.fail(out_of_step(tp, batch.position, self._positions[tp]))
            return
        self._positions[tp] = batch.next_position
        if not len(batch):  # offsets without records: markers of transactions
            return
        self._waiting.append(batch)
        self._waiting_rows += len(batch)
        self._waiting_bytes += batch.bytes_n
        self.taken_at_ms = monotonic_ms()
        if self._waiting_since_ms is None:
            self._waiting_since_ms = self.taken_at_ms
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
                async with self._in_turn:
                    await self._turn()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - a panic in a library is no Exception
            self.fail(error)
        await self._committed()

    def end(self) -> None:
        """Let `run` return after the visit to the sink that is under way."""
        self._is_ending = True
        self._wake.set()

    async def release(self) -> None:
        """Before shards are given away: flush what the sink has, publish it, own nothing."""
        was_open = self._is_open
        self._close()
        async with self._in_turn:
            await self._committed()
            if was_open and self.failure is None:
                commit = await self._read(self._seal)
                self._note(await self.call(self._let_go, commit))
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
        """End the sink's threads when what they do is done."""
        self._reader.shutdown(wait=True)
        self._thread.shutdown(wait=True)

    @property
    def positions(self) -> Mapping[TP, int] | None:
        """Where each of our partitions will be read next; None while the group deals them out."""
        return self._positions if self._is_open else None

    @property
    def is_drained(self) -> bool:
        """Whether all that was taken is durable."""
        return self._oldest_ms is None and self._commit is None

    # How.

    @property
    def _is_worth_a_call(self) -> bool:
        return self._waiting_rows >= min(ADD_ROWS_MIN, self._settings.flush_rows_max)

    def _close(self) -> None:
        """Forget what waits: it is not acknowledged, so it will be read again."""
        self.epoch += 1
        self._is_open = False
        self._waiting.clear()
        self._waiting_rows = self._waiting_bytes = 0
        self._oldest_ms = self._waiting_since_ms = None
        self._room.set()
        self._wake.set()

    def _set_room(self) -> None:
        flush_rows = self._settings.flush_rows_max
        is_full = (
            self._waiting_rows >= min(flush_rows, max(ADD_ROWS_MIN, flush_rows // AHEAD))
            or self._waiting_bytes >= WAITING_BYTES_MAX
        )
        self._room.clear() if is_full else self._room.set()

    async def _until_due(self) -> None:
        """Return when rows are worth a call, when they are due, or when a tick is over."""
        now_ms = monotonic_ms()
        due_at_ms = self._due_at_ms
        if due_at_ms is None:
            due_at_ms = now_ms + self._settings.flush_age_max_ms
        try:
            async with asyncio.timeout(max(0.0, due_at_ms - now_ms) / 1_000):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    @property
    def _due_at_ms(self) -> float | None:
        """When to seal what there is: when it is old, but not long before it can be committed."""
        if self._oldest_ms is None:
            return None
        return max(self._oldest_ms + self._settings.flush_age_max_ms, self._seal_from_ms)

    async def _turn(self) -> None:
        """Read what waits; where a flush is due, seal it and let it be committed while we go on."""
        epoch, due_at_ms = self.epoch, self._due_at_ms
        is_due = due_at_ms is not None and monotonic_ms() >= due_at_ms
        batches = self._next_batches() if is_due or self._is_worth_a_call else []
        self._unflushed_bytes += sum(batch.bytes_n for batch in batches)
        rows_n = await self._read(self._add, batches)
        is_full = (
            rows_n >= self._settings.flush_rows_max or self._unflushed_bytes >= FLUSH_BYTES_MAX
        )
        if is_due and not rows_n:  # all of it had been read before
            self._oldest_ms = self._waiting_since_ms
        if rows_n and (is_full or is_due):
            commit = await self._read(self._seal)
            await self._committed()
            if self.failure is not None:  # rows without those before them would be a hole
                return
            self._unflushed_bytes = 0
            if epoch == self.epoch:
                self._oldest_ms = self._waiting_since_ms
            took_ms = max(0.0, self._commit_took_ms - self._seal_took_ms)
            self._seal_from_ms = monotonic_ms() + took_ms
            self._commit = asyncio.create_task(self._commit_behind(commit))
        elif self._commit is None:
            await self.call(self._publish_if_due)

    async def _read(self, work: Callable[..., T], *args: object) -> T:
        """Run something in the reader's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._reader, work, *args)

    async def _commit_behind(self, commit: Commit | None) -> None:
        try:
            self._note(await self.call(self._work, commit))
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - a panic in a library is no Exception
            self.fail(error)
        finally:
            self._commit, self._seal_from_ms = None, float("-inf")
            self._wake.set()

    async def _committed(self) -> None:
        """Return when no commit is under way."""
        if self._commit is not None:
            await asyncio.shield(self._commit)

    def _next_batches(self) -> list[Fetched]:
        """What waits, up to the rows or the bytes of a flush."""
        batches: list[Fetched] = []
        rows_n, room_bytes = 0, FLUSH_BYTES_MAX - self._unflushed_bytes
        while self._waiting and rows_n < self._settings.flush_rows_max and room_bytes > 0:
            batch = self._waiting.popleft()
            batches.append(batch)
            rows_n += len(batch)
            room_bytes -= batch.bytes_n
            self._waiting_bytes -= batch.bytes_n
        self._waiting_rows -= rows_n
        if not self._waiting:
            self._waiting_since_ms = None
        self._set_room()
        if self._is_worth_a_call:
            self._wake.set()
        return batches

    def _add(self, batches: list[Fetched]) -> int:
        """In the reader's thread: take batches; the rows that wait for a flush."""
        for batch in merged(batches):
            self._sink.add(batch)
        return self._sink.rows_buffered()

    def _seal(self) -> Commit | None:
        """In the reader's thread: what is to be flushed; None where there is nothing."""
        if not self._sink.rows_buffered():
            return None
        started_ms = monotonic_ms()
        commit = self._sink.seal()
        self._seal_took_ms = monotonic_ms() - started_ms
        return commit

    def _work(self, commit: Commit | None) -> Flushed | None:
        """In the sink's thread: flush, publish when due."""
        flushed = self._flushed(commit)
        self._publish_if_due()
        return flushed

    def _flushed(self, commit: Commit | None) -> Flushed | None:
        if commit is None:
            return None
        started_ms = monotonic_ms()
        flushed = commit()
        self._commit_took_ms = monotonic_ms() - started_ms
        return flushed

    def _publish_if_due(self) -> None:
        self.publishing.if_due()
        self.progress.published_n = self.publishing.published_n

    def _let_go(self, commit: Commit | None) -> Flushed | None:
        """In the sink's thread: make all of it durable and readable."""
        flushed = self._flushed(commit)
        if not self._sink.is_all_published:
            self.publishing.now()
        self.progress.published_n = self.publishing.published_n
        return flushed

    def _note(self, flushed: Flushed | None) -> None:
        if flushed is not None:
            self.progress.count(flushed)
            for (topic, shard), offset in flushed.next_offsets.items():
                self._durable[TP(self._settings.topic(topic), shard)] = offset
            if flushed.dead_lettered_n:
                self.letters_due.set()
