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
        "timestamp_type": pl.String(),
        "key": pl.Binary(),
        "value": pl.Binary(),
        "headers": pl.String(),
        **REASON,
    }
)
"""A refused record: its bytes unchanged, and why.

timestamp_type: who set its time, `create` (the producer) or `log_append` (the broker).
headers: JSON, `[[name, value in base64 or null], ...]` in their order, null where it has none.
"""
