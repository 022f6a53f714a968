"""Few human labels, many judge scores, all the usage: one estimate of the difference of two arms.

Every signal that is known of all items is a control variate: whatever the judge says, the estimate
stays unbiased; what it says well makes the interval narrower. Per unit (user) u, with items i:

    psi_u = [sum over labelled (y - theta_y)] / mean labels
            - lam' ([sum over labelled (x - xbar_L)] / mean labels
                    - [sum over all (x - xbar_N)] / mean items)

theta = ybar_L - lam'(xbar_L - xbar_N), variance var(psi) / units: clusters, and items that are
both labelled and among all, are in it. lam is the regression of the first bracket on the second,
within arms, over both arms. A score that is missing (not graded, or an error) makes its signal 0:
a signal need not be the score, only known of every item. Labels must be drawn at random within the
arm, or carry their probabilities.

Source: PPI++ (Angelopoulos et al. 2023, arXiv 2311.01453) with several predictions and clusters;
always valid as an asymptotic confidence sequence (Waudby-Smith et al. 2024; Kilian et al. 2025,
arXiv 2505.18000).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analytics.judges.figure import Figure, nothing, of_interval
from analytics.judges.sampling import hajek
from analytics.stats.checks import bad, floats
from analytics.stats.confidence_sequence import difference_sequence
from analytics.stats.control_variates import solve
from analytics.stats.means import welch_interval
from analytics.stats.moments import Marginal

if TYPE_CHECKING:
    from analytics.stats.checks import FloatArray, IntArray
    from analytics.stats.confidence_sequence import SequencePlan

LABELS_MIN = 2


@dataclass(frozen=True, eq=False)
class Items:
    """The items of one arm.

    unit: number of the user per item (need not be dense). label: the human label, NaN where none.
    label_weight: 1 / probability of being labelled, relative is enough. signals: (items, k),
    known of every item, finite.
    """

    unit: IntArray
    label: FloatArray
    label_weight: FloatArray
    signals: FloatArray

    @classmethod
    def of(
        cls,
        unit: IntArray,
        label: FloatArray,
        signals: FloatArray,
        label_weight: FloatArray | None = None,
    ) -> Items:
        """Checked: lengths, finite signals, positive weights, else ConfigError."""
        columns = floats(signals)
        columns = columns[:, None] if columns.ndim == 1 else columns
        weight = np.ones(len(label)) if label_weight is None else floats(label_weight)
        if not len(unit) == len(label) == len(columns) == len(weight):
            raise bad("unit, label, signals and weights differ in length.")
        if not np.all(np.isfinite(columns)):
            raise bad("a signal is NaN or infinite.", "Use `known_or_zero` for missing scores.")
        if not np.all(np.isfinite(weight) & (weight > 0)):
            raise bad("a label's weight is not above 0.")
        return cls(np.asarray(unit), floats(label), weight, columns)

    @property
    def labelled(self) -> FloatArray:
        """Weight of the items with a label, 0 for the rest."""
        return np.where(np.isnan(self.label), 0.0, self.label_weight)


def known_or_zero(score: FloatArray, centre: float) -> FloatArray:
    """Score - centre, 0 where there is no score: a signal that is known of every item."""
    return np.where(np.isnan(score), 0.0, np.where(np.isnan(score), 0.0, score) - centre)


@dataclass(frozen=True, eq=False)
class Influence:
    """One arm, unit by unit. own: of the human mean; signal: (units, k); units with a label."""

    mean: float
    signal_gap: FloatArray
    own: FloatArray
    signal: FloatArray
    labelled_n: int


def influence(arm: Items) -> Influence | None:
    """What each unit adds to the error of the human mean and of the signals' gap.

    None where fewer than two units have labels.
    """
    place = np.unique(arm.unit, return_inverse=True)[1]
    units_n = int(place.max(initial=-1)) + 1
    weight = arm.labelled
    labelled_n = len(np.unique(place[weight > 0]))
    if labelled_n < LABELS_MIN:
        return None
    total, k = float(weight.sum()), arm.signals.shape[1]
    label = np.where(weight > 0, arm.label, 0.0)
    mean = float(np.sum(weight * label)) / total
    near = weight @ arm.signals / total
    far = arm.signals.mean(axis=0)
    own = np.bincount(place, weight * (label - mean), units_n) * units_n / total
    signal = np.empty((units_n, k))
    for column in range(k):
        x = arm.signals[:, column]
        here = np.bincount(place, weight * (x - near[column]), units_n) * units_n / total
        there = np.bincount(place, x - far[column], units_n) * units_n / len(x)
        signal[:, column] = here - there
    return Influence(mean, near - far, own, signal, labelled_n)


def weights_of(arms: tuple[Influence, ...], used: FloatArray) -> FloatArray:
    """lam: what takes most variance out, pooled over arms; 0 for signals that may not be used."""
    k = len(used)
    cross, among = np.zeros(k), np.zeros((k, k))
    for arm in arms:
        n = len(arm.own)
        cross += arm.signal.T @ arm.own / n**2
        among += arm.signal.T @ arm.signal / n**2
    lam = np.zeros(k)
    chosen = np.flatnonzero(used > 0)
    if len(chosen):
        lam[chosen] = solve(cross[chosen], among[np.ix_(chosen, chosen)])
    return lam


def marginal(arm: Influence, lam: FloatArray) -> Marginal:
    """The arm's mean with the given weights; n counts units with a label."""
    psi = arm.own - arm.signal @ lam
    units_n = len(psi)
    se2 = float(np.sum(np.square(psi))) / units_n / max(units_n - 1, 1)
    estimate = arm.mean - float(arm.signal_gap @ lam)
    return Marginal.from_se(floats(arm.labelled_n), estimate, np.sqrt(se2))


