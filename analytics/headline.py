"""The first lines of the report: at most three sentences, nothing but what the numbers say."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from analytics.results import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.data_trust import Trust
    from analytics.results import ExperimentResult

STATES: tuple[State, ...] = (
    "invalid",
    "ship",
    "do not ship",
    "iterate",
    "keep running",
    "not enough data",
)
"""By what asks for an action first."""
_COUNTED = {
    "invalid": "invalid",
    "ship": "ready to ship",
    "do not ship": "not to ship",
    "iterate": "to iterate on",
    "keep running": "to keep running",
    "not enough data": "without enough data",
}
SENTENCES_MAX = 3


def headline(experiments: Sequence[ExperimentResult], trust: Trust) -> tuple[str, ...]:
    """How many treatments stand where, then what is urgent; the data's own health first."""
    assert set(STATES) == set(get_args(State))
    if trust.level == "bad":
        first = f"Tonight's data is not to be trusted: {trust.findings[0]}."
        return (first, *_urgent(experiments, SENTENCES_MAX - 2))
    verdicts = [verdict for result in experiments for verdict in result.verdicts]
    if not verdicts:
        return ("No experiment has data yet.",)
    counts = {state: sum(one.state == state for one in verdicts) for state in STATES}
    parts = [f"{n} {_COUNTED[state]}" for state, n in counts.items() if n]
    treatments = "1 treatment" if len(verdicts) == 1 else f"{len(verdicts)} treatments"
    first = f"{treatments}: {', '.join(parts)}."
    return (first, *_urgent(experiments, SENTENCES_MAX - 1))


def _urgent(experiments: Sequence[ExperimentResult], most: int) -> tuple[str, ...]:
    acting = [
        f"{result.title}, {verdict.sentence}"
        for state in STATES[:4]
        for result in experiments
        for verdict in result.verdicts
        if verdict.state == state
    ]
    return tuple(acting[:most])
