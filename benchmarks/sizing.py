"""From measured rates to machines: what so many events a day need. Pure: results in, rows out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.budgets import values_of
from benchmarks.pairs import spread

if TYPE_CHECKING:
    from collections.abc import Mapping

LOADS_PER_DAY = (1_000_000_000, 10_000_000_000, 100_000_000_000)
DAY_S = 86_400
PEAK_OVER_MEAN = 2.0
"""Listening by the hour of day: the simulator's weights peak at twice their mean."""
BUSY_SHARE = 0.5
"""How busy a worker is at the peak: the other half is for catching up after a stop."""
SHARDS_PER_WORKER = 2
CORES_PER_WORKER = 2
KAFKA_BYTES_BESIDE = 90
"""Of a record beside its value: key, offsets, times, its share of the batch's head."""
REPLICAS_N = 3
PUBLISH_SHARE = 0.1
FRESH_S = 60.0
GIB = 1 << 30
MIB_PER_GIB = 1_024


@dataclass(frozen=True, slots=True)
class Measured:
    """What the rows are made of.

    rate: events/s of a worker. warehouse_bytes, kafka_bytes: of an event. memory_mib: peak of a
    worker. copy_mib_per_s: how fast a file is published.
    """

    rate: float
    warehouse_bytes: float
    kafka_bytes: float
    memory_mib: float
    copy_mib_per_s: float


@dataclass(frozen=True, slots=True)
class Need:
    """What a load needs.

    file_days: days of events in a worker's file until it is published only every FRESH_S.
    """

    events_per_day: int
    mean_rate: float
    peak_rate: float
    workers_n: int
    shards_n: int
    memory_gib: float
    warehouse_gib_per_day: float
    kafka_gib_per_day: float
    file_days: float


def measured(result: Mapping[str, Any]) -> Measured:
    """Read a full run. Raises KeyError where a section was left out."""
    raw = result["raw"]
    long_run, log = raw["long_run"], raw["main"]["log"]
    base_mib = raw["history"][str(raw["main"]["traffic"]["open_n"])]["file_mib"]
    largest = max(raw["publishing"], key=lambda one: one["file_mib"])
    most = max(raw["open_generations"], key=int)
    return Measured(
        rate=spread(values_of(raw["main"]["rounds"]["worker"], "rate"))["median"],
        warehouse_bytes=(long_run["file_mib"] - base_mib) * (1 << 20) / long_run["rows_n"],
        kafka_bytes=log["value_bytes"] / log["read_n"] + KAFKA_BYTES_BESIDE,
        memory_mib=max(values_of(raw["open_generations"][most], "peak_mib")),
        copy_mib_per_s=largest["file_mib"] / largest["took_s"],
    )


def needs(found: Measured) -> list[Need]:
    """A row a load."""
    return [_need(found, load) for load in LOADS_PER_DAY]


def _need(found: Measured, load: int) -> Need:
    mean = load / DAY_S
    peak = mean * PEAK_OVER_MEAN
    workers_n = math.ceil(peak / (found.rate * BUSY_SHARE))
    per_worker_mib = load * found.warehouse_bytes / workers_n / (1 << 20)
    file_mib_max = FRESH_S * PUBLISH_SHARE * found.copy_mib_per_s
    return Need(
        events_per_day=load,
        mean_rate=mean,
        peak_rate=peak,
        workers_n=workers_n,
        shards_n=workers_n * SHARDS_PER_WORKER,
        memory_gib=workers_n * found.memory_mib / MIB_PER_GIB,
        warehouse_gib_per_day=load * found.warehouse_bytes / GIB,
        kafka_gib_per_day=load * found.kafka_bytes * REPLICAS_N / GIB,
        file_days=file_mib_max / per_worker_mib,
    )
