"""Numbers as people say them: natural frequencies, as many digits as the interval carries."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analytics.catalog.shape import Words
    from analytics.results import Estimate

DECIMALS_MAX = 6
NONE = "\N{EN DASH}"
"""Where there is no number."""


def decimals(half_width: float | None) -> int:
    """Digits after the point: two significant ones of the uncertainty, as physicists print."""
    if half_width is None or half_width <= 0 or not math.isfinite(half_width):
        return 2
    return min(DECIMALS_MAX, max(0, 1 - math.floor(math.log10(half_width))))


def number(value: float | None, digits: int) -> str:
    """A number with a real minus sign and thousands separators; a dash where there is none."""
    if value is None:
        return NONE
    text = f"{value:,.{digits}f}"
    if text.strip("-0.,") == "":
        text = text.removeprefix("-")
    return text.replace("-", "\N{MINUS SIGN}")


def signed(value: float | None, digits: int) -> str:
    """As `number`, a plus before what is above zero."""
    text = number(value, digits)
    return f"+{text}" if value is not None and value > 0 and text.strip("0.,") else text


def p_value(p: float | None) -> str:
    """`0.031`, `0.0016`, `<0.0001`."""
    if p is None:
        return NONE
    if p < 1e-4:
        return "<0.0001"
    return f"{p:.4f}" if p < 0.01 else f"{p:.3f}" if p < 0.1995 else f"{p:.2f}"


def level(of: float) -> str:
    """`95 %`, `98.3 %`."""
    return f"{of * 100:.3g} %"


def plain(text: str) -> str:
    """As `number` writes it, back to what a parser reads."""
    return text.replace("\N{MINUS SIGN}", "-").replace(",", "")


def difference(words: Words, estimate: Estimate) -> str:
    """`3.1 fewer early skips per 100 starts (95 % CI 2.2 to 4.0)`, or that nothing is clear.

    The estimate has both ends; an interval around zero is said as what it still allows.
    """
    ends = [estimate.low, estimate.estimate, estimate.high]
    low, value, high = (end * words.per for end in ends if end is not None)
    digits = decimals((high - low) / 2)
    base = f"per {words.per:,} {words.of}" if words.per > 1 else f"per {words.of}"
    said = level(estimate.level)
    if low <= 0 <= high:
        span = f"from {_amount(low, digits)} to {_amount(high, digits)} {words.count} {base}"
        return f"no clear difference: {span} ({said} CI)"
    near, far = sorted((abs(low), abs(high)))
    span = f"{said} CI {number(near, digits)} to {number(far, digits)}"
    return f"{_amount(value, digits)} {words.count} {base} ({span})"


def _amount(value: float, digits: int) -> str:
    return f"{number(abs(value), digits)} {'more' if value > 0 else 'fewer'}"
