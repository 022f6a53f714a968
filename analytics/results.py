"""What a night's analysis says, as frozen values: the one source of page, Markdown and JSON.

A number is never alone: it stands beside n, an interval and a method. None is "not enough data"
(or "does not apply"), never 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analytics.artists import ArtistView
    from analytics.changes import Changes
    from analytics.data_trust import Trust
    from analytics.disagreement import Disagreement
    from analytics.forgotten import Forgotten
    from analytics.queries import Query

SCHEMA = "listenback.report/1"
"""Changes its number when a field of the JSON changes its meaning or goes away."""

State = Literal["ship", "do not ship", "iterate", "keep running", "not enough data", "invalid"]
Standing = Literal[
    "better",
    "worse",
    "no clear difference",
    "within margin",
    "beyond margin",
    "margin undecided",
    "not enough data",
]


def finite(value: object) -> float | None:
    """A number that can leave: NaN and infinity become None."""
    number = float(value)  # type: ignore[arg-type] # numpy scalars are numbers too
    return number if math.isfinite(number) else None


@dataclass(frozen=True, slots=True)
class Estimate:
    """A difference (or a relative one, as a fraction) with its interval and p.

    low or high is None where that side is unbounded. level: of the interval, 0.95 say.
    """

    method: str
    estimate: float | None
    low: float | None
    high: float | None
    se: float | None
    p: float | None
    level: float


@dataclass(frozen=True, slots=True)
class Arm:
    """A variant's side of a comparison: units that count, and their mean, share or ratio."""

    variant: str
    n: int
    value: float | None


@dataclass(frozen=True, slots=True)
class Maturity:
    """Of all exposed units of both arms: whose window is over, and beyond late events too.

    share: closed of units, 0 to 1. provisional: later events may still change the number.
    """

    units: int
    closed: int
    settled: int
    share: float | None
    provisional: bool


@dataclass(frozen=True, slots=True)
class Shares:
    """Two proportions the other way: counts, the pooled test and the unpooled interval."""

    control: tuple[int, int]
    treatment: tuple[int, int]
    z_pooled: float | None
    p_pooled: float | None
    se_unpooled: float | None
    ci95_unpooled: tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class Margin:
    """Non-inferiority: how much of the control's mean may be lost, and whether that is excluded.

    bound: the worst relative effect that the data still allows at that error rate, as a fraction.
    p: of "the loss is larger than the margin"; p_breach: of "it is smaller". Valid at every look.
    within, breached: what follows at alpha, one-sided; neither where the margin means nothing
    because the control's mean is not clearly above 0.
    """

    margin: float
    bound: float | None
    p: float | None
    p_breach: float | None
    alpha: float
    within: bool
    breached: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """One metric, one treatment against the control.

    raw: fixed-horizon interval; adjusted: the same after CUPED, None where nothing adjusts.
    always_valid: the interval that holds at every look, on the adjusted estimate where there is
    one; the standing is formed on it. variance_left: share of the variance that CUPED left.
    """

    metric: str
    title: str
    kind: str
    role: str
    direction: str
    days: str
    unit: str
    definition: str
    control: Arm
    treatment: Arm
    reason: str
    raw: Estimate | None
    relative: Estimate | None
    adjusted: Estimate | None
    adjusted_relative: Estimate | None
    variance_left: float | None
    always_valid: Estimate | None
    always_valid_relative: Estimate | None
    shares: Shares | None
    margin: Margin | None
    maturity: Maturity
    standing: Standing
    sentence: str
    waits: bool = True
    """Its window closes, so that earlier nights can be recomputed."""

    @property
    def is_good(self) -> bool | None:
        """Whether the difference points the good way; None without a difference."""
        chosen = self.always_valid or self.raw
        if chosen is None or not chosen.estimate:
            return None
        return (chosen.estimate > 0) == (self.direction == "increase")


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """Whether the arms have the sizes that were planned. alarm: p_every_look at the threshold.

    p: chi-square, for one look. p_every_look: of the sequential test over the days; it never rises.
    """

    observed: Mapping[str, int]
    expected: Mapping[str, float]
    chi2: float | None
    p: float | None
    p_every_look: float | None
    threshold: float
    alarm: bool


@dataclass(frozen=True, slots=True)
class MultipleExposure:
    """Units that met several variants of one experiment: left out, counted."""

    n: int
    share: float | None
    alarm: bool


@dataclass(frozen=True, slots=True)
class Health:
    """One check of an experiment, of one treatment or ('') of all.

    state: `bad` voids the verdict, `look` asks for a look, `good`, or `not enough data`. n: units.
    p: against alpha, None where there is none. finding: in words where it alarms, else ''.
    """

    check: str
    treatment: str
    state: str
    n: int
    p: float | None
    alpha: float
    finding: str


