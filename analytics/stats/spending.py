"""Alpha-spending functions: how much of alpha may be gone by information fraction t.

S(0) = 0, S(1) = alpha, never falling. Information is what shrinks the variance: for means, users
observed over users planned. Source: Lan and DeMets (1983), Biometrika 70, 659-663.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from analytics.stats import tails
from analytics.stats.checks import bad, check_alpha, check_one_of, floats

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from analytics.stats.checks import FloatArray

Spending = Literal["obrien-fleming", "pocock", "power", "hwang-shih-decani"]
Sides = Literal[1, 2]
SPENDINGS: tuple[Spending, ...] = ("obrien-fleming", "pocock", "power", "hwang-shih-decani")

_DEFAULT_SHAPE = {"power": 2.0, "hwang-shih-decani": -4.0}


def spent(
    fraction: ArrayLike,
    *,
    alpha: float,
    spending: Spending = "obrien-fleming",
    shape: float | None = None,
    sides: Sides = 2,
) -> FloatArray:
    """Alpha spent by each information fraction (clipped to 0..1), over all sides together.

    spending: "obrien-fleming" 2 - 2 Phi(z / sqrt t), each side its share of alpha; "pocock"
    alpha ln(1 + (e - 1) t); "power" alpha t^shape (Kim and DeMets 1987; 2 unless given);
    "hwang-shih-decani" alpha (1 - e^(-shape t)) / (1 - e^-shape) (1990; -4 unless given).
    An unknown name, or a power not above 0: ConfigError.
    """
    check_alpha(alpha)
    check_one_of(spending, SPENDINGS, "spending")
    check_sides(sides)
    t = np.clip(floats(fraction), 0.0, 1.0)
    form = _DEFAULT_SHAPE.get(spending, 0.0) if shape is None else float(shape)
    if spending == "power" and not form > 0:
        raise bad(f"the power of a power spending must be above 0, not {form!r}.")
    if spending == "obrien-fleming":
        z = tails.normal_upper_quantile(alpha / sides / 2)
        with np.errstate(divide="ignore"):
            return floats(np.where(t > 0, sides * 2 * tails.normal_upper(z / np.sqrt(t)), 0.0))
    if spending == "pocock":
        return floats(alpha * np.log1p((np.e - 1) * t))
    if spending == "power" or form == 0:
        return floats(alpha * t ** (form or 1.0))
    return floats(alpha * np.expm1(-form * t) / np.expm1(-form))


def check_sides(sides: int) -> None:
    """One-sided (1) or two-sided (2)."""
    if sides not in {1, 2}:
        raise bad(f"sides is {sides!r}, not 1 or 2.")
