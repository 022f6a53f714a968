"""What moved? A change of a mean score split into the judge, the system and the traffic.

*Judge*: how much more the same frozen anchors get now; it is taken off the later scores first.
*Traffic*: what the mean moves because other surfaces, intents and places make up the items, each at
the mean of its two means. *System*: what it moves within these strata. The three add up to the
whole, always. A stratum that only one period has moves the traffic, as if it had stood at the same
level before.

Anchors are one instrument read twice, so they are the bridge between evaluator epochs: two epochs
without common anchors cannot be compared at all. In one epoch without anchors, judge and system
cannot be told apart, and that is what is said.

Source: Kitagawa (1955), J. Am. Stat. Assoc. 50, 1168-1194, the symmetric split of a difference of
rates; Zou and Donner (2008) for the interval of a difference of two independent estimates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import polars as pl

from analytics.judges.figure import Figure, nothing, of_interval
from analytics.judges.identity import SHOWN
from analytics.judges.resample import How, jackknifed
from analytics.stats.checks import floats
from analytics.stats.confidence_sequence import SequencePlan, mean_sequence
from analytics.stats.drift import ks_two_sample, population_stability
from analytics.stats.means import mean_interval
from analytics.stats.moments import Marginal
from streams.errors import IntegrityError, UntrustworthyError

if TYPE_CHECKING:
    from analytics.stats.checks import FloatArray, IntArray

Cause = Literal["judge", "system", "traffic", "none"]
PARTS_N: Final = 3
"""The parts' intervals hold together: each at alpha / 3."""
ANCHORS_MIN: Final = 10
ALARM_N_STAR: Final = 60.0
ALARM_MIN: Final = 20
PSI_BINS: Final = 5


@dataclass(frozen=True, eq=False, slots=True)
class Change:
    """Items of two periods, one element each.

    score; weight: 1 / sampling probability; is_after: which period; stratum: number from 0;
    cluster: the user. anchors: (grade before, grade after) of the anchors that both periods graded.
    """

    score: FloatArray
    weight: FloatArray
    is_after: IntArray
    stratum: IntArray
    cluster: IntArray
    anchors: tuple[FloatArray, FloatArray]


@dataclass(frozen=True, slots=True)
class Alarm:
    """Whether the judge left its anchors. moved: a confidence sequence, so it may be read nightly.

    ks, psi: Kolmogorov-Smirnov distance and population stability of the grades, to describe it.
    """

    moved: Figure
    is_raised: bool
    ks: float | None
    psi: float | None


@dataclass(frozen=True, slots=True)
class Moved:
    """total = judge + system + traffic, in points of the scale. cause: the largest certain part."""

    before: Figure
    after: Figure
    total: Figure
    judge: Figure
    system: Figure
    traffic: Figure
    cause: Cause
    alarm: Alarm

    @property
    def parts(self) -> tuple[Figure, Figure, Figure]:
        """In the order in which they are told."""
        return self.judge, self.system, self.traffic


def moved(change: Change, *, alpha: float) -> Moved:
    """The split. Raises UntrustworthyError where a period has no scores."""
    for after, name in enumerate(("--from", "--to")):
        if not np.any(change.is_after == after):
            raise UntrustworthyError(
                "no item was scored in this period.", where=name, done="Nothing was compared."
            )
    judge = _judge(change.anchors, alpha=alpha / PARTS_N)
    shift = judge.value or 0.0
    fair = replace(change, score=change.score - shift * (change.is_after == 1))
    how, each = How(alpha, unit="users"), How(alpha / PARTS_N, unit="users")
    system = _of("system", fair, 1, each)
    if judge.value is None:
        system = replace(system, name="judge and system together", reason=judge.reason)
    parts = (judge, _wider(system, judge), _of("traffic", fair, 2, each))
    return Moved(
        _mean("mean before", change, 0, how),
        _mean("mean after", change, 1, how),
        _of("change", change, 0, how),
        *parts,
        _cause(*parts),
        _alarm(change.anchors, alpha=alpha),
    )


def _judge(anchors: tuple[FloatArray, FloatArray], *, alpha: float) -> Figure:
    before, after = anchors
    if len(before) < ANCHORS_MIN:
        why = f"{len(before)} anchors were graded in both periods; {ANCHORS_MIN} are needed"
        return nothing("judge", why, n=len(before), unit="anchors")
    apart = Marginal.of(after - before)
    found = of_interval("judge", mean_interval(apart, alpha=alpha), unit="anchors")
    if found.known:
        return replace(found, p=None)
    value = float(apart.mean)  # all moved alike: known exactly
    return replace(found, value=value, low=value, high=value, reason="")


def _of(name: str, change: Change, which: int, how: How) -> Figure:
    """Total (0), system (1) or traffic (2), with its jackknife over users."""

    def statistic(weight: FloatArray) -> float:
        return split(replace(change, weight=weight))[which]

    return jackknifed(name, statistic, change.weight, change.cluster, how)


def _mean(name: str, change: Change, after: int, how: How) -> Figure:
    inside = change.is_after == after
    score = change.score[inside]

    def statistic(weight: FloatArray) -> float:
        return float(weight @ score / weight.sum()) if weight.sum() > 0 else np.nan

    return jackknifed(name, statistic, change.weight[inside], change.cluster[inside], how)


