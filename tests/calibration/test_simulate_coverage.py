"""Plain 95 % intervals over simulated users cover the truth about as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from streams.simulate import truth
from streams.simulate.plan import Plan
from streams.simulate.world import World, create

pytestmark = pytest.mark.calibration

SEEDS_N = 200
EVENTS_N = 12_000


def user_sums(world: World, arm: int) -> dict[str, np.ndarray]:
    """Per user of an arm of dj-voice: exposures, and sums over plays that are not private."""
    shown, plays = world.exposures, world.listens
    hosts = np.arange(shown.hosts_n)
    mine = hosts[(shown.experiment[hosts] == 0) & (shown.arm[hosts] == arm)]
    users, place = np.unique(shown.user[mine], return_inverse=True)
    home = np.full(len(shown), -1)
    home[mine] = place
    played = np.flatnonzero(~plays.incognito[: plays.attributed_n])
    at = home[plays.exposure[played]]
    played, at = played[at >= 0], at[at >= 0]

    def summed(values: np.ndarray) -> np.ndarray:
        return np.bincount(at, values.astype(float), minlength=len(users))

    return {
        "exposures_n": np.bincount(place, minlength=len(users)).astype(float),
        "starts_n": summed(np.ones(len(played))),
        "early_skips_n": summed(plays.ending[played] == 0),
        "streams_30s_n": summed(plays.is_stream[played]),
        "ms_played": summed(plays.ms_played[played]),
        "users_n": np.ones(len(users)),
    }


def ratio(sums: dict[str, np.ndarray], above: str, below: str) -> tuple[float, float]:
    """(ratio of sums, its variance with users as clusters)."""
    value = sums[above].sum() / sums[below].sum()
    rest = sums[above] - value * sums[below]
    return value, float((rest**2).sum() / sums[below].sum() ** 2)


RATIOS = {
    "stream_rate_30s": ("streams_30s_n", "exposures_n", 1.0),
    "early_skip_rate": ("early_skips_n", "starts_n", 1.0),
    "minutes_per_user": ("ms_played", "users_n", 60_000.0),
}


def test_intervals_cover_the_planted_difference():
    voice = Plan().experiments[0]
    exposures = truth.exposures_per_user(voice.exposures_per_user)
    expected = [
        truth.metrics(truth.population_measures(one, visits_per_start=0.0), 1 / exposures)
        for one in voice.variants[:2]
    ]
    covered = dict.fromkeys(RATIOS, 0)
    for seed in range(SEEDS_N):
        world = create(Plan(events_n=EVENTS_N, seed=seed))
        control, treatment = user_sums(world, 0), user_sums(world, 1)
        for name, (above, below, unit) in RATIOS.items():
            (a, var_a), (b, var_b) = ratio(control, above, below), ratio(treatment, above, below)
            distance = (b - a) / unit - (expected[1][name] - expected[0][name])
            covered[name] += abs(distance) < 1.96 * np.sqrt(var_a + var_b) / unit
    least = binom.ppf(1e-4, SEEDS_N, 0.93)
    assert {name: n for name, n in covered.items() if n < least} == {}
    assert sum(covered.values()) < 3 * SEEDS_N
