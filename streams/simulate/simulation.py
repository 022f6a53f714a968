"""A simulation: records in log order, written a stretch of time at a time, and their truth."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from streams.event_json import encoded
from streams.event_writer import RECORD
from streams.events.contracts import CONTRACTS
from streams.events.topics import Topic
from streams.simulate import wire
from streams.simulate.delivery import Delivery, deliver
from streams.simulate.names import Names, name
from streams.simulate.poison import spoil
from streams.simulate.truth import MEASUREMENTS
from streams.simulate.truth_experiments import experiment_truth
from streams.simulate.truth_log import judge_truth, rater_truth, shelf_truth, topic_counts
from streams.simulate.world import World, create

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from streams.simulate.plan import Plan

    Ints = NDArray[np.int64]

TRUTH_FORMAT = 1
ROWS_MAX = 200_000


@dataclass(frozen=True, slots=True)
class Simulation:
    """A world and how its events reached the log."""

    plan: Plan
    world: World
    names: Names
    deliveries: Mapping[Topic, Delivery]

    @property
    def records_n(self) -> int:
        """How many records, resent and poisonous ones too."""
        return sum(len(one.row) for one in self.deliveries.values())

    def records(self, rows_max: int = ROWS_MAX) -> Iterator[tuple[Topic, pl.DataFrame]]:
        """RECORD frames in log order; the topics take turns, about rows_max rows a turn."""
        times = np.sort(np.concatenate([one.time_ms for one in self.deliveries.values()]))
        cuts = [*times[rows_max::rows_max].tolist(), np.iinfo(np.int64).max]
        done = dict.fromkeys(self.deliveries, 0)
        for cut in cuts:
            for topic, delivery in self.deliveries.items():
                end = int(np.searchsorted(delivery.time_ms, cut))
                if end > done[topic]:
                    yield topic, self._records(delivery, slice(done[topic], end))
                    done[topic] = end

    def _records(self, delivery: Delivery, part: slice) -> pl.DataFrame:
        row, time_ms = delivery.row[part], delivery.time_ms[part]
        is_poison = row >= delivery.events_n
        good = self._good(delivery, row[~is_poison]).with_columns(
            place=pl.Series(np.flatnonzero(~is_poison)), is_json=pl.lit(value=True)
        )
        bad = self._poison(delivery, row[is_poison] - delivery.events_n).with_columns(
            place=pl.Series(np.flatnonzero(is_poison)), is_json=pl.lit(value=False)
        )
        both = pl.concat([good, bad]).sort("place")
        return both.with_columns(timestamp_ms=pl.Series(time_ms)).select(RECORD.names())

    def _good(self, delivery: Delivery, row: Ints) -> pl.DataFrame:
        frame = wire.fields(delivery.topic, self.names, row, delivery.offline[row])
        return pl.DataFrame(
            {
                "key": wire.keys(delivery.topic, frame),
                "value": encoded(frame, wire.SOMETIMES[delivery.topic]),
            },
            schema={"key": pl.Binary, "value": pl.Binary},
        )

    def _poison(self, delivery: Delivery, nth: Ints) -> pl.DataFrame:
        """Poison messages, each made from a good one; so few that they are made one by one."""
        topic = delivery.topic
        good = self._good(delivery, delivery.poison_like[nth])
        own_id = CONTRACTS[topic].own_id
        taken_ms = delivery.poison_time_ms
        values = [
            spoil(topic, n, {**json.loads(value), own_id: f"poison-{topic}-{n}"}, int(taken_ms[n]))
            for n, value in zip(nth.tolist(), good["value"].to_list(), strict=True)
        ]
        return good.with_columns(value=pl.Series(values, dtype=pl.Binary))

    def truth(self) -> dict[str, Any]:
        """The truth beside the data, ready for JSON."""
        plan, world = self.plan, self.world
        counts = {str(one.topic): topic_counts(world, one) for one in self.deliveries.values()}
        return {
            "format": TRUTH_FORMAT,
            "seed": plan.seed,
            "events_n": sum(one["events"] for one in counts.values()),
            "records_n": self.records_n,
            "users_n": world.population.users_n,
            "generations_n": len(world.generations),
            "anchors_n": len(world.anchors),
            "mix": asdict(plan.mix),
            "start_ms": plan.start_ms,
            "test_start_ms": plan.test_start_ms,
            "test_end_ms": plan.test_end_ms,
            "end_ms": plan.end_ms,
            "artist_page_visits_per_start": world.visits_per_start,
            "counts": counts,
            "experiments": {
                one.name: experiment_truth(world, index)
                for index, one in enumerate(plan.experiments)
            },
            "judges": {
                one.judge_id: judge_truth(world, index) for index, one in enumerate(plan.judges)
            },
            "shelf": shelf_truth(world, self.names),
            "raters": rater_truth(),
            "measurements": dict(MEASUREMENTS),
        }


def simulate(plan: Plan) -> Simulation:
    """Simulate a plan; equal plans give equal records, byte for byte."""
    world = create(plan)
    deliveries = {topic: deliver(plan, world, topic) for topic in Topic}
    return Simulation(plan, world, name(world), deliveries)
