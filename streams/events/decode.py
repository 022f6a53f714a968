"""Hold the bytes of a batch against a contract, a column at a time.

Three questions in turn: does a row come out of the message (`read`, and `explain` for the messages
it refuses), does the row agree with itself (the contract's rules), does it agree with its record
(its key, its time). Nothing runs Python for an accepted event, but for those that rely on
CloudEvents headers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from streams.events.batch import Batch, Decoded
from streams.events.cloud_events import said_by_headers
from streams.events.explain import Refusal, explain
from streams.events.limits import Limits
from streams.events.read import read
from streams.events.rules import broken, record_rules, value_rules
from streams.events.source import REASON, REJECTED, SOURCE

if TYPE_CHECKING:
    from streams.events.contract import Contract

__all__ = ["REJECTED", "SOURCE", "Batch", "Decoded", "Limits", "decode"]


def decode(batch: Batch, contract: Contract, limits: Limits) -> Decoded:
    """Split a batch: each of its messages ends in exactly one of accepted and rejected.

    accepted: SOURCE columns and contract.schema. rejected: REJECTED columns: the raw bytes and why.
    Both in offset order.
    """
    records = _records(batch)
    unreadable = broken(records, value_rules(limits))
    readable = _without(records, unreadable)
    frame, is_suspect = read(readable, batch.headers, contract, nesting_max=limits.nesting_max)
    rescued, refused = _explained(readable.filter(is_suspect), batch, contract, limits)
    rows = readable.drop("value").hstack(frame).filter(~is_suspect)
    if rescued.height:
        rescued = rescued.join(records, on="row", maintain_order="left")
        rows = pl.concat([rows, rescued.select(rows.columns)]).sort("row")
    disagreeing = broken(rows, (*record_rules(contract, limits), *contract.rules))
    reasons = pl.concat([unreadable, refused, disagreeing]).sort("row")
    return Decoded(
        accepted=_without(rows, disagreeing).select(*SOURCE, *contract.schema),
        rejected=reasons.join(records, on="row", maintain_order="left").select(*REJECTED),
    )


def _without(rows: pl.DataFrame, refused: pl.DataFrame) -> pl.DataFrame:
    """The rows that are not among the refused; the same frame where none is."""
    if refused.is_empty():
        return rows
    return rows.filter(~pl.col("row").is_in(refused["row"].implode()))


def _records(batch: Batch) -> pl.DataFrame:
    """SOURCE columns, `key` and `value`, and `row`, the place in the batch."""
    return pl.DataFrame(
        {
            "shard": pl.Series([batch.shard], dtype=pl.Int32).new_from_index(0, len(batch)),
            "offset": pl.Series(batch.offsets, dtype=pl.Int64),
            "record_time_us": pl.Series(batch.record_times_ms, dtype=pl.Int64) * 1_000,
            "key": pl.Series(batch.keys, dtype=pl.Binary),
            "value": pl.Series(batch.values, dtype=pl.Binary),
        }
    ).with_row_index("row")


def _explained(
    suspects: pl.DataFrame, batch: Batch, contract: Contract, limits: Limits
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The suspected messages that are well after all, as rows; and the others' reasons."""
    rows: list[dict[str, object]] = []
    refusals: list[tuple[object, ...]] = []
    for row, value in suspects.select("row", "value").rows():
        fill = said_by_headers(batch.headers[row]) if batch.headers else {}
        told = explain(value, contract, fill, nesting_max=limits.nesting_max)
        if isinstance(told, Refusal):
            refusals.append((row, *told))
        else:
            rows.append({"row": row, **told})
    row_type = {"row": pl.get_index_type()}
    rescued = pl.DataFrame(rows, schema={**row_type, **contract.schema}, orient="row")
    return rescued, pl.DataFrame(refusals, schema={**row_type, **REASON}, orient="row")