def split(change: Change) -> tuple[float, float, float]:
    """(total, within strata, between strata); the last two add up to the first."""
    strata_n = int(change.stratum.max(initial=-1)) + 1
    place = change.stratum + strata_n * change.is_after
    n = 2 * strata_n
    weight = np.bincount(place, change.weight, n).reshape(2, -1)
    total = np.bincount(place, change.weight * change.score, n).reshape(2, -1)
    if not np.all(weight.sum(axis=1) > 0):
        return np.nan, np.nan, np.nan
    share = weight / weight.sum(axis=1, keepdims=True)
    mean = np.divide(total, weight, out=np.full_like(total, np.nan), where=weight > 0)
    mean = np.where(np.isnan(mean), mean[::-1], mean)  # as if it had stood at the other's level
    mean = np.nan_to_num(mean)  # a stratum left empty by the jackknife has share 0
    within = float(np.sum((share[0] + share[1]) / 2 * (mean[1] - mean[0])))
    between = float(np.sum((share[1] - share[0]) * (mean[0] + mean[1]) / 2))
    return within + between, within, between


def _wider(system: Figure, judge: Figure) -> Figure:
    """The system's interval with that of the judge's shift in it, which was taken off."""
    if system.value is None or system.low is None or system.high is None or not judge.known:
        return system
    assert judge.value is not None
    assert judge.low is not None
    assert judge.high is not None
    low = system.value - np.hypot(system.value - system.low, judge.high - judge.value)
    high = system.value + np.hypot(system.high - system.value, judge.value - judge.low)
    return replace(system, low=float(low), high=float(high))


def _cause(judge: Figure, system: Figure, traffic: Figure) -> Cause:
    """The largest part whose interval leaves out 0."""
    named: tuple[tuple[Cause, Figure], ...] = (
        ("judge", judge),
        ("system", system),
        ("traffic", traffic),
    )
    certain = [(abs(one.value or 0.0), name) for name, one in named if one.above(0) or one.below(0)]
    if judge.value is None:
        certain = [(size, name) for size, name in certain if name == "traffic"]
    return max(certain, default=(0.0, "none"))[1]


def _alarm(anchors: tuple[FloatArray, FloatArray], *, alpha: float) -> Alarm:
    title = "alarm: move of the anchors"
    before, after = anchors
    if len(before) < ALARM_MIN:
        why = f"{len(before)} anchors were graded in both periods; {ALARM_MIN} are needed"
        return Alarm(
            nothing(title, why, n=len(before), unit="anchors"), is_raised=False, ks=None, psi=None
        )
    plan = SequencePlan(ALARM_N_STAR, alpha, burn_in=ALARM_MIN)
    apart = Marginal.of(after - before)
    found = of_interval(title, mean_sequence(apart, plan), unit="anchors", reason="all moved alike")
    is_raised = found.above(0) or found.below(0) or (not found.known and float(apart.mean) != 0)
    edges = np.unique(np.quantile(before, np.linspace(0, 1, PSI_BINS + 1)[1:-1]))
    shares = [np.bincount(np.searchsorted(edges, x), minlength=len(edges) + 1) for x in anchors]
    ks = float(ks_two_sample(before, after).statistic)
    return Alarm(found, is_raised, ks, population_stability(shares[0], shares[1], floor=1e-3))


def change_of(
    traffic: pl.DataFrame,
    anchors: pl.DataFrame,
    periods: tuple[tuple[int, int], tuple[int, int]],
) -> Change:
    """The change between two periods of one judge and dimension.

    Args: traffic: evaluator_epoch, day, unit, surface, place, intent, score, weight. anchors:
        generation_id, evaluator_epoch, day, score. periods: first and last day of each, as days
        since 1970.
    Raises: IntegrityError where epochs differ within a period, or between them without anchors.
    """
    parts = [
        traffic.filter(pl.col("day").is_between(*days)).with_columns(is_after=pl.lit(nth))
        for nth, days in enumerate(periods)
    ]
    graded = [
        anchors.filter(pl.col("day").is_between(*days))
        .group_by("generation_id")
        .agg(pl.col("score").mean())
        for days in periods
    ]
    both = graded[0].join(graded[1], on="generation_id").sort("generation_id")
    _check_epochs(parts, both.height)
    rows = pl.concat(parts).sort("is_after", "generation_id")
    named = pl.concat_str("surface", "place", "intent", separator="\x1f")
    codes = rows.select(
        stratum=named.rank("dense").cast(pl.Int64) - 1, cluster=pl.col("unit").rank("dense")
    )
    return Change(
        floats(rows["score"].to_numpy()),
        floats(rows["weight"].to_numpy()),
        rows["is_after"].to_numpy().astype(np.int64),
        codes["stratum"].to_numpy(),
        codes["cluster"].to_numpy().astype(np.int64),
        (floats(both["score"].to_numpy()), floats(both["score_right"].to_numpy())),
    )


def _check_epochs(parts: list[pl.DataFrame], anchors_n: int) -> None:
    """IntegrityError where instruments would be mixed."""
    known = [sorted(set(part["evaluator_epoch"])) for part in parts]
    for name, epochs in zip(("--from", "--to"), known, strict=True):
        if len(epochs) > 1:
            shown = ", ".join(one[:SHOWN] for one in epochs)
            raise IntegrityError(
                f"{len(epochs)} evaluator epochs scored in this period ({shown}).",
                where=name,
                done="Nothing was averaged: another rubric, prompt or model is another instrument.",
                todo="Choose days on which one epoch scored, or one judge with --judge.",
            )
    if known[0] and known[1] and known[0] != known[1] and anchors_n < ANCHORS_MIN:
        raise IntegrityError(
            f"the periods were scored by two evaluator epochs that share {anchors_n} anchors;"
            f" {ANCHORS_MIN} make a bridge.",
            where="judges moved",
            done="Nothing was compared.",
            todo="Let the new epoch grade the frozen anchors that the old one graded.",
        )
