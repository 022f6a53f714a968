"""The feed: bounded, in order, in the sink's own thread, and never a batch lost in silence."""

from __future__ import annotations

import asyncio

import pytest
from faust.types import TP
from support.feeds import TPS, fetched, opened, settled
from support.sinks import MemorySink

from streams import feed as feeding
from streams.errors import IntegrityError
from streams.feed import Feed
from streams.settings import Settings
from streams.transport import Fetched


def test_what_is_taken_is_flushed_by_age_in_order_and_in_two_other_threads():
    async def scenario():
        sink = MemorySink()
        feed = await opened(sink, flush_age_max_ms=20)
        feed.take(fetched(feed, range(3)))
        feed.take(fetched(feed, range(3, 9)))
        feed.take(fetched(feed, range(2), topic="feedback", shard=1))
        await settled(feed, lambda: feed.is_drained)
        assert sink.offsets() == {("listens", 0): list(range(9)), ("feedback", 1): [0, 1]}
        assert feed.durable_offsets() == {TP("listens", 0): 9, TP("feedback", 1): 2}
        of_reader, of_sink = sink.threads["add"], sink.threads["commit"]
        assert of_reader == sink.threads["seal"] == {"reader_0"}
        assert of_sink == sink.threads["assign [0, 1]"] == {"sink_0"}

    asyncio.run(scenario())


def test_rows_of_a_flush_force_it_before_the_age():
    async def scenario():
        sink = MemorySink()
        feed = await opened(sink, flush_age_max_ms=60_000, flush_rows_max=10)
        feed.take(fetched(feed, range(4)))
        feed.take(fetched(feed, range(4, 25)))
        feed.take(fetched(feed, range(25, 27)))
        await settled(feed, lambda: feed.progress.flushes_n)
        assert sink.offsets() == {("listens", 0): list(range(25))}
        assert not feed.is_drained

    asyncio.run(scenario())


def test_bytes_of_a_flush_force_it_before_the_age(monkeypatch):
    monkeypatch.setattr(feeding, "FLUSH_BYTES_MAX", 100)
    monkeypatch.setattr(feeding, "ADD_ROWS_MIN", 1)

    async def scenario():
        sink = MemorySink()
        feed = await opened(sink, flush_age_max_ms=60_000)
        feed.take(fetched(feed, range(2), size=60))
        await settled(feed, lambda: feed.progress.flushes_n)
        assert sink.offsets() == {("listens", 0): [0, 1]}

    asyncio.run(scenario())


def test_a_flush_takes_no_more_than_its_bytes(monkeypatch):
    monkeypatch.setattr(feeding, "FLUSH_BYTES_MAX", 100)
    monkeypatch.setattr(feeding, "ADD_ROWS_MIN", 1)

    async def scenario():
        sink = MemorySink()
        feed = await opened(sink, flush_age_max_ms=60_000)
        for offset in range(4):
            feed.take(fetched(feed, [offset], size=60))
        await settled(feed, lambda: feed.is_drained)
        assert sink.events.count("commit") == 2
        assert sink.offsets() == {("listens", 0): [0, 1, 2, 3]}

    asyncio.run(scenario())


@pytest.mark.parametrize(("settings", "bytes_max"), [({"flush_rows_max": 5}, 1 << 20), ({}, 100)])
def test_a_full_feed_asks_for_no_fetch_until_the_sink_took_something(
    monkeypatch, settings, bytes_max
):
    monkeypatch.setattr(feeding, "WAITING_BYTES_MAX", bytes_max)

    async def scenario():
        feed = await opened(MemorySink(), flush_age_max_ms=20, **settings)
        await feed.room()
        feed.take(fetched(feed, range(10), size=20))
        waiting = asyncio.ensure_future(feed.room())
        await asyncio.sleep(0)
        assert not waiting.done()
        await settled(feed, lambda: feed.is_drained)
        await waiting

    asyncio.run(scenario())


def test_a_third_of_a_flush_is_fetched_ahead_and_no_more(monkeypatch):
    monkeypatch.setattr(feeding, "ADD_ROWS_MIN", 2)

    async def room_after(rows_n):
        feed = await opened(MemorySink(), flush_age_max_ms=60_000, flush_rows_max=9)
        feed.take(fetched(feed, range(rows_n)))
        asked = asyncio.ensure_future(feed.room())
        await asyncio.sleep(0)
        is_there = asked.done()
        asked.cancel()
        feed.shut()
        return is_there

    assert asyncio.run(room_after(2))
    assert not asyncio.run(room_after(3))


def test_small_batches_reach_the_sink_together():
    async def scenario():
        sink = MemorySink()
        feed = await opened(sink, flush_age_max_ms=30)
        for offset in range(100):
            feed.take(fetched(feed, [offset]))
        await settled(feed, lambda: feed.is_drained)
        assert sink.events.count("add") == 1
        assert sink.offsets() == {("listens", 0): list(range(100))}

    asyncio.run(scenario())


