"""The limit: bare fetching with aiokafka, our batch fetch, and decoding, each alone."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from aiokafka import AIOKafkaConsumer
from aiokafka.structs import TopicPartition

from benchmarks.logs import SHARDS_N, broker_settings, live_batches
from benchmarks.traffic import Traffic
from benchmarks.watched import CountingSink, Watched
from streams.events.contracts import CONTRACTS
from streams.events.decode import Limits, decode_all
from streams.events.topics import JOINED_TOPICS, Topic
from streams.settings import DAY_US, Settings
from streams.worker import WorkerOptions, run_worker

if TYPE_CHECKING:
    from streams.events.batch import Batch

UNTIL_IDLE = WorkerOptions(until_idle_s=0.5)
SESSION_TIMEOUT_S = 1.0
DECODE_ROWS = 20_000
FETCHES_WITHOUT_RECORDS_MAX = 50


def bare_fetch(bootstrap: str, name: str, records_n: int) -> dict[str, Any]:
    """The `getmany` of aiokafka over the five topics, nothing done with what comes."""
    return asyncio.run(_bare_fetch(bootstrap, name, records_n))


async def _bare_fetch(bootstrap: str, name: str, records_n: int) -> dict[str, Any]:
    settings = broker_settings(bootstrap, name)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        tps = [TopicPartition(settings.topic(t), p) for t in JOINED_TOPICS for p in range(SHARDS_N)]
        consumer.assign(tps)
        await consumer.seek_to_beginning(*tps)
        started_s, got_n, empty_n = time.perf_counter(), 0, 0
        while got_n < records_n and empty_n < FETCHES_WITHOUT_RECORDS_MAX:
            found = await consumer.getmany(timeout_ms=200)
            got_n += sum(map(len, found.values()))
            empty_n += not found
        took_s = time.perf_counter() - started_s
    finally:
        await consumer.stop()
    return {"rows_n": got_n, "took_s": took_s, "rate": got_n / took_s}


def batch_fetch(bootstrap: str, name: str, group: str) -> dict[str, Any]:
    """Our transport under Faust's agents and consumer group, into a sink that counts."""
    settings = broker_settings(bootstrap, name, session_timeout_s=SESSION_TIMEOUT_S).model_copy(
        update={"group": group}
    )
    sink = CountingSink()
    watched = Watched(sink)
    run_worker(settings, watched, UNTIL_IDLE)
    took_s = watched.times.last_add_s - watched.times.assigned_s
    return {"rows_n": sink.rows_n, "took_s": took_s, "rate": sink.rows_n / took_s}


def decode_rate(traffic: dict[str, Any]) -> dict[str, Any]:
    """Bytes to frames, all five topics, as many messages a call as the worker takes."""
    found, _ = live_batches(Traffic(**traffic))
    settings = Settings()
    limits = Limits(
        message_bytes_max=settings.message_bytes_max,
        future_max_us=settings.future_max_s * 1_000_000,
        horizon_us=settings.horizon_days * DAY_US,
    )
    calls = [
        (Topic(topic), part)
        for topic in JOINED_TOPICS
        for part in _calls([batch for batch in found if batch.topic == topic])
    ]
    started_s = time.perf_counter()
    rows_n = 0
    for topic, part in calls:
        decoded = decode_all(part, CONTRACTS[topic], limits)
        rows_n += decoded.accepted.height + decoded.rejected.height
    took_s = time.perf_counter() - started_s
    return {"rows_n": rows_n, "took_s": took_s, "rate": rows_n / took_s}


def _calls(found: list[Batch]) -> list[list[Batch]]:
    """Batches of one topic, so many together as the worker decodes in a call."""
    calls: list[list[Batch]] = [[]]
    for batch in found:
        if sum(map(len, calls[-1])) >= DECODE_ROWS:
            calls.append([])
        calls[-1].append(batch)
    return [call for call in calls if call]
