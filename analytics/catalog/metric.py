"""A metric, resolved: everything the SQL and the statistics need to know, in one frozen value."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from analytics.catalog.expression import Expression, parse

if TYPE_CHECKING:
    from analytics.catalog.shape import (
        Cap,
        Direction,
        FactTable,
        Measurement,
        NestedMetric,
        Role,
        Threshold,
        Window,
        Words,
    )

Kind = Literal["mean", "proportion", "ratio"]


@dataclass(frozen=True, slots=True)
class Days:
    """Days since the first exposure that count: [start, end), end None for all so far.

    waits: a unit counts only when all these days are over.
    """

    start: int
    end: int | None
    waits: bool

    @property
    def label(self) -> str:
        """`days 0-6`, as the report says it."""
        if self.end is None:
            return f"from day {self.start} on"
        last = self.end - 1
        days = f"day {self.start}" if last == self.start else f"days {self.start}-{last}"
        return days if self.waits else f"{days} so far"


@dataclass(frozen=True, slots=True)
class Metric:
    """A number per unit and how to compare it.

    kind: mean of a unit's value, share of units whose value passes the threshold, or sum over sum.
    activity: `exposed` (with generations of the experiment) or `all` (of that user; unit user).
    covariate_days: length of the pre-exposure window, 0 without variance reduction.
    """

    id: str
    title: str
    kind: Kind
    numerator: Expression
    denominator: Expression | None
    threshold: Threshold | None
    cap: Cap | None
    activity: Literal["exposed", "all"]
    entity: str
    days: Days
    direction: Direction
    role: Role
    margin: float | None
    effect_size: float | None
    lateness_days: int
    covariate_days: int
    words: Words | None
    unit: str
    description: str

    @property
    def key(self) -> str:
        """The id without its collection: `early-skip-rate-d7`."""
        return self.id.removeprefix("metrics/")

    @property
    def higher_is_better(self) -> bool:
        """Whether an increase is the good direction."""
        return self.direction == "increase"

    @property
    def definition_hash(self) -> str:
        """Changes when the metric's meaning does: two numbers with one hash may be compared."""
        meaning = (
            self.kind,
            self.numerator,
            self.denominator,
            self.threshold,
            self.cap,
            self.activity,
            self.entity,
            self.days,
        )
        return hashlib.sha256(repr(meaning).encode()).hexdigest()[:16]


def resolve(table: FactTable, measurement: Measurement, nested: NestedMetric) -> Metric:
    """The metric of a definition whose references are known to hold."""
    measures = {measure.name: measure for measure in table.measures}
    top = measurement.numerator.measure if measurement.numerator else measurement.measure
    assert top is not None, "the shape lets no measurement without a measure pass"
    bottom = measurement.denominator.measure if measurement.denominator else None
    reduction = nested.variance_reduction
    return Metric(
        id=nested.name,
        title=nested.display_name,
        kind=_kind(measurement),
        numerator=parse(measures[top].column),
        denominator=parse(measures[bottom].column) if bottom else None,
        threshold=measurement.aggregation_threshold,
        cap=measurement.cap,
        activity=table.x_activity,
        entity=measurement.entity,
        days=_days(nested.measurement_window),
        direction=nested.preferred_direction,
        role=nested.x_role,
        margin=nested.x_ni_margin,
        effect_size=nested.default_effect_size,
        lateness_days=nested.x_lateness,
        covariate_days=reduction.pre_exposure_window if reduction.enabled else 0,
        words=nested.x_words or measurement.x_words,
        unit=_unit(measurement, measures[top].unit),
        description=nested.description or measurement.description,
    )


def _kind(measurement: Measurement) -> Kind:
    if measurement.denominator:
        return "ratio"
    return "proportion" if measurement.aggregation_threshold else "mean"


def _unit(measurement: Measurement, unit: object) -> str:
    if measurement.denominator or measurement.aggregation_threshold or unit is None:
        return ""
    return str(getattr(unit, "custom_unit", None) or getattr(unit, "base_unit", None) or "")


def _days(window: Window) -> Days:
    start = window.exposure_offset
    end = None if window.aggregation_window is None else start + window.aggregation_window
    return Days(start, end, waits=window.type == "closed")
