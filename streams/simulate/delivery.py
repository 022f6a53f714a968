"""From events to records: delays, resends and the order in which the log took them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streams.events.topics import Topic
from streams.simulate.ids import generator
from streams.simulate.plan import DAY_MS, HOUR_MS

if TYPE_CHECKING:
    from streams.simulate.plan import Plan
    from streams.simulate.world import World

Ints = NDArray[np.int64]

ON_TIME_MIN_MS, ON_TIME_MAX_MS = 20, 2_000
LATE_FROM_MS = HOUR_MS
LATE_MEAN_MS = 3 * HOUR_MS
LATE_MAX_MS = 24 * HOUR_MS
OFFLINE_SHARE = 0.2
"""Share of the late plays that were made offline and come days later."""
OFFLINE_MEAN_MS = 4 * DAY_MS
OFFLINE_MAX_MS = 29 * DAY_MS
"""Inside the lateness horizon of 30 days, whatever else is added."""
RESEND_MAX_MS = 10 * 60_000


@dataclass(frozen=True, slots=True)
class Delivery:
    """The records of one topic in log order.

    row: the event of each record; from events_n on it is a poison message. resent: whether the
    record repeats an earlier one. offline, late: by event. poison_like: the event that each poison
    message was made from, which came at the same time.
    """

    topic: Topic
    events_n: int
    poison_n: int
    row: Ints
    time_ms: Ints
    resent: NDArray[np.bool_]
    late: NDArray[np.bool_]
    offline: NDArray[np.bool_]
    poison_like: Ints

    @property
    def poison_time_ms(self) -> Ints:
        """When the log took each poison message, by its number."""
        is_poison = self.row >= self.events_n
        out = np.zeros(self.poison_n, dtype=np.int64)
        out[self.row[is_poison] - self.events_n] = self.time_ms[is_poison]
        return out


def event_times(world: World, topic: Topic) -> Ints:
    """The event time of each event of a topic, ms."""
    return {
        Topic.EXPOSURES: world.exposures.time_ms,
        Topic.LISTENS: world.listens.stopped_ms,
        Topic.FEEDBACK: world.feedback.time_ms,
        Topic.JUDGE_SCORES: world.scores.time_ms,
        Topic.HUMAN_LABELS: world.labels.time_ms,
    }[topic]


def deliver(plan: Plan, world: World, topic: Topic) -> Delivery:
    """Draw when the log took each event, which came twice, and where the poison lies."""
    rng = generator(plan.seed, f"delivery:{topic}")
    event_ms = event_times(world, topic)
    events_n = len(event_ms)
    delay, late, offline = _delays(rng, events_n, plan.mix.late, topic)
    again = np.flatnonzero(rng.random(events_n) < plan.mix.duplicates)
    poison_n = round(events_n * plan.mix.poison)
    taken_ms = event_ms + delay
    near = rng.integers(0, max(1, events_n), poison_n)
    row = np.concatenate([np.arange(events_n), again, events_n + np.arange(poison_n)])
    time_ms = np.concatenate(
        [taken_ms, taken_ms[again] + rng.integers(1, RESEND_MAX_MS, len(again)), taken_ms[near]]
    )
    resent = np.repeat([False, True, False], [events_n, len(again), poison_n])
    order = np.argsort(time_ms, kind="stable")
    return Delivery(
        topic=topic,
        events_n=events_n,
        poison_n=poison_n,
        row=row[order],
        time_ms=time_ms[order],
        resent=resent[order],
        late=late,
        offline=offline,
        poison_like=near,
    )


def _delays(
    rng: np.random.Generator, rows_n: int, late_share: float, topic: Topic
) -> tuple[Ints, NDArray[np.bool_], NDArray[np.bool_]]:
    """(delay, late, offline) of each event: most at once, some by hours, plays also by days."""
    late = rng.random(rows_n) < late_share
    away = rng.random(rows_n) < OFFLINE_SHARE
    offline = late & away if topic is Topic.LISTENS else np.zeros(rows_n, dtype=np.bool_)
    hours = np.minimum(LATE_FROM_MS + rng.exponential(LATE_MEAN_MS, rows_n), LATE_MAX_MS)
    days = np.minimum(LATE_MAX_MS + rng.exponential(OFFLINE_MEAN_MS, rows_n), OFFLINE_MAX_MS)
    at_once = rng.integers(ON_TIME_MIN_MS, ON_TIME_MAX_MS, rows_n)
    delay = np.select([offline, late], [days, hours], at_once).astype(np.int64)
    return delay, late, offline
