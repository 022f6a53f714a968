"""What other tools print and should not: wrong on purpose, to show by how much ours differs.

Nothing here decides anything. Each function reproduces one named defect of a peer, so that a user
who compares numbers finds the cause, and a test holds that ours is not that number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analytics.stats import tails
from analytics.stats.group_sequential import crossing_chances, equal_looks, spending_bounds
from analytics.stats.interval import Interval, Sizes, normal_reference, wald
from analytics.stats.means import difference_se
from analytics.stats.ppi import tuned_lam
from analytics.stats.proportions import miettinen_nurminen_interval
from analytics.stats.spending import spent

if TYPE_CHECKING:
    from analytics.stats.checks import FloatArray
    from analytics.stats.moments import Marginal, Moments
    from analytics.stats.proportions import Counts


def relative_fixed_control_interval(
    control: Marginal, treatment: Marginal, *, alpha: float
) -> Interval:
    """spotify-confidence: the absolute z interval over a control mean taken as known.

    It leaves out the control's variance; use relative.fieller_interval.
    Case mean-relative-control-fixed.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        estimate = treatment.mean / control.mean - 1
        se = difference_se(control, treatment) / np.abs(control.mean)
    return wald(
        estimate,
        se,
        normal_reference(alpha),
        sizes=Sizes(control.n, treatment.n),
        method="relative, control mean taken as known (not for decisions)",
    )


def linreg_se_mixed_divisors(control: Moments, treatment: Moments) -> FloatArray:
    """spotify-confidence z-test-linreg: variances over n - 1, covariances over n.

    Moments over users of (outcome, covariate). 1.87 times too wide at 12 users an arm; use
    cuped.cuped. Case cuped-ddof-trap.
    """
    whole = control.merge(treatment)
    theta = whole.m2[..., 0, 1] / whole.m2[..., 1, 1]
    variance = np.zeros(())
    for arm in (control, treatment):
        y, x, xy = arm.m2[..., 0, 0], arm.m2[..., 1, 1], arm.m2[..., 0, 1]
        left = y / (arm.n - 1) + (theta**2 * x - 2 * theta * xy) / arm.n
        variance = variance + left / arm.n
    return np.sqrt(variance)


def miettinen_nurminen_statsmodels(
    control: Counts, treatment: Counts, *, alpha: float
) -> tuple[FloatArray, FloatArray]:
    """Statsmodels 0.15 method="score": limits with a count in the cubic where a size belongs.

    Its restricted fit is not the likelihood's maximum (1.1e-4 off at 100 and 125 of 1,000); use
    proportions.miettinen_nurminen_interval. Case prop-miettinen-nurminen.
    """
    shown = miettinen_nurminen_interval(control, treatment, alpha=alpha, fit="statsmodels")
    return shown.low, shown.high


def ppi_p_unclipped(labelled: Moments, unlabelled: Marginal, *, null: float) -> FloatArray:
    """ppi_py 0.2.3 ppi_mean_pval(lam=None): a p-value of an unclipped lam, two-sided.

    Its interval clips lam to 0..1, its p-value does not: they contradict. Use ppi.ppi_interval.
    Case ppi-lambda-clip-trap.
    """
    lam = tuned_lam(labelled, unlabelled)
    rest = labelled.linear(np.stack([np.ones_like(lam), -lam], axis=-1))
    se2 = lam**2 * unlabelled.m2 / unlabelled.n**2 + rest.m2 / rest.n**2
    return tails.normal_two_sided((rest.mean + lam * unlabelled.mean - null) / np.sqrt(se2))


def nominal_spend_type_one(looks: int, *, alpha: float = 0.05) -> float:
    """expan: the chance to err if the cumulative O'Brien-Fleming spend is each look's level.

    Case expan-obf-inflation; use group_sequential.spending_bounds.
    """
    t = equal_looks(looks)
    level = spent(t, alpha=alpha, spending="obrien-fleming", sides=1)
    z = np.minimum(tails.normal_upper_quantile(level / 2), 8.0)
    return crossing_chances(t, z).ever


def last_look_forever_type_one(planned: int, looks: int, *, alpha: float = 0.05) -> float:
    """spotify-confidence past the planned size: every further look is "the last look" again.

    Boundaries at looks 1..looks when the final sample is taken as max(observed, planned), with
    the power-2 spending that it uses: look k past the plan is held to the last boundary of an
    equally spaced k-look plan. Use overrun.monitoring_bounds.
    """
    inside = spending_bounds(equal_looks(planned), alpha=alpha, spending="power")
    after = [
        spending_bounds(equal_looks(k), alpha=alpha, spending="power")[-1]
        for k in range(planned + 1, looks + 1)
    ]
    return crossing_chances(np.arange(1.0, looks + 1), np.append(inside, after)).ever
