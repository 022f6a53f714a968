"""The five Faust agents, one a topic: take the batch. All else is columns, or waits for no one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from streams.events.topics import JOINED_TOPICS
from streams.transport import BatchSchema

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from streams.feed import Feed
    from streams.settings import Settings
    from streams.transport import BatchApp, Fetched


def define_agents(app: BatchApp, feed: Feed, settings: Settings) -> None:
    """Let the app read the five joined topics into the feed."""

    async def agent(stream: AsyncIterator[Fetched]) -> None:
        async for batch in stream:
            feed.take(batch)

    for topic in JOINED_TOPICS:
        channel = app.topic(settings.topic(topic), schema=BatchSchema())
        app.agent(channel, name=topic.value)(agent)
