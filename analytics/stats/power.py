"""How many users, how long, how small an effect: for fixed, group-sequential and nightly tests.

Effects and variances are per user, in the metric's unit. A verdict by Fieller is the absolute
test's, so the smallest relative effect is the absolute one over the control mean, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize

from analytics.stats import group_sequential as gst
from analytics.stats import tails
from analytics.stats.checks import bad, check_alpha, check_alternative, check_positive, floats
from analytics.stats.confidence_sequence import SequencePlan, critical

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from analytics.stats.checks import Alternative, FloatArray
    from analytics.stats.moments import Marginal
    from analytics.stats.spending import Sides


@dataclass(frozen=True)
class Target:
    """What a test must hold: its error rate, its power, its direction."""

    alpha: float
    power: float
    alternative: Alternative = "two-sided"

    def __post_init__(self) -> None:
        check_alpha(self.alpha)
        check_alpha(self.power, "power")
        check_alternative(self.alternative)

    @property
    def tail(self) -> float:
        """Alpha on the side that matters."""
        return self.alpha / 2 if self.alternative == "two-sided" else self.alpha

    @property
    def z_sum(self) -> FloatArray:
        """Z of alpha plus z of power: the effect over its standard error that is needed."""
        return floats(
            tails.normal_upper_quantile(self.tail) - tails.normal_upper_quantile(self.power)
        )

    @property
    def drift(self) -> float:
        """The same to the last digit: a two-sided test also rejects, rarely, on the wrong side."""
        near = float(self.z_sum)
        if self.alternative != "two-sided" or near <= 0:
            return near
        z = tails.normal_upper_quantile(self.tail)

        def lack(drift: float) -> float:
            return float(_power_at(floats(drift), z, "two-sided")) - self.power

        return near if lack(0.0) >= 0 else float(optimize.brentq(lack, 0.0, near, xtol=1e-14))


@dataclass(frozen=True)
class Shares:
    """Allocation of users to two arms, any positive scale."""

    control: float = 1.0
    treatment: float = 1.0

    def __post_init__(self) -> None:
        check_positive([self.control, self.treatment], "shares")

    @property
    def fractions(self) -> tuple[float, float]:
        """Shares that sum to 1."""
        total = self.control + self.treatment
        return self.control / total, self.treatment / total


EQUAL = Shares()


@dataclass(frozen=True, eq=False)
class Users:
    """Users needed, not yet rounded. total: rounded up in each arm."""

    control: FloatArray
    treatment: FloatArray

    @property
    def total(self) -> FloatArray:
        """Whole users of both arms; rounding noise below a millionth of a user is dropped."""
        return np.ceil(self.control - 1e-6) + np.ceil(self.treatment - 1e-6)


def users_needed(
    variances: tuple[ArrayLike, ArrayLike],
    effect: ArrayLike,
    target: Target,
    *,
    shares: Shares = EQUAL,
    inflation: float = 1.0,
) -> Users:
    """Users for a difference in means (or for a margin, taken as the effect).

    Args: variances: per user, control and treatment; effect: absolute, not 0; inflation: what a
        sequential design costs (sequential_inflation). Rejections on the wrong side are not counted
        on, as everywhere in print: at most a few parts in a million too many users.
    Source: normal approximation. Case n-spotify-2succ-1guard.
    """
    needed = _spread(variances, shares) * np.square(target.z_sum / _nonzero(effect)) * inflation
    first, second = shares.fractions
    return Users(floats(needed * first), floats(needed * second))


def bernoulli_variances(rate: ArrayLike, effect: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Variances of a conversion in control and treatment; rates outside 0..1: ConfigError."""
    p, q = floats(rate), floats(rate) + floats(effect)
    if not np.all((p > 0) & (p < 1) & (q >= 0) & (q <= 1)):
        raise bad(f"rates {rate!r} and {rate!r} + {effect!r} must lie between 0 and 1.")
    return p * (1 - p), q * (1 - q)


def users_needed_pooled(rates: tuple[float, float], target: Target) -> Users:
    """Users for the pooled z test of two proportions, equal arms (R's power.prop.test)."""
    p, q = rates
    first, second = bernoulli_variances(p, q - p)
    middle = (p + q) / 2
    null = np.sqrt(2 * middle * (1 - middle)) * tails.normal_upper_quantile(target.tail)
    other = np.sqrt(first + second) * tails.normal_upper_quantile(target.power)
    n = np.square((null - other) / _nonzero(q - p))
    return Users(floats(n), floats(n))


def power_of(
    se: ArrayLike, effect: ArrayLike, *, alpha: float, alternative: Alternative = "two-sided"
) -> FloatArray:
    """Chance of a verdict at effect, given its standard error; two-sided counts either side.

    Case power-mean-z.
    """
    target = Target(alpha, 0.5, alternative)
    z = tails.normal_upper_quantile(target.tail)
    return _power_at(floats(effect) / check_positive(se, "se"), z, alternative)


def _power_at(drift: FloatArray, z: FloatArray, alternative: Alternative) -> FloatArray:
    """Chance that drift + noise is beyond z in the test's direction."""
    if alternative == "greater":
        return tails.normal_upper(z - drift)
    if alternative == "less":
        return tails.normal_upper(z + drift)
    return floats(tails.normal_upper(z - drift) + tails.normal_upper(z + drift))