@dataclass(frozen=True, slots=True)
class JudgeArm:
    """A judge's mean of one variant: every epoch for itself, errors are missing scores.

    mean: weighted by 1 / sampling probability, interval clustered by unit.
    """

    variant: str
    units: int
    scored: int
    errors: int
    mean: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class JudgeView:
    """What one judge, in one dimension and epoch, says of a treatment beside the control.

    prefers: the variant it clearly prefers, or ''. beside_listeners: `agrees`, `contradicts`, or
    '' where judge or listeners do not clearly prefer. state: of its trust certificate, the worst
    over surfaces; '' where no trial was held. A revoked judge has weight 0.
    """

    judge: str
    dimension: str
    epoch: str
    model: str
    higher_is_better: bool
    control: JudgeArm
    treatment: JudgeArm
    difference: Estimate | None
    prefers: str
    beside_listeners: str
    state: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """The primary metric inside one segment; exploratory, it decides nothing.

    p_adjusted: over all segments of the experiment (Holm).
    """

    dimension: str
    value: str
    treatment: str
    control: Arm
    arm: Arm
    raw: Estimate | None
    p_adjusted: float | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with one treatment, why, and in one sentence.

    listeners_prefer: the variant that outcomes clearly favour, or ''. decided_on: the day of the
    first night that decided, where that was an earlier one.
    """

    treatment: str
    state: State
    reasons: tuple[str, ...]
    sentence: str
    listeners_prefer: str
    success: tuple[Comparison, ...]
    guardrails: tuple[Comparison, ...]
    deterioration: tuple[Comparison, ...]
    judges: tuple[JudgeView, ...]
    decided_on: str | None = None


@dataclass(frozen=True, slots=True)
class ExperimentResult:
    """One experiment, tonight."""

    id: str
    title: str
    owner: str
    hypothesis: str
    declared: bool
    unit: str
    control: str
    alpha: float
    units: Mapping[str, int]
    first_day: str | None
    last_day: str | None
    days_left: int | None
    notes: tuple[str, ...]
    sample_ratio: SampleRatio | None
    multiple: MultipleExposure
    verdicts: tuple[Verdict, ...]
    comparisons: tuple[Comparison, ...]
    segments: tuple[Segment, ...]
    health: tuple[Health, ...] = ()


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often a judge preferred what a person preferred.

    ties: pairs whose sides the judge scored alike; unscored: pairs it did not score on both sides.
    """

    judge: str
    dimension: str
    label_dimension: str
    epoch: str
    model: str
    agreed: int
    total: int
    share: float | None
    low: float | None
    high: float | None
    ties: int
    unscored: int
    standing: str


@dataclass(frozen=True, slots=True)
class JudgeTrust:
    """A trust certificate, bound to epoch, dimension, surface and days (docs/judges.md).

    rank: agreement with a person within variants; ceiling: of two people; auc: of plays that were
    kept; each (estimate, low, high). weight: of its scores in a fused estimate.
    """

    judge: str
    dimension: str
    epoch: str
    model: str
    surface: str
    days: tuple[str, str]
    state: str
    use: str
    weight: int
    reasons: tuple[str, ...]
    missing: tuple[str, ...]
    rank: tuple[float | None, float | None, float | None]
    ceiling: tuple[float | None, float | None, float | None]
    auc: tuple[float | None, float | None, float | None]


@dataclass(frozen=True, slots=True)
class Run:
    """How the report was made, for making it again."""

    version: str
    warehouse: str
    catalog: str
    command: str


@dataclass(frozen=True, slots=True)
class Planted:
    """A comparison whose true difference is known, because the data was simulated.

    fixed: the interval of a single look; of twenty at 95 % one is expected to miss.
    always: the one that holds at every look, on which verdicts are formed.
    """

    experiment: str
    treatment: str
    metric: str
    title: str
    fixed: Estimate
    always: Estimate
    truth: float
    fixed_holds: bool
    always_holds: bool


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that leaves. planted: only of a simulation, whose truth is known.

    judges: their certificates, where a trial was held. changes: where a night came before. queries:
    the SQL behind the numbers.
    """

    schema: str
    date: str
    as_of: str | None
    generated_at: str
    headline: tuple[str, ...]
    experiments: tuple[ExperimentResult, ...]
    trust: Trust
    agreement: tuple[Agreement, ...]
    run: Run
    planted: tuple[Planted, ...] = ()
    judges: tuple[JudgeTrust, ...] = ()
    forgotten: Forgotten | None = None
    disagreement: Disagreement | None = None
    changes: Changes | None = None
    artists: ArtistView | None = None
    queries: tuple[Query, ...] = ()
