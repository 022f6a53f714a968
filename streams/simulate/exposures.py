"""Generations and the moments they meet a listener."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streams.simulate.behaviour import DURATION_END_MS, DURATION_MIN_MS
from streams.simulate.ids import generator
from streams.simulate.plan import DAY_MS, HOUR_MS, NO_TEST, Variant
from streams.simulate.population import reporting

if TYPE_CHECKING:
    from streams.simulate.plan import Plan, Shelf
    from streams.simulate.population import Population

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SHARED_SHARE = 0.15
"""Share of exposures that show a generation made for somebody else in the same arm."""
POPULARITY = 1.5
"""The few favourites of a shelf are met three times as often as its last."""
DISPUTED_QUALITY, DISPUTED_APPEAL = 2.0, 4.5
NEUTRAL = Variant("", 1.0)
"""What is shown outside a test is shown as it is."""
HOURS = np.array([2, 1, 1, 1, 1, 2, 3, 5, 6, 5, 5, 5, 6, 6, 5, 5, 6, 8, 9, 9, 8, 7, 5, 3.0])
"""Weights of the hours of a day, UTC."""


@dataclass(frozen=True, slots=True)
class Generations:
    """One element a generation. quality: with the variant's shift; experiment, arm: indices.

    experiment: NO_TEST on the shelf. appeal: what listeners hear beyond the quality, which judges
    and raters do not; 0 but for disputed ones.
    """

    experiment: Ints
    arm: Ints
    quality: Floats
    appeal: Floats
    duration_ms: Ints
    shown_ms: Ints

    def __len__(self) -> int:
        """How many."""
        return len(self.quality)

    @property
    def heard(self) -> Floats:
        """What moves listeners."""
        return self.quality + self.appeal


@dataclass(frozen=True, slots=True)
class Exposures:
    """One element an exposure, riders after hosts.

    experiment: index into plan.experiments, or NO_TEST. hosts_n: exposures before this index made
    plays.
    """

    experiment: Ints
    arm: Ints
    user: Ints
    generation: Ints
    time_ms: Ints
    assigned_ms: Ints
    position: Ints
    hosts_n: int

    def __len__(self) -> int:
        """How many."""
        return len(self.user)


def moments(rng: np.random.Generator, start_ms: int, days_n: int, rows_n: int) -> Ints:
    """Times within whole days: days alike, hours as people listen."""
    day = rng.integers(0, days_n, rows_n)
    hour = np.searchsorted(np.cumsum(HOURS) / HOURS.sum(), rng.random(rows_n), side="right")
    hour = np.minimum(hour, 23)
    return np.asarray(start_ms + day * DAY_MS + hour * HOUR_MS + rng.integers(0, HOUR_MS, rows_n))


def expose(plan: Plan, population: Population) -> tuple[Generations, Exposures]:
    """Draw who meets what, when; then what the riding experiments show of it."""
    hosts = [_hosted(index, plan, population) for index in _indices(plan, riding=False)]
    if plan.shelf is not None:
        hosts.append(_shelved(plan.shelf, plan, population))
    made = [part[0] for part in hosts]
    first = np.cumsum([0, *(len(one) for one in made)])
    shown = [
        {**part[1], "generation": part[1]["generation"] + start}
        for part, start in zip(hosts, first, strict=False)
    ]
    hosts_n = sum(len(part["user"]) for part in shown)
    riders = [_ridden(index, plan, population, shown) for index in _indices(plan, riding=True)]
    columns = {
        name: np.concatenate([part[name] for part in (*shown, *riders)]) for name in shown[0]
    }
    return _joined(made), Exposures(**columns, hosts_n=hosts_n)


def _indices(plan: Plan, *, riding: bool) -> list[int]:
    return [i for i, one in enumerate(plan.experiments) if (one.rides_on is not None) == riding]


def _joined(parts: list[Generations]) -> Generations:
    names = Generations.__dataclass_fields__
    return Generations(**{n: np.concatenate([getattr(part, n) for part in parts]) for n in names})


def _hosted(index: int, plan: Plan, population: Population) -> tuple[Generations, dict[str, Ints]]:
    """The exposures of one experiment and the generations made for them (numbered from 0)."""
    experiment = plan.experiments[index]
    rng = generator(plan.seed, f"exposures:{experiment.name}")
    mean = experiment.exposures_per_user * population.activity
    counts = rng.poisson(mean) * reporting(experiment, population, plan)
    user = np.repeat(np.arange(population.users_n), counts)
    arm = population.variant_of[experiment.name][user]
    time_ms = moments(rng, plan.test_start_ms, plan.test_days, len(user))
    generation, owner = _generations_of(rng, arm)
    shown_ms = np.full(len(owner), np.iinfo(np.int64).max)
    np.minimum.at(shown_ms, generation, time_ms)
    shift = np.array([variant.quality_shift for variant in experiment.variants])
    made = Generations(
        experiment=np.full(len(owner), index),
        arm=arm[owner],
        quality=rng.standard_normal(len(owner)) + shift[arm[owner]],
        appeal=np.zeros(len(owner)),
        duration_ms=rng.integers(DURATION_MIN_MS, DURATION_END_MS, len(owner)),
        shown_ms=shown_ms,
    )
    shown = {"arm": arm, "user": user, "generation": generation, "time_ms": time_ms}
    return made, _completed(rng, index, shown)


def _shelved(
    shelf: Shelf, plan: Plan, population: Population
) -> tuple[Generations, dict[str, Ints]]:
    """The exposures of a shelf and what stood on it; what nobody met was never shown."""
    rng = generator(plan.seed, f"shelf:{shelf.name}")
    counts = rng.poisson(shelf.exposures_per_user * population.activity)
    user = np.repeat(np.arange(population.users_n), counts)
    rows_n = len(user)
    time_ms = moments(rng, plan.test_start_ms, plan.test_days, rows_n)
    age = rng.integers(0, shelf.shown_days, rows_n)
    put_up = np.maximum((time_ms - plan.test_start_ms) // DAY_MS - age, 0)
    place = (shelf.new_a_day * rng.random(rows_n) ** POPULARITY).astype(np.int64)
    item, generation = np.unique(put_up * shelf.new_a_day + place, return_inverse=True)
    shown_ms = np.full(len(item), np.iinfo(np.int64).max)
    np.minimum.at(shown_ms, generation, time_ms)
    draw = rng.random(len(item))
    disputed = (draw < shelf.disputed_share) * 1.0 - (draw >= 1 - shelf.disputed_share)
    noise = rng.standard_normal(len(item))
    made = Generations(
        experiment=np.full(len(item), NO_TEST),
        arm=np.zeros(len(item), dtype=np.int64),
        quality=np.where(disputed == 0, noise, DISPUTED_QUALITY * disputed),
        appeal=np.asarray(-DISPUTED_APPEAL * disputed, dtype=np.float64),
        duration_ms=rng.integers(DURATION_MIN_MS, DURATION_END_MS, len(item)),
        shown_ms=shown_ms,
    )
    arm = np.zeros(rows_n, dtype=np.int64)
    shown = {"arm": arm, "user": user, "generation": generation, "time_ms": time_ms}
    return made, _completed(rng, NO_TEST, shown)


def _generations_of(rng: np.random.Generator, arm: Ints) -> tuple[Ints, Ints]:
    """(generation of each exposure, exposure that each generation was made for)."""
    rows_n = len(arm)
    is_new = rng.random(rows_n) >= SHARED_SHARE
    pick = rng.random(rows_n)
    source = np.arange(rows_n)
    for one in range(int(arm.max(initial=-1)) + 1):
        rows = np.flatnonzero(arm == one)
        is_new[rows[:1]] = True
        own = rows[is_new[rows]]
        shared = rows[~is_new[rows]]
        source[shared] = own[(pick[shared] * len(own)).astype(np.int64)]
    owner = np.flatnonzero(is_new)
    number = np.cumsum(is_new) - 1
    return number[source], owner


def _ridden(
    index: int, plan: Plan, population: Population, shown: list[dict[str, Ints]]
) -> dict[str, Ints]:
    """The exposure events of an experiment on the generations that another one shows."""
    experiment = plan.experiments[index]
    rng = generator(plan.seed, f"exposures:{experiment.name}")
    names = [one.name for one in plan.hosts]
    host = shown[names.index(experiment.rides_on or "")]
    rows = np.flatnonzero(reporting(experiment, population, plan)[host["user"]])
    user = host["user"][rows]
    shown_here = {
        "arm": population.variant_of[experiment.name][user],
        "user": user,
        "generation": host["generation"][rows],
        "time_ms": host["time_ms"][rows],
    }
    return _completed(rng, index, shown_here)


def _completed(rng: np.random.Generator, index: int, shown: dict[str, Ints]) -> dict[str, Ints]:
    """Exposure columns with experiment, time of assignment and place in the list."""
    user, rows_n = shown["user"], len(shown["user"])
    first_ms = np.full(int(user.max(initial=-1)) + 1, np.iinfo(np.int64).max)
    np.minimum.at(first_ms, user, shown["time_ms"])
    return {
        "experiment": np.full(rows_n, index),
        "assigned_ms": first_ms[user] - 250,
        "position": rng.integers(0, 12, rows_n),
        **shown,
    }


def of_arms(plan: Plan, exposures: Exposures, name: str) -> Floats:
    """A property of each exposure's variant."""
    flat = [getattr(variant, name) for one in plan.experiments for variant in one.variants]
    flat.append(getattr(NEUTRAL, name))
    start = np.cumsum([0, *(len(one.variants) for one in plan.experiments)])  # NO_TEST: the last
    return np.array(flat, dtype=np.float64)[start[exposures.experiment] + exposures.arm]
