"""Reading on after shards were dealt, and what a further deal in the middle of it does."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import IllegalStateError
from faust.types import TP
from support.feeds import TPS
from support.sinks import MemorySink

from streams.feed import Feed
from streams.settings import Settings
from streams.transport import BatchConsumer

END = 7


class Thread:
    """Faust's thread of a consumer whose shards `dealt` names, with aiokafka's own highwater."""

    def __init__(self, dealt):
        self.dealt = dealt

    def assignment(self):
        return set(self.dealt)

    def highwater(self, tp):
        state = SimpleNamespace(highwater=END)
        assignment = SimpleNamespace(state_value=lambda _: state)
        subscription = SimpleNamespace(
            is_assigned=lambda tp: tp in self.dealt,
            subscription=SimpleNamespace(assignment=assignment),
        )
        return AIOKafkaConsumer.highwater(SimpleNamespace(_subscription=subscription), tp)


class Consumer(BatchConsumer):
    """A consumer without a broker: every log begins at 0."""

    def __init__(self, feed, thread, on_seek):
        self.app = SimpleNamespace(intake=feed)
        self._fetch_or_seek = asyncio.Lock()
        self._committed_offset = {}
        self._thread = thread
        self._on_seek = on_seek

    def assignment(self):
        return self._thread.assignment()

    async def earliest_offsets(self, *tps):
        return dict.fromkeys(tps, 0)

    async def highwaters(self, *tps):
        return dict.fromkeys(tps, END)

    async def seek_wait(self, _):
        await self._on_seek()


def sought(on_seek_of):
    """The feed after a seek in whose middle something happens, and what the seek raised."""

    async def scenario():
        feed = Feed(Settings(), MemorySink(), partitions_n=2)
        thread = Thread(TPS)
        consumer = Consumer(feed, thread, lambda: on_seek_of(feed, thread))
        try:
            await consumer.perform_seek()
        except IllegalStateError as error:
            return feed, thread, error
        else:
            return feed, thread, None
        finally:
            feed.shut()

    return asyncio.run(scenario())


async def nothing(_, __):
    """No other deal."""


async def a_shard_is_lost(_, thread):
    thread.dealt = frozenset(tp for tp in TPS if tp.partition == 0)


async def all_is_released(feed, _):
    await feed.release()


def test_a_seek_opens_the_feed_where_the_sink_says():
    feed, _, error = sought(nothing)
    assert error is None
    assert feed.positions == dict.fromkeys(TPS, 0)


@pytest.mark.parametrize("deal", [a_shard_is_lost, all_is_released])
def test_a_deal_in_the_middle_of_a_seek_opens_nothing_and_waits_for_the_next(deal):
    feed, _, error = sought(deal)
    assert "dealt anew" in str(error)
    assert feed.positions is None


def test_where_a_shard_is_another_s_its_end_is_unknown_and_no_crash():
    consumer = Consumer(None, Thread({TP("listens", 0)}), None)
    assert consumer.highwater(TP("listens", 0)) == END
    assert consumer.highwater(TP("listens", 1)) is None
