"""The joining side of a worker: batches in, one DuckDB transaction a flush, snapshots out.

The edge around the pure engine: it reads the touched rows, calls the core and writes what the core
returns. Decoding touches no file, so one thread may decode the next flush while another commits
this one: see streams.sink.Sink.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from streams import dead_letters, erasing
from streams.clock import monotonic_ms
from streams.engine import books
from streams.engine.flood import Bounds
from streams.engine.rules import Rules
from streams.events.contracts import CONTRACTS
from streams.events.decode import Limits, decode_all
from streams.events.topics import JOINED_TOPICS, Topic
from streams.flush import Arrived, Buffer, commit
from streams.settings import DAY_US
from streams.sink import Flushed
from streams.warehouse import archive, archiving, compact, publish, restore, ruling
from streams.warehouse import scrub as scrubbing
from streams.warehouse.connect import hold, open_writable
from streams.warehouse.copying import COPY_BEHIND_BYTES_MIN, Copy, check_room
from streams.warehouse.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from streams.events.batch import Batch
    from streams.settings import Settings
    from streams.sink import Commit, DeadLetter, TopicShard
    from streams.warehouse.erasures import Request

log = logging.getLogger(__name__)

SECOND_US = 1_000_000
DECODE_ROWS = 20_000
"""Messages of a topic worth a call of the decoder before the flush needs them."""


class Pipeline:
    """A worker's shards in its own file. Satisfies streams.sink.Sink.

    published_flushes_n: how many of this pipeline's flushes, in their order, a snapshot holds.
    """

    def __init__(self, settings: Settings) -> None:
        """Open the worker's file and bring it to the newest schema.

        Raises:
            ListenbackError: the file is held, newer, or was made under other rules.
        """
        self._settings = settings
        self._rules = Rules(
            settings.window_sizes_s,
            settings.out_of_orderness_s * SECOND_US,
            Bounds(settings.dead_letter_rows_max, settings.dead_letter_bytes_max),
        )
        self._is_shown_anew = False
        self._lock = hold(settings.worker_file)
        try:
            self._con = self._opened()
        except BaseException:
            self._lock.close()
            raise
        self._shards: frozenset[int] = frozenset()
        self._is_dealt = False
        self._next: dict[TopicShard, int] = {}
        self._buffer = Buffer()
        self._sealed_n = self._committed_n = 0
        self._is_changed = self._is_shown_anew or self._is_ahead_of_snapshot()
        self._is_behind = False
        self._flushes_n = self._held_flushes_n = self.published_flushes_n = 0
        self._copy: Copy | None = None
        self._publish_took_ms = self._copy_took_ms = 0.0
        self._published_at_ms = float("-inf")
        self._is_unclean = scrubbing.is_due(self._con)
        self._scrub_from_ms = float("-inf")

    def _opened(self) -> DuckDBPyConnection:
        """The worker's file at the newest schema and under our rules."""
        settings = self._settings
        con = open_writable(
            settings.worker_file,
            memory=settings.duckdb_memory,
            threads_n=settings.duckdb_threads_n,
        )
        try:
            migrate(con, str(settings.worker_file))
            ruling.agree(con, settings)
            if archive.is_shown_elsewhere(con):
                archive.show(con)
                self._is_shown_anew = True
        except BaseException:
            con.close()
            raise
        return con

    def _is_ahead_of_snapshot(self) -> bool:
        """Whether the last run committed, or forgot, what it could not publish any more."""
        published = restore.most_advanced([self._published], skips_unusable=True)
        is_further = any(
            messages_n > (published[shard].progress if shard in published else 0)
            for shard, messages_n in restore.progress(self._con).items()
        )
        clean = publish.scrubbed(self._con)
        return is_further or bool(
            clean
            and self._published.is_file()
            and not clean <= publish.scrubbed_in(self._published)
        )

    def agree_on_partitions(self, partitions_n: int) -> None:
        """Refuse a log with another number of partitions than that of the file's rows."""
        ruling.agree_on_log(self._con, partitions_n, str(self._settings.worker_file))

    def assign(self, shards: frozenset[int]) -> Mapping[TopicShard, int]:
        """Own these shards; where a published copy is further, our own too, take that one."""
        self._gain(shards - self._shards)
        self._shards, self._is_dealt = shards, True
        self._buffer = Buffer()
        self._committed_n = self._sealed_n
        stored = self._con.execute("SELECT topic, shard, next_offset FROM topic_shard").fetchall()
        offsets = {(topic, shard): offset for topic, shard, offset in stored}
        self._next = {
            (topic.value, shard): offsets.get((topic.value, shard), 0)
            for topic in JOINED_TOPICS
            for shard in shards
        }
        return dict(self._next)

    def _gain(self, shards: frozenset[int]) -> None:
        """Take over those of these shards that were published further than our file is."""
        if not shards:
            return
        files = self._settings.published_dir.glob(publish.WORKER_GLOB)  # our own may outlive a disk
        copies = restore.most_advanced(files, skips_unusable=True)
        restore.drop_broken(self._con, needed=shards - copies.keys())
        own = restore.progress(self._con)
        further: dict[Path, list[int]] = {}
        for shard in sorted(shards & copies.keys()):
            if copies[shard].progress > own.get(shard, 0):
                further.setdefault(copies[shard].path, []).append(shard)
        for path, wanted in further.items():  # each file is opened, and its tables read, once
            restore.take_shards(self._con, path, wanted)
            self._is_changed = True
            for shard in wanted:
                log.info("shard %d: %d messages from %s", shard, copies[shard].progress, path.name)
            self.erase(())  # that file may not have known whom this one is to forget

    def add(self, batch: Batch) -> None:
        """Take a batch into the buffer; what lies below the offsets of record is dropped."""
        key = (batch.topic, batch.shard)
        fresh = batch.starting_at(self._next[key]).with_sane_times()
        if not len(fresh):
            return
        topic = Topic(batch.topic)
        self._next[key] = fresh.offsets[-1] + 1
        newest_us = max(fresh.record_times_ms) * 1_000
        self._buffer.read.append((batch.topic, batch.shard, self._next[key], len(fresh), newest_us))
        self._buffer.rows_n += len(fresh)
        waiting = self._buffer.undecoded.setdefault(topic, [])
        waiting.append(fresh)
        if sum(map(len, waiting)) >= DECODE_ROWS:
            self._decode(topic)

    def _decode(self, topic: Topic) -> None:
        """Decode what waits of a topic; a call costs as much as some hundred messages."""
        batches = self._buffer.undecoded.pop(topic)
        decoded = decode_all(batches, CONTRACTS[topic], self._limits)
        rows_n = decoded.accepted.height + decoded.rejected.height
        assert rows_n == sum(map(len, batches)), "each message is accepted or rejected"
        self._buffer.accepted.setdefault(topic, []).append(decoded.accepted)
        if decoded.rejected.height:
            self._buffer.rejected.setdefault(topic, []).append(decoded.rejected)

    def rows_buffered(self) -> int:
        """Messages that wait for the next flush."""
        return self._buffer.rows_n

    def seal(self) -> Commit:
        """Decode what still waits, and begin a new buffer; what commits the old one."""
        started_ms = monotonic_ms()
        for topic in list(self._buffer.undecoded):
            self._decode(topic)
        buffer, self._buffer = self._buffer, Buffer()
        read = pl.DataFrame(buffer.read, schema=books.READ, orient="row")
        arrived = Arrived(buffer.accepted, buffer.rejected, read)
        decoded_ms = monotonic_ms() - started_ms
        self._sealed_n += 1
        self._is_behind = buffer.rows_n >= self._settings.flush_rows_max
        return partial(self._commit, self._sealed_n, arrived, dict(self._next), decoded_ms)

    def flush(self) -> Flushed:
        """Seal and commit, for those who have one thread."""
        return self.seal()()

    def _commit(
        self,
        number: int,
        arrived: Arrived,
        next_offsets: Mapping[TopicShard, int],
        decoded_ms: float,
    ) -> Flushed:
        """Dedupe, join, move windows and commit with the offsets, in one transaction."""
        assert number == self._committed_n + 1, "a flush between was lost: this one leaves a hole"
        started_ms = monotonic_ms()
        outcome = commit(self._con, arrived, self._rules)
        self._committed_n = number
        self._flushes_n += 1
        self._is_changed = self._is_changed or arrived.read.height > 0
        return _flushed(outcome, next_offsets, decoded_ms + monotonic_ms() - started_ms)

    def publish_if_due(self) -> bool:
        """Publish unless nothing changed, the interval runs, or the time share is spent."""
        if self._copy is not None:
            return not self._copy.is_under_way and self._publish_copied(self._copy)
        now_ms = monotonic_ms()
        is_wanted = self._is_changed or (self._is_unclean and now_ms >= self._scrub_from_ms)
        if not is_wanted or now_ms - self._published_at_ms < self._publish_wait_ms:
            return False
        if self._settings.worker_file.stat().st_size < COPY_BEHIND_BYTES_MIN:
            self.publish()
            return True
        is_more_to_move = self._make_ready()
        self._con.execute("CHECKPOINT")
        self._published.parent.mkdir(parents=True, exist_ok=True)
        check_room(self._settings.worker_file, self._published.parent)
        coming = publish.coming_beside(self._published)
        self._copy = Copy(self._con, self._settings.worker_file, coming)
        self._publish_took_ms = monotonic_ms() - now_ms
        self._is_changed = is_more_to_move
        return False

    @property
    def is_all_published(self) -> bool:
        """Whether a snapshot holds every flush, and none is on its way."""
        return self._copy is None and self.published_flushes_n == self._flushes_n

    @property
    def _publish_wait_ms(self) -> float:
        """From a snapshot to the next; copying, which holds nothing up, for half of the time."""
        settings = self._settings
        share = settings.publish_share_max if self._is_behind else settings.publish_share_calm_max
        held_up_ms = self._publish_took_ms / share
        return max(settings.publish_interval_s * 1_000, held_up_ms, self._copy_took_ms)

    def publish(self) -> None:
        """Checkpoint, copy, rename; the sole publisher's file is also the warehouse."""
        settings, started_ms = self._settings, monotonic_ms()
        self._abandon_copy()
        is_more_to_move = self._make_ready()
        keep_n = settings.publish_keep_n
        publish.snapshot(self._con, settings.worker_file, self._published, keep_n=keep_n)
        self._note_published()
        self._is_changed = is_more_to_move
        self._publish_took_ms = monotonic_ms() - started_ms

    def _make_ready(self) -> bool:
        """What comes before the checkpoint of a snapshot; whether facts may be left to archive."""
        self._drop_broken()
        self._scrub_if_due()
        compact.fold_if_due(self._con)
        self._held_flushes_n = self._flushes_n
        return self._archive_if_due()

    def _publish_copied(self, done: Copy) -> bool:
        """Give a finished copy its name."""
        self._copy = None
        try:
            done.end()
            publish.place(done.target, self._published, keep_n=self._settings.publish_keep_n)
            self._note_published()
        except BaseException:
            self._is_changed = True
            done.abandon()
            raise
        self._copy_took_ms = done.took_ms
        return True

    def _abandon_copy(self) -> None:
        """Before another checkpoint, which would change what is being copied."""
        unwanted, self._copy = self._copy, None
        if unwanted is not None:
            self._is_changed = True
            unwanted.abandon()

    def _note_published(self) -> None:
        """The sole publisher's file is also the warehouse; what nobody names any more goes."""
        settings = self._settings
        if set(settings.published_dir.glob(publish.WORKER_GLOB)) == {self._published}:
            publish.link(self._published, settings.warehouse_file, keep_n=settings.publish_keep_n)
            publish.forget_predecessors(settings.warehouse_file)
        publish.forget_predecessors(self._published)
        archiving.sweep(self._con, settings.named_warehouses(), self._shards)
        self.published_flushes_n = self._held_flushes_n
        self._published_at_ms = monotonic_ms()

    def _archive_if_due(self) -> bool:
        """Move what is oldest of the facts behind the horizon; whether there was any."""
        settings = self._settings
        if not settings.archive:
            return False
        piece = archiving.due(self._con, **settings.archived_when())
        if piece is not None:
            archiving.move(self._con, piece)
        return piece is not None

    def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """Stored dead letters that were not yet sent to their topic, oldest first."""
        return dead_letters.waiting(self._con, limit, self._settings)

    def mark_forwarded(self, dlq_ids: Sequence[str]) -> None:
        """Remember that these were sent; sending twice is harmless, their id is the same."""
        dead_letters.mark_forwarded(self._con, dlq_ids)

    def erase(self, requests: Sequence[Request]) -> Mapping[str, int]:
        """Forget users, now and in what comes; rows that went or changed, by table.

        What waits for a flush is looked at there. The bytes go when the file is written anew,
        before it is published next.
        """
        self._drop_broken()
        done = erasing.erase(self._con, requests, self._rules)
        self._is_unclean = scrubbing.is_due(self._con)
        self._is_changed = self._is_changed or self._is_unclean
        return done.rows_n

    def _drop_broken(self) -> None:
        """A shard whose parts are gone is an error or, where it is not ours, no copy."""
        if self._is_dealt:
            restore.drop_broken(self._con, needed=self._shards)

    def forget_as(self, path: Path) -> None:
        """Forget whom a published file has forgotten."""
        restore.take_erasures(self._con, path)
        self.erase(())

    def _scrub_if_due(self) -> None:
        """Write the file anew, where somebody was forgotten since and the interval allows it."""
        if not self._is_unclean or monotonic_ms() < self._scrub_from_ms:
            return
        settings = self._settings
        self._con.execute("CHECKPOINT")
        self._con.close()
        try:
            scrubbing.scrub(settings.worker_file, memory=settings.duckdb_memory)
        finally:
            self._con = self._opened()
        self._is_unclean = False
        self._scrub_from_ms = monotonic_ms() + settings.erasure_scrub_interval_s * 1_000

    def close(self) -> None:
        """Checkpoint and close the file."""
        self._abandon_copy()
        self._con.execute("CHECKPOINT")
        self._con.close()
        self._lock.close()

    @property
    def _published(self) -> Path:
        return self._settings.published_dir / self._settings.worker_file.name

    @property
    def _limits(self) -> Limits:
        settings = self._settings
        return Limits(
            message_bytes_max=settings.message_bytes_max,
            future_max_us=settings.future_max_s * SECOND_US,
            horizon_us=settings.horizon_days * DAY_US,
        )


def _flushed(
    outcome: books.Outcome, next_offsets: Mapping[TopicShard, int], took_ms: float
) -> Flushed:
    valid_n, accepted_n, dead_n = (
        sum(rows.height for rows in frames.values())
        for frames in (outcome.valid, outcome.firsts, outcome.rejected)
    )
    return Flushed(
        next_offsets=next_offsets,
        read_n=valid_n + dead_n,
        accepted_n=accepted_n,
        duplicate_n=valid_n - accepted_n,
        dead_lettered_n=dead_n,
        took_ms=took_ms,
    )
