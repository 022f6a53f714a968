"""A slice of dense live traffic, and the history that it returns to.

The simulator spreads its events over days; a service with 100,000 events/s has them within seconds.
Per second of such traffic nearly every play has a listener of its own, most events concern what was
exposed within the hour, and the rest concern what was exposed up to three days ago. So the world of
the simulator is kept (who skips, who reacts, which judge says what), and only its times, listeners
and a part of its references move:

- exposures lie evenly over the slice; what follows within the hour follows at the simulated pace;
- what follows later, and what is late, is about a generation of the history, as old as it must be;
- an event that comes late by hours happened hours before the slice, not after it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from streams.event_json import encoded
from streams.events.topics import Topic
from streams.simulate import ids, wire
from streams.simulate.delivery import Delivery, deliver, event_times
from streams.simulate.names import Names
from streams.simulate.plan import (
    DAY_MS,
    DEFAULT_END_MS,
    EXPERIMENTS,
    HOUR_MS,
    MIXES,
    Experiment,
    Plan,
    Variant,
)
from streams.simulate.simulation import Simulation
from streams.simulate.world import World, create

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from streams.simulate.exposures import Exposures
    from streams.simulate.judging import Scores
    from streams.simulate.listens import Listens
    from streams.simulate.reactions import Feedback

    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

HISTORY_MS = 3 * DAY_MS
"""How long before the slice the open generations were exposed."""
EXPOSURES_PER_LISTENER = 5
SLICE_MIN_MS = 1_000
ON_TIME_MAX_MS = 2_000
TOPICS = tuple(Topic)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What to make.

    rate: events per second of event time. open_n: generations exposed before. start_ms: when the
    slice begins, 0 for the simulator's own end. arms_n: variants of the first experiment, 0 for
    the simulator's three.
    """

    events_n: int
    open_n: int
    seed: int = 1
    rate: int = 100_000
    listeners_n: int = 2_000_000
    start_ms: int = 0
    arms_n: int = 0

    @property
    def slice_ms(self) -> int:
        """Length of the slice, event time."""
        return max(SLICE_MIN_MS, self.events_n * 1_000 // self.rate)


class Live:
    """The slice as a Simulation whose exposures go on into the history.

    exposures_n, generations_n: how many are in the slice; from there on they are history.
    """

    def __init__(self, traffic: Traffic) -> None:
        """Draw it; equal traffic gives equal bytes."""
        self.traffic = traffic
        start_ms = traffic.start_ms or DEFAULT_END_MS - traffic.slice_ms
        self._plan = Plan(
            seed=traffic.seed,
            events_n=traffic.events_n,
            end_ms=start_ms + traffic.slice_ms,
            pre_days=0,
            test_days=1,
            mix=MIXES["bench"],
            experiments=_experiments(traffic.arms_n),
            shelf=None,
        )
        self._rng = ids.generator(traffic.seed, "bench")
        self.start_ms = self._plan.end_ms - traffic.slice_ms
        drawn = create(self._plan)
        self.exposures_n, self.generations_n = len(drawn.exposures), len(drawn.generations)
        world = self._moved(drawn)
        names = Names(
            world,
            traffic.seed,
            users=ids.keys64(np.arange(traffic.listeners_n), ids.salt(traffic.seed, "user key")),
            raters=ids.keys64(np.arange(64), ids.salt(traffic.seed, "rater key")),
        )
        fresh = replace(world, exposures=_first(world.exposures, self.exposures_n))
        deliveries = {topic: self._in_slice(deliver(self._plan, fresh, topic)) for topic in TOPICS}
        self.simulation = Simulation(self._plan, world, names, deliveries)

    def history(self, rows_max: int) -> Iterator[pl.DataFrame]:
        """The exposures of the history, oldest first: key, value, timestamp_ms."""
        names, end = self.simulation.names, self.exposures_n + self.traffic.open_n
        for upper in range(end, self.exposures_n, -rows_max):
            rows = np.arange(upper - 1, max(upper - rows_max, self.exposures_n) - 1, -1)
            fields = wire.exposures(names, rows)
            yield pl.DataFrame(
                {
                    "key": wire.keys(Topic.EXPOSURES, fields),
                    "value": encoded(fields, wire.SOMETIMES[Topic.EXPOSURES]),
                    "timestamp_ms": names.world.exposures.time_ms[rows] + ON_TIME_MAX_MS,
                }
            )

    def _moved(self, drawn: World) -> World:
        """The same world in the slice: times, listeners, and what returns to the history."""
        delays = {topic: _lateness(self._plan, drawn, topic) for topic in TOPICS}
        exposures = self._exposures(drawn, delays[Topic.EXPOSURES])
        world = replace(drawn, exposures=exposures)
        return replace(
            world,
            generations=replace(
                drawn.generations,
                quality=np.broadcast_to(0.0, self.generations_n + self.traffic.open_n),
            ),
            listens=self._listens(drawn, exposures.user, delays[Topic.LISTENS]),
            feedback=self._feedback(drawn, delays[Topic.FEEDBACK]),
            scores=self._scores(drawn, delays[Topic.JUDGE_SCORES]),
            labels=replace(
                drawn.labels,
                generation=self._shifted_anchors(drawn.labels.generation),
                other=self._shifted_anchors(drawn.labels.other),
                time_ms=self._anywhere(len(drawn.labels)) - delays[Topic.HUMAN_LABELS],
            ),
        )

    def _exposures(self, drawn: World, late_ms: Ints) -> Exposures:
        """Those of the slice, each moment with its listener, then those of the history."""
        shown, n = drawn.exposures, self.traffic.open_n
        moment = ids.scrambled(shown.user * 86_400_007 + shown.time_ms, 1)
        past = np.arange(n)
        past_ms = self.start_ms - ((past + 0.5) * (HISTORY_MS / max(1, n))).astype(np.int64)
        time_ms = np.concatenate([self._compressed(drawn, shown.time_ms) - late_ms, past_ms])
        columns = {
            "experiment": np.concatenate([shown.experiment, np.zeros(n, np.int64)]),
            "arm": np.concatenate([shown.arm, past % 3]),
            "user": np.concatenate(
                [
                    (moment % np.uint64(self.traffic.listeners_n)).astype(np.int64),
                    self._past_listener(past),
                ]
            ),
            "generation": np.concatenate([shown.generation, self.generations_n + past]),
            "position": np.concatenate([shown.position, past % 12]),
        }
        return replace(shown, **columns, time_ms=time_ms, assigned_ms=time_ms - 250)

    def _listens(self, drawn: World, listener: Ints, late_ms: Ints) -> Listens:
        plays = drawn.listens
        known = plays.exposure >= 0
        after_ms = np.where(known, plays.started_ms - drawn.exposures.time_ms[plays.exposure], 0)
        returns = known & ((after_ms > HOUR_MS) | (late_ms > 0))
        past = self._past(after_ms + late_ms)
        stopped = np.where(
            known & ~returns,
            self._followed(drawn, drawn.exposures.time_ms[plays.exposure], after_ms),
            self._anywhere(len(plays)),
        )
        anybody = self._rng.integers(0, self.traffic.listeners_n, len(plays))
        own = np.where(known, listener[plays.exposure], anybody)
        return replace(
            plays,
            user=np.where(returns, self._past_listener(past), own),
            exposure=np.where(returns, self.exposures_n + past, plays.exposure),
            generation=np.where(returns, self.generations_n + past, plays.generation),
            started_ms=stopped - late_ms - plays.ms_played,
        )

    def _feedback(self, drawn: World, late_ms: Ints) -> Feedback:
        said = drawn.feedback
        shown_ms = drawn.exposures.time_ms[said.exposure]
        after_ms = np.maximum(0, said.time_ms - shown_ms)
        returns = (after_ms > HOUR_MS) | (late_ms > 0)
        past = self._past(after_ms + late_ms)
        fresh_ms = self._followed(drawn, shown_ms, after_ms)
        return replace(
            said,
            exposure=np.where(returns, self.exposures_n + past, said.exposure),
            time_ms=np.where(returns, self._anywhere(len(said)), fresh_ms) - late_ms,
        )

    def _scores(self, drawn: World, late_ms: Ints) -> Scores:
        scores = drawn.scores
        known = scores.generation < self.generations_n
        shown_ms = drawn.generations.shown_ms[np.where(known, scores.generation, 0)]
        after_ms = np.where(known, np.maximum(0, scores.time_ms - shown_ms), 0)
        returns = known & ((after_ms > HOUR_MS) | (late_ms > 0))
        fresh_ms = self._followed(drawn, shown_ms, after_ms)
        generation = np.where(
            returns,
            self.generations_n + self._past(after_ms + late_ms),
            self._shifted_anchors(scores.generation),
        )
        again = pl.DataFrame([generation, scores.judge, scores.epoch], ["g", "j", "e"]).select(
            pl.int_range(pl.len()).over("g", "j", "e")
        )
        return replace(
            scores,
            generation=generation,
            repeat=again.to_series().to_numpy().astype(np.int64),  # the score's id is made of it
            time_ms=np.where(known & ~returns, fresh_ms, self._anywhere(len(scores))) - late_ms,
        )

    def _compressed(self, drawn: World, time_ms: Ints) -> Ints:
        """Exposure times spread evenly over the slice, in their order."""
        in_order = np.sort(drawn.exposures.time_ms)
        share = np.searchsorted(in_order, time_ms) / max(1, len(in_order))
        return self.start_ms + (share * self.traffic.slice_ms).astype(np.int64)

    def _followed(self, drawn: World, shown_ms: Ints, after_ms: Ints) -> Ints:
        """When something happens that follows an exposure, at the pace of the slice."""
        pace = self.traffic.slice_ms / DAY_MS
        return self._compressed(drawn, shown_ms) + (after_ms * pace).astype(np.int64)

    def _anywhere(self, rows_n: int) -> Ints:
        return self.start_ms + self._rng.integers(0, self.traffic.slice_ms, rows_n)

    def _past(self, ago_ms: Ints) -> Ints:
        """Which generation of the history was exposed so long ago; the oldest for longer."""
        n = self.traffic.open_n
        return np.minimum(ago_ms * n // HISTORY_MS, n - 1)

    def _past_listener(self, past: Ints) -> Ints:
        return past // EXPOSURES_PER_LISTENER % self.traffic.listeners_n

    def _shifted_anchors(self, generation: Ints) -> Ints:
        """Anchors are numbered behind all generations, and there are more of these now."""
        return np.where(
            generation >= self.generations_n, generation + self.traffic.open_n, generation
        )

    def _in_slice(self, one: Delivery) -> Delivery:
        """Resent records come within the slice too, not up to ten minutes after it."""
        length_ms = self.traffic.slice_ms + ON_TIME_MAX_MS
        time_ms = self.start_ms + (one.time_ms - self.start_ms) % length_ms
        order = np.argsort(time_ms, kind="stable")
        return replace(one, row=one.row[order], time_ms=time_ms[order], resent=one.resent[order])


def _experiments(arms_n: int) -> tuple[Experiment, ...]:
    """Those of the simulator, the first with so many arms alike."""
    if not arms_n:
        return EXPERIMENTS
    arms = tuple(Variant(f"arm-{n}", 1 / arms_n) for n in range(arms_n))
    return (replace(EXPERIMENTS[0], variants=arms), *EXPERIMENTS[1:])


def _first(exposures: Exposures, rows_n: int) -> Exposures:
    """The first rows, the history left out: it does not come again."""
    columns = ("experiment", "arm", "user", "generation", "time_ms", "assigned_ms", "position")
    return replace(exposures, **{name: getattr(exposures, name)[:rows_n] for name in columns})


def _lateness(plan: Plan, drawn: World, topic: Topic) -> Ints:
    """How late each event comes, ms; 0 for the most. Depends on seed and number of rows only."""
    one = deliver(plan, drawn, topic)
    first = ~one.resent & (one.row < one.events_n)
    delay = np.zeros(one.events_n, np.int64)
    delay[one.row[first]] = one.time_ms[first] - event_times(drawn, topic)[one.row[first]]
    return np.where(one.late, delay, 0)
