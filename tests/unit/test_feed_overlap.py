"""The feed while a commit is under way: what comes is read and sealed, and waits for its turn."""

from __future__ import annotations

import asyncio
import threading

from faust.types import TP
from support.feeds import fetched, running, until
from support.sinks import MemorySink

from streams import feed as feeding


class SlowSink(MemorySink):
    """Each commit waits until the test allows it; the number of those that began."""

    def __init__(self):
        super().__init__()
        self.allowed = threading.Semaphore(0)
        self.begun_n = 0

    def commit(self, added):
        self.begun_n += 1
        assert self.allowed.acquire(timeout=5)
        return super().commit(added)


def test_the_next_flush_is_sealed_while_one_is_committed_and_waits_for_its_turn(monkeypatch):
    monkeypatch.setattr(feeding, "ADD_ROWS_MIN", 1)

    async def scenario():
        sink = SlowSink()
        async with running(sink, flush_age_max_ms=60_000, flush_rows_max=10) as feed:
            feed.take(fetched(feed, range(10)))
            await until(lambda: sink.begun_n == 1)
            feed.take(fetched(feed, range(10, 14)))
            await until(lambda: sink.rows_buffered() == 4)
            feed.take(fetched(feed, range(14, 22)))
            await until(lambda: sink.events.count("seal") == 2)
            feed.take(fetched(feed, range(22, 40)))
            full = asyncio.ensure_future(feed.room())
            await asyncio.sleep(0.1)
            assert (sink.begun_n, sink.rows_buffered(), full.done()) == (1, 0, False)
            assert feed.durable_offsets() == {}
            sink.allowed.release()
            await until(lambda: sink.begun_n == 2)
            assert feed.durable_offsets() == {TP("listens", 0): 10}
            assert not feed.is_drained
            sink.allowed.release(2)
            await until(lambda: feed.is_drained)
            await full
            assert sink.offsets() == {("listens", 0): list(range(40))}

    asyncio.run(scenario())


def test_what_is_old_is_sealed_before_the_commit_under_way_ends(monkeypatch):
    monkeypatch.setattr(feeding, "ADD_ROWS_MIN", 100)

    async def scenario():
        sink = SlowSink()
        async with running(sink, flush_age_max_ms=20) as feed:
            feed.take(fetched(feed, range(2)))
            await until(lambda: sink.begun_n == 1)
            feed.take(fetched(feed, range(2, 5)))
            await until(lambda: sink.events.count("seal") == 2)
            feed.take(fetched(feed, range(5, 6)))
            await asyncio.sleep(0.05)
            assert (sink.begun_n, sink.events.count("seal")) == (1, 2), "one behind it, not more"
            assert not feed.is_drained
            sink.allowed.release(3)
            await until(lambda: feed.is_drained)
            assert sink.offsets() == {("listens", 0): list(range(6))}
            assert sink.events.count("commit") == 3

    asyncio.run(scenario())


def test_what_a_snapshot_does_not_hold_is_published_before_shards_are_given_away():
    async def scenario(*, is_held):
        sink = MemorySink()
        async with running(sink, flush_age_max_ms=10) as feed:
            feed.take(fetched(feed, range(3)))
            await until(lambda: feed.progress.flushes_n)
            sink.published_flushes_n = int(is_held)
            await feed.release()
        return sink.events.count("publish")

    assert asyncio.run(scenario(is_held=False)) == 1
    assert asyncio.run(scenario(is_held=True)) == 0


def test_nothing_is_committed_behind_a_commit_that_failed(monkeypatch):
    monkeypatch.setattr(feeding, "ADD_ROWS_MIN", 1)

    class FailingSink(SlowSink):
        def commit(self, added):
            super().commit(added)
            raise OSError("disk full")

    async def scenario():
        sink = FailingSink()
        async with running(sink, flush_age_max_ms=20, flush_rows_max=10) as feed:
            feed.take(fetched(feed, range(10)))
            await until(lambda: sink.begun_n == 1)
            feed.take(fetched(feed, range(10, 20)))
            await until(lambda: sink.events.count("seal") == 2)
            sink.allowed.release(2)
            await feed.release()
            assert str(feed.failure) == "disk full"
            assert (sink.begun_n, sink.events.count("commit")) == (1, 1)
            assert feed.durable_offsets() == {}

    asyncio.run(scenario())


def test_shards_are_dealt_anew_only_when_the_commit_under_way_is_done():
    async def scenario():
        sink = SlowSink()
        async with running(sink, flush_age_max_ms=20) as feed:
            feed.take(fetched(feed, range(3)))
            await until(lambda: sink.begun_n == 1)
            dealing = asyncio.ensure_future(feed.assign(frozenset()))
            await asyncio.sleep(0.1)
            assert not dealing.done()
            sink.allowed.release()
            await dealing
            assert sink.events[-2:] == ["commit", "assign []"]
            assert feed.durable_offsets() == {}

    asyncio.run(scenario())
