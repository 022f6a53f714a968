"""Truth about experiments: what each arm is worth, in the population and in the drawn sample."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from streams.simulate.behaviour import expected_measures
from streams.simulate.truth import (
    Sums,
    effects,
    exposures_per_user,
    metrics,
    population_measures,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streams.simulate.plan import Experiment, Variant
    from streams.simulate.world import World

BLOCK_ROWS = 200_000


def experiment_truth(world: World, index: int) -> dict[str, Any]:
    """All that is true of one experiment of a world."""
    experiment = world.plan.experiments[index]
    population = {one.name: _population(world, experiment, one) for one in experiment.variants}
    realised = {
        one.name: _realised(world, index, arm) for arm, one in enumerate(experiment.variants)
    }
    return {
        "surface": experiment.surface,
        "rides_on": experiment.rides_on,
        "control": experiment.variants[0].name,
        "allocation": {one.name: one.allocation for one in experiment.variants},
        "sample_ratio_mismatch": experiment.treatment_loss > 0,
        "has_effect": _has_effect(experiment),
        "variants": {
            name: {"population": population[name], "realised": realised[name]}
            for name in population
        },
        "effects": {
            "population": effects({name: one["metrics"] for name, one in population.items()}),
            "realised": effects({name: one["metrics"] for name, one in realised.items()}),
        },
    }


def _has_effect(experiment: Experiment) -> bool:
    """Whether an arm differs from the control in anything but its name."""
    if experiment.rides_on is not None:
        return False
    control = experiment.variants[0]
    named = [replace(one, name="", allocation=1.0) for one in (control, *experiment.variants)]
    return any(one != named[0] for one in named)


def _population(world: World, experiment: Experiment, variant: Variant) -> dict[str, Any]:
    """Expectations of one arm; an arm that rides on an experiment meets all its arms."""
    host_name = experiment.rides_on or experiment.name
    host = next(one for one in world.plan.hosts if one.name == host_name)
    met = host.variants if experiment.rides_on else (variant,)
    whole = sum(one.allocation for one in met)
    sums: Sums = {}
    for one in met:
        part = population_measures(one, visits_per_start=world.visits_per_start)
        for name, value in part.items():
            sums[name] = sums.get(name, 0.0) + value * one.allocation / whole
    users_n = 1 / exposures_per_user(host.exposures_per_user)
    return {"measures_per_exposure": sums, "metrics": metrics(sums, users_n)}


def _realised(world: World, index: int, arm: int) -> dict[str, Any]:
    """Expectations given the listeners, generations and exposures that one arm has drawn."""
    exposures = world.exposures
    rows = np.flatnonzero((exposures.experiment == index) & (exposures.arm == arm))
    sums = _realised_sums(world, rows)
    users_n = len(np.unique(exposures.user[rows]))
    return {
        "users_n": users_n,
        "exposures_n": len(rows),
        "measures": sums,
        "metrics": metrics(sums, users_n),
    }


def _realised_sums(world: World, rows: NDArray[np.int64]) -> Sums:
    """Expected measure sums over exposures; what was made decides, not who rides on it."""
    any_variant = world.plan.experiments[0].variants[0]
    total = dict.fromkeys(population_measures(any_variant, visits_per_start=0.0), 0.0)
    generation = world.exposures.generation[rows]
    experiment = world.generations.experiment[generation]
    arm = world.generations.arm[generation]
    for index, arm_index in sorted(set(zip(experiment.tolist(), arm.tolist(), strict=True))):
        variant = world.plan.experiments[index].variants[arm_index]
        made = rows[(experiment == index) & (arm == arm_index)]
        for start in range(0, len(made), BLOCK_ROWS):
            block = made[start : start + BLOCK_ROWS]
            means = expected_measures(
                world.population.taste[world.exposures.user[block]],
                world.generations.quality[world.exposures.generation[block]],
                variant,
                visits_per_start=world.visits_per_start,
            )
            for name, values in means.items():
                total[name] += float(values.sum())
    return total
