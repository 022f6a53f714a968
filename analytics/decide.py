"""From comparisons to a verdict: ship, do not ship, iterate, keep running, or invalid.

Ship if some success metric is better, every guardrail is within its margin, nothing got worse and
no quality check fails (Schultzberg, Ankargren and Frånberg 2024, arXiv 2402.11609). The error rate
is shared by the success metrics and treatments; guardrails need no share. All tests are valid at
every look, so reading the report nightly costs nothing; what a night has decided stays decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from analytics.results import MultipleExposure, SampleRatio, Verdict, finite
from analytics.stats.srm import sequential_srm, srm_chi2
from analytics.words import p_value

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from analytics.catalog import Experiment
    from analytics.results import Comparison, Standing, State

Stands = TypeVar("Stands", "Comparison", "Evidence")
SRM_ALPHA = 0.001
MULTIPLE_SHARE_MAX = 0.1
"""More units than this share with several variants, and the rest is no random sample."""


TERMINAL: frozenset[State] = frozenset({"ship", "do not ship", "iterate"})
"""States that a later night does not take back."""
HARM: Mapping[str, str] = {"worse": "worse", "beyond margin": "worse than its margin"}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the rule looks at in one metric: how it stands, and the p that holds at every look.

    is_good: the difference points the good way. margin: of a guardrail.
    """

    title: str
    role: str
    standing: Standing
    p: float
    is_good: bool
    reason: str = ""
    margin: float | None = None

    @classmethod
    def of(cls, one: Comparison) -> Evidence:
        """Of tonight's comparison."""
        always = one.always_valid
        p = 1.0 if always is None or always.p is None else always.p
        margin = one.margin.margin if one.margin else None
        return cls(one.title, one.role, one.standing, p, bool(one.is_good), one.reason, margin)


@dataclass(frozen=True, slots=True)
class Settled:
    """What was decided first, and on which day."""

    day: dt.date
    state: State
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Quality:
    """What must hold before any number of an experiment is believed."""

    sample_ratio: SampleRatio | None
    multiple: MultipleExposure
    biased: tuple[str, ...] = ()

    @property
    def failures(self) -> tuple[str, ...]:
        """What does not hold, in words."""
        found = []
        if self.sample_ratio and self.sample_ratio.alarm:
            p = p_value(self.sample_ratio.p_every_look)
            found.append(
                f"the variants do not have the sizes that were planned (p {p}): who counts"
                " is not random"
            )
        if self.multiple.alarm and self.multiple.share is not None:
            found.append(f"{self.multiple.share:.0%} of the units met several variants")
        return (*found, *self.biased)


def sample_ratio(plan: Experiment, looks: Sequence[Mapping[str, int]]) -> SampleRatio | None:
    """The test of the variants' sizes; None while nobody has been exposed.

    looks: units that counted up to each day, by variant; the last one is tonight's.
    """
    counts = [[look.get(variant, 0) for variant in plan.variants] for look in looks]
    total = sum(counts[-1]) if counts else 0
    if not total:
        return None
    shares = list(plan.variants.values())
    test = srm_chi2(counts[-1], shares)
    every_look = finite(sequential_srm(counts, shares, alpha=SRM_ALPHA).p[-1])
    return SampleRatio(
        observed=dict(zip(plan.variants, counts[-1], strict=True)),
        expected={variant: share * total for variant, share in plan.variants.items()},
        chi2=finite(test.statistic),
        p=finite(test.p),
        p_every_look=every_look,
        threshold=SRM_ALPHA,
        alarm=every_look is not None and every_look <= SRM_ALPHA,
    )


def multiple_exposure(n: int, *, single: int) -> MultipleExposure:
    """Units that met several variants, beside those that met one."""
    share = n / (n + single) if n + single else None
    return MultipleExposure(n, share, alarm=share is not None and share > MULTIPLE_SHARE_MAX)


def decide(  # noqa: PLR0913 - what a verdict stands on
    plan: Experiment,
    comparisons: Sequence[Comparison],
    quality: Quality,
    *,
    treatment: str,
    as_of: dt.date | None,
    settled: Settled | None = None,
    days_left: int | None = None,
) -> Verdict:
    """The verdict on the one treatment that the comparisons are about; judges have no say.

    settled: what an earlier night decided. It stands, unless tonight's data cannot be trusted or a
    ship is followed by harm in an open window, which no earlier night could see.
    """
    by_role = {
        role: tuple(one for one in comparisons if one.role == role)
        for role in ("success", "guardrail", "deterioration")
    }
    order = {name: place for place, name in enumerate(plan.metrics.successes)}
    success = tuple(sorted(by_role["success"], key=lambda one: order.get(one.metric, len(order))))
    by_role["success"] = success
    tonight = [one for role in by_role.values() for one in role]
    state, reasons = _state(plan, [Evidence.of(one) for one in tonight], quality.failures, as_of)
    harmful = _harmful(tonight)
    stands = settled if state != "invalid" else None
    if stands is not None:
        fresh = [one for one in harmful if not one.waits]
        state, reasons = _standing_decision(stands, state, reasons, fresh)
    told = (*harmful, *(one for one in success if one.raw), *success)
    preferred = "" if state == "invalid" else _preferred(plan, treatment, success, harmful)
    return Verdict(
        treatment=treatment,
        state=state,
        reasons=reasons,
        sentence=_sentence(
            treatment, state, reasons, told[:1], by_role["guardrail"], days_left=days_left
        ),
        listeners_prefer=preferred,
        success=success,
        guardrails=by_role["guardrail"],
        deterioration=by_role["deterioration"],
        judges=(),
        decided_on=stands.day.isoformat() if stands else None,
    )


