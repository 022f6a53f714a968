"""Many tests at once: adjusted p-values, e-BH, and LORD++ for a stream of experiments.

A p of NaN is a test that could not be made: it stays NaN and does not count in the family.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from analytics.stats.checks import bad, check_alpha, check_one_of, floats

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

    from analytics.stats.checks import BoolArray, FloatArray, IntArray

Adjustment = Literal[
    "bonferroni", "sidak", "holm", "holm-sidak", "hochberg", "hochberg-sidak", "hommel", "bh", "by"
]


def adjusted_p(p: ArrayLike, method: Adjustment) -> FloatArray:
    """Adjusted p-values, in the order given: reject those <= alpha.

    Args: p: shape (tests,), between 0 and 1 or NaN; else ConfigError. method: "bonferroni",
        "sidak", "holm", "holm-sidak", "hochberg", "hochberg-sidak", "hommel" control the chance
        of any false rejection; "bh", "by" the expected share of false ones.
    Source: Holm (1979); Hochberg (1988); Hommel (1988); Benjamini and Hochberg (1995); Benjamini
        and Yekutieli (2001); twin R's p.adjust. Cases padj-*-15.
    """
    check_one_of(method, _METHODS, "method")
    values = floats(p)
    if values.ndim != 1 or not np.all(np.isnan(values) | ((values >= 0) & (values <= 1))):
        raise bad("p-values must lie between 0 and 1, in one dimension.")
    known = np.flatnonzero(~np.isnan(values))
    adjusted = np.full_like(values, np.nan)
    if len(known):
        order = known[np.argsort(values[known], kind="stable")]
        adjusted[order] = np.minimum(_METHODS[method](values[order]), 1.0)
    return adjusted


def rejected(p: ArrayLike, method: Adjustment, *, alpha: float) -> BoolArray:
    """Which tests are rejected at alpha after adjustment; NaN never is."""
    check_alpha(alpha)
    return np.nan_to_num(adjusted_p(p, method), nan=1.0) <= alpha


def _ranks(p: FloatArray) -> FloatArray:
    return np.arange(1.0, len(p) + 1)


def _step_down(p: FloatArray) -> FloatArray:
    return np.maximum.accumulate(p)


def _step_up(p: FloatArray) -> FloatArray:
    return np.minimum.accumulate(p[::-1])[::-1]


def _sidak(p: FloatArray, tests: FloatArray) -> FloatArray:
    """1 - (1 - p)^tests without losing a small p."""
    with np.errstate(divide="ignore"):
        return -np.expm1(tests * np.log1p(-p))


def _holm(p: FloatArray) -> FloatArray:
    return _step_down((len(p) + 1 - _ranks(p)) * p)


def _holm_sidak(p: FloatArray) -> FloatArray:
    return _step_down(_sidak(p, len(p) + 1 - _ranks(p)))


def _hochberg(p: FloatArray) -> FloatArray:
    return _step_up((len(p) + 1 - _ranks(p)) * p)


def _hochberg_sidak(p: FloatArray) -> FloatArray:
    return _step_up(_sidak(p, len(p) + 1 - _ranks(p)))


def _bh(p: FloatArray) -> FloatArray:
    return _step_up(len(p) / _ranks(p) * p)


def _by(p: FloatArray) -> FloatArray:
    return _step_up(np.sum(1 / _ranks(p)) * len(p) / _ranks(p) * p)


def _hommel(p: FloatArray) -> FloatArray:
    """Hommel's closed Simes test, as Wright (1992), Biometrics 48, 1005-1013, computes it."""
    n = len(p)
    ranks = _ranks(p)
    floor = np.full(n, np.min(n * p / ranks))
    adjusted = floor.copy()
    for m in range(n - 1, 1, -1):
        first = n - m + 1
        tail = np.min(m * p[first:] / np.arange(2.0, m + 1)) if m > 1 else np.inf
        floor[:first] = np.minimum(m * p[:first], tail)
        floor[first:] = floor[n - m]
        adjusted = np.maximum(adjusted, floor)
    return np.maximum(adjusted, p)


_METHODS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "bonferroni": lambda p: len(p) * p,
    "sidak": lambda p: _sidak(p, floats(len(p))),
    "holm": _holm,
    "holm-sidak": _holm_sidak,
    "hochberg": _hochberg,
    "hochberg-sidak": _hochberg_sidak,
    "hommel": _hommel,
    "bh": _bh,
    "by": _by,
}


def e_bh(e: ArrayLike, *, alpha: float) -> IntArray:
    """Indices rejected by e-BH, ascending: valid for e-values under any dependence.

    Args: e: e-values >= 0, shape (tests,); NaN never is rejected but counts in the family.
    Source: Wang and Ramdas (2022), J. R. Stat. Soc. B 84, 822-852. Case ebh-8.
    """
    check_alpha(alpha)
    values = np.nan_to_num(floats(e), nan=0.0, posinf=np.inf)
    if values.ndim != 1 or np.any(values < 0):
        raise bad("e-values must not be negative, in one dimension.")
    order = np.argsort(-values, kind="stable")
    held = np.flatnonzero(_ranks(values) * values[order] >= len(values) / alpha)
    return np.sort(order[: held[-1] + 1]) if len(held) else np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class OnlineLevels:
    """The level each test of a stream is held to, and which were rejected (p <= level)."""

    level: FloatArray
    rejected: BoolArray


def lord_plus_plus(p: ArrayLike, *, alpha: float, w0: float | None = None) -> OnlineLevels:
    """LORD++ levels for experiments that come one after another, without knowing how many.

    Args: p: shape (tests,), in the order of the decisions. w0: the wealth to start with,
        0 < w0 < alpha; alpha / 2 unless given.
    Source: Ramdas, Yang, Wainwright and Jordan (2017), NIPS, with the weights of Javanmard and
        Montanari (2018). Case lordpp-15.
    """
    check_alpha(alpha)
    start = alpha / 2 if w0 is None else w0
    if not 0 < start < alpha:
        raise bad(f"w0 is {start!r}, not between 0 and alpha {alpha!r}.")
    values = np.nan_to_num(floats(p), nan=1.0)
    j = np.arange(1.0, len(values) + 1)
    weight = 0.07720838 * np.log(np.maximum(j, 2.0)) / (j * np.exp(np.sqrt(np.log(j))))
    level = start * weight
    out = np.zeros(len(values), dtype=bool)
    found = 0
    for i, value in enumerate(values):
        if value <= level[i]:
            out[i] = True
            found += 1
            reward = alpha - start if found == 1 else alpha
            level[i + 1 :] += reward * weight[: len(values) - i - 1]
    return OnlineLevels(level, out)
