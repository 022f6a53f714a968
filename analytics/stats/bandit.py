"""Bandits: which share of tomorrow's units each variant gets, and estimates that survive that.

Nothing here assigns anybody. The service that assigns reads the shares, draws by them and logs the
chance it drew with as `propensity` of the exposure; a night's share must depend on earlier nights
only. Means over units that came at changing shares are biased (a variant that is unlucky early is
not looked at again); `inverse_propensity` weights that away, and needs the floor: with shares near
0 its variance has no bound. Rewards are taken to be stationary: what differs by weekday differs for
all variants alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
from scipy import special

from analytics.stats.bayes import posterior
from analytics.stats.checks import bad, check_finite, check_one_of, check_positive, floats
from analytics.stats.confidence_sequence import BURN_IN
from analytics.stats.moments import Marginal

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from analytics.stats.bayes import Prior
    from analytics.stats.checks import BoolArray, FloatArray

Preferred: TypeAlias = Literal["increase", "decrease"]
Rule: TypeAlias = Literal["thompson", "top-two"]

_CUTS = np.array([-9.0, -5.0, -2.5, 0.0, 2.5, 5.0, 9.0])
"""Standard deviations at which the integral is cut; beyond 9 lies 1e-19."""
_NODES, _WEIGHTS = (floats(one) for one in special.roots_legendre(12))
_SURE = 1e-9


@dataclass(frozen=True)
class BanditPlan:
    """What is fixed before the first night.

    floor: the least share of each variant, above 0, at most 1 / variants: what keeps weighted
    estimates possible. rule: "thompson" gives each variant its chance to be the best, which is good
    for the listeners of tonight; "top-two" keeps half for the runner-up, which finds the best one
    sooner. prior: of all variants' means alike (bayes.empirical_prior), None for a flat one.
    burn_in: units a variant below which shares stay equal.
    """

    floor: float
    rule: Rule = "thompson"
    preferred: Preferred = "increase"
    prior: Prior | None = None
    burn_in: float = BURN_IN

    def __post_init__(self) -> None:
        check_positive(self.floor, "floor")
        check_positive(self.burn_in, "burn_in")
        check_one_of(self.rule, get_args(Rule), "rule")
        check_one_of(self.preferred, get_args(Preferred), "preferred")


@dataclass(frozen=True, eq=False)
class Allocation:
    """Shares of tomorrow's units, (..., variants), each row adding to 1.

    chance_best: posterior chance to be the best, NaN where enough is False: there some variant has
    too few units or does not vary, and the shares are equal.
    """

    share: FloatArray
    chance_best: FloatArray
    enough: BoolArray


def allocation(arms: Marginal, plan: BanditPlan) -> Allocation:
    """Tomorrow's shares from what is known tonight, many bandits at once.

    Args: arms: moments of the variants' rewards over units, shape (..., variants), two or more, in
        the metric's unit; from `inverse_propensity` once the shares have moved.
    Raises: ConfigError where the floor asks for more than all units.
    Source: Thompson (1933), Biometrika 25, 285-294; top-two: Russo (2020), Oper. Res. 68, section
        3.3 with beta 1/2. The chances are integrated, not drawn: the same moments, the same shares.
    """
    variants = arms.mean.shape[-1] if arms.mean.ndim else 0
    if variants < 2 or plan.floor * variants > 1:
        raise bad(
            f"a floor of {plan.floor} for {variants} variants.",
            "Give two or more variants, and a floor of at most one by their number.",
        )
    error2 = arms.se2
    with np.errstate(invalid="ignore"):
        known = (arms.n >= plan.burn_in) & (error2 > 0) & np.isfinite(error2)
    enough = np.asarray((known & np.isfinite(arms.mean)).all(axis=-1))
    usable = enough[..., None]
    mean, sd = np.where(usable, arms.mean, 0.0), np.sqrt(np.where(usable, error2, 1.0))
    if plan.prior is not None:
        _check_prior(plan.prior)
        after = posterior(mean, sd, plan.prior)
        mean, sd = after.mean, after.sd
    if plan.preferred == "decrease":
        mean = -mean
    chances = best_chances(mean, sd)
    wanted = chances if plan.rule == "thompson" else _top_two(mean, sd, chances)
    share = plan.floor + (1 - plan.floor * variants) * wanted
    return Allocation(
        np.where(usable, share, 1 / variants), np.where(usable, chances, np.nan), enough
    )


def best_chances(mean: ArrayLike, sd: ArrayLike) -> FloatArray:
    """P(each of several independent normal values is the largest), (..., variants).

    Args: mean, sd > 0 of one shape and unit. Returns: rows that add to 1, absolute error below
        1e-10 at any ratio of the sds; chances below 1e-15 are not resolved.
    Source: the integral of a density times the others' distributions, cut where any of them bends,
        Gauss-Legendre in between. Two variants: Phi of the standardised difference.
    """
    raw, spread = check_finite(mean, "mean"), check_positive(sd, "sd")
    if raw.shape != spread.shape:
        raise bad(f"means of shape {raw.shape} and sds of shape {spread.shape}.")
    level = raw - raw.max(axis=-1, keepdims=True)
    rows = level.shape[:-1]
    cuts = np.sort((level[..., None] + spread[..., None] * _CUTS).reshape(*rows, -1), axis=-1)
    half = np.diff(cuts)[..., None] / 2
    at = (cuts[..., :-1, None] + half * (1 + _NODES)).reshape(*rows, -1, 1)
    weight = (half * _WEIGHTS).reshape(*rows, -1, 1)
    z = np.clip((at - level[..., None, :]) / spread[..., None, :], -1e6, 1e6)
    below = floats(special.log_ndtr(z))
    others = below.sum(axis=-1, keepdims=True) - below
    density = np.exp(np.maximum(others - np.square(z) / 2, -700.0))
    chance = (weight * density).sum(axis=-2) / spread
    return floats(chance / chance.sum(axis=-1, keepdims=True))


def inverse_propensity(nights: Marginal, shares: ArrayLike) -> Marginal:
    """A variant's mean up to each night, as if its share had never moved.

    Args: nights: moments of the variant's *new* units by night, shape (..., nights); shares: the
        logged propensities of those nights, above 0, at most 1. A unit counts 1 / share.
    Returns: a Marginal of the same shape for any interval of this package: read at every night,
        `difference_sequence`. mean in the metric's unit, m2 such that se2 is the linearised one.
    Raises: ConfigError for a share that is no probability or differs in shape.
    Source: Horvitz and Thompson (1952), self-normalised (Hajek 1971); that means of adaptive
        experiments are biased and this is not: Nie et al. (2018); Hadad et al. (2021), PNAS 118.
        Their limit holds here too: asymptotic, and calibrated by simulation at floors of 0.05.
    """
    share = check_positive(shares, "shares")
    if share.shape != nights.mean.shape or np.any(share > 1):
        raise bad(
            f"shares of shape {share.shape} for nights of shape {nights.mean.shape}, largest"
            f" {share.max(initial=0.0):g}.",
            "Give one logged propensity, at most 1, per variant and night.",
        )
    first = _first_mean(nights)
    apart = np.where(nights.n > 0, nights.mean - first, 0.0)
    total = (nights.n / share).cumsum(axis=-1)
    squares = np.square(share)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = (nights.n * apart / share).cumsum(axis=-1) / total
        within = (nights.m2 / squares).cumsum(axis=-1)
        across = (
            (nights.n * apart**2 / squares).cumsum(axis=-1)
            - 2 * mean * (nights.n * apart / squares).cumsum(axis=-1)
            + mean**2 * (nights.n / squares).cumsum(axis=-1)
        )
        n = nights.n.cumsum(axis=-1)
        m2 = (within + np.maximum(across, 0.0)) * np.square(n / total)
    seen = n > 0
    return Marginal(n, np.where(seen, mean + first, 0.0), np.where(seen, m2, 0.0))


def _first_mean(nights: Marginal) -> FloatArray:
    """The mean of the first night with units, to take distances from: sums then do not cancel."""
    at = np.argmax(nights.n > 0, axis=-1)
    return floats(np.take_along_axis(nights.mean, np.expand_dims(at, -1), axis=-1))


def _top_two(mean: FloatArray, sd: FloatArray, chances: FloatArray) -> FloatArray:
    """Half to the best, half to the best of a second draw that is another one."""
    share = chances / 2
    for best in range(chances.shape[-1]):
        others = np.delete(np.arange(chances.shape[-1]), best)
        rest = chances[..., others]
        total = rest.sum(axis=-1, keepdims=True)
        # Where the best is beyond doubt, what is left of the chances is rounding.
        anew = best_chances(mean[..., others], sd[..., others])
        second = np.where(total > _SURE, rest / np.maximum(total, _SURE), anew)
        share[..., others] += chances[..., best, None] * second / 2
    return share


def _check_prior(prior: Prior) -> None:
    if not prior.variance > 0:
        raise bad(
            f"the prior {prior} lets no variant differ.", "Give a variance above 0, or no prior."
        )
