"""A report held against the truth that the simulator planted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analytics.results import Planted
from streams.simulate.truth import MEASUREMENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analytics.results import Comparison, Estimate, Report


def against_truth(report: Report, truth: Mapping[str, Any]) -> tuple[Planted, ...]:
    """Every comparison of the report whose metric the simulator planted.

    Only metrics of the whole time so far: the planted values are those of all events.
    """
    found = (
        _beside(one, experiment.id, truth["experiments"].get(experiment.id, {}))
        for experiment in report.experiments
        for one in experiment.comparisons
    )
    return tuple(one for one in found if one is not None)


def _beside(one: Comparison, experiment: str, truth: Mapping[str, Any]) -> Planted | None:
    name = MEASUREMENTS.get(one.metric.replace("metrics/", "measurements/", 1), "")
    effects = truth.get("effects", {}).get("population", {}).get(one.treatment.variant, {})
    if name not in effects or one.raw is None or one.always_valid is None:
        return None
    planted = effects[name]["difference"]
    return Planted(
        experiment=experiment,
        treatment=one.treatment.variant,
        metric=one.metric,
        title=one.title,
        fixed=one.raw,
        always=one.always_valid,
        truth=planted,
        fixed_holds=_holds(one.raw, planted),
        always_holds=_holds(one.always_valid, planted),
    )


def _holds(estimate: Estimate, value: float) -> bool:
    """Whether the interval contains the value; an end that is open contains everything."""
    is_above = estimate.low is None or estimate.low <= value
    return is_above and (estimate.high is None or value <= estimate.high)
