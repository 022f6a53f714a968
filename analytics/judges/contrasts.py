"""Variants beside each other by their scores: means, differences, paired by prompt where possible.

Two variants that answered the same prompts are compared prompt by prompt: what makes a prompt hard
for both then drops out, and the unpaired interval is wider than it need be.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from analytics.judges.figure import Figure, finite, nothing, of_interval
from analytics.judges.sampling import hajek
from analytics.stats import tails
from analytics.stats.checks import floats
from analytics.stats.means import mean_interval, paired_t_interval, welch_interval
from analytics.stats.proportions import Counts, wilson_limits

if TYPE_CHECKING:
    from analytics.stats.checks import FloatArray, IntArray


@dataclass(frozen=True, eq=False, slots=True)
class Arm:
    """Scores of one variant. key: number of the prompt (or other partner) per row.

    cluster, weight: all different and 1 unless given.
    """

    value: FloatArray
    key: IntArray
    cluster: IntArray
    weight: FloatArray


def arm_mean(name: str, arm: Arm, *, alpha: float) -> Figure:
    """The (Hajek) mean with its t interval over clusters."""
    if len(arm.value) == 0:
        return nothing(f"mean, {name}", "no scores")
    found = mean_interval(hajek(arm.value, arm.weight, arm.cluster), alpha=alpha)
    why = "every score is the same, or there is one"
    figure = of_interval(f"mean, {name}", found, unit="items", n=len(arm.value), reason=why)
    return replace(figure, p=None)  # that a mean is not 0 answers no question


def difference(control: Arm, treatment: Arm, *, alpha: float) -> Figure:
    """mean(treatment) - mean(control), arms independent: Welch's t."""
    name = "difference, unpaired"
    if min(len(control.value), len(treatment.value)) == 0:
        return nothing(name, "a variant has no scores")
    sides = [hajek(arm.value, arm.weight, arm.cluster) for arm in (control, treatment)]
    found = welch_interval(sides[0], sides[1], alpha=alpha)
    return of_interval(name, found, unit="items", reason="nothing varies in either variant")


def paired(control: Arm, treatment: Arm, *, alpha: float) -> tuple[Figure, Figure, Figure]:
    """Over the keys that both variants have: the paired difference, its rank test, the signs.

    Raises nothing where keys repeat: those are left out as they have no one partner, and counted
    in the reason. Source: Student (1908); Wilcoxon (1945), normal approximation with ties.
    """
    names = ("difference, paired", "Wilcoxon signed ranks", "share of pairs the second wins")
    x, y = _partners(control, treatment)
    if len(x) < 2:
        why = f"{len(x)} keys stand once in both variants"
        first, second, third = (nothing(name, why, n=len(x), unit="pairs") for name in names)
        return first, second, third
    found = of_interval(
        names[0],
        paired_t_interval(x, y, alpha=alpha),
        unit="pairs",
        n=len(x),
        reason="every pair differs alike",
    )
    wins, losses = int(np.sum(y > x)), int(np.sum(y < x))
    won = Figure(
        names[2],
        wins / (wins + losses) if wins + losses else None,
        *_wilson(wins, wins + losses, alpha),
        wins + losses,
        "pairs",
        "Wilson, ties out",
        1 - alpha,
        reason="" if wins + losses else "all pairs tie",
    )
    return found, _wilcoxon(names[1], y - x), won


def _wilson(k: int, n: int, alpha: float) -> tuple[float | None, float | None]:
    low, high = wilson_limits(Counts.of(floats(k), floats(n)), alpha=alpha)
    return finite(low), finite(high)


def _partners(control: Arm, treatment: Arm) -> tuple[FloatArray, FloatArray]:
    """Values of the keys that stand once in each variant, in one order."""
    sides = []
    for arm in (control, treatment):
        keys, first, counts = np.unique(arm.key, return_index=True, return_counts=True)
        once = counts == 1
        sides.append((keys[once], arm.value[first[once]]))
    _, at, of = np.intersect1d(sides[0][0], sides[1][0], return_indices=True)
    return sides[0][1][at], sides[1][1][of]


def _wilcoxon(name: str, apart: FloatArray) -> Figure:
    """The signed-rank test; its statistic is the smaller rank sum, it has no interval."""
    moved = apart[apart != 0]
    n = len(moved)
    if n < 10:
        return nothing(name, f"{n} pairs differ; 10 are needed", n=n, unit="pairs")
    _, place, counts = np.unique(np.abs(moved), return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[place]
    smaller = float(min(rank[moved > 0].sum(), rank[moved < 0].sum()))
    ties = float(np.sum(counts.astype(float) ** 3 - counts))
    spread = n * (n + 1) * (2 * n + 1) / 24 - ties / 48
    p = float(tails.normal_two_sided((smaller - n * (n + 1) / 4) / np.sqrt(spread)))
    why = "a test of ranks has no interval"
    return Figure(name, smaller, None, None, n, "pairs", "normal law", p=min(p, 1.0), reason=why)