@dataclass(frozen=True, slots=True)
class FusedDifference:
    """Human-only and fused side by side, single look and at every look.

    weights: lam by signal. label_saving: share of the labels that the signals replaced at the same
    precision, measured on this data; negative where they cost.
    """

    human: Figure
    fused: Figure
    human_always: Figure
    fused_always: Figure
    weights: dict[str, float]
    label_saving: float | None


def fuse(
    control: Items,
    treatment: Items,
    names: tuple[str, ...],
    *,
    plan: SequencePlan,
    trusted: tuple[bool, ...] | None = None,
) -> FusedDifference:
    """Mean label of treatment - of control, from labels alone and with the signals.

    Args: names: of the signals, in order. trusted: which may be used; all unless given. A revoked
        judge is not: its weight is 0. plan: level of all intervals; tuning of the always-valid.
    """
    title = "difference of the arms"
    sides = [influence(arm) for arm in (control, treatment)]
    if sides[0] is None or sides[1] is None:
        why = "an arm has labels of fewer than two units"
        none = nothing(title, why, unit="labelled units")
        return FusedDifference(none, none, none, none, dict.fromkeys(names, 0.0), None)
    arms = (sides[0], sides[1])
    used = np.ones(len(names)) if trusted is None else floats(trusted)
    lam = weights_of(arms, used)
    alone = [marginal(arm, np.zeros(len(names))) for arm in arms]
    helped = [marginal(arm, lam) for arm in arms]
    before, after = (float(pair[0].se2 + pair[1].se2) for pair in (alone, helped))
    figures = [
        of_interval(title, found, unit="labelled units")
        for found in (
            welch_interval(alone[0], alone[1], alpha=plan.alpha),
            welch_interval(helped[0], helped[1], alpha=plan.alpha),
            difference_sequence(alone[0], alone[1], plan),
            difference_sequence(helped[0], helped[1], plan),
        )
    ]
    saving = 1 - after / before if before > 0 else None
    by_name = dict(zip(names, lam.tolist(), strict=True))
    return FusedDifference(figures[0], figures[1], figures[2], figures[3], by_name, saving)


def judge_only(
    control: tuple[FloatArray, FloatArray, IntArray],
    treatment: tuple[FloatArray, FloatArray, IntArray],
    *,
    plan: SequencePlan,
) -> tuple[Figure, Figure]:
    """What the judge alone would have said: single look, and at every look.

    Args: per arm (score, weight, unit) of the scored items: weight 1 / sampling probability. Its
    interval knows nothing of the judge's own bias: that is why it may not decide.
    """
    title = "difference of the arms, judge alone"
    if min(len(control[0]), len(treatment[0])) == 0:
        none = nothing(title, "an arm has no scores", unit="units")
        return none, none
    sides = [hajek(*arm) for arm in (control, treatment)]
    return (
        of_interval(title, welch_interval(sides[0], sides[1], alpha=plan.alpha), unit="units"),
        of_interval(title, difference_sequence(sides[0], sides[1], plan), unit="units"),
    )
