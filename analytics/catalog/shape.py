"""The shape of the metric files: fact table -> measurement -> metric, as in Spotify's Confidence.

The nouns, ids, windows and directions are those of Confidence's public metrics-as-code schema
(https://confidence.dev/schemas/metrics/v1). What that schema has no place for stands in `x-`
fields, so that an export can leave it out and say so.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from analytics.catalog.expression import parse

DAY_S = 86_400
Operation = Literal["sum"]
Direction = Literal["increase", "decrease"]
Role = Literal["success", "guardrail", "deterioration", "secondary"]
"""What a metric decides: superiority, non-inferiority, no harm, or nothing (it is only shown)."""


class Shape(BaseModel):
    """A part of a definition file: unknown keys are errors, values are frozen."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", frozen=True)


def _days(text: object) -> object:
    """`604800s` or `7d` -> 7; days, because `unit_day` is by day."""
    found = re.fullmatch(r"(\d+)(s|d)", text) if isinstance(text, str) else None
    if not found:
        raise ValueError(f"a duration reads like 604800s or 7d, not {text!r}")
    number, unit = int(found[1]), found[2]
    if unit == "s" and number % DAY_S:
        near = max(DAY_S, round(number / DAY_S) * DAY_S)
        raise ValueError(f"days are the smallest unit here: write {near}s instead of {text}")
    return number // DAY_S if unit == "s" else number


def _readable(column: str) -> str:
    parse(column)
    return column


Days = Annotated[int, BeforeValidator(_days), Field(ge=0, le=400)]
FactTableName = Annotated[str, Field(pattern=r"^factTables/[^/\s]+$")]
MeasurementName = Annotated[str, Field(pattern=r"^measurements/[^/\s]+$")]
MetricName = Annotated[str, Field(pattern=r"^metrics/[^/\s]+$")]
Text = Annotated[str, Field(min_length=1)]


class Unit(Shape):
    """The unit of a measure; `base_unit_multiplier` as Confidence defines it."""

    base_unit: Literal["none", "percent", "second", "byte", "bit"] | None = None
    custom_unit: Text | None = None
    base_unit_multiplier: float | None = Field(None, gt=0)


class Measure(Shape):
    """A column of the fact table, or an expression over its columns."""

    display_name: Text | None = None
    column: Annotated[Text, AfterValidator(_readable)]
    description: str = ""
    unit: Unit | None = None

    @property
    def name(self) -> str:
        """What measurements call it."""
        return self.display_name or self.column


class Entity(Shape):
    """Which column identifies an entity."""

    entity: Text
    column: Text


class FactTable(Shape):
    """Where measures come from.

    x_activity: `exposed` is what units did with the generations of the experiment, `all` is all
    that a user did in the product from the first exposure on.
    """

    name: FactTableName
    display_name: Text
    table: Literal["unit_day"]
    timestamp_column: Literal["day"]
    entities: tuple[Entity, ...] = Field(min_length=1)
    measures: tuple[Measure, ...] = Field(min_length=1)
    owner: str = ""
    description: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    x_activity: Literal["exposed", "all"] = Field("exposed", alias="x-activity")


class Cap(Shape):
    """Bounds on a unit's value."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _bounds(self) -> Cap:
        if self.min is None and self.max is None:
            raise ValueError("needs min, max or both")
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise ValueError(f"min {self.min:g} is not below max {self.max:g}")
        return self


class Threshold(Shape):
    """Turns a unit's value into 1 or 0."""

    direction: Literal["gt", "gte", "lt", "lte", "eq"]
    value: float


class Aggregation(Shape):
    """A measure, summed over the days of the window."""

    measure: Text
    operation: Operation


class Window(Shape):
    """Which days count, from the day of the unit's first exposure on.

    closed: all its days must be over before a unit counts. semi_open: at most so many days, a unit
    counts at once. open: all days so far.
    """

    type: Literal["closed", "semi_open", "open"] = "closed"
    aggregation_window: Days | None = None
    exposure_offset: Days = 0

    @model_validator(mode="after")
    def _length(self) -> Window:
        if self.type == "open" and self.aggregation_window is not None:
            raise ValueError("an open window has no aggregation_window")
        if self.type != "open" and not self.aggregation_window:
            raise ValueError(f"a {self.type} window needs an aggregation_window of a day or more")
        return self