def test_a_batch_of_an_assignment_that_is_over_is_dropped():
    async def scenario():
        sink = MemorySink()
        feed = await opened(sink, flush_age_max_ms=20)
        stale = fetched(feed, range(3))
        await feed.release()
        feed.take(stale)
        assert feed.is_drained
        wanted = await feed.assign(TPS)
        feed.opened(wanted, dict.fromkeys(TPS, 0), dict.fromkeys(TPS, 9))
        feed.take(stale)
        assert feed.is_drained
        feed.take(fetched(feed, range(3)))
        await settled(feed, lambda: feed.is_drained)
        assert sink.offsets() == {("listens", 0): [0, 1, 2]}

    asyncio.run(scenario())


def test_release_makes_durable_what_the_sink_has_publishes_it_and_owns_nothing(monkeypatch):
    monkeypatch.setattr(feeding, "ADD_ROWS_MIN", 1)

    async def scenario():
        sink = MemorySink()
        feed = await opened(sink, flush_age_max_ms=60_000)
        feed.take(fetched(feed, range(5)))
        await feed._turn()
        assert sink.flushed == {}
        await feed.release()
        assert sink.events[-5:] == ["add", "seal", "commit", "publish", "assign []"]
        assert feed.durable_offsets() == {TP("listens", 0): 5}
        assert feed.positions is None
        await feed.release()
        assert sink.events.count("publish") == 1
        feed.shut()

    asyncio.run(scenario())


def test_a_hole_between_two_fetches_ends_the_worker_and_is_not_taken():
    async def scenario():
        sink = MemorySink()
        feed = await opened(sink)
        feed.take(fetched(feed, range(3)))
        feed.take(fetched(feed, range(4, 6)))
        assert isinstance(feed.failure, IntegrityError)
        assert "begins at 4, 3 was expected" in str(feed.failure)
        feed.take(fetched(feed, range(3, 4)))
        await feed.run()
        assert sink.flushed == {}
        feed.shut()

    asyncio.run(scenario())


def test_offsets_may_have_holes_where_positions_have_none():
    async def scenario():
        feed = await opened(MemorySink())
        feed.take(fetched(feed, [2, 5, 9], position=0))
        feed.take(fetched(feed, [12], position=10))
        assert feed.failure is None
        assert feed.positions[TP("listens", 0)] == 13
        feed.shut()

    asyncio.run(scenario())


def test_offsets_without_records_move_the_position_and_nothing_else():
    async def scenario():
        sink = MemorySink()
        feed = await opened(sink, flush_age_max_ms=10)
        marker = Fetched("listens", 0, [], [], [], [], epoch=feed.epoch, next_position=4)
        feed.take(marker)
        assert feed.is_drained
        feed.take(fetched(feed, range(4, 6)))
        await settled(feed, lambda: feed.is_drained)
        assert sink.offsets() == {("listens", 0): [4, 5]}

    asyncio.run(scenario())


@pytest.mark.parametrize("method", ["add", "seal", "commit"])
def test_a_failing_sink_ends_the_worker_and_nothing_is_durable(method):
    def broken(*_):
        raise OSError("disk full")

    async def scenario():
        sink = MemorySink()
        setattr(sink, method, broken)
        feed = await opened(sink, flush_age_max_ms=10)
        feed.take(fetched(feed, range(3)))
        await settled(feed, feed.failed.is_set)
        assert str(feed.failure) == "disk full"
        assert feed.durable_offsets() == {}

    asyncio.run(scenario())


def test_a_folder_that_takes_no_snapshot_stops_neither_reading_nor_committing():
    asked = []

    def broken():
        asked.append(True)
        raise OSError("read-only")

    async def scenario():
        sink = MemorySink()
        sink.publish_if_due = broken
        feed = await opened(sink, flush_age_max_ms=10)
        feed.take(fetched(feed, range(3)))
        await settled(feed, lambda: feed.progress.flushes_n and feed.is_drained)
        assert feed.failure is None
        assert feed.durable_offsets() == {TP("listens", 0): 3}
        assert str(feed.publishing.failure) == "read-only"
        assert len(asked) == 1, "then it waits before it tries again"

    asyncio.run(scenario())


def test_shards_that_come_in_parts_are_refused():
    async def scenario():
        feed = Feed(Settings(), MemorySink(), partitions_n=2)
        with pytest.raises(IntegrityError, match="parts of shards"):
            await feed.assign(TPS - {TP("listens", 1)})
        feed.shut()

    asyncio.run(scenario())


def rows_up_to(offset):
    return {("listens", 0): [(n, 0, None, None) for n in range(offset)]}


def test_a_log_shorter_than_what_was_read_is_another_log():
    async def scenario():
        with pytest.raises(IntegrityError, match=r"listens\[0\]: the log ends at offset 7, but 9"):
            await opened(MemorySink(rows_up_to(9)), end=7)

    asyncio.run(scenario())


def test_records_deleted_before_they_were_read_need_a_word_of_the_operator():
    async def scenario():
        with pytest.raises(IntegrityError, match=r"offsets 9 to 19 were deleted.*--accept-loss"):
            await opened(MemorySink(rows_up_to(9)), begin=20)
        feed = await opened(MemorySink(rows_up_to(9)), begin=20, accept_loss=True)
        assert set(feed.positions.values()) == {20}
        feed.shut()

    asyncio.run(scenario())


def test_a_log_that_begins_late_is_no_loss_to_a_new_sink():
    async def scenario():
        feed = await opened(MemorySink(), begin=20)
        assert set(feed.positions.values()) == {20}
        feed.shut()

    asyncio.run(scenario())
