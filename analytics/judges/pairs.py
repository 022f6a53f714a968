"""Pairs that a person decided: how often the judge decided alike, who wins, what it leans to.

A judge decides a pair for the side that it scores higher (or names). Ties of people decide nothing
and are left out; ties of the judge are counted beside.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from analytics.judges.association import Together, spearman
from analytics.judges.figure import Figure, nothing, of_interval
from analytics.judges.people import share
from analytics.judges.resample import How, jackknifed
from analytics.judges.sampling import hajek_interval
from analytics.stats import tails
from analytics.stats.checks import floats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.stats.checks import BoolArray, FloatArray, IntArray

PAIRS_MIN = 30
"""Fewer decided pairs carry no statement about a judge."""


@dataclass(frozen=True, eq=False, slots=True)
class Decided:
    """Pairs. human, judge: 1 for A, -1 for B, 0 for a tie, NaN for none. margin: |score a - b|.

    cluster, weight: per pair; all different and 1 unless given.
    """

    human: FloatArray
    judge: FloatArray
    margin: FloatArray
    cluster: IntArray
    weight: FloatArray

    def only(self, rows: FloatArray | BoolArray) -> Decided:
        """Some of the pairs."""
        keep = np.asarray(rows, dtype=bool)
        parts = (self.human, self.judge, self.margin, self.cluster, self.weight)
        return Decided(*(part[keep] for part in parts))

    @property
    def both(self) -> FloatArray:
        """Pairs that person and judge decided."""
        known = ~np.isnan(self.human) & ~np.isnan(self.judge)
        return floats(known & (self.human != 0) & (self.judge != 0))

    @property
    def is_plain(self) -> bool:
        """Whether pairs count as independent and alike."""
        alone = len(np.unique(self.cluster)) == len(self.cluster)
        return alone and bool(np.all(self.weight == self.weight[:1]))


def decided(
    human: FloatArray,
    score_a: FloatArray,
    score_b: FloatArray,
    *,
    cluster: IntArray | None = None,
    weight: FloatArray | None = None,
) -> Decided:
    """From preferences (1, -1, 0, NaN) and the two scores, NaN where there is none."""
    n = len(human)
    return Decided(
        human,
        np.sign(score_a - score_b),
        np.abs(score_a - score_b),
        np.arange(n) if cluster is None else cluster,
        np.ones(n) if weight is None else weight,
    )


def accuracy(pairs: Decided, *, alpha: float, name: str = "pairwise agreement") -> Figure:
    """Share of pairs decided by both that were decided alike; p of a coin's half.

    Wilson's interval and the exact binomial p where pairs are independent, else a Hajek mean with
    a jackknife over clusters.
    """
    kept = pairs.only(pairs.both)
    n = len(kept.human)
    if n == 0:
        return nothing(name, "no pair was decided by both a person and the judge", unit="pairs")
    agreed = floats(kept.human == kept.judge)
    if kept.is_plain:
        k = int(agreed.sum())
        found = share(name, agreed=k, of=n, alpha=alpha, unit="pairs")
        p = min(1.0, 2 * float(tails.binomial_lower(min(k, n - k), n, 0.5)))
        return Figure(
            *(found.name, found.value, found.low, found.high, n, "pairs", "Wilson, exact p"),
            level=1 - alpha,
            p=p,
        )
    how = How(alpha, "logit", "clusters of pairs")

    def mean(weight: FloatArray) -> float:
        total = float(np.sum(weight))
        return float(np.sum(weight * agreed)) / total if total > 0 else float("nan")

    return jackknifed(name, mean, kept.weight, kept.cluster, how)


def by_margin(pairs: Decided, edges: Sequence[float], *, alpha: float) -> tuple[Figure, ...]:
    """Agreement where the scores differ by little and by much: a judge that knows, knows more."""
    bounds = [0.0, *sorted(edges), np.inf]
    found = []
    for low, high in itertools.pairwise(bounds):
        inside = (pairs.margin >= low) & (pairs.margin < high)
        if high != np.inf and high == bounds[-2]:
            inside = (pairs.margin >= low) & (pairs.margin <= high)
        words = f"from {low:g}" if high == np.inf else f"{low:g} to {high:g}"
        name = f"pairwise agreement, scores apart {words}"
        found.append(accuracy(pairs.only(inside), alpha=alpha, name=name))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class WinRate:
    """One system's share of wins, by people and by the judge, over the pairs it stood in."""

    system: str
    pairs: int
    human: Figure
    judge: Figure


def win_rates(
    pairs: Decided, system_a: Sequence[str], system_b: Sequence[str], *, alpha: float
) -> tuple[WinRate, ...]:
    """By system, of the pairs decided by both; Wilson intervals, ties out."""
    keep = pairs.both.astype(bool)
    a, b = np.asarray(system_a, dtype=object)[keep], np.asarray(system_b, dtype=object)[keep]
    human, judge = pairs.human[keep], pairs.judge[keep]
    rates = []
    for system in sorted({*a.tolist(), *b.tolist()}):
        side = floats(a == system) - floats(b == system)
        inside = side != 0
        n = int(inside.sum())
        wins = [float(np.sum((of * side)[inside] > 0)) for of in (human, judge)]
        words = ("win rate, people", "win rate, judge")
        figures = [
            share(name, agreed=won, of=n, alpha=alpha, unit="pairs")
            for name, won in zip(words, wins, strict=True)
        ]
        rates.append(WinRate(str(system), n, figures[0], figures[1]))
    return tuple(rates)


def same_order(rates: Sequence[WinRate], *, alpha: float) -> Figure:
    """Rank correlation of the systems' win rates by judge and by people."""
    name = "Spearman of win rates over systems"
    known = [one for one in rates if one.human.value is not None and one.judge.value is not None]
    if len(known) < 3:
        return nothing(name, f"{len(known)} systems are too few", n=len(known), unit="systems")
    judge = [one.judge.value or 0.0 for one in known]
    rows = Together.of(judge, [one.human.value or 0.0 for one in known])
    return jackknifed(
        name,
        lambda w: spearman(rows, w),
        np.ones(len(known)),
        np.arange(len(known)),
        How(alpha, "fisher", "systems"),
    )


def lean(
    pairs: Decided, toward: FloatArray, *, alpha: float, name: str
) -> tuple[Figure, Figure, Figure]:
    """How often judge and people pick the side that a feature marks, and the judge's excess.

    Args: toward: 1 where the feature marks A (stands first, is longer, is the judge's own model),
        -1 for B, 0 or NaN for neither. The excess is paired over the same pairs: what people like
        for a reason is no bias of the judge's. Returns: judge, people, judge - people.
    """
    marked = ~np.isnan(toward) & (toward != 0) & pairs.both.astype(bool)
    n = int(marked.sum())
    titles = (f"picks {name}, judge", f"picks {name}, people", f"excess for {name}")
    if n < PAIRS_MIN:
        why = f"{n} pairs that both decided differ in it; {PAIRS_MIN} are needed"
        first, second, third = (nothing(title, why, n=n, unit="pairs") for title in titles)
        return first, second, third
    picks = [floats((of * toward)[marked] > 0) for of in (pairs.judge, pairs.human)]
    rows = (pairs.weight[marked], pairs.cluster[marked])
    figures = [
        of_interval(title, hajek_interval(values, *rows, alpha=alpha), unit="pairs", n=n)
        for title, values in zip(titles, (*picks, picks[0] - picks[1]), strict=True)
    ]
    return replace(figures[0], p=None), replace(figures[1], p=None), figures[2]
