"""Plays: of generations, of what listeners choose themselves, and of what nobody was shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from streams.events.measures import STREAM_MS
from streams.simulate.behaviour import (
    DURATION_END_MS,
    DURATION_MIN_MS,
    INCOGNITO_SHARE,
    ending_chances,
    played_bounds,
    starts_mean,
)
from streams.simulate.exposures import moments, of_arms
from streams.simulate.ids import generator
from streams.simulate.plan import DAY_MS, HOUR_MS, MINUTE_MS

if TYPE_CHECKING:
    from streams.simulate.exposures import Exposures, Generations
    from streams.simulate.plan import Plan
    from streams.simulate.population import Population

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Columns = dict[str, NDArray[Any]]

ORPHAN_SHARE = 0.004
"""Plays on top of the attributed ones whose exposure never comes, as a share of them."""
REPLAY_MEAN_MS = 18 * HOUR_MS
REPLAY_MAX_MS = 60 * HOUR_MS
TRACKS_N = 4_000
NONE = -1


@dataclass(frozen=True, slots=True)
class Listens:
    """One element a play: attributed, then orphans, then organic.

    exposure, generation: NONE where there is none; an orphan's generation is NONE - 1 or lower
    where it is unknown to everybody. ending: index into ENDINGS.
    """

    user: Ints
    exposure: Ints
    generation: Ints
    track: Ints
    started_ms: Ints
    ms_played: Ints
    duration_ms: Ints
    ending: Ints
    incognito: NDArray[np.bool_]
    attributed_n: int
    orphans_n: int

    def __len__(self) -> int:
        """How many."""
        return len(self.user)

    @property
    def stopped_ms(self) -> Ints:
        """When each play ended: its event time."""
        return self.started_ms + self.ms_played

    @property
    def is_stream(self) -> NDArray[np.bool_]:
        """Whether a play counts as a stream."""
        return self.ms_played >= STREAM_MS


def listen(
    plan: Plan, population: Population, generations: Generations, exposures: Exposures
) -> Listens:
    """Draw every play; organic ones fill the share that the mix has for listens."""
    parts = [_attributed(plan, population, generations, exposures)]
    attributed_n = len(parts[0]["user"])
    parts.append(_orphaned(plan, population, parts[0]))
    orphans_n = len(parts[1]["user"])
    wanted = plan.events_n * plan.mix.listens - attributed_n - orphans_n
    parts.append(_organic(plan, population, max(0.0, wanted)))
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Listens(**columns, attributed_n=attributed_n, orphans_n=orphans_n)


def _attributed(
    plan: Plan, population: Population, generations: Generations, exposures: Exposures
) -> Columns:
    rng = generator(plan.seed, "listens")
    hosts_n = exposures.hosts_n
    factor = of_arms(plan, exposures, "starts_factor")[:hosts_n]
    counts = rng.poisson(starts_mean(population.taste[exposures.user[:hosts_n]], factor))
    row = np.repeat(np.arange(hosts_n), counts)
    generation = exposures.generation[row]
    user = exposures.user[row]
    shift = of_arms(plan, exposures, "early_skip_shift")[row]
    played = _played(
        rng,
        ending_chances(population.taste[user], generations.heard[generation], shift),
        generations.duration_ms[generation],
    )
    nth = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    return {
        "user": user,
        "exposure": row,
        "generation": generation,
        "track": np.full(len(row), NONE),
        "started_ms": exposures.time_ms[row] + _delays(rng, nth),
        **played,
    }


def _delays(rng: np.random.Generator, nth: Ints) -> Ints:
    """From exposure to start: at once, within the hour, or days later for some replays."""
    at_once = rng.integers(100, 20_000, len(nth))
    soon = rng.integers(MINUTE_MS, HOUR_MS, len(nth))
    later = np.minimum(rng.exponential(REPLAY_MEAN_MS, len(nth)), REPLAY_MAX_MS).astype(np.int64)
    replay = np.where(rng.random(len(nth)) < 0.3, HOUR_MS + later, soon)
    return np.where(nth == 0, at_once, replay)


def _played(rng: np.random.Generator, chances: tuple[Floats, ...], duration_ms: Ints) -> Columns:
    """How plays ended and how long they were, given their chances."""
    rows_n = len(duration_ms)
    draw = rng.random(rows_n)
    passed = np.cumsum(np.stack(chances), axis=0)[:-1]
    ending = (draw >= passed).sum(axis=0)
    low, end = (np.choose(ending, side) for side in zip(*played_bounds(duration_ms), strict=True))
    ms_played = low + np.floor(rng.random(rows_n) * (end - low)).astype(np.int64)
    return {
        "ms_played": ms_played,
        "duration_ms": duration_ms,
        "ending": ending,
        "incognito": rng.random(rows_n) < INCOGNITO_SHARE,
    }


def _orphaned(
    plan: Plan,
    population: Population,
    attributed: Columns,
) -> Columns:
    """Plays of generations nobody has heard of, or by somebody who was never shown them."""
    rng = generator(plan.seed, "orphans")
    rows_n = round(len(attributed["user"]) * ORPHAN_SHARE)
    like = rng.integers(0, max(1, len(attributed["user"])), rows_n)
    taken = {name: column[like] for name, column in attributed.items()}
    unknown = np.arange(rows_n) % 2 == 0
    stranger = population.users_n + np.arange(rows_n)
    taken["exposure"] = np.full(rows_n, NONE)
    taken["generation"] = np.where(unknown, NONE - 1 - np.arange(rows_n), taken["generation"])
    taken["user"] = np.where(unknown, taken["user"], stranger)
    return taken


def _organic(plan: Plan, population: Population, wanted: float) -> Columns:
    """Plays that listeners chose: as active and as patient as with generations."""
    rng = generator(plan.seed, "organic")
    counts = rng.poisson(wanted / population.users_n * population.activity)
    user = np.repeat(np.arange(population.users_n), counts)
    rows_n = len(user)
    days_n = (plan.end_ms - plan.start_ms) // DAY_MS
    started = moments(rng, plan.start_ms, days_n, rows_n)
    duration = rng.integers(DURATION_MIN_MS, DURATION_END_MS, rows_n)
    played = _played(
        rng, ending_chances(population.taste[user], np.full(rows_n, 0.3), 0.0), duration
    )
    last_start = plan.end_ms - 2 * DURATION_END_MS
    popular = np.floor(TRACKS_N * rng.random(rows_n) ** 3).astype(np.int64)
    return {
        "user": user,
        "exposure": np.full(rows_n, NONE),
        "generation": np.full(rows_n, NONE),
        "track": popular,
        "started_ms": np.minimum(started, last_start),
        **played,
    }
