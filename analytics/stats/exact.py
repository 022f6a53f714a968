"""Barnard's exact test of two proportions, for counts too small for any approximation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import special

from analytics.stats.checks import FloatArray, bad, floats
from analytics.stats.interval import TestResult, result

if TYPE_CHECKING:
    from analytics.stats.proportions import Counts

TABLES_MAX = 250_000  # (n_control + 1) * (n_treatment + 1) up to which all tables are summed
_GRID_N = 400


def barnard_test(control: Counts, treatment: Counts) -> TestResult:
    """Two-sided unconditional exact test of equal rates; shape ().

    Sums the chance of all tables at least as far apart by the pooled z, at the common rate that
    makes it largest. More than 250,000 tables: ConfigError, use pooled_z_test. enough is False
    where an arm is empty or no (or every) user had the outcome.
    Source: Barnard (1945), Nature 156, 177; twin scipy's barnard_exact.
    """
    n_c, n_t = float(control.n), float(treatment.n)
    tables = (n_c + 1) * (n_t + 1)
    if tables > TABLES_MAX:
        raise bad(f"{tables:g} tables; at most {TABLES_MAX:,} are summed.", "Use pooled_z_test.")
    x_c, x_t = np.arange(n_c + 1), np.arange(n_t + 1)
    z = _pooled_z(x_c[:, None], n_c, x_t[None, :], n_t)
    seen = float(_pooled_z(floats(control.x), n_c, floats(treatment.x), n_t))
    if not np.isfinite(seen):
        return result(np.nan, np.nan, method="Barnard")
    as_far = (np.abs(np.nan_to_num(z)) >= abs(seen) * (1 - 1e-12)).astype(np.float64)

    def chance(rate: float) -> float:
        return float(_binomial(x_c, n_c, rate) @ as_far @ _binomial(x_t, n_t, rate))

    grid = np.linspace(0, 1, _GRID_N + 1)
    best = int(np.argmax([chance(float(rate)) for rate in grid]))
    near = np.linspace(grid[max(best - 1, 0)], grid[min(best + 1, _GRID_N)], _GRID_N + 1)
    return result(seen, max(chance(float(rate)) for rate in near), method="Barnard")


def _pooled_z(x_c: FloatArray, n_c: float, x_t: FloatArray, n_t: float) -> FloatArray:
    """Pooled z of every table; NaN where nothing varies."""
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = (x_c + x_t) / (n_c + n_t)
        return floats((x_t / n_t - x_c / n_c) / np.sqrt(rate * (1 - rate) * (1 / n_c + 1 / n_t)))


def _binomial(x: FloatArray, n: float, rate: float) -> FloatArray:
    """Chances of x successes in n."""
    ways = special.gammaln(n + 1) - special.gammaln(x + 1) - special.gammaln(n - x + 1)
    return floats(np.exp(ways + special.xlogy(x, rate) + special.xlog1py(n - x, -rate)))
