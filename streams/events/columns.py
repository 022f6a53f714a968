"""From a model's fields to columns: name, polars type and limits, read off the annotations."""

from __future__ import annotations

from dataclasses import dataclass
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import polars as pl
from annotated_types import Ge, Gt, Le, MaxLen
from pydantic import StringConstraints

from streams.events.fields import Kind

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

DTYPES: dict[Kind, pl.DataType] = {
    Kind.TEXT: pl.String(),
    Kind.ENUM: pl.String(),
    Kind.WHOLE: pl.Int64(),
    Kind.REAL: pl.Float64(),
    Kind.FLAG: pl.Boolean(),
    Kind.INSTANT: pl.Int64(),
    Kind.TEXTS: pl.List(pl.String()),
    Kind.LABELS: pl.String(),
    Kind.PAIRS: pl.String(),
}


@dataclass(frozen=True, slots=True)
class Column:
    """One field: `wire` is its name in JSON, `name` its column; limits that do not apply are None.

    low, high: inclusive, unless low_open. chars: least and greatest number of characters.
    values: those of an enum, `other` among them.
    """

    wire: str
    name: str
    kind: Kind
    required: bool
    description: str
    low: float | None = None
    low_open: bool = False
    high: float | None = None
    chars_min: int = 0
    chars_max: int | None = None
    pattern: str | None = None
    values: tuple[str, ...] = ()

    @property
    def dtype(self) -> pl.DataType:
        """The column's type in a frame."""
        return DTYPES[self.kind]

    @property
    def raw_name(self) -> str:
        """Where an unknown enum value is kept."""
        return f"{self.wire}_raw"

    def frame_columns(self) -> dict[str, pl.DataType]:
        """What this field becomes in a frame: an enum has its raw value beside it."""
        own = {self.name: self.dtype}
        return own | {self.raw_name: pl.String()} if self.kind is Kind.ENUM else own


def columns_of(model: type[BaseModel]) -> tuple[Column, ...]:
    """The columns of a model, in its order."""
    return tuple(_column(name, info) for name, info in model.model_fields.items())


def _column(name: str, info: FieldInfo) -> Column:
    parts = [*_parts(info.annotation), *info.metadata]
    limits: dict[str, Any] = {}
    for part in parts:
        limits |= _limits(part)
    kind = next(part for part in parts if isinstance(part, Kind))
    wire = info.alias or name
    assert name == (f"{wire}_us" if kind is Kind.INSTANT else wire), f"the unit of {name} goes last"
    return Column(wire, name, kind, info.is_required(), info.description or "", **limits)


def _parts(annotation: object) -> list[object]:
    """The type and the metadata inside `Annotated[...] | None`."""
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return [part for arm in get_args(annotation) for part in _parts(arm)]
    if origin is Annotated:
        inner, *metadata = get_args(annotation)
        return [*_parts(inner), *metadata]
    return [annotation]


def _limits(part: object) -> dict[str, Any]:
    """What one piece of metadata says about a column's values."""
    match part:
        case Ge(ge=low):
            return {"low": low}
        case Gt(gt=low):
            return {"low": low, "low_open": True}
        case Le(le=high):
            return {"high": high}
        case MaxLen(max_length=most):
            return {"chars_max": most}
        case StringConstraints(min_length=least, max_length=most, pattern=pattern):
            return {"chars_min": least or 0, "chars_max": most, "pattern": pattern}
        case _:
            return {"values": get_args(part)} if get_origin(part) is Literal else {}
