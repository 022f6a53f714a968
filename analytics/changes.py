"""What last night's report said and tonight's does not, and why, as far as the data can tell.

A number moves every night because a day is added. That is no revision. So tonight's file is asked
again as of the day that last night's report was made from: what differs then is a revision. Only
metrics whose window closes can be asked so; one that is open counts whatever came until the file
was published.

Why is told from what stands beside the numbers: another listenback, another definition of the
metric, listeners forgotten, events that came late. What has one cause has it for certain; where
several apply they are named together, since the numbers do not say which moved them how far.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from analytics.results import Estimate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from analytics.results import Comparison, ExperimentResult, JudgeTrust, Report

VERSION: Final = "another version of listenback"
DEFINITION: Final = "the metric or the experiment is defined otherwise"
FORGOTTEN: Final = "listeners were forgotten"
LATE: Final = "late events"
UNSEEN: Final = "nothing in the file says why: was it rebuilt or exchanged?"
CLOSE: Final = 1e-9
"""Relative distance up to which two numbers are the same: sums of floats in another order."""

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Moved:
    """A number of last night's that the same days give otherwise now.

    before, now: the single-look difference, in the metric's unit; now is None where the data no
    longer carries it. shift_se: how far it moved, in standard errors of before.
    """

    experiment: str
    treatment: str
    metric: str
    title: str
    before: Estimate
    now: Estimate | None
    units_before: int
    units_now: int
    shift_se: float | None
    causes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """A verdict that is another one tonight; a revision if the one before had decided."""

    experiment: str
    title: str
    treatment: str
    before: str
    now: str


@dataclass(frozen=True, slots=True)
class JudgeChange:
    """A certificate that came, went or changed its state. Empty states: there was or is none.

    cause: new judge, epoch or surface, revoked, no longer revoked, state changed, no longer scored.
    """

    judge: str
    dimension: str
    epoch: str
    model: str
    surface: str
    before: str
    now: str
    cause: str


@dataclass(frozen=True, slots=True)
class Changes:
    """Since the report of `since`, made from the days up to `as_of`.

    compared: numbers of it that could be asked again. late, forgotten: events since. definitions,
    version: whether they changed.
    """

    since: str
    as_of: str | None
    compared: int
    moved: tuple[Moved, ...]
    verdicts: tuple[VerdictChange, ...]
    judges: tuple[JudgeChange, ...]
    late: int
    forgotten_listeners: int
    forgotten_events: int
    definitions: bool
    version: bool


@dataclass(frozen=True, slots=True)
class Before:
    """What is kept of a report for the next night, as JSON can hold it."""

    said: Mapping[str, Any]

    @property
    def as_of(self) -> dt.date | None:
        """The day it was made from."""
        text = self.said["as_of"]
        return None if text is None else dt.date.fromisoformat(text)


def kept_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """What the next night needs of a report's JSON, which a person may have edited.

    Raises: KeyError, TypeError, ValueError or AttributeError where it is no report.
    """
    forgotten = document["forgotten"] or {"listeners": 0, "events": 0}
    kept = {
        "date": document["date"],
        "as_of": document["as_of"],
        "version": document["run"]["version"],
        "catalog": document["run"]["catalog"],
        "late": sum(int(one["late"]) for one in document["trust"]["topics"]),
        "listeners": int(forgotten["listeners"]),
        "events": int(forgotten["events"]),
        "verdicts": {
            one["id"]: {it["treatment"]: it["state"] for it in one["verdicts"]}
            for one in document["experiments"]
        },
        "judges": [
            [one[name] for name in ("judge", "dimension", "epoch", "surface", "state", "model")]
            for one in document["judges"]
        ],
        "estimates": [
            [
                one["id"],
                it["treatment"]["variant"],
                it["metric"],
                _identity(one, it),
                _units(it),
                it["raw"],
            ]
            for one in document["experiments"]
            for it in one["comparisons"]
            if it["waits"] and it["raw"] is not None
        ],
    }
    Before(kept).as_of  # noqa: B018 - a date that is none raises here, not a night later
    for *_, raw in kept["estimates"]:
        Estimate(**raw)
    return kept


def _identity(experiment: Mapping[str, Any], comparison: Mapping[str, Any]) -> list[str]:
    return [comparison["definition"], experiment["unit"], experiment["control"]]


def _units(comparison: Mapping[str, Any]) -> int:
    return int(comparison["control"]["n"]) + int(comparison["treatment"]["n"])


def with_changes(report: Report, before: Before, again: Sequence[ExperimentResult]) -> Report:
    """The report with what moved since.

    Args: again: tonight's file as of the day that the report before was made from. An experiment
        that tonight's report leaves out is not compared.
    """
    return dataclasses.replace(report, changes=_changes(before, report, again))


def _changes(before: Before, report: Report, again: Sequence[ExperimentResult]) -> Changes:
    said = before.said
    late = sum(one.late for one in report.trust.topics) - said["late"]
    forgotten = report.forgotten
    events = (forgotten.events if forgotten else 0) - said["events"]
    listeners = (forgotten.listeners if forgotten else 0) - said["listeners"]
    facts = _Facts(
        version=said["version"] != report.run.version,
        late=max(late, 0),
        forgotten=max(events, 0),
    )
    held = tuple(_held(said["estimates"], again))
    moved = [one for it in held if (one := _moved(it, facts)) is not None]
    return Changes(
        since=said["date"],
        as_of=said["as_of"],
        compared=len(held),
        moved=tuple(sorted(moved, key=lambda one: (-abs(one.shift_se or math.inf), _key(one)))),
        verdicts=tuple(_verdicts(said["verdicts"], report)),
        judges=tuple(_judges(said["judges"], report.judges)),
        late=facts.late,
        forgotten_listeners=max(listeners, 0),
        forgotten_events=facts.forgotten,
        definitions=said["catalog"] != report.run.catalog,
        version=facts.version,
    )


@dataclass(frozen=True, slots=True)
class _Facts:
    """What may have moved a number, for all of them."""

    version: bool
    late: int
    forgotten: int


@dataclass(frozen=True, slots=True)
class _Held:
    """A number of the report before beside what the same days give now."""

    key: Key
    identity: list[str]
    units: int
    before: Estimate
    now: Comparison
    identity_now: list[str]


def _held(estimates: Sequence[Any], again: Sequence[ExperimentResult]) -> Iterator[_Held]:
    known = {
        (result.id, one.treatment.variant, one.metric): (result, one)
        for result in again
        for one in result.comparisons
    }
    for experiment, treatment, metric, identity, units, raw in estimates:
        key = (experiment, treatment, metric)
        if key in known:
            result, one = known[key]
            now = [one.definition, result.unit, result.control]
            yield _Held(key, identity, units, Estimate(**raw), one, now)


def _moved(held: _Held, facts: _Facts) -> Moved | None:
    now, units = held.now.raw, held.now.control.n + held.now.treatment.n
    if units == held.units and _same(held.before, now):
        return None
    shift = None
    if now is not None and None not in (now.estimate, held.before.estimate) and held.before.se:
        shift = (now.estimate - held.before.estimate) / held.before.se  # type: ignore[operator] # neither is None
    experiment, treatment, metric = held.key
    causes = _causes(facts, redefined=held.identity != held.identity_now)
    return Moved(
        experiment, treatment, metric, held.now.title, held.before, now, held.units, units, shift,
        causes,
    )  # fmt: skip


def _same(before: Estimate, now: Estimate | None) -> bool:
    if now is None:
        return False
    pairs = zip(
        (before.estimate, before.low, before.high), (now.estimate, now.low, now.high), strict=True
    )
    scale = before.se or 0.0
    return all(
        a == b
        if a is None or b is None
        else math.isclose(a, b, rel_tol=CLOSE, abs_tol=CLOSE * scale)
        for a, b in pairs
    )


def _causes(facts: _Facts, *, redefined: bool) -> tuple[str, ...]:
    """All that apply."""
    applies = (
        (DEFINITION, redefined),
        (VERSION, facts.version),
        (FORGOTTEN, facts.forgotten > 0),
        (LATE, facts.late > 0),
    )
    return tuple(cause for cause, holds in applies if holds) or (UNSEEN,)


def _key(one: Moved) -> Key:
    return one.experiment, one.treatment, one.metric


def _verdicts(before: Mapping[str, Mapping[str, str]], report: Report) -> Iterator[VerdictChange]:
    for result in report.experiments:
        for verdict in result.verdicts:
            was = before.get(result.id, {}).get(verdict.treatment, "")
            if was and was != verdict.state:
                yield VerdictChange(result.id, result.title, verdict.treatment, was, verdict.state)


def _judges(before: Sequence[Sequence[str]], now: Sequence[JudgeTrust]) -> Iterator[JudgeChange]:
    was = {(row[0], row[1], row[2], row[3]): (row[4], row[5]) for row in before}
    names = {row[0] for row in before}
    epochs = {tuple(row[:3]) for row in before}
    tonight = {(one.judge, one.dimension, one.epoch, one.surface): one for one in now}
    for key, one in tonight.items():
        state, _ = was.get(key, ("", ""))
        if state == one.state:
            continue
        cause = _judge_cause(state, one.state)
        if key[:3] not in epochs:
            cause = "new epoch" if one.judge in names else "new judge"
        yield JudgeChange(*key[:3], one.model, key[3], state, one.state, cause)
    for key, (state, model) in was.items():
        if key not in tonight:
            yield JudgeChange(*key[:3], model, key[3], state, "", "no longer scored")


def _judge_cause(before: str, now: str) -> str:
    if now == "REVOKED":
        return "revoked"
    if before == "REVOKED":
        return "no longer revoked"
    return "state changed" if before else "new surface"
