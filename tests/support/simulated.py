"""A warehouse of simulated events, joined without a broker."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import polars as pl

from streams.events.batch import Batch
from streams.partitioner import partitions_of
from streams.pipeline import Pipeline
from streams.settings import Settings
from streams.simulate.plan import Plan
from streams.simulate.simulation import simulate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHARDS_N = 4


def batches(plan: Plan, *, rows_max: int = 20_000) -> Iterator[Batch]:
    """The plan's records as Kafka would deliver them."""
    offsets: Counter[tuple[str, int]] = Counter()
    for topic, records in simulate(plan).records(rows_max):
        homes = pl.Series("shard", partitions_of(records["key"].to_list(), SHARDS_N))
        for (shard,), rows in records.with_columns(homes).group_by("shard", maintain_order=True):
            first = offsets[topic.value, shard]
            offsets[topic.value, shard] += rows.height
            yield Batch(
                topic.value,
                int(shard),
                range(first, first + rows.height),
                rows["timestamp_ms"].to_list(),
                rows["key"].to_list(),
                rows["value"].to_list(),
            )


def warehouse(folder: Path, *, events_n: int) -> Settings:
    """Join simulated events in the folder and publish; the settings say where."""
    settings = Settings(data_dir=folder)
    pipeline = Pipeline(settings)
    pipeline.assign(frozenset(range(SHARDS_N)))
    for batch in batches(Plan(events_n=events_n)):
        pipeline.add(batch)
    pipeline.flush()
    pipeline.publish()
    pipeline.close()
    return settings
