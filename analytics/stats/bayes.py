"""Shrinkage and posteriors: what past experiments say about the size of this one's effect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analytics.stats import tails
from analytics.stats.checks import bad, check_finite, check_positive, floats

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from analytics.stats.checks import FloatArray


@dataclass(frozen=True, eq=False)
class Prior:
    """A normal prior of effects, in their unit."""

    mean: float
    variance: float


@dataclass(frozen=True, eq=False)
class Posterior:
    """A normal posterior of effects.

    chance_to_win: that the effect is above 0. loss_if_shipped: expected loss, in the effect's
    unit, if treatment is shipped; loss_if_held: if it is not.
    """

    mean: FloatArray
    sd: FloatArray
    chance_to_win: FloatArray
    loss_if_shipped: FloatArray
    loss_if_held: FloatArray


def empirical_prior(effects: ArrayLike, ses: ArrayLike) -> Prior:
    """The prior that past experiments imply: their mean, and their spread beyond sampling error.

    Args: effects, ses: of past experiments, one unit, shape (experiments,), at least 2.
    Source: method of moments (DerSimonian and Laird 1986). Case empirical-bayes-shrink.
    """
    past, error = check_finite(effects, "effects", ndim=1), check_positive(ses, "ses")
    if len(past) < 2 or past.shape != error.shape:
        raise bad(f"{past.shape} effects and {error.shape} standard errors; give 2 or more.")
    spread = float(np.var(past, ddof=1) - np.mean(np.square(error)))
    return Prior(float(past.mean()), max(spread, 0.0))


def posterior(estimate: ArrayLike, se: ArrayLike, prior: Prior) -> Posterior:
    """Normal posterior of effects, elementwise; the prior's variance may be 0.

    Args: estimate, se: in the prior's unit (relative effects for a relative prior); se > 0.
        Elements whose estimate or se is NaN stay NaN: they had not enough data.
    Source: conjugate normal; loss as in Stucchi (2015). Cases empirical-bayes-shrink and the
        reference example .2726448837, .2351771437, .8768365225, .0143333748.
    """
    if not (np.isfinite(prior.mean) and prior.variance >= 0):
        raise bad(f"the prior {prior} is not a normal law.")
    estimate, error2 = floats(estimate), np.square(floats(se))
    if np.any(error2 <= 0):
        raise bad("standard errors must be above 0.")
    weight = prior.variance / (prior.variance + error2)
    mean = prior.mean + weight * (estimate - prior.mean)
    sd = np.sqrt(weight * error2)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(sd > 0, mean / sd, np.sign(mean) * np.inf)
    flat = np.where(np.isfinite(ratio), ratio, 0.0)
    down = sd * tails.normal_density(flat) - mean * tails.normal_upper(flat)
    sure = ~np.isfinite(ratio) & ~np.isnan(mean)
    shipped = np.where(sure, np.maximum(-mean, 0.0), down)
    return Posterior(mean, sd, tails.normal_upper(-ratio), shipped, shipped + mean)
