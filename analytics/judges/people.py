"""A judge beside people: agreement beyond chance, and how far people agree with each other.

No judge can agree with a person more than people agree among themselves can tell; so each figure
stands beside the same figure between people (the ceiling).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from analytics.judges.association import Together, kendall, pearson, spearman
from analytics.judges.figure import Figure, finite, nothing, of_interval
from analytics.judges.labels import pairs_with, pairs_within
from analytics.judges.resample import How, jackknifed
from analytics.stats.agreement import Confusion, ac1, kappa, raw_agreement
from analytics.stats.checks import FloatArray, floats
from analytics.stats.krippendorff import VALUES_MAX, krippendorff_alpha
from analytics.stats.means import mean_interval
from analytics.stats.moments import Marginal
from analytics.stats.proportions import Counts, wilson_limits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from analytics.judges.labels import Labels
    from analytics.stats.agreement import Weights
    from analytics.stats.krippendorff import Level

CATEGORIES_MAX = 50
"""More different labels than this are a continuous scale: kappa has nothing to count."""
KENDALL_GROUPS_MAX = 25


@dataclass(frozen=True, eq=False, slots=True)
class Rows:
    """Labels paired: a, b and the item of each row; weight per row."""

    a: FloatArray
    b: FloatArray
    item: FloatArray
    weight: FloatArray

    @classmethod
    def of(cls, parts: tuple[FloatArray, FloatArray, FloatArray]) -> Rows:
        """Each row counts alike."""
        return cls(*parts, np.ones(len(parts[0])))

    def weighed(self, by_item: FloatArray) -> Rows:
        """Each row with the weight of its item."""
        return Rows(self.a, self.b, self.item, by_item[self.item.astype(np.int64)])

    @property
    def is_once(self) -> bool:
        """Whether each item has one row and all weigh alike: then textbook errors hold."""
        once = len(np.unique(self.item)) == len(self.item)
        return once and bool(np.all(self.weight == self.weight[:1]))


def why_none(labels: Labels) -> str:
    """Why people cannot be compared with each other; '' where they can."""
    if len(labels.raters) < 2:
        return f"{len(labels.raters)} rater: agreement needs two"
    if not np.any(np.sum(~np.isnan(labels.values), axis=0) >= 2):
        return "no item has the labels of two raters"
    return ""


def alphas(labels: Labels, levels: Sequence[Level], *, alpha: float) -> tuple[Figure, ...]:
    """Krippendorff's alpha of all raters, on each level asked for.

    Source: Krippendorff (2011). Interval: jackknife over items.
    """
    return tuple(_alpha(labels, level, alpha=alpha) for level in levels)


def _alpha(labels: Labels, level: Level, *, alpha: float) -> Figure:
    name = f"Krippendorff's alpha, {level}"
    if reason := why_none(labels):
        return nothing(name, reason)
    if len(np.unique(labels.values[~np.isnan(labels.values)])) > VALUES_MAX:
        return nothing(name, f"more than {VALUES_MAX:,} different labels")
    if level == "ratio" and np.nanmin(labels.values) < 0:
        return nothing(name, "the ratio level needs labels of 0 or above")
    found = krippendorff_alpha(labels.values, level=level, alpha=alpha)
    why = "all labels are equal: nothing can disagree"
    enough_values = np.isfinite(float(found.estimate))
    return of_interval(
        name, found, unit="items", reason="too few items for an interval" if enough_values else why
    )


def categorical(rows: Rows, *, alpha: float, is_ordered: bool) -> tuple[Figure, ...]:
    """Share of equal labels, kappa, quadratic weighted kappa (ordered labels), AC1.

    Source: Cohen (1960, 1968); Gwet (2008). Errors: Fleiss, Cohen and Everitt (1969) where each
    item counts once; else a jackknife over items.
    """
    asked: list[tuple[str, Callable[[Confusion], float]]] = [
        ("share of equal labels", raw_agreement),
        ("Cohen's kappa", lambda t: float(kappa(t, alpha=alpha).estimate)),
        ("Gwet's AC1", lambda t: float(ac1(t, alpha=alpha).estimate)),
    ]
    if is_ordered:
        weighted = ("kappa, quadratic weights", lambda t: _weighted(t, alpha))
        asked.insert(2, weighted)
    scale = np.unique(np.concatenate([rows.a, rows.b]))
    items_n = len(np.unique(rows.item))
    if len(rows.a) == 0:
        return tuple(nothing(name, "no item has both labels") for name, _ in asked)
    if len(scale) > CATEGORIES_MAX:
        why = f"{len(scale):,} different labels are a continuous scale"
        return tuple(nothing(name, why, n=items_n) for name, _ in asked)
    if len(scale) == 1:
        why = "all labels are equal: agreement by chance is complete"
        return tuple(nothing(name, why, n=items_n) for name, _ in asked)
    return tuple(_categorical(name, how, rows, scale, alpha) for name, how in asked)


def _weighted(table: Confusion, alpha: float) -> float:
    return float(kappa(table, alpha=alpha, weights="quadratic").estimate)


def _categorical(
    name: str,
    how: Callable[[Confusion], float],
    rows: Rows,
    scale: FloatArray,
    alpha: float,
) -> Figure:
    place = np.searchsorted(scale, rows.a) * len(scale) + np.searchsorted(scale, rows.b)
    size = len(scale)

    def statistic(weight: FloatArray) -> float:
        counts = floats(np.bincount(place, weight, size * size).reshape(size, size))
        return how(Confusion(counts, scale))

    if rows.is_once and name != "share of equal labels":
        counts = floats(np.bincount(place, minlength=size * size).reshape(size, size))
        table = Confusion(counts, scale)
        if name == "Gwet's AC1":
            return of_interval(name, ac1(table, alpha=alpha), unit="items")
        kind: Weights = "quadratic" if "weights" in name else "none"
        return of_interval(name, kappa(table, alpha=alpha, weights=kind), unit="items")
    is_share = name == "share of equal labels"
    spread = How(alpha, "logit" if is_share else "plain")
    return jackknifed(name, statistic, rows.weight, rows.item, spread)


def correlations(rows: Rows, *, alpha: float) -> tuple[Figure, ...]:
    """Spearman and Pearson, over items."""
    return _correlations(rows, ("Spearman", "Pearson"), alpha)


def numeric(rows: Rows, *, alpha: float) -> tuple[Figure, ...]:
    """Spearman, Pearson, Kendall tau-b and the mean of a - b, over items."""
    found = _correlations(rows, ("Spearman", "Pearson", "Kendall tau-b"), alpha)
    if len(rows.a) == 0:
        return (*found, nothing("mean difference", "no item has both labels"))
    return (*found, _shift(rows, alpha=alpha))


WAYS: dict[str, tuple[Callable[[Together, FloatArray], float], int]] = {
    "Spearman": (spearman, 100),
    "Pearson": (pearson, 100),
    "Kendall tau-b": (kendall, KENDALL_GROUPS_MAX),
}


def _correlations(rows: Rows, names: tuple[str, ...], alpha: float) -> tuple[Figure, ...]:
    items_n = len(np.unique(rows.item))
    if len(rows.a) == 0:
        return tuple(nothing(name, "no item has both labels") for name in names)
    for part, whose in ((rows.a, "first"), (rows.b, "second")):
        if len(np.unique(part)) == 1:
            why = f"the {whose} side says {part[0]:g} of every item: nothing varies"
            return tuple(nothing(name, why, n=items_n) for name in names)
    pairs = Together.of(rows.a, rows.b)
    return tuple(
        jackknifed(
            name,
            partial(WAYS[name][0], pairs),
            rows.weight,
            rows.item,
            How(alpha, "fisher", groups_max=WAYS[name][1]),
        )
        for name in names
    )


def _shift(rows: Rows, *, alpha: float) -> Figure:
    apart = rows.a - rows.b
    if rows.is_once:
        return of_interval(
            "mean difference", mean_interval(Marginal.of(apart), alpha=alpha), unit="items"
        )
    return jackknifed(
        "mean difference",
        lambda w: float(np.sum(w * apart) / np.sum(w)),
        rows.weight,
        rows.item,
        How(alpha),
    )


def between_people(people: Labels, *, alpha: float, is_numeric: bool) -> tuple[Figure, ...]:
    """People with each other, every two labels of an item both ways round: the ceiling."""
    found = _pairwise(Rows.of(pairs_within(people.values)), alpha=alpha, is_numeric=is_numeric)
    reason = why_none(people)
    return tuple(nothing(one.name, reason) for one in found) if reason else found


def judge_with_people(
    judge: FloatArray,
    people: Labels,
    *,
    alpha: float,
    is_numeric: bool,
    weight: FloatArray | None = None,
) -> tuple[Figure, ...]:
    """The judge with each person's label, figure by figure as `between_people`.

    Args: judge: (items,), NaN where it gave none. weight: of the items (1 / sampling probability).
    """
    rows = Rows.of(pairs_with(judge, people.values))
    rows = rows if weight is None else rows.weighed(weight)
    return _pairwise(rows, alpha=alpha, is_numeric=is_numeric)


def _pairwise(rows: Rows, *, alpha: float, is_numeric: bool) -> tuple[Figure, ...]:
    counted = categorical(rows, alpha=alpha, is_ordered=is_numeric)
    return (*counted, *(correlations(rows, alpha=alpha) if is_numeric else ()))


def with_the_mean(judge: FloatArray, people: Labels, *, alpha: float) -> tuple[Figure, ...]:
    """Correlations of the judge with the mean of the people of each item, and its mean excess."""
    known = np.any(~np.isnan(people.values), axis=0) & ~np.isnan(judge)
    mean = np.nanmean(people.values[:, known], axis=0) if known.any() else np.zeros(0)
    found = numeric(Rows.of((judge[known], mean, np.flatnonzero(known).astype(float))), alpha=alpha)
    return tuple(_named(one, f"{one.name}, with the mean of people") for one in found)


def with_the_majority(judge: FloatArray, people: Labels, *, alpha: float) -> Figure:
    """Share of items on which the judge says what most people say; items without a most are out."""
    name = "share equal to the majority"
    kept, agreed = [], []
    for item in range(len(people.items)):
        given = people.values[:, item]
        words, counts = np.unique(given[~np.isnan(given)], return_counts=True)
        if len(words) == 0 or np.isnan(judge[item]) or np.sum(counts == counts.max()) > 1:
            continue
        kept.append(item)
        agreed.append(float(words[np.argmax(counts)] == judge[item]))
    if not kept:
        return nothing(name, "no item has a majority and a label of the judge")
    return share(name, agreed=sum(agreed), of=len(agreed), alpha=alpha)


def share(name: str, *, agreed: float, of: float, alpha: float, unit: str = "items") -> Figure:
    """A share of independent items with Wilson's interval. Source: Wilson (1927)."""
    if of == 0:
        return nothing(name, f"no {unit}", unit=unit)
    low, high = wilson_limits(Counts.of(np.asarray(agreed), np.asarray(of)), alpha=alpha)
    return Figure(name, agreed / of, finite(low), finite(high), int(of), unit, "Wilson", 1 - alpha)


def _named(one: Figure, name: str) -> Figure:
    return dataclasses.replace(one, name=name)