def settle(
    plan: Experiment, nights: Sequence[tuple[dt.date, Sequence[Evidence]]]
) -> Settled | None:
    """The first night on which the rule decided; None while it is open.

    nights: the oldest first. Another night at the end never changes what is settled before it.
    """
    for day, evidence in nights:
        state, reasons = _state(plan, evidence, (), day)
        if state in TERMINAL:
            return Settled(day, state, reasons)
    return None


def _standing_decision(
    settled: Settled, state: State, reasons: tuple[str, ...], fresh: Sequence[Comparison]
) -> tuple[State, tuple[str, ...]]:
    """The settled state with its day; what has been seen since, beside it."""
    why = tuple(f"{reason} (decided on {settled.day})" for reason in settled.reasons)
    if settled.state == "ship" and fresh:
        return "iterate", (*why, *(f"{one.title}: {HARM[one.standing]} since" for one in fresh))
    if state in TERMINAL and state != settled.state:
        why = (
            *why,
            *(f"since then: {reason}" for reason in reasons if reason not in settled.reasons),
        )
    return settled.state, why


def _preferred(
    plan: Experiment,
    treatment: str,
    success: Sequence[Comparison],
    harmful: Sequence[Comparison],
) -> str:
    """The variant that listeners clearly prefer: by harm, else by the first success metric."""
    if harmful:
        return plan.control
    return treatment if success and success[0].standing == "better" else ""


def _state(
    plan: Experiment,
    evidence: Sequence[Evidence],
    failures: Sequence[str],
    as_of: dt.date | None,
) -> tuple[State, tuple[str, ...]]:
    """The state and why: the first of these that applies."""
    success = [one for one in evidence if one.role == "success"]
    guardrails = [one for one in evidence if one.role == "guardrail"]
    if failures:
        return "invalid", tuple(failures)
    share = plan.alpha / (max(len(success), 1) * len(plan.treatments))
    won = tuple(
        f"{one.title}: better"
        for one in success
        if one.standing == "better" and one.is_good and one.p <= share
    )
    harm = tuple(f"{one.title}: {HARM[one.standing]}" for one in _harmful(evidence))
    if harm:
        return ("iterate", (*won, *harm)) if won else ("do not ship", harm)
    if all(one.standing == "not enough data" for one in success):
        reasons = {one.reason or "too few units" for one in success} or {"no success metric"}
        return "not enough data", tuple(sorted(reasons))
    undecided = tuple(_undecided(one) for one in guardrails if one.standing != "within margin")
    if won and not undecided:
        return "ship", won
    missing = (*(() if won else (_not_yet(success, share),)), *undecided)
    if plan.end and as_of and as_of > plan.end:
        return "do not ship", ("the planned end has come without a clear gain", *missing)
    return "keep running", missing


def _undecided(guardrail: Evidence) -> str:
    if guardrail.margin is None:
        return f"{guardrail.title}: {guardrail.reason or 'too few units'}"
    return f"{guardrail.title}: a loss beyond {guardrail.margin:.3g} is not excluded yet"


def _harmful(those: Sequence[Stands]) -> tuple[Stands, ...]:
    """What got worse, or worse than its margin."""
    return tuple(one for one in those if one.standing in HARM)


def _not_yet(success: Sequence[Evidence], share: float) -> str:
    if any(one.is_good and one.standing == "better" for one in success):
        return f"a gain shows, but not yet at the shared error rate of {share:.2g}"
    return "no success metric is clearly better yet"


_ENDINGS: Mapping[State, str] = {
    "ship": "Ready to ship.",
    "do not ship": "Do not ship.",
    "iterate": "Iterate: keep what gained, mend what was harmed.",
    "keep running": "Keep running{left}.",
    "not enough data": "Not enough data yet.",
    "invalid": "Do not read the outcome: {reason}.",
}


def _sentence(  # noqa: PLR0913 - what the words are about
    treatment: str,
    state: State,
    reasons: Sequence[str],
    told: Sequence[Comparison],
    guardrails: Sequence[Comparison],
    *,
    days_left: int | None,
) -> str:
    """One sentence on the outcome, one on the guardrails, one on what to do."""
    left = "" if not days_left else f", {days_left} days left" if days_left > 1 else ", 1 day left"
    ending = _ENDINGS[state].format(reason="; ".join(reasons), left=left)
    if state in {"invalid", "not enough data"}:
        return f"{treatment}: {ending}"
    said = [f"{treatment}: {one.sentence}." for one in told]
    if guardrails:
        beyond = [one.title for one in guardrails if one.standing == "beyond margin"]
        kept = all(one.standing == "within margin" for one in guardrails)
        held = "All guardrails hold." if kept else "No guardrail is breached."
        said.append(f"Breached: {', '.join(beyond)}." if beyond else held)
    return " ".join([*said, ending])
