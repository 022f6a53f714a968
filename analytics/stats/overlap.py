"""How alike the picks of different units are: the chance that two of them fall on the same thing.

Of all pairs of picks by two *different* units, the share that names the same thing. Unlike a Gini
coefficient or an entropy it does not depend on how many picks there are, so a small arm can be held
against a large one. 1 / value is the number of equally popular things that would give the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analytics.stats.checks import bad, check_finite, floats
from analytics.stats.moments import Marginal

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def same_pick(picks: ArrayLike, squares: ArrayLike, met: ArrayLike) -> Marginal:
    """The chance as a Marginal over units, its variance by leaving out one unit at a time.

    Args: one element a unit, over its things a with x picks each: picks = sum(x); squares =
        sum(x^2); met = sum(x X), where X are the picks of a by all units. Finite, of one length,
        else ConfigError. Units without a pick belong in it, with zeros.
    Returns: mean in 0 to 1; NaN, hence enough False, where no two units have a pick.
    Source: Simpson (1949), Nature 163, 688, as a U-statistic over units; jackknife of Arvesen
        (1969), Ann. Math. Stat. 40, 2076-2100.
    """
    own, own_sq, all_met = (check_finite(one, "sums", ndim=1) for one in (picks, squares, met))
    if not len(own) == len(own_sq) == len(all_met):
        raise bad("picks, squares and met are not of one length.")
    n, total = len(own), own.sum()
    same = all_met.sum() - own_sq.sum()
    pairs = total**2 - np.square(own).sum()
    left = pairs - 2 * total * own + 2 * np.square(own)
    if n < 2 or pairs <= 0 or (left <= 0).any():
        return Marginal(floats(n), floats(np.nan), floats(np.nan))
    without = (same - 2 * all_met + 2 * own_sq) / left
    se = np.sqrt((n - 1) / n * np.square(without - without.mean()).sum())
    return Marginal.from_se(n, same / pairs, se)
