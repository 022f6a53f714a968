"""Experiments of 28 nights without (or with) an effect, many at once, and honest error counts."""

from __future__ import annotations

from functools import cache

import numpy as np

from analytics.stats.moments import Marginal
from analytics.stats.tails import binomial_quantile

NIGHTS = 28
PATHS = 2000
PER_NIGHT = 60  # users an arm and night
CHANCE = 1e-4  # a calibration test fails by chance this rarely, on each side


@cache
def nightly_sums(seed: int, shape: str) -> tuple[np.ndarray, np.ndarray]:
    """Sums and sums of squares up to each night, (paths, arms, nights); skewed unit-mean values."""
    rng = np.random.default_rng(seed)
    size = (PATHS, 2, NIGHTS, PER_NIGHT)
    values = (
        rng.exponential(size=size).astype(np.float32)
        if shape == "exponential"
        else rng.binomial(1, 0.3, size=size).astype(np.float32)
    )
    total = values.sum(axis=-1, dtype=np.float64).cumsum(axis=-1)
    square = np.square(values).sum(axis=-1, dtype=np.float64).cumsum(axis=-1)
    return total, square


def arms(
    seed: int, *, shape: str = "exponential", effect: float = 0.0
) -> tuple[Marginal, Marginal]:
    """Moments of control and treatment at every night, shape (paths, nights)."""
    total, square = nightly_sums(seed, shape)
    n = np.broadcast_to(PER_NIGHT * np.arange(1.0, NIGHTS + 1), total[:, 0].shape)
    control = Marginal.from_sums(n, total[:, 0], square[:, 0])
    treatment = Marginal.from_sums(n, total[:, 1], square[:, 1])
    return control, Marginal(treatment.n, treatment.mean + effect, treatment.m2)


def at_most(errors: int, rate: float, trials: int = PATHS) -> bool:
    """Whether so many errors are what chance allows at this rate."""
    return errors <= float(binomial_quantile(1 - CHANCE, trials, rate))


def about(errors: int, rate: float, trials: int = PATHS) -> bool:
    """Whether the count is within chance of the rate, on both sides."""
    low = float(binomial_quantile(CHANCE, trials, rate))
    return low <= errors <= float(binomial_quantile(1 - CHANCE, trials, rate))
