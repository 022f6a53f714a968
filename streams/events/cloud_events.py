"""CloudEvents 1.0 headers (Kafka binary mode): they fill what the body lacks, and are never needed.

Only for records whose body lacks a field are their headers looked at, one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import polars as pl

from streams.events.instants import instant_us

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.events.record_headers import Header

FIELDS: Final = {"ce_id": "event_id", "ce_source": "source", "ce_time": "event_time"}
"""Header -> field, by its name in JSON."""


def said_by_headers(headers: Sequence[Header]) -> dict[str, str]:
    """The fields that a record's headers give; one that is null or not UTF-8 gives none."""
    said: dict[str, str] = {}
    for name, value in headers:
        if name in FIELDS and value is not None:
            text = value.decode(errors="replace")
            if "\ufffd" not in text:
                said[FIELDS[name]] = text
    return said


def filled_from_headers(
    frame: pl.DataFrame,
    found: pl.DataFrame,
    rows: pl.Series,
    headers: Sequence[Sequence[Header]],
) -> pl.DataFrame:
    """The typed columns, completed from headers where the body has no such field.

    Args:
        frame: typed columns.
        found: their tokens; a token that could not be read is not overwritten.
        rows: the place in `headers` of each row of the frame.
        headers: of each record of the batch.
    """
    lacks = found.select(pl.col(name).is_null() for name in FIELDS.values())
    lacking = lacks.select(pl.any_horizontal(pl.all()).arg_true()).to_series()
    said = [said_by_headers(headers[row]) for row in rows.gather(lacking)]
    offered: dict[str, list[str | None] | list[int | None]] = {
        "event_id": [one.get("event_id") for one in said],
        "source": [one.get("source") for one in said],
        "event_time_us": [instant_us(one.get("event_time", "")) for one in said],
    }
    return frame.with_columns(
        _patched(frame[name], lacking, pl.Series(values, dtype=frame[name].dtype), lacks[field])
        for (name, values), field in zip(offered.items(), FIELDS.values(), strict=True)
    )


def _patched(
    column: pl.Series, places: pl.Series, values: pl.Series, lacks: pl.Series
) -> pl.Series:
    """The column with the values at these places, where it lacks one."""
    offered = column.clear(column.len()).scatter(places, values)
    return offered.zip_with(lacks, column)