def smallest_effect(
    variances: tuple[ArrayLike, ArrayLike],
    total: ArrayLike,
    target: Target,
    *,
    shares: Shares = EQUAL,
    inflation: float = 1.0,
) -> FloatArray:
    """The effect that `total` users of both arms see with the target's power. Case mde-mean-z.

    power_of the result is the target's power to the last digit.
    """
    users = check_positive(total, "total")
    return floats(target.drift * np.sqrt(_spread(variances, shares) / users * inflation))


def users_noninferior(
    control: tuple[float, float],
    margin: float,
    target: Target,
    *,
    shares: Shares = EQUAL,
) -> Users:
    """Users to show that equal arms do not differ by a relative margin, coherent test.

    control: mean and variance per user, the treatment's taken as the same; target: one-sided.
    """
    mean, variance = control
    shrunk = (1 - float(check_positive(margin, "margin"))) ** 2 * variance
    return users_needed((shrunk, variance), margin * _nonzero(mean), target, shares=shares)


def sequential_inflation(looks: int, target: Target, *, bounds: FloatArray) -> float:
    """What looking costs: users at the last look over those of one look, same power.

    bounds: z at equally spaced looks (group_sequential.spending_bounds, or sequence_bounds).
    Exact, by the crossing chances: crossing early counts, unlike the rule that asks for power at
    the last look alone.
    """
    sides: Sides = 2 if target.alternative == "two-sided" else 1
    drift = gst.drift_for_power(
        gst.equal_looks(looks), bounds, power_wanted=target.power, sides=sides
    )
    return gst.inflation(drift, alpha=target.alpha, power_wanted=target.power, sides=sides)


def sequence_bounds(looks: int, target: Target) -> FloatArray:
    """Z bounds of the confidence sequence at equal looks, tightest at the last (n_star there)."""
    n = 1e6  # only n / n_star matters
    plan = SequencePlan(n, target.alpha, target.alternative)
    return critical(gst.equal_looks(looks) * n, plan)


@dataclass(frozen=True, eq=False)
class MidPower:
    """Power for the target effect after so many more users."""

    fixed: FloatArray
    sequential: FloatArray


def power_after(
    arms: tuple[Marginal, Marginal],
    effect: float,
    more: ArrayLike,
    *,
    se: ArrayLike,
    plan: SequencePlan,
) -> MidPower:
    """Power for a target effect if users grow by a share `more` (0: as now) at like variance.

    Args: arms: control and treatment as they stand; effect and se: one unit (relative or
        absolute); more: 0 or above. Source: GrowthBook's mid-experiment power. Case midexp-power.
    """
    grown = 1 + floats(more)
    if np.any(grown < 1):
        raise bad("users do not become fewer: more must be 0 or above.")
    n = (arms[0].n + arms[1].n) * grown
    drift = effect / check_positive(se, "se") * np.sqrt(grown)
    tail = plan.alpha / 2 if plan.alternative == "two-sided" else plan.alpha
    fixed = tails.normal_upper_quantile(tail)
    return MidPower(
        _power_at(drift, fixed, plan.alternative),
        _power_at(drift, critical(n, plan), plan.alternative),
    )


def power_per_test(
    power: float, *, successes: int, guardrails: int, alpha_quality: float = 0.0
) -> float:
    """Power each test needs so that the whole decision rule has the power asked for.

    Shipping needs one success and every guardrail, and no alarm of the deterioration and quality
    family at alpha_quality: beta per test is (beta - alpha_quality) / (guardrails + 1), or over
    guardrails where there is no success metric. alpha is not divided over guardrails.
    Source: Schultzberg, Ankargren and Franberg (2024), arXiv 2402.11609; union bound for the
        quality family (own). Case power-correction-guardrails. No metric, or alpha_quality not
        below beta: ConfigError.
    """
    beta = 1 - check_alpha(power, "power")
    tests = guardrails + (1 if successes > 0 else 0)
    if min(successes, guardrails) < 0 or tests == 0:
        raise bad(f"{successes} success metrics and {guardrails} guardrails decide nothing.")
    if not 0 <= alpha_quality < beta:
        raise bad(f"alpha_quality {alpha_quality!r} leaves nothing of beta {beta:.6g}.")
    return 1 - (beta - alpha_quality) / tests


def _spread(variances: tuple[ArrayLike, ArrayLike], shares: Shares) -> FloatArray:
    """Variance of the difference times all users."""
    first, second = shares.fractions
    control, treatment = (floats(variance) for variance in variances)
    if not np.all(np.isfinite(control + treatment) & (control >= 0) & (treatment >= 0)):
        raise bad("variances must be finite and not negative.")
    return floats(control / first + treatment / second)


def _nonzero(effect: ArrayLike) -> FloatArray:
    """An effect that can be looked for."""
    size = np.abs(floats(effect))
    if not np.all(np.isfinite(size) & (size > 0)):
        raise bad(f"the effect must be finite and not 0, got {effect!r}.")
    return size
