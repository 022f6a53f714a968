"""The trust certificate: what a judge may be used for, and why.

Bound to one instrument (judge, dimension, evaluator epoch), one surface and a range of days; it
says nothing of any other. It acts on nothing but two things: whether judge numbers may be shown as
levels, and whether its scores may help a fused estimate (weight 0 where they may not).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import datetime as dt

    from analytics.judges.anchors import AnchorCheck
    from analytics.judges.audit import Audit
    from analytics.judges.figure import Figure
    from analytics.judges.hearing import Heard
    from analytics.judges.identity import Instrument

State = Literal["CERTIFIED", "PROBATION", "REVOKED", "NEVER_CHECKED"]
Use = Literal["use to gate", "use to rank", "do not use"]


@dataclass(frozen=True, slots=True)
class Rules:
    """What is asked of a judge; all of it stands in docs/judges.md.

    margin_share: of the people's scale, the largest excess for a variant that does not matter.
    anchor_share: of the judge's scale, the largest move of the anchors. useful_rank: a judge whose
    whole rank interval lies below follows nobody. ceiling_share: of the agreement of two people,
    what the low end must reach. useless_auc: without people's labels, the same for listeners.
    errors_max: share of failed scores from which on nothing is certified.
    """

    margin_share: float = 0.1
    anchor_share: float = 0.05
    useful_rank: float = 0.2
    ceiling_share: float = 0.5
    useless_auc: float = 0.51
    errors_max: float = 0.1
    alpha: float = 0.05


RULES = Rules()
"""What is asked unless a caller asks otherwise."""


@dataclass(frozen=True, eq=False, slots=True)
class Evidence:
    """What is known of an instrument on a surface; figures without an interval say why.

    kept: AUC, Spearman, slope of plays that were kept; saved: of saves. errors: share failed.
    """

    heard: Heard
    kept: tuple[Figure, ...]
    saved: tuple[Figure, ...]
    audits: tuple[Audit, ...]
    anchors: AnchorCheck
    errors: Figure

    @property
    def auc(self) -> Figure:
        """Of kept plays."""
        return self.kept[0]


@dataclass(frozen=True, eq=False, slots=True)
class Certificate:
    """The answer. reasons: why this state, in words; missing: what would change it."""

    instrument: Instrument
    surface: str
    first_day: dt.date
    last_day: dt.date
    state: State
    use: Use
    reasons: tuple[str, ...]
    missing: tuple[str, ...]
    evidence: Evidence

    @property
    def weight(self) -> int:
        """1 where its scores may help an estimate, 0 where they may not."""
        return int(self.use != "do not use")


def decide_state(
    evidence: Evidence, rules: Rules
) -> tuple[State, Use, tuple[str, ...], tuple[str, ...]]:
    """State, use, reasons, and what is missing: the first of these that applies.

    REVOKED: something is proved against it. NEVER_CHECKED: nothing is known. CERTIFIED: all that
    is asked is proved. PROBATION: neither.
    """
    against = _against(evidence, rules)
    if against:
        return "REVOKED", "do not use", against, ()
    rank, auc = evidence.heard.rank, evidence.auc
    if not rank.known and not auc.known:
        unknown = (rank.reason, auc.reason)
        return "NEVER_CHECKED", "do not use", tuple(dict.fromkeys(filter(None, unknown))), ()
    missing = _missing(evidence, rules)
    if not missing:
        return "CERTIFIED", "use to gate", ("all that is asked of a judge is shown",), ()
    follows = rank.above(0.0) if rank.known else auc.above(0.5)
    if follows:
        why = "it follows people" if rank.known else "it follows listeners"
        return "PROBATION", "use to rank", (f"{why}, but not all is shown",), missing
    return "PROBATION", "do not use", ("nothing is shown for it or against it yet",), missing


def _against(evidence: Evidence, rules: Rules) -> tuple[str, ...]:
    """What is proved against the judge."""
    found = [
        f"it gives {one.variant} {abs(one.excess.value or 0):.2g} points"
        f" {'more' if (one.excess.value or 0) > 0 else 'less'} than people do"
        for one in evidence.audits
        if one.status == "FAIL"
    ]
    rank, auc = evidence.heard.rank, evidence.auc
    if rank.below(rules.useful_rank):
        found.append("it does not hear what people hear")
    elif not rank.known and auc.below(rules.useless_auc):
        found.append("its scores say nothing of what listeners keep")
    if evidence.anchors.status == "FAIL":
        found.append("it no longer gives the reference items what it gave them")
    watch = evidence.anchors.watch
    if watch.has_lost_its_ear:
        found.append(
            "it no longer hears what it heard in the reference items: its grades agree with its"
            f" own earlier ones at {watch.after:.2f}, before at {watch.before:.2f}"
        )
    return tuple(found)


def _missing(evidence: Evidence, rules: Rules) -> tuple[str, ...]:
    """What is asked and not yet shown."""
    rank, ceiling = evidence.heard.rank, evidence.heard.ceiling
    found = []
    if not rank.known:
        found.append(f"agreement with people is not measured: {rank.reason}")
    elif not ceiling.known or ceiling.value is None:
        found.append(f"how far two people agree is not measured: {ceiling.reason}")
    elif not rank.above(max(rules.useful_rank, rules.ceiling_share * ceiling.value)):
        found.append("that it agrees at least half as well as two people do is not shown yet")
    if evidence.auc.below(0.5):
        found.append("listeners skip what it scores high, whatever people say")
    elif not evidence.auc.above(0.5):
        found.append("that listeners keep what it scores high is not shown")
    if not evidence.audits:
        found.append("no experiment with a control tells whether it is fair to variants")
    found += [_open(one) for one in evidence.audits if one.status != "PASS"]
    if evidence.errors.value is not None and evidence.errors.value > rules.errors_max:
        found.append(f"{evidence.errors.value:.0%} of its scores failed")
    return tuple(found)


def _open(one: Audit) -> str:
    if one.status == "NOT_CHECKED":
        return f"fairness to {one.variant} is not checked: {one.excess.reason}"
    low, high = one.excess.low or 0.0, one.excess.high or 0.0
    return (
        f"fairness to {one.variant} within {one.margin:.2g} points is open"
        f" (between {low:+.2g} and {high:+.2g} so far)"
    )
