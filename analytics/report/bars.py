"""Interval bars: inline SVG with percentages, so that they fit any width without distortion.

Right is always the better direction. The thick bar is the interval of the fixed horizon, the thin
line the one that holds at every look; the marker's shape says the verdict, its colour repeats it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.results import Agreement, Comparison, Estimate

NICE = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
TONES = {
    "better": "good",
    "within margin": "good",
    "better than a coin": "good",
    "worse": "bad",
    "beyond margin": "bad",
    "worse than a coin": "bad",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A stretch in percent of the width; an arrow where it goes on beyond the edge."""

    start: float
    end: float
    arrow_start: bool
    arrow_end: bool


@dataclass(frozen=True, slots=True)
class Bar:
    """What the template draws; positions in percent of the width."""

    thick: Line | None
    thin: Line | None
    point: float | None
    zero: float
    margin: float | None
    tone: str
    label: str


def axis_of(comparisons: Sequence[Comparison]) -> float:
    """Half the width of a shared axis, as a relative effect: the largest deciding interval."""
    reach = [0.0]
    for one in comparisons:
        relative = one.always_valid_relative or one.relative
        reach += [abs(end) for end in _ends(relative)]
        if one.margin:
            reach.append(1.3 * one.margin.margin)
    widest = max(reach)
    return next((nice for nice in NICE if nice >= widest), NICE[-1])


def bar(one: Comparison, axis: float) -> Bar | None:
    """The bar of one comparison on an axis from -axis to +axis; None without an interval."""
    if one.relative is None or one.relative.estimate is None:
        return None
    sign = 1.0 if one.direction == "increase" else -1.0
    chosen = one.adjusted_relative or one.relative
    margin = None if one.margin is None else 50 * (1 - one.margin.margin / axis)
    return Bar(
        thick=_line(chosen, sign, axis),
        thin=_line(one.always_valid_relative, sign, axis),
        point=_point(chosen.estimate, sign, axis),
        zero=50.0,
        margin=margin if margin is not None and margin > 0 else None,
        tone=TONES.get(one.standing, "open"),
        label=f"{one.title}: {one.standing}. {one.sentence}",
    )


def agreement_bar(one: Agreement) -> Bar | None:
    """A share from 0 to 1 with the coin's half as zero line."""
    if one.share is None or one.low is None or one.high is None:
        return None
    return Bar(
        thick=Line(100 * one.low, 100 * one.high, arrow_start=False, arrow_end=False),
        thin=None,
        point=100 * one.share,
        zero=50.0,
        margin=None,
        tone=TONES.get(one.standing, "open"),
        label=f"{one.judge} agreed with people on {one.agreed} of {one.total} pairs:"
        f" {one.standing}",
    )


def _ends(estimate: Estimate | None) -> list[float]:
    if estimate is None:
        return []
    return [end for end in (estimate.low, estimate.high) if end is not None]


def _line(estimate: Estimate | None, sign: float, axis: float) -> Line | None:
    if estimate is None:
        return None
    low = -math.inf if estimate.low is None else estimate.low
    high = math.inf if estimate.high is None else estimate.high
    left, right = sorted((sign * low, sign * high))
    return Line(
        _place(left, axis), _place(right, axis), arrow_start=left < -axis, arrow_end=right > axis
    )


def _point(effect: float | None, sign: float, axis: float) -> float | None:
    """The marker; none where it lies beyond the edge, the arrow says so."""
    return None if effect is None or abs(effect) > axis else _place(sign * effect, axis)


def _place(effect: float, axis: float) -> float:
    """Percent of the width, held inside it."""
    return 50 + 50 * max(-1.0, min(1.0, effect / axis))
