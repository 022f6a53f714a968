"""An experiment as it was planned: written down before the data is looked at."""

from __future__ import annotations

import datetime as dt  # noqa: TC003 - pydantic reads it at run time
import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from analytics.catalog.shape import MetricName, Shape, Text

if TYPE_CHECKING:
    from collections.abc import Iterable

CONTROL_NAMES = ("control", "baseline", "reference", "a", "A")
"""Taken for the control of an experiment without a definition, first match first."""
Segment = Literal["surface", "past_listening"]
"""What may divide units: known before the outcome, and not made by the variant."""


def _share(value: object) -> object:
    """`1/3` -> 0.333...: thirds have no last digit."""
    top, slash, bottom = value.partition("/") if isinstance(value, str) else ("", "", "")
    if slash and top.strip().isdigit() and bottom.strip().isdigit() and int(bottom):
        return int(top) / int(bottom)
    return value


class Guardrail(Shape):
    """A metric that must not get worse by more than a margin (relative to the control).

    margin: None for the catalogue's.
    """

    metric: MetricName
    margin: float | None = Field(None, gt=0, lt=1)


def _short(entry: object) -> object:
    """`metrics/x` is short for `{metric: metrics/x}`."""
    return {"metric": entry} if isinstance(entry, str) else entry


Share = Annotated[float, BeforeValidator(_share), Field(gt=0, lt=1)]


class Roles(Shape):
    """Which metric decides what. The primary metric is a success metric and stands first."""

    primary: MetricName | None = None
    success: tuple[MetricName, ...] = ()
    guardrail: tuple[Annotated[Guardrail, BeforeValidator(_short)], ...] = ()
    deterioration: tuple[MetricName, ...] = ()

    @property
    def successes(self) -> tuple[str, ...]:
        """The primary metric, then the other success metrics, each once."""
        first = (self.primary,) if self.primary else ()
        return tuple(dict.fromkeys((*first, *self.success)))

    @property
    def named(self) -> tuple[str, ...]:
        """Every metric that is named here."""
        guardrails = (entry.metric for entry in self.guardrail)
        return (*self.successes, *guardrails, *self.deterioration)


class Planned(Shape):
    """How large and how long it was meant to be.

    units: of all variants together; where the always-valid interval is tightest.
    """

    units: int | None = Field(None, ge=2)
    days: int | None = Field(None, ge=1)
    looks: int | None = Field(None, ge=1)


class Experiment(Shape):
    """One file of `experiments/`."""

    id: Text
    title: str = ""
    owner: str = ""
    hypothesis: str = ""
    unit: Literal["user", "session", "device", "artist"] = "user"
    control: Text
    variants: dict[Text, Share] = Field(min_length=2)
    start: dt.date | None = None
    end: dt.date | None = None
    alpha: float = Field(0.05, gt=0, lt=0.5)
    planned: Planned = Planned()
    metrics: Roles = Roles()
    segments: tuple[Segment, ...] = ()

    @model_validator(mode="after")
    def _coherent(self) -> Experiment:
        total = math.fsum(self.variants.values())
        if abs(total - 1) > 1e-9:
            raise ValueError(f"the allocations of the variants sum to {total:g}, not to 1")
        if self.control not in self.variants:
            known = ", ".join(self.variants)
            raise ValueError(f"the control '{self.control}' is none of the variants ({known})")
        if self.start and self.end and self.end <= self.start:
            raise ValueError(f"it ends ({self.end}) before it starts ({self.start})")
        return self

    @property
    def treatments(self) -> tuple[str, ...]:
        """Every variant but the control, as written."""
        return tuple(variant for variant in self.variants if variant != self.control)


def undeclared(experiment_id: str, variants: Iterable[str], unit: str) -> Experiment | None:
    """What is assumed of an experiment that has data and no definition: equal allocation.

    Returns: None where there are fewer than two variants, so that nothing can be compared.
    """
    names = sorted(variants)
    if len(names) < 2:
        return None
    control = next((name for name in CONTROL_NAMES if name in names), names[0])
    share = 1 / len(names)
    return Experiment(
        id=experiment_id,
        unit=unit if unit in {"user", "session", "device", "artist"} else "user",
        control=control,
        variants=dict.fromkeys(names, share),
    )
