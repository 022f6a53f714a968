"""Traffic as a log: on a broker, or as the batches that Kafka would deliver."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import polars as pl

from benchmarks.traffic import Live, Traffic
from streams.events.batch import Batch
from streams.kafka_writer import KafkaWriter
from streams.partitioner import partitions_of
from streams.settings import Settings
from streams.simulate.plan import MIXES, Plan
from streams.simulate.simulation import Simulation, simulate
from streams.topics import create_topics

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from streams.events.topics import Topic

SHARDS_N = 4
ROWS_MAX = 20_000


def broker_settings(bootstrap: str, name: str, **others: Any) -> Settings:  # noqa: ANN401 - fields
    """Settings of one log; its name is the prefix of its topics."""
    return Settings(
        bootstrap=bootstrap, topic_prefix=f"{name}-", group=name, partitions_n=SHARDS_N, **others
    )


def send_live(
    bootstrap: str, name: str, traffic: dict[str, Any], shards_n: int = SHARDS_N
) -> dict[str, Any]:
    """Create the topics and send a slice of live traffic; what it holds."""
    return _sent(bootstrap, name, Live(Traffic(**traffic)).simulation, shards_n)


def send_demo(bootstrap: str, name: str, events_n: int) -> dict[str, Any]:
    """The same for 31 days of listening in one log: the demo's density."""
    simulation = simulate(Plan(events_n=events_n, mix=MIXES["bench"]))
    return _sent(bootstrap, name, simulation, SHARDS_N)


def holds(simulation: Simulation) -> dict[str, Any]:
    """What a log of it holds, and what must become of it."""
    parts = simulation.deliveries.values()
    return {
        "read_n": simulation.records_n,
        "accepted_n": sum(one.events_n for one in parts),
        "duplicate_n": sum(int(one.resent.sum()) for one in parts),
        "dead_lettered_n": sum(one.poison_n for one in parts),
        "late_n": sum(int(one.late.sum()) for one in parts),
    }


def live_batches(traffic: Traffic) -> tuple[list[Batch], dict[str, Any]]:
    """A slice without a broker, in log order."""
    simulation = Live(traffic).simulation
    return list(batches(simulation.records(ROWS_MAX))), holds(simulation)


def batches(records: Iterable[tuple[Topic, pl.DataFrame]]) -> Iterator[Batch]:
    """Records as Kafka would deliver them, their offsets counted from 0."""
    offsets: Counter[tuple[str, int]] = Counter()
    for topic, rows in records:
        homes = pl.Series("shard", partitions_of(rows["key"].to_list(), SHARDS_N))
        for (shard,), part in rows.with_columns(homes).group_by("shard", maintain_order=True):
            first = offsets[topic.value, shard]
            offsets[topic.value, shard] += part.height
            yield Batch(
                topic.value,
                int(shard),
                range(first, first + part.height),
                part["timestamp_ms"].to_list(),
                part["key"].to_list(),
                part["value"].to_list(),
            )


def _sent(bootstrap: str, name: str, simulation: Simulation, shards_n: int) -> dict[str, Any]:
    settings = broker_settings(bootstrap, name).model_copy(update={"partitions_n": shards_n})
    create_topics(settings)
    value_bytes = 0
    with KafkaWriter(settings) as writer:
        for topic, records in simulation.records(ROWS_MAX):
            writer.write(topic, records)
            value_bytes += int(records["value"].bin.size().sum() or 0)
    return {**holds(simulation), "value_bytes": value_bytes}