class VarianceReduction(Shape):
    """Adjustment for what the user did before the first exposure (CUPED)."""

    enabled: bool = True
    pre_exposure_window: Days = 14


class Words(Shape):
    """How a difference is said: `3.1 fewer {count} per {per} {of}`."""

    count: Text
    per: int = Field(1, ge=1)
    of: Text


class NestedMetric(Shape):
    """A metric of the measurement it stands under."""

    name: MetricName
    display_name: Text
    owner: str = ""
    description: str = ""
    preferred_direction: Direction = "increase"
    default_effect_size: float | None = Field(None, gt=0)
    measurement_window: Window
    variance_reduction: VarianceReduction = VarianceReduction()
    labels: dict[str, str] = Field(default_factory=dict)
    x_role: Role = Field("secondary", alias="x-role")
    x_ni_margin: float | None = Field(None, alias="x-ni-margin", gt=0, lt=1)
    x_lateness: Days = Field(30, alias="x-lateness")
    x_words: Words | None = Field(None, alias="x-words")

    @model_validator(mode="after")
    def _margin(self) -> NestedMetric:
        if self.x_role == "guardrail" and self.x_ni_margin is None:
            raise ValueError("a guardrail needs x-ni-margin, the relative loss that is bearable")
        return self


class Measurement(Shape):
    """What is summed, for whom; a measure, or a numerator over a denominator."""

    name: MeasurementName
    display_name: Text
    fact_table: FactTableName
    entity: Text
    owner: str = ""
    description: str = ""
    measure: Text | None = None
    operation: Operation | None = None
    numerator: Aggregation | None = None
    denominator: Aggregation | None = None
    aggregation_threshold: Threshold | None = None
    cap: Cap | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    metrics: tuple[NestedMetric, ...] = ()
    x_words: Words | None = Field(None, alias="x-words")

    @model_validator(mode="after")
    def _one_form(self) -> Measurement:
        simple = self.measure is not None and self.operation is not None
        ratio = self.numerator is not None and self.denominator is not None
        part = any((self.measure, self.operation, self.numerator, self.denominator))
        crossed = any((self.measure, self.operation)) and any((self.numerator, self.denominator))
        if crossed or not (simple or ratio) or not part:
            raise ValueError("needs either measure and operation, or numerator and denominator")
        if ratio and (self.aggregation_threshold or self.cap):
            raise ValueError("a ratio takes no aggregation_threshold and no cap")
        return self


class MetricFile(Shape):
    """One file of `metrics/`."""

    fact_tables: tuple[FactTable, ...] = ()
    measurements: tuple[Measurement, ...] = ()


NOT_CARRIED: dict[str, str] = {
    "sql": "is not supported: measures come from the additive columns of unit_day",
    "filters": "is not supported: unit_day has no dimensions to filter by",
    "dimensions": "is not supported: unit_day has no dimensions",
    "quantile_level": "is not supported: a quantile does not follow from additive sums",
    "null_handling": "is not needed: every exposed unit counts, with 0 where it did nothing",
}
"""Keys that Confidence knows and this catalogue does not, and why."""


def known_keys(root: type[BaseModel]) -> frozenset[str]:
    """Every key that may stand anywhere in a file of this shape, for hints."""
    keys: set[str] = set()
    waiting: list[Any] = [root]
    seen: set[Any] = set()
    while waiting:
        part = waiting.pop()
        waiting.extend(getattr(part, "__args__", ()))
        if not (isinstance(part, type) and issubclass(part, BaseModel)) or part in seen:
            continue
        seen.add(part)
        for name, field in part.model_fields.items():
            keys.add(field.alias or name)
            waiting.append(field.annotation)
    return frozenset(keys)
