"""How a number is written, once for the page and once for Markdown, from the same value.

On the page each stands in `<data value="...">` with all its digits, so that a reader can copy it
and a test can hold it against the JSON.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from analytics import words

if TYPE_CHECKING:
    from collections.abc import Callable

    from analytics.results import Estimate

DAY_S = 86_400
HOUR_S = 3_600


def tagged(value: float, text: str) -> str:
    """A number on the page."""
    return Markup('<data value="{}">{}</data>').format(json.dumps(value), text)


def bare(value: float, text: str) -> str:
    """A number in Markdown."""
    del value
    return text


@dataclass(frozen=True, slots=True)
class Numbers:
    """What templates call; `put` says where the number goes."""

    put: Callable[[float, str], str]

    def of(self, value: float | None, digits: int) -> str:
        """With so many digits after the point; a dash for none."""
        return words.NONE if value is None else self.put(value, words.number(value, digits))

    def count(self, value: int) -> str:
        """A whole number."""
        return self.put(value, words.number(value, 0))

    def share(self, value: float | None, digits: int = 0) -> str:
        """A fraction as percent; what is not all is never rounded up to 100."""
        if value is None:
            return words.NONE
        text = words.number(value * 100, digits)
        if value < 1 and float(words.plain(text)) >= 100:
            text = ">99"
        elif value > 0 and float(words.plain(text)) == 0:
            text = f"<{10.0**-digits:g}"
        return self.put(value, f"{text}\N{NO-BREAK SPACE}%")

    def short(self, value: float) -> str:
        """A chosen fraction as percent, with the digits it was chosen with."""
        return self.put(value, f"{value * 100:.4g}\N{NO-BREAK SPACE}%")

    def p(self, value: float | None) -> str:
        """A p-value."""
        return words.NONE if value is None else self.put(value, words.p_value(value))

    def level(self, estimate: Estimate) -> str:
        """The level of an interval."""
        return self.put(estimate.level, words.level(estimate.level))

    def near(self, value: float | None, estimate: Estimate | None) -> str:
        """A mean, with as many digits as the difference's interval carries."""
        return self.of(value, _digits(estimate))

    def difference(self, estimate: Estimate | None) -> str:
        """The estimate with its sign."""
        if estimate is None or estimate.estimate is None:
            return words.NONE
        return self.put(estimate.estimate, words.signed(estimate.estimate, _digits(estimate)))

    def interval(self, estimate: Estimate | None) -> str:
        """`-0.08 to -0.03`; an open end is said."""
        if estimate is None:
            return words.NONE
        return self._ends(estimate.low, estimate.high, _digits(estimate), 1)

    def relative(self, estimate: Estimate | None) -> str:
        """The relative estimate in percent with its sign."""
        if estimate is None or estimate.estimate is None:
            return words.NONE
        text = words.signed(estimate.estimate * 100, _percent_digits(estimate))
        return self.put(estimate.estimate, f"{text}\N{NO-BREAK SPACE}%")

    def relative_interval(self, estimate: Estimate | None) -> str:
        """Its ends in percent."""
        if estimate is None:
            return words.NONE
        return self._ends(estimate.low, estimate.high, _percent_digits(estimate), 100)

    def points(self, estimate: Estimate | None) -> str:
        """A difference of shares in percentage points, with its interval."""
        if estimate is None or estimate.estimate is None:
            return "not enough data"
        low, high = estimate.low, estimate.high
        half = None if low is None or high is None else (high - low) / 2
        digits = words.decimals(None if half is None else half * 100)
        said = self.put(estimate.estimate, words.signed(estimate.estimate * 100, digits))
        ends = [
            "unbounded" if end is None else self.put(end, words.number(end * 100, digits))
            for end in (low, high)
        ]
        return Markup("{} points ({} to {})").format(said, *ends)

    def ends(self, low: float | None, high: float | None, digits: int, factor: int = 1) -> str:
        """Any two ends."""
        return self._ends(low, high, digits, factor)

    def age(self, seconds: float | None) -> str:
        """A duration in the unit a person would choose."""
        if seconds is None:
            return words.NONE
        if seconds >= 2 * DAY_S:
            return self.put(seconds, f"{seconds / DAY_S:.1f} days")
        if seconds >= 2 * HOUR_S:
            return self.put(seconds, f"{seconds / HOUR_S:.1f} hours")
        if seconds >= 120:
            return self.put(seconds, f"{seconds / 60:.0f} minutes")
        return self.put(seconds, f"{seconds:.0f} seconds")

    def _ends(self, low: float | None, high: float | None, digits: int, factor: int) -> str:
        if low is None and high is None:
            return "unbounded"
        below, above = (
            "unbounded" if end is None else self.put(end, words.number(end * factor, digits))
            for end in (low, high)
        )
        sign = "\N{NO-BREAK SPACE}%" if factor == 100 else ""
        return Markup("{} to {}{}").format(below, above, sign)


def _digits(estimate: Estimate | None) -> int:
    if estimate is None or estimate.low is None or estimate.high is None:
        return 3
    return words.decimals((estimate.high - estimate.low) / 2)


def _percent_digits(estimate: Estimate) -> int:
    """One more than the uncertainty carries, where an end near zero must show its sign."""
    if estimate.low is None or estimate.high is None:
        return 1
    half = (estimate.high - estimate.low) / 2
    return 0 if half >= 0.5 else max(1, words.decimals(half * 100))
