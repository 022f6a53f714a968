"""Does the effect differ between segments, or do they only scatter?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analytics.stats import tails
from analytics.stats.checks import bad, floats
from analytics.stats.interval import TestResult, result

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from analytics.stats.checks import FloatArray


@dataclass(frozen=True, eq=False)
class Heterogeneity:
    """Cochran's Q over segments.

    test: Q, its p and df. pooled: the effect weighted by precision, pooled_se its error.
    i2: share of the spread beyond sampling error, 0 to 1. tau2: variance of true effects.
    """

    test: TestResult
    pooled: FloatArray
    pooled_se: FloatArray
    i2: FloatArray
    tau2: FloatArray


def heterogeneity(effects: ArrayLike, ses: ArrayLike) -> Heterogeneity:
    """Test of one common effect over disjoint segments, along the last axis.

    Args: effects, ses: shape S + (segments,), one unit; a segment with NaN or se 0 has not enough
        data and is left out. Segments must not share users.
    Returns: enough is False below two usable segments.
    Source: Cochran (1954), Biometrics 10, 101-129; Higgins and Thompson (2002); DerSimonian and
        Laird (1986) for tau2.
    """
    effect, error = np.broadcast_arrays(floats(effects), floats(ses))
    if effect.ndim == 0:
        raise bad("effects need an axis of segments.")
    usable = np.isfinite(effect) & np.isfinite(error) & (error > 0)
    weight = np.where(usable, 1 / np.square(np.where(usable, error, 1.0)), 0.0)
    value = np.where(usable, effect, 0.0)
    total = weight.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        pooled = np.sum(weight * value, axis=-1) / total
        q = np.sum(weight * np.square(value - pooled[..., None]), axis=-1)
        df = usable.sum(axis=-1) - 1.0
        spare = total - np.sum(np.square(weight), axis=-1) / total
        i2 = np.where(q > 0, np.clip((q - df) / q, 0.0, 1.0), 0.0)
        tau2 = np.maximum((q - df) / spare, 0.0)
        p = tails.chi2_upper(q, np.maximum(df, 1.0))
        pooled_se = 1 / np.sqrt(total)
    test = result(np.where(df >= 1, q, np.nan), p, method="Cochran's Q", df=df)
    many = test.enough
    return Heterogeneity(
        test, pooled, pooled_se, np.where(many, i2, np.nan), np.where(many, tau2, np.nan)
    )
