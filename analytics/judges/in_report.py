"""Certificates in the night's report: each judge's own line, and its state beside what it said."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from analytics.results import JudgeTrust

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.judges.certificate import Certificate
    from analytics.judges.figure import Figure
    from analytics.judges.trial import Trial
    from analytics.results import ExperimentResult, JudgeView, Report

WORST = ("REVOKED", "NEVER_CHECKED", "PROBATION", "CERTIFIED")


def with_trials(report: Report, trials: Sequence[Trial]) -> Report:
    """The report with every certificate, and each judge's view marked with its state.

    A judge that is revoked on any surface contradicts nobody and agrees with nobody: its weight
    is 0, and the report says so.
    """
    given = [(one, trial.entry.model) for trial in trials for one in trial.certificates]
    states = {
        (i.judge, i.dimension, i.epoch): _worst(trial.certificates)
        for trial in trials
        for i in (trial.entry.instrument,)
    }
    return dataclasses.replace(
        report,
        judges=tuple(_line(one, model) for one, model in given),
        experiments=tuple(_marked(one, states) for one in report.experiments),
    )


def _worst(certificates: Sequence[Certificate]) -> str:
    states = [one.state for one in certificates]
    return min(states, key=WORST.index, default="")


def _line(one: Certificate, model: str) -> JudgeTrust:
    heard = one.evidence.heard
    return JudgeTrust(
        one.instrument.judge,
        one.instrument.dimension,
        one.instrument.epoch,
        model,
        one.surface,
        (one.first_day.isoformat(), one.last_day.isoformat()),
        one.state,
        one.use,
        one.weight,
        one.reasons,
        one.missing,
        _span(heard.rank),
        _span(heard.ceiling),
        _span(one.evidence.auc),
    )


def _span(one: Figure) -> tuple[float | None, float | None, float | None]:
    return one.value, one.low, one.high


def _marked(
    result: ExperimentResult, states: Mapping[tuple[str, str, str], str]
) -> ExperimentResult:
    verdicts = tuple(
        dataclasses.replace(one, judges=tuple(_view(view, states) for view in one.judges))
        for one in result.verdicts
    )
    return dataclasses.replace(result, verdicts=verdicts)


def _view(view: JudgeView, states: Mapping[tuple[str, str, str], str]) -> JudgeView:
    state = states.get((view.judge, view.dimension, view.epoch), "")
    beside = "" if state == "REVOKED" else view.beside_listeners
    return dataclasses.replace(view, state=state, beside_listeners=beside)
