"""Feeds that a test fills by hand."""

from __future__ import annotations

import asyncio
import contextlib

from faust.types import TP

from streams.events.topics import JOINED_TOPICS
from streams.feed import Feed
from streams.settings import Settings
from streams.transport import Fetched

TPS = frozenset(TP(topic.value, shard) for topic in JOINED_TOPICS for shard in (0, 1))


def fetched(feed, offsets, *, topic="listens", shard=0, position=None, epoch=None, size=1):
    values = [b"%d" % offset * size for offset in offsets]
    return Fetched(
        topic,
        shard,
        list(offsets),
        [5] * len(values),
        [b"k"] * len(values),
        values,
        epoch=feed.epoch if epoch is None else epoch,
        position=offsets[0] if position is None else position,
        next_position=offsets[-1] + 1,
        bytes_n=sum(map(len, values)),
    )


async def opened(sink, *, tps=TPS, begin=0, end=1_000_000, accept_loss=False, **settings):
    """A feed that reads where the sink says."""
    feed = Feed(Settings(**settings), sink, partitions_n=2, accept_loss=accept_loss)
    wanted = await feed.assign(tps)
    feed.opened(wanted, dict.fromkeys(tps, begin), dict.fromkeys(tps, end))
    return feed


@contextlib.asynccontextmanager
async def running(sink, **settings):
    """A feed that runs until the test is through with it, or the sink fails."""
    feed = await opened(sink, **settings)
    run = asyncio.ensure_future(feed.run())
    yield feed
    feed.end()
    await run
    feed.shut()


async def settled(feed, condition):
    """Run the feed until something holds, then end it."""
    running = asyncio.ensure_future(feed.run())
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - any condition, not only events
            await asyncio.sleep(0.005)
    feed.end()
    await running
    feed.shut()


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - any condition, not only events
            await asyncio.sleep(0.005)
