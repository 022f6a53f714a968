"""Non-inferiority: is the treatment worse than the control by less than a margin?

The relative margin is tested on treatment - (1 - margin) * control with both arms' variances, the
inversion of Fieller's interval: the verdict and the relative interval agree. Treating the control
mean as known, as some tools do, claims a precision that is not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from analytics.stats import confidence_sequence as sequence
from analytics.stats.checks import bad, check_one_of, floats
from analytics.stats.interval import Boundary, Interval, Sizes, normal_reference, wald, wald_at
from analytics.stats.means import difference_se
from analytics.stats.relative import fieller_at

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from analytics.stats.checks import Alternative, BoolArray, FloatArray
    from analytics.stats.confidence_sequence import SequencePlan
    from analytics.stats.moments import Marginal

Preferred = Literal["increase", "decrease"]


@dataclass(frozen=True, eq=False)
class NonInferiority:
    """A one-sided interval, and the test of the margin.

    interval: of the effect (a fraction for a relative margin, else the metric's unit), bounded
    towards harm only. z, p: of "worse by the margin or more". non_inferior: p <= alpha, where
    enough. margin: as given, a positive number.
    """

    interval: Interval
    z: FloatArray
    p: FloatArray
    non_inferior: BoolArray
    margin: FloatArray
    preferred: Preferred


def noninferior_relative(
    control: Marginal,
    treatment: Marginal,
    margin: ArrayLike,
    *,
    alpha: float,
    preferred: Preferred = "increase",
) -> NonInferiority:
    """Fixed-n test that the treatment is not worse by `margin` of the control mean, normal law.

    Args: moments over users; margin: a fraction, 0 < margin (and < 1 where an increase is
        preferred); alpha: one-sided. A control mean of 0 or below is not enough for a relative
        margin. Returns: non_inferior is True exactly when the one-sided Fieller bound clears it.
    Source: Fieller (1954), one-sided inversion. Case noninferiority-relative-linear.
    """
    side = _side(preferred)
    reference = normal_reference(alpha, side)
    z = _relative_z(control, treatment, _margin(margin), preferred)
    boundary = Boundary(reference.critical, reference.p(z), alpha, side, "non-inferiority, Fieller")
    return _relative(control, treatment, boundary, z, margin, preferred)


def noninferior_sequence(
    control: Marginal,
    treatment: Marginal,
    margin: ArrayLike,
    plan: SequencePlan,
    *,
    preferred: Preferred = "increase",
) -> NonInferiority:
    """The same at any look: the one-sided confidence sequence of the shifted difference.

    plan: alpha is one-sided whatever its alternative says; the alternative follows `preferred`.
    """
    side = _side(preferred)
    one_sided = sequence.SequencePlan(plan.n_star, plan.alpha, side, plan.burn_in)
    z = _relative_z(control, treatment, _margin(margin), preferred)
    n = control.n + treatment.n
    early = np.minimum(control.n, treatment.n) < plan.burn_in
    held = sequence.boundary_at(np.where(early, np.nan, z), n, one_sided)
    reach = np.where(early, np.nan, held.critical)
    p = np.where(early, np.nan, held.p)
    named = Boundary(reach, p, plan.alpha, side, "non-inferiority, asymptotic confidence sequence")
    return _relative(control, treatment, named, z, margin, preferred)


def noninferior_absolute(
    control: Marginal,
    treatment: Marginal,
    margin: ArrayLike,
    *,
    alpha: float,
    preferred: Preferred = "increase",
) -> NonInferiority:
    """Fixed-n test that the treatment is not worse by `margin` in the metric's unit.

    For a margin that is known, not a share of the observed control mean: that would be taken as
    known too. interval: of the difference, p of the margin. Case noninferiority-z.
    """
    side = _side(preferred)
    reference = normal_reference(alpha, side)
    allowed = _margin(margin)
    se = difference_se(control, treatment)
    difference = treatment.mean - control.mean
    with np.errstate(divide="ignore", invalid="ignore"):
        z = (difference + (allowed if preferred == "increase" else -allowed)) / se
    boundary = Boundary(reference.critical, reference.p(z), alpha, side, "non-inferiority")
    sizes = Sizes(control.n, treatment.n)
    interval = wald_at(difference, se, boundary, sizes=sizes)
    return _told(interval, z, allowed, preferred)


def noninferior_estimate(
    estimate: ArrayLike, se: ArrayLike, margin: ArrayLike, *, alpha: float, n: ArrayLike
) -> NonInferiority:
    """Fixed-n test of any normal estimate against -margin (an increase is preferred)."""
    allowed = _margin(margin)
    shifted = wald(
        floats(estimate) + allowed,
        se,
        normal_reference(alpha, "greater"),
        sizes=Sizes.one(n),
        method="non-inferiority",
    )
    boundary = Boundary(
        normal_reference(alpha, "greater").critical, shifted.p, alpha, "greater", shifted.method
    )
    interval = wald_at(estimate, se, boundary, sizes=Sizes.one(n))
    with np.errstate(divide="ignore", invalid="ignore"):
        z = shifted.estimate / shifted.se
    return _told(interval, z, allowed, "increase")


def _relative(  # noqa: PLR0913, PLR0917 - one place for the fixed and the sequential test
    control: Marginal,
    treatment: Marginal,
    boundary: Boundary,
    z: FloatArray,
    margin: ArrayLike,
    preferred: Preferred,
) -> NonInferiority:
    """The Fieller bound and the verdict for one boundary."""
    interval = fieller_at(control, treatment, boundary)
    usable = interval.enough & (control.mean > 0)
    # Where the set is unbounded the shifted test still stands: it needs no division.
    tested = np.isfinite(z) & (control.mean > 0) & ~np.isnan(boundary.p)
    return NonInferiority(
        interval,
        np.where(tested, z, np.nan),
        np.where(tested, boundary.p, np.nan),
        tested & (boundary.p <= boundary.alpha) & usable,
        floats(margin),
        preferred,
    )


def _told(
    interval: Interval, z: FloatArray, margin: FloatArray, preferred: Preferred
) -> NonInferiority:
    """The verdict of an absolute test."""
    passed = interval.enough & (np.nan_to_num(interval.p, nan=1.0) <= interval.alpha)
    return NonInferiority(
        interval, np.where(interval.enough, z, np.nan), interval.p, passed, margin, preferred
    )


def _relative_z(
    control: Marginal, treatment: Marginal, margin: FloatArray, preferred: Preferred
) -> FloatArray:
    """Standardised treatment - (1 -+ margin) * control."""
    if preferred == "increase" and np.any(margin >= 1):
        raise bad("a relative margin of 1 or more allows to lose everything.")
    shifted = control.scaled(1 - margin if preferred == "increase" else 1 + margin)
    with np.errstate(divide="ignore", invalid="ignore"):
        return floats((treatment.mean - shifted.mean) / difference_se(shifted, treatment))


def _side(preferred: Preferred) -> Alternative:
    """The direction that must be shown."""
    check_one_of(preferred, ("increase", "decrease"), "preferred")
    return "greater" if preferred == "increase" else "less"


def _margin(margin: ArrayLike) -> FloatArray:
    """Margins above 0, or ConfigError."""
    allowed = floats(margin)
    if not np.all(np.isfinite(allowed) & (allowed > 0)):
        raise bad(f"a margin must be above 0, got {margin!r}.", "Give it as 0.02 for 2 %.")
    return allowed
