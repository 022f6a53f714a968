"""First of each (`source`, `event_id`) stays; the others are counted. CloudEvents' rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

ID = ("source", "event_id")


def firsts(rows: pl.DataFrame, seen: pl.DataFrame) -> pl.DataFrame:
    """Rows whose id is new, in log order.

    Args:
        rows: accepted events of one topic with shard, offset and ID.
        seen: shard and ID of those events that the warehouse already holds.

    Returns: the first occurrence, by offset, of every id that is not in `seen`. An id belongs to a
        shard: the same id under another key is another shard's business, which keeps shards pure.
    """
    key = ["shard", *ID]
    ordered = rows.sort("shard", "offset").unique(key, keep="first", maintain_order=True)
    return ordered.join(seen, on=key, how="anti", maintain_order="left")
