"""The score test of two proportions at any difference, and its inversion.

Source: Farrington and Manning (1990), Stat. Med. 9, 1447-1454 (the closed form of the restricted
maximum-likelihood fit); Mee (1984); Miettinen and Nurminen (1985).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from analytics.stats.checks import BoolArray, FloatArray, floats

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

Arm: TypeAlias = tuple[FloatArray, FloatArray]  # (x, n)

_STEPS = 60  # halvings of an interval of length 2: down to 1.7e-18, below the spacing of floats


@np.errstate(divide="ignore", invalid="ignore")
def restricted_variance(control: Arm, treatment: Arm, delta: ArrayLike) -> FloatArray:
    """Variance of the difference in rates under the best fit with that difference.

    delta: treatment rate - control rate, -1 < delta < 1. NaN where an arm is empty.
    """
    (x_c, n_c), (x_t, n_t) = control, treatment
    delta = floats(delta)
    pooled = (x_c + x_t) / (n_c + n_t)
    fit_t = np.where(delta == 0, pooled, _restricted_rate(control, treatment, delta))
    fit_c = np.clip(fit_t - delta, 0.0, 1.0)
    return floats(fit_t * (1 - fit_t) / n_t + fit_c * (1 - fit_c) / n_c)


@np.errstate(divide="ignore", invalid="ignore")
def restricted_variance_statsmodels(control: Arm, treatment: Arm, delta: ArrayLike) -> FloatArray:
    """The same at the fit of statsmodels 0.15's score_test_proportions_2indep.

    Its cubic has the control's count where Miettinen and Nurminen (1985), appendix, have its size:
    not the maximum of the likelihood, and other limits (1.1e-4 off at 100 and 125 of 1,000).
    """
    (x_c, n_c), (x_t, n_t) = control, treatment
    delta = floats(delta)
    total, count = n_c + n_t, x_c + x_t
    b = (n_t + 2 * n_c) * delta - total - count
    c = (x_c * delta - total - 2 * x_c) * delta + count  # Miettinen and Nurminen: n_c * delta
    d = x_c * delta * (1 - delta)
    q = (b / (3 * total)) ** 3 - b * c / (6 * total**2) + d / (2 * total)
    p = np.sign(q) * np.sqrt((b / (3 * total)) ** 2 - c / (3 * total))
    angle = (np.pi + np.arccos(np.clip(q / p**3, -1, 1))) / 3
    fit_c = 2 * p * np.cos(angle) - b / (3 * total)
    fit_t = fit_c + delta
    return floats(np.maximum(fit_t * (1 - fit_t) / n_t + fit_c * (1 - fit_c) / n_c, 0.0))


def _restricted_rate(control: Arm, treatment: Arm, delta: FloatArray) -> FloatArray:
    """Treatment rate that maximises the likelihood among pairs that differ by delta."""
    (x_c, n_c), (x_t, n_t) = control, treatment
    p_c, p_t, theta = x_c / n_c, x_t / n_t, n_c / n_t
    a = 1 + theta
    b = -(1 + theta + p_t + theta * p_c + delta * (theta + 2))
    c = delta**2 + delta * (2 * p_t + theta + 1) + p_t + theta * p_c
    d = -p_t * delta * (1 + delta)
    v = b**3 / (27 * a**3) - b * c / (6 * a**2) + d / (2 * a)
    u = np.where(v >= 0, 1.0, -1.0) * np.sqrt(np.maximum(b**2 / (9 * a**2) - c / (3 * a), 0.0))
    ratio = np.clip(np.where(u == 0, 0.0, v / u**3), -1.0, 1.0)
    angle = (np.pi + np.arccos(ratio)) / 3
    low, high = np.maximum(delta, 0.0), np.minimum(1.0 + delta, 1.0)
    return floats(np.clip(2 * u * np.cos(angle) - b / (3 * a), low, high))


def score_limits(
    control: Arm,
    treatment: Arm,
    *,
    critical: FloatArray,
    factor: FloatArray,
    variance: Callable[[Arm, Arm, ArrayLike], FloatArray] = restricted_variance,
) -> tuple[FloatArray, FloatArray]:
    """The differences at which the score statistic reaches -+ critical, by bisection.

    factor: what the restricted variance is multiplied by. All elements are halved together.
    """
    (x_c, n_c), (x_t, n_t) = control, treatment
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = floats(x_t / n_t - x_c / n_c)

    def beyond(delta: FloatArray) -> BoolArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = factor * variance(control, treatment, delta)
            apart = np.abs(difference - delta)
            return np.asarray(apart > critical * np.sqrt(spread))

    return (
        _edge(np.full_like(difference, -1.0), difference, beyond),
        _edge(np.full_like(difference, 1.0), difference, beyond),
    )


def _edge(
    outer: FloatArray, inner: FloatArray, beyond: Callable[[FloatArray], BoolArray]
) -> FloatArray:
    """Where `beyond` turns from True (towards outer) to False (towards inner)."""
    for _ in range(_STEPS):
        middle = (outer + inner) / 2
        out = beyond(middle)
        outer, inner = np.where(out, middle, outer), np.where(out, inner, middle)
    return inner
