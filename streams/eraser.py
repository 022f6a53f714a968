"""The topic `erasures`: every worker reads all of it, from its beginning, whenever it starts.

A user's events lie in any shard, so no worker may miss a request; there are few of them, and doing
one twice is the same as doing it once, so nothing is kept of how far it was read.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from typing import TYPE_CHECKING

import aiokafka
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from streams.clock import now_us
from streams.dead_letters import rfc3339
from streams.events.erasure import Erasure
from streams.events.instants import instant_us
from streams.events.topics import ERASURES
from streams.fetch import fetched_columns
from streams.producer import Message, Producer
from streams.warehouse.erasures import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiokafka.structs import TopicPartition

    from streams.feed import Feed
    from streams.fetch import Columns
    from streams.settings import Settings
    from streams.sink import Sink

log = logging.getLogger(__name__)

RETRY_WAIT_S = 5.0
POLL_WAIT_MAX_S = 0.5
REQUESTS_MAX = 1_000
"""Requests handed to the sink at once."""
STOP_WAIT_MAX_S = 1.0


class Eraser:
    """Hands requests to the sink, in the feed's thread."""

    def __init__(self, settings: Settings, sink: Sink, feed: Feed) -> None:
        """Read the topic of these settings."""
        self._settings = settings
        self._sink = sink
        self._feed = feed
        self.is_idle = False
        self.refused_n = 0

    async def run(self) -> None:
        """Read until cancelled. Kafka's refusals are retried; the sink's end the worker."""
        try:
            await self._feed.dealt.wait()  # which shards we need decides what a lost part means
            while True:
                try:
                    await self._read()
                except KafkaError as error:
                    log.warning("the erasures cannot be read just now: %r", error)
                await asyncio.sleep(RETRY_WAIT_S)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - a panic in a library is no Exception
            self._feed.fail(error)

    async def _read(self) -> None:
        consumer = aiokafka.AIOKafkaConsumer(
            self._settings.topic(ERASURES),
            bootstrap_servers=self._settings.bootstrap,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            **self._settings.kafka_security().client_options(),
        )
        try:
            await consumer.start()
            while True:
                consumer._coordinator.check_errors()  # noqa: SLF001 - as getmany does
                found = await fetched_columns(
                    consumer._fetcher,  # noqa: SLF001 - see streams.fetch
                    None,
                    wait_max_s=POLL_WAIT_MAX_S,
                    rows_max=REQUESTS_MAX,
                )
                requests = self._requests(found)
                if requests:
                    rows_n = await self._feed.call(self._sink.erase, requests)
                    log.info("%d requests to forget a user: %s", len(requests), rows_n or "no rows")
                self.is_idle = not found
        finally:
            with contextlib.suppress(KafkaError, TimeoutError):
                await asyncio.wait_for(consumer.stop(), STOP_WAIT_MAX_S)

    def _requests(self, found: Mapping[TopicPartition, Columns]) -> list[Request]:
        """The requests that keep their contract; others are logged by their place and counted."""
        requests = []
        for tp, columns in found.items():
            for offset, value in zip(columns.offsets, columns.values, strict=True):
                try:
                    requests.append(request_of(Erasure.model_validate_json(value or b"")))
                except ValidationError as error:
                    self.refused_n += 1
                    first = error.errors(include_url=False, include_input=False)[0]
                    log.error(  # noqa: TRY400 - the traceback would show the key
                        "%s[%d]@%d is no request to forget a user and was passed over: %s %s",
                        tp.topic,
                        tp.partition,
                        offset,
                        first["loc"],
                        columns.unreadable.get(offset, first["type"]),
                    )
        return requests


def request_of(message: Erasure) -> Request:
    """What a message of the topic asks."""
    scope = message.scope or "all"
    before_us = None if scope == "all" else instant_us(scope.removeprefix("before:"))
    return Request(message.request_id, message.user_key, message.requested_at_us, before_us)


def send(settings: Settings, request: Request) -> None:
    """Ask all workers. Raises TransientError."""
    before_us = request.before_us
    fields = {
        "request_id": request.request_id,
        "user_key": request.user_key,
        "requested_at": rfc3339(request.requested_at_us),
        "scope": "all" if before_us is None else f"before:{rfc3339(before_us)}",
    }
    with Producer(settings) as producer:
        value = json.dumps(fields).encode()
        message = Message(ERASURES, request.user_key.encode(), value, now_us() // 1_000)
        producer.send([message])
