"""What follows from other fields: the event's ids from each other, derived fields from their parts.

The columnar twin of `Event.completed`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from streams.events.contract import Contract
    from streams.events.event import Derivation


def completed(frame: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """The typed columns with what follows from others filled in."""
    for absent, present in (("event_id", contract.own_id), (contract.own_id, "event_id")):
        nulls_n = frame[absent].null_count()
        if nulls_n == frame.height:
            frame = frame.with_columns(frame[present].alias(absent))
        elif nulls_n > 0 and frame[present].null_count() < frame.height:
            frame = frame.with_columns(pl.coalesce(absent, present).alias(absent))
    for derivation in contract.model.derivations:
        frame = _derived(frame, derivation)
    return frame


def _derived(frame: pl.DataFrame, derivation: Derivation) -> pl.DataFrame:
    """Fill one field; each distinct set of parts is looked at once."""
    field, parts = derivation.field, list(derivation.parts)
    sets = frame.filter(pl.col(field).is_null()).select(parts).drop_nulls().unique()
    if sets.is_empty():
        return frame
    values = pl.Series("derived", [derivation.formula(*row) for row in sets.rows()], pl.String)
    joined = frame.join(sets.with_columns(values), on=parts, how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce(field, "derived").alias(field)).drop("derived")
