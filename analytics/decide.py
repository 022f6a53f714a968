"""From comparisons to a verdict: ship, do not ship, keep running, not enough data, or invalid.

Ship if some success metric is better, every guardrail is within its margin, nothing got worse and
no quality check fails (Schultzberg, Ankargren and Frånberg 2024, arXiv 2402.11609). The error rate
is shared by the success metrics and treatments; guardrails need no share. All tests are valid at
every look, so reading the report nightly costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analytics.results import MultipleExposure, SampleRatio, Verdict, finite
from analytics.stats.srm import sequential_srm, srm_chi2
from analytics.words import p_value

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from analytics.catalog import Experiment
    from analytics.results import Comparison, State

SRM_ALPHA = 0.001
MULTIPLE_SHARE_MAX = 0.1
"""More units than this share with several variants, and the rest is no random sample."""


HARM: Mapping[str, str] = {"worse": "worse", "beyond margin": "worse than its margin"}


@dataclass(frozen=True, slots=True)
class Quality:
    """What must hold before any number of an experiment is believed."""

    sample_ratio: SampleRatio | None
    multiple: MultipleExposure

    @property
    def failures(self) -> tuple[str, ...]:
        """What does not hold, in words."""
        found = []
        if self.sample_ratio and self.sample_ratio.alarm:
            p = p_value(self.sample_ratio.p)
            found.append(
                f"the variants do not have the sizes that were planned (p {p}): who counts"
                " is not random"
            )
        if self.multiple.alarm and self.multiple.share is not None:
            found.append(f"{self.multiple.share:.0%} of the units met several variants")
        return tuple(found)


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
    p = finite(test.p)
    return SampleRatio(
        observed=dict(zip(plan.variants, counts[-1], strict=True)),
        expected={variant: share * total for variant, share in plan.variants.items()},
        chi2=finite(test.statistic),
        p=p,
        p_every_look=finite(sequential_srm(counts, shares, alpha=SRM_ALPHA).p[-1]),
        threshold=SRM_ALPHA,
        alarm=p is not None and p < SRM_ALPHA,
    )


def multiple_exposure(n: int, *, single: int) -> MultipleExposure:
    """Units that met several variants, beside those that met one."""
    share = n / (n + single) if n + single else None
    return MultipleExposure(n, share, alarm=share is not None and share > MULTIPLE_SHARE_MAX)


def decide(
    plan: Experiment,
    comparisons: Sequence[Comparison],
    quality: Quality,
    *,
    treatment: str,
    as_of: dt.date | None,
) -> Verdict:
    """The verdict on the one treatment that all the comparisons are about; judges have no say."""
    by_role = {
        role: tuple(one for one in comparisons if one.role == role)
        for role in ("success", "guardrail", "deterioration")
    }
    order = {name: place for place, name in enumerate(plan.metrics.successes)}
    success = tuple(sorted(by_role["success"], key=lambda one: order.get(one.metric, len(order))))
    state, reasons = _state(plan, success, by_role, quality, as_of)
    harmful = _harmful((*success, *by_role["guardrail"], *by_role["deterioration"]))
    told = (*harmful, *(one for one in success if one.raw), *success)
    return Verdict(
        treatment=treatment,
        state=state,
        reasons=reasons,
        sentence=_sentence(treatment, state, reasons, told[:1], by_role["guardrail"]),
        listeners_prefer=_preferred(plan, treatment, success, harmful)
        if state != "invalid"
        else "",
        success=success,
        guardrails=by_role["guardrail"],
        deterioration=by_role["deterioration"],
        judges=(),
    )


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
    success: Sequence[Comparison],
    by_role: Mapping[str, Sequence[Comparison]],
    quality: Quality,
    as_of: dt.date | None,
) -> tuple[State, tuple[str, ...]]:
    """The state and why: the first of these that applies."""
    guardrails = by_role["guardrail"]
    if quality.failures:
        return "invalid", quality.failures
    if harmful := _harmful((*success, *guardrails, *by_role["deterioration"])):
        return "do not ship", tuple(f"{one.title}: {HARM[one.standing]}" for one in harmful)
    if all(one.standing == "not enough data" for one in success):
        reasons = {one.reason or "too few units" for one in success} or {"no success metric"}
        return "not enough data", tuple(sorted(reasons))
    share = plan.alpha / (len(success) * len(plan.treatments))
    won = tuple(f"{one.title}: better" for one in success if one.is_good and _p(one) <= share)
    undecided = tuple(_undecided(one) for one in guardrails if one.standing != "within margin")
    if won and not undecided:
        return "ship", won
    missing = (*(() if won else (_not_yet(success, share),)), *undecided)
    if plan.end and as_of and as_of > plan.end:
        return "do not ship", ("the planned end has come without a clear gain", *missing)
    return "keep running", missing


def _undecided(guardrail: Comparison) -> str:
    if guardrail.margin is None:
        return f"{guardrail.title}: {guardrail.reason or 'too few units'}"
    return f"{guardrail.title}: a loss beyond {guardrail.margin.margin:.3g} is not excluded yet"


def _harmful(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """What got worse, or worse than its margin."""
    return tuple(one for one in comparisons if one.standing in HARM)


def _not_yet(success: Sequence[Comparison], share: float) -> str:
    if any(one.is_good and one.standing == "better" for one in success):
        return f"a gain shows, but not yet at the shared error rate of {share:.2g}"
    return "no success metric is clearly better yet"


def _p(comparison: Comparison) -> float:
    always = comparison.always_valid
    return 1.0 if always is None or always.p is None else always.p


_ENDINGS: Mapping[State, str] = {
    "ship": "Ready to ship.",
    "do not ship": "Do not ship.",
    "keep running": "Keep running.",
    "not enough data": "Not enough data yet.",
    "invalid": "Do not read the outcome: {reason}.",
}


def _sentence(
    treatment: str,
    state: State,
    reasons: Sequence[str],
    told: Sequence[Comparison],
    guardrails: Sequence[Comparison],
) -> str:
    """One sentence on the outcome, one on the guardrails, one on what to do."""
    ending = _ENDINGS[state].format(reason="; ".join(reasons))
    if state in {"invalid", "not enough data"}:
        return f"{treatment}: {ending}"
    said = [f"{treatment}: {one.sentence}." for one in told]
    if guardrails:
        beyond = [one.title for one in guardrails if one.standing == "beyond margin"]
        kept = all(one.standing == "within margin" for one in guardrails)
        held = "All guardrails hold." if kept else "No guardrail is breached."
        said.append(f"Breached: {', '.join(beyond)}." if beyond else held)
    return " ".join([*said, ending])
