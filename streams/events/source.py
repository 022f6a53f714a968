"""The columns around every event: where its record stands, and what became of a refused one."""

from __future__ import annotations

from typing import Final

import polars as pl

SOURCE: Final = pl.Schema({"shard": pl.Int32(), "offset": pl.Int64(), "record_time_us": pl.Int64()})
"""First columns of every frame; record_time_us is the record's own Kafka time."""

REASON: Final = pl.Schema(
    {
        "error_class": pl.String(),
        "error_type": pl.String(),
        "error_message": pl.String(),
        "field_path": pl.String(),
    }
)
"""Why a record was refused (`dead_letter.ErrorClass`)."""

REJECTED: Final = pl.Schema(
    {
        **SOURCE,
        "key": pl.Binary(),
        "value": pl.Binary(),
        **REASON,
    }
)
"""A refused record: its bytes unchanged, and why."""
