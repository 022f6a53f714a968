"""First of each (`source`, `event_id`) stays; the others are counted. CloudEvents' rule.

An id belongs to a shard: the same id under another key is another shard's business, which keeps
shards pure. Ids are compared by the edge, in whose hands the hashes of the earlier ones are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


def firsts(rows: pl.DataFrame, repeated: pl.DataFrame) -> pl.DataFrame:
    """Rows whose id is new.

    Args:
        rows: accepted events of one topic.
        repeated: shard and offset of those whose id the warehouse holds, or a row of a smaller
            offset has.
    """
    if repeated.is_empty():
        return rows
    return rows.join(repeated, on=["shard", "offset"], how="anti", maintain_order="left")
