"""The listeners: a lasting taste, an activity, a home, and which tests they are in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from streams.simulate.ids import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streams.simulate.plan import Experiment, Plan

ACTIVITY_SIGMA = 0.6
"""Activity is log-normal with mean 1 and this spread of its logarithm, independent of taste.

So ratios per exposure or per play do not depend on which users or days a window weighs more.
"""
COUNTRIES = ("SE", "US", "BR", "DE", "JP", "GB")
PLATFORMS = ("ios", "android", "desktop", "web")


@dataclass(frozen=True, slots=True)
class Population:
    """One element a listener. variant_of: experiment -> arm index, -1 where not enrolled."""

    taste: NDArray[np.float64]
    activity: NDArray[np.float64]
    country: NDArray[np.int64]
    platform: NDArray[np.int64]
    variant_of: dict[str, NDArray[np.int64]]

    @property
    def users_n(self) -> int:
        """How many listeners."""
        return len(self.taste)


def populate(plan: Plan) -> Population:
    """Draw the listeners of a plan."""
    rng = generator(plan.seed, "population")
    users_n = plan.users_n
    return Population(
        taste=rng.standard_normal(users_n),
        activity=np.exp(ACTIVITY_SIGMA * rng.standard_normal(users_n) - ACTIVITY_SIGMA**2 / 2),
        country=rng.integers(0, len(COUNTRIES), users_n),
        platform=rng.integers(0, len(PLATFORMS), users_n),
        variant_of={one.name: _assigned(one, plan, users_n) for one in plan.experiments},
    )


def _assigned(experiment: Experiment, plan: Plan, users_n: int) -> NDArray[np.int64]:
    """Arm index of each user, -1 where not enrolled; independent of everything else."""
    rng = generator(plan.seed, f"assignment:{experiment.name}")
    ends = np.cumsum([variant.allocation for variant in experiment.variants])
    arm = np.searchsorted(ends, rng.random(users_n) * ends[-1], side="right")
    enrolled = rng.random(users_n) < experiment.enrolment
    return np.where(enrolled, np.minimum(arm, len(ends) - 1), -1).astype(np.int64)


def reporting(experiment: Experiment, population: Population, plan: Plan) -> NDArray[np.bool_]:
    """Who is enrolled and not lost: a planted mismatch loses treatment users, light ones more."""
    arm = population.variant_of[experiment.name]
    rng = generator(plan.seed, f"loss:{experiment.name}")
    light = population.activity < np.median(population.activity)
    chance = experiment.treatment_loss * np.where(light, 1.5, 0.5)
    lost = (arm > 0) & (rng.random(population.users_n) < chance)
    return np.asarray((arm >= 0) & ~lost)
