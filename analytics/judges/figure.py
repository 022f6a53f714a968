"""One number about a judge: never without its interval, its n, its unit and its method."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analytics.stats.interval import Interval


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that leaves.

    value, low, high, se, p: None where the data cannot carry them; reason then says why.
    n: how many of `unit` it rests on. level: of the interval. method: for a footnote.
    """

    name: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    unit: str
    method: str
    level: float = 0.95
    se: float | None = None
    p: float | None = None
    reason: str = ""

    @property
    def known(self) -> bool:
        """Whether it has an interval."""
        return self.low is not None and self.high is not None

    def above(self, value: float) -> bool:
        """Whether the whole interval lies above."""
        return self.low is not None and self.low > value

    def below(self, value: float) -> bool:
        """Whether the whole interval lies below."""
        return self.high is not None and self.high < value


def finite(value: object) -> float | None:
    """A number that can leave: NaN and infinity become None."""
    number = float(value)  # type: ignore[arg-type] # numpy scalars are numbers too
    return number if math.isfinite(number) else None


def nothing(name: str, reason: str, *, n: int = 0, unit: str = "items") -> Figure:
    """A named answer where there is no number."""
    return Figure(name, None, None, None, n, unit, "", reason=reason)


def of_interval(
    name: str, interval: Interval, *, unit: str, n: int | None = None, reason: str = ""
) -> Figure:
    """A figure from an interval of one element; what it cannot carry is None with a reason."""
    enough = bool(interval.enough)
    size = n if n is not None else int(interval.n_control + interval.n_treatment)
    why = "" if enough else reason or "too few to carry an interval"
    return Figure(
        name,
        finite(interval.estimate),
        finite(interval.low) if enough else None,
        finite(interval.high) if enough else None,
        size,
        unit,
        interval.method,
        1 - interval.alpha,
        finite(interval.se) if enough else None,
        finite(interval.p) if enough else None,
        why,
    )
