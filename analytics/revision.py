"""What an earlier night decided and tonight does not: said, instead of silently replaced."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from analytics.decide import TERMINAL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analytics.results import ExperimentResult, Report, Verdict

Verdicts = dict[str, dict[str, str]]
"""States by experiment and treatment."""


def verdicts_of(document: Mapping[str, object]) -> Verdicts:
    """The states in a report's JSON, which a person may have edited.

    Raises: KeyError, TypeError or AttributeError where it is no report.
    """
    found: Verdicts = {}
    experiments = document["experiments"]
    if not isinstance(experiments, list):
        raise TypeError("experiments is no list")
    for one in experiments:
        states = {str(verdict["treatment"]): str(verdict["state"]) for verdict in one["verdicts"]}
        found[str(one["id"])] = states
    return found


def with_revisions(report: Report, earlier: Verdicts, *, date: str) -> Report:
    """Say beside each verdict that the report of that date had decided otherwise.

    The same data decides the same again, so such a verdict means other data (late events in closed
    windows, erased listeners) or other definitions. What was open before is no revision.
    """
    return dataclasses.replace(
        report,
        experiments=tuple(_told(one, earlier.get(one.id, {}), date) for one in report.experiments),
    )


def _told(result: ExperimentResult, earlier: Mapping[str, str], date: str) -> ExperimentResult:
    verdicts = tuple(_revised(one, earlier.get(one.treatment, ""), date) for one in result.verdicts)
    return dataclasses.replace(result, verdicts=verdicts)


def _revised(verdict: Verdict, before: str, date: str) -> Verdict:
    if before not in TERMINAL or before == verdict.state:
        return verdict
    return dataclasses.replace(
        verdict,
        reasons=(*verdict.reasons, f"revised: the report of {date} said {before}"),
        sentence=f"{verdict.sentence} Revised: the report of {date} said {before}.",
    )
