"""Whether an experiment's numbers may be believed: checks that are quiet on an A/A test.

Each is a pure function; `Health` says which error rate it holds. Sample ratio and several variants
are in decide.py. Tests that are read every night hold their rate over all nights together.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from analytics.results import Health
from analytics.stats.confidence_sequence import SequencePlan, difference_sequence
from analytics.stats.moments import Marginal
from analytics.stats.ratios import linear_weights, ratio
from analytics.words import p_value

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from analytics.catalog.metric import Kind
    from analytics.stats.checks import FloatArray
    from analytics.stats.moments import Moments

PRE_PERIOD_ALPHA = 0.001
"""As for sample ratios: an alarm that voids an experiment must be rare."""
IMBALANCE_ALPHA = 0.01
NOVELTY_ALPHA = 0.01
MISSING_CHANCE_MAX = 0.001
MIXED_SHARE_MAX = 0.1
"""More units than this share of another kind, and who was randomised is not known."""
N_STAR = 5_000.0


def pre_period_bias(
    control: Moments, treatment: Moments, *, kind: Kind, name: str, variant: str
) -> Health:
    """Did the variants differ before anyone was exposed? Then who is in them is not random.

    Args: moments over units of outcome columns, then covariates (the same sums before exposure);
        kind: of the metric, `name` in words. Errs at PRE_PERIOD_ALPHA over all nights.
    Source: asymptotic confidence sequence of the covariate's difference (Waudby-Smith et al. 2024).
    """
    plan = SequencePlan(N_STAR, PRE_PERIOD_ALPHA)
    p, n = _covariate_p(control, treatment, kind, plan)
    said = (
        f"{variant}: before the first exposure, {name} differs from the control's (p {p_value(p)})"
    )
    return _told("pre-period bias", variant, "bad", (p, n), PRE_PERIOD_ALPHA, said)


def covariate_imbalance(
    pairs: Mapping[str, tuple[Moments, Moments, Kind]], *, variant: str
) -> Health:
    """Does the adjustment (CUPED) lean on variants that were unlike before, in any metric?

    pairs: by metric title, as in pre_period_bias. Errs at IMBALANCE_ALPHA over all metrics and
    nights (Bonferroni). It changes no estimate: a true imbalance by chance is what CUPED mends.
    """
    level = IMBALANCE_ALPHA / max(len(pairs), 1)
    found = {
        title: _covariate_p(control, treatment, kind, SequencePlan(N_STAR, level))
        for title, (control, treatment, kind) in pairs.items()
    }
    known = {title: (p, n) for title, (p, n) in found.items() if p is not None}
    if not known:
        return _told("CUPED imbalance", variant, "look", (None, 0), level, "")
    title, least = min(known.items(), key=lambda one: one[1][0] or 0.0)
    said = f"{variant}: {title} was unlike before the first exposure (p {p_value(least[0])})"
    return _told("CUPED imbalance", variant, "look", least, level, said)


def missing_days(new_units: Mapping[dt.date, int]) -> Health:
    """Days between the first and the last on which no new unit came, where some must have.

    new_units: units by the day of their first exposure. A gap counts where the median day makes an
    empty one less likely than MISSING_CHANCE_MAX over all days (Poisson).
    """
    n = sum(new_units.values())
    if not new_units:
        return Health("missing days", "", "not enough data", 0, None, MISSING_CHANCE_MAX, "")
    first, last = min(new_units), max(new_units)
    days = (last - first).days + 1
    gaps = days - sum(1 for count in new_units.values() if count)
    usual = float(np.median([count for count in new_units.values() if count]))
    chance = min(1.0, days * math.exp(-usual))
    said = f"{gaps} of {days} days brought no new unit, where {usual:.0f} are usual"
    state = "look" if gaps and chance < MISSING_CHANCE_MAX else "good"
    return Health("missing days", "", state, n, chance, MISSING_CHANCE_MAX, said if gaps else "")


def mixed_units(others: int, *, unit: str, ours: int) -> Health:
    """Is this one experiment, if so many of its units are of another kind than it randomises by?

    Units of another kind never count; beyond MIXED_SHARE_MAX (reported as alpha) the rest is not
    believed either. There is no p.
    """
    n = others + ours
    state = "not enough data" if not n else "bad" if others > MIXED_SHARE_MAX * n else "good"
    said = f"{others:,} of {n:,} units are no {unit}s" if state == "bad" else ""
    return Health("mixed units", "", state, n, None, MIXED_SHARE_MAX, said)


def novelty(  # noqa: PLR0913 - one metric, cut in two
    early: tuple[Moments, Moments],
    late: tuple[Moments, Moments],
    joint: tuple[Moments, Moments],
    *,
    kind: Kind,
    days: tuple[int, int],
    variant: str,
) -> Health:
    """Does the effect differ between a unit's first days and its later ones?

    Args: early, late: moments of (control, treatment) over the same units, of the metric's columns
        in the first and the later days; joint: of both, early columns first. days: how many of
        each; a mean is taken per day. Errs at NOVELTY_ALPHA over all nights.
    Source: own: the confidence sequence of a difference of differences within units.
    """
    arms = [_contrast(*three, kind, days) for three in zip(early, late, joint, strict=True)]
    found = difference_sequence(arms[0], arms[1], SequencePlan(N_STAR, NOVELTY_ALPHA))
    p = float(found.p) if bool(found.enough) else None
    more = "grows" if float(found.estimate) > 0 else "falls"
    span = f"days 0-{days[0] - 1} to days {days[0]}-{days[0] + days[1] - 1}"
    said = f"{variant}: the difference from the control {more} from {span} (p {p_value(p)})"
    n = int(arms[0].n + arms[1].n)
    return _told("novelty", variant, "look", (p, n), NOVELTY_ALPHA, said)


def _contrast(
    early: Moments, late: Moments, joint: Moments, kind: Kind, days: tuple[int, int]
) -> Marginal:
    """Late less early per unit: means per day, ratios linearised."""
    if kind != "ratio":
        return joint.linear([-1 / days[0], 1 / days[1]])
    weights = np.concatenate([-_weights(early), _weights(late)], axis=-1)
    apart = joint.linear(weights)
    return Marginal(apart.n, ratio(late).mean - ratio(early).mean, apart.m2)


def _weights(arm: Moments) -> FloatArray:
    return linear_weights(arm, numerator=0, denominator=1)


def _covariate_p(
    control: Moments, treatment: Moments, kind: Kind, plan: SequencePlan
) -> tuple[float | None, int]:
    """The always-valid p of the covariates' difference, and the units."""
    arms = [
        ratio(arm, numerator=2, denominator=3) if kind == "ratio" else arm.at(1)
        for arm in (control, treatment)
    ]
    found = difference_sequence(arms[0], arms[1], plan)
    n = int(control.n + treatment.n)
    return (float(found.p) if bool(found.enough) else None), n


def _told(  # noqa: PLR0913, PLR0917 - the parts of a finding
    name: str, variant: str, alarm: str, seen: tuple[float | None, int], alpha: float, said: str
) -> Health:
    """The check: the sentence only where it alarms."""
    p, n = seen
    if p is None:
        return Health(name, variant, "not enough data", n, None, alpha, "")
    state = alarm if p <= alpha else "good"
    return Health(name, variant, state, n, p, alpha, said if p <= alpha else "")


def alarms(checks: Sequence[Health]) -> tuple[str, ...]:
    """What voids the experiment, in words."""
    return tuple(one.finding for one in checks if one.state == "bad")
