"""A certificate in words that a product partner reads: what it is good for, and why."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from analytics.words import number

if TYPE_CHECKING:
    from analytics.judges.certificate import Certificate, Evidence
    from analytics.judges.effects import OverExperiments
    from analytics.judges.figure import Figure
    from analytics.judges.trial import Trial

USES = {
    "use to gate": "may gate: its score alone may hold something back",
    "use to rank": "may rank: good for ordering items, not for deciding between variants",
    "do not use": "do not use: its scores count nothing in any verdict",
}


def told(trial: Trial) -> list[str]:
    """Lines on one instrument, surface by surface."""
    entry = trial.entry
    model = f" ({entry.model})" if entry.model else ""
    who = f"{entry.instrument.judge}{model}, {entry.instrument.dimension}"
    when = f"{entry.first_day} to {entry.last_day}"
    lines = [f"{who}, evaluator epoch {entry.instrument.epoch[:8]}, {when}"]
    for one in trial.certificates:
        lines += [f"  {line}" for line in surface_lines(one)]
    lines += [f"  {line}" for line in record_lines(trial.record)]
    return lines


def surface_lines(one: Certificate) -> list[str]:
    """State, use, why, what is missing, and the evidence."""
    where = one.surface or "where no surface is named"
    lines = [f"on {where}: {one.state}. {USES[one.use].capitalize()}."]
    lines += [f"  Because {'; '.join(one.reasons)}."]
    lines += [f"  {line}" for line in evidence_lines(one.evidence)]
    if one.missing:
        lines += ["  Not shown yet:", *(f"    - {what}" for what in one.missing)]
    return lines


def evidence_lines(evidence: Evidence) -> list[str]:
    """People, listeners, variants, reference items; each with its interval or why there is none."""
    heard = evidence.heard
    people = (
        f"People: it agrees with a person at {_span(heard.rank)}; two people agree at"
        f" {_span(heard.ceiling)} (rank agreement: 1 is perfect, 0 is chance)."
    )
    kept = "a play they kept scores above one they skipped in"
    return [
        people,
        f"Pairs: {_of_100(heard.pairs, 'it prefers what the person preferred in', 'pairs')}.",
        f"Listeners: {_of_100(evidence.auc, kept, 'comparisons')}.",
        *(f"Variants: {_audit(evidence, place)}" for place in range(len(evidence.audits))),
        f"Reference items: {_anchors(evidence)}",
    ]


def record_lines(record: OverExperiments) -> list[str]:
    """The record over past experiments."""
    same = record.same_sign
    if same.value is None:
        return ["Past experiments: none with both a judge's and a usage difference."]
    n = same.n
    line = (
        f"Past experiments: judge and listeners pointed the same way in {round(same.value * n)}"
        f" of {n} comparisons ({_percent(same.low)} to {_percent(same.high)})"
    )
    slope = record.slope
    if slope.known:
        return [f"{line}; usage moves {_span(slope)} per point of the judge."]
    return [f"{line}; too few, or too noisy, for a slope."]


def _span(one: Figure) -> str:
    """`0.52 (0.37 to 0.64)`, or why not."""
    if one.value is None:
        return f"nothing known ({one.reason})"
    if one.low is None or one.high is None:
        return f"{number(one.value, 2)} (no interval: {one.reason})"
    return f"{number(one.value, 2)} ({number(one.low, 2)} to {number(one.high, 2)})"


def _of_100(one: Figure, before: str, what: str) -> str:
    """`... in 59 of 100 comparisons (57 to 61; a coin: 50)`."""
    if one.value is None:
        return f"nothing known ({one.reason})"
    if one.low is None or one.high is None:
        return f"{before} {one.value * 100:.0f} of 100 {what} (no interval: {one.reason})"
    ends = f"{one.low * 100:.0f} to {one.high * 100:.0f}"
    return f"{before} {one.value * 100:.0f} of 100 {what} ({ends}; a coin: 50)"


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share * 100:.0f} %"


def _audit(evidence: Evidence, place: int) -> str:
    one = evidence.audits[place]
    name = f"{one.variant} ({one.experiment})"
    if one.status == "NOT_CHECKED":
        return f"{name} not checked: {one.excess.reason}."
    words = {
        "PASS": f"fair to {name}, within {one.margin:.2g} points",
        "FAIL": f"NOT fair to {name}",
        "INCONCLUSIVE": f"fair to {name} or not is open (allowed: {one.margin:.2g} points)",
    }[one.status]
    return f"{words}; beside people it adds {_span(one.excess)} points."


def _anchors(evidence: Evidence) -> str:
    one = evidence.anchors
    if one.watch.before is not None and one.watch.after is not None:
        since = dt.date(1970, 1, 1) + dt.timedelta(days=one.watch.day or 0)
        return (
            f"since {since} graded otherwise than before; its grades agreed with its own earlier"
            f" ones at {number(one.watch.before, 2)}, since then at {number(one.watch.after, 2)}."
        )
    if one.status == "NOT_CHECKED":
        return f"not checked: {one.moved.reason}."
    words = {"PASS": "unmoved", "FAIL": "MOVED", "INCONCLUSIVE": "moved or not is open"}[one.status]
    return f"{words}; they changed by {_span(one.moved)} points of its scale."
