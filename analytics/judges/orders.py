"""A judge asked twice, with the two outputs swapped: is it right, and does it prefer a place?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from analytics.judges.figure import Figure, nothing, of_interval
from analytics.judges.people import share
from analytics.stats.agreement import Confusion, kappa
from analytics.stats.means import mean_interval
from analytics.stats.moments import Marginal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from analytics.stats.checks import BoolArray, FloatArray


@dataclass(frozen=True, slots=True)
class BothOrders:
    """counts: correct_order1, correct_order2, correct_both, same_verdict, missing, of n items.

    same_verdict counts an item without a verdict in either order (missing_both) as the same, as
    LLMBar does; the share of equal verdicts is over the items with both.
    """

    n: int
    counts: dict[str, int]
    figures: tuple[Figure, ...]


def both_orders(
    first: Sequence[str | None],
    second: Sequence[str | None],
    truth: Sequence[str | None] | None,
    *,
    alpha: float,
) -> BothOrders:
    """Verdicts on the same items as given and swapped, both in the numbering as given.

    Args: first, second: the name of the winner, None where no verdict could be read. truth: the
        right one, where known. A missing verdict is not right, and counted.
    Figures: share right per order, over both orders and in both; share of equal verdicts; kappa
        between orders; and the excess for the first place: how much oftener a judge that changes
        its mind goes with what stands first. 0 is none.
    """
    a, b = np.asarray(first, dtype=object), np.asarray(second, dtype=object)
    n = len(a)
    read = np.array([x is not None and y is not None for x, y in zip(a, b, strict=True)])
    read = read.astype(bool)
    same = read & (a == b)
    neither = np.array([x is None and y is None for x, y in zip(a, b, strict=True)], dtype=bool)
    counts = {
        "same_verdict": int(same.sum() + neither.sum()),
        "missing": int(n - read.sum()),
        "missing_both": int(neither.sum()),
    }
    figures: list[Figure] = []
    if truth is not None:
        right = np.asarray(truth, dtype=object)
        more, figures = _right(a == right, b == right, alpha=alpha)
        counts |= more
    of = int(read.sum())
    figures.append(share("share of equal verdicts", agreed=int(same.sum()), of=of, alpha=alpha))
    figures += _between(a[read], b[read], alpha=alpha)
    return BothOrders(n, counts, tuple(figures))


def _right(
    ok_a: BoolArray, ok_b: BoolArray, *, alpha: float
) -> tuple[dict[str, int], list[Figure]]:
    """Counts and shares of right verdicts, per order, in both and on average."""
    n = len(ok_a)
    tallies = {"correct_order1": ok_a, "correct_order2": ok_b, "correct_both": ok_a & ok_b}
    counts = {key: int(np.sum(one)) for key, one in tallies.items()}
    words = ("share right, as given", "share right, swapped", "share right in both orders")
    figures = [
        share(name, agreed=counts[key], of=n, alpha=alpha)
        for key, name in zip(tallies, words, strict=True)
    ]
    average = (ok_a.astype(float) + ok_b.astype(float)) / 2
    figures.append(replace(_mean("share right, mean of both orders", average, alpha=alpha), p=None))
    return counts, figures


def _between(a: NDArray[np.object_], b: NDArray[np.object_], *, alpha: float) -> list[Figure]:
    names = sorted({*a.tolist(), *b.tolist()})
    titles = ("Cohen's kappa between orders", "excess for the first place")
    if len(names) != 2:
        why = f"{len(names)} different verdicts instead of 2"
        return [nothing(title, why, n=len(a)) for title in titles]
    code = {name: float(place) for place, name in enumerate(names)}
    x, y = (np.array([code[name] for name in part.tolist()]) for part in (a, b))
    found = kappa(Confusion.of(x, y), alpha=alpha)
    agreement = of_interval(titles[0], found, unit="items", reason="one verdict on every item")
    # As given, the first name stands first; swapped, the second: (first, second) is "first place".
    excess = (y - x).astype(np.float64)
    return [agreement, _mean(titles[1], excess, alpha=alpha)]


def _mean(name: str, values: FloatArray, *, alpha: float) -> Figure:
    interval = mean_interval(Marginal.of(values), alpha=alpha)
    return of_interval(name, interval, unit="items", reason="every item alike, or one item")
