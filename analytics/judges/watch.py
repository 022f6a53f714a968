"""Does a judge still grade its reference items as it used to? Watched round by round.

What a round is held by is the mean squared distance of its grades from each item's mean in the
earlier rounds, the round's own mean taken off (that is the move of the anchors, see anchors.py).
While the judge stays what it was, the cube roots of these distances spread about one level: the
next one, and the mean of the next three, must lie below their prediction limits (Student, upper
side). The n-th look has alpha / n(n + 1), half for either, which adds up to alpha over all looks,
so it may be looked at every night for ever. A judge that loses its ear, or answers at random,
stands out at once: its distances grow by its items' spread.

Source: Whitmore (1986), Am. Stat. 40, 141-143, prediction limits of a normal; Wilson and Hilferty
(1931) for the cube root; Bonferroni over looks. That it is normal is an approximation:
proof_watch.py counts what it costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from analytics.stats import tails
from analytics.stats.checks import check_alpha, floats

if TYPE_CHECKING:
    from analytics.stats.checks import FloatArray

EARLIER_MIN: Final = 3
"""Distances before the first look: a spread of two says nothing."""
ROUNDS_MIN: Final = EARLIER_MIN + 2
WINDOWS: Final = (1, 3)
ROUNDING: Final = 1e-6
"""A judge that always says the same has no spread."""
ITEMS_MIN: Final = 20
LOST: Final = 0.5
"""Agreement with itself below this share of what it was: the judge has lost its ear."""
DAY_US: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Watch:
    """rounds: looked at. alarm: number of the round that raised it, from 0; day: of that round.

    before, after: correlation of a round's grades with the mean of the earlier ones, up to the
    alarm and from it on; None where there is no alarm.
    """

    rounds: int
    alarm: int | None = None
    day: int | None = None
    before: float | None = None
    after: float | None = None

    @property
    def has_lost_its_ear(self) -> bool:
        """An alarm, and less than half of the agreement with its own earlier grades."""
        if self.before is None or self.after is None:
            return False
        return self.after < LOST * self.before


UNWATCHED: Final = Watch(0)


def watched(anchors: pl.DataFrame, *, alpha: float) -> Watch:
    """Watch the anchors of one instrument: generation_id, event_time_us, score. A round is a day.

    Items that are not in every round are left out.
    """
    by_day = anchors.group_by(
        "generation_id", day=pl.col("event_time_us") // DAY_US, maintain_order=True
    ).agg(pl.col("score").mean())
    days = sorted(by_day["day"].unique().to_list())
    whole = by_day.filter(pl.len().over("generation_id") == len(days))
    items_n = whole["generation_id"].n_unique()
    if len(days) < ROUNDS_MIN or items_n < ITEMS_MIN:
        return Watch(len(days))
    table = whole.sort("day", "generation_id")["score"].to_numpy().reshape(len(days), items_n)
    found = watch(floats(table), alpha=alpha)
    if found.alarm is None:
        return found
    return Watch(found.rounds, found.alarm, int(days[found.alarm]), found.before, found.after)


def watch(grades: FloatArray, *, alpha: float) -> Watch:
    """The same from a table (rounds, items)."""
    check_alpha(alpha)
    rounds_n = len(grades)
    apart = _distances(grades)
    for number in range(ROUNDS_MIN - 1, rounds_n):
        look = number - ROUNDS_MIN + 2
        each = alpha / (look * (look + 1)) / len(WINDOWS)
        if any(_stands_out(apart[:number], last, each) for last in WINDOWS):
            agreed = [_agreement(grades, one) for one in range(1, rounds_n)]
            before, after = np.mean(agreed[: number - 1]), np.mean(agreed[number - 1 :])
            return Watch(rounds_n, number, None, float(before), float(after))
    return Watch(rounds_n)


def _distances(grades: FloatArray) -> FloatArray:
    """(rounds - 1,): cube root of a round's mean squared distance from the earlier ones' means."""
    near = grades - grades.mean(axis=1, keepdims=True)
    out = np.empty(max(0, len(grades) - 1))
    for number in range(1, len(grades)):
        gap = near[number] - near[:number].mean(axis=0)
        out[number - 1] = np.cbrt(np.mean(gap**2) / (1 + 1 / number))
    return out


def _stands_out(apart: FloatArray, last: int, alpha: float) -> bool:
    """Whether the mean of the last ones lies above what it stays below with 1 - alpha."""
    earlier, recent = apart[:-last], apart[-last:]
    n = len(earlier)
    if n < EARLIER_MIN:
        return False
    reach = float(tails.t_upper_quantile(alpha, n - 1)) * np.sqrt(1 / last + 1 / n)
    return bool(recent.mean() > earlier.mean() + reach * earlier.std(ddof=1) + ROUNDING)


def _agreement(grades: FloatArray, number: int) -> float:
    """Correlation of a round with the mean of the earlier ones; 0 where one does not vary."""
    earlier, now = grades[:number].mean(axis=0), grades[number]
    if not (earlier.std() > 0 and now.std() > 0):
        return 0.0
    return float(np.corrcoef(earlier, now)[0, 1])
