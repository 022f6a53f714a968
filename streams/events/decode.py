"""Hold the bytes of a batch against a contract, a column at a time.

Three questions in turn: does a row come out of the message (`read`, and `explain` for the messages
it refuses), does the row agree with itself (the contract's rules), does it agree with its record
(its key, its time). Nothing runs Python for an accepted event, but for those that rely on
CloudEvents headers.
"""

from __future__ import annotations

from itertools import chain, repeat
from typing import TYPE_CHECKING, Final

import polars as pl

from streams.events.batch import Batch, Decoded
from streams.events.cloud_events import said_by_headers
from streams.events.dead_letter import ErrorClass
from streams.events.explain import Refusal, explain
from streams.events.limits import Limits
from streams.events.read import read
from streams.events.record_headers import headers_json
from streams.events.record_rules import event_rules, value_rules
from streams.events.source import REASON, REJECTED, SOURCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.events.contract import Contract
    from streams.events.record_headers import Header

READ_ROWS_MAX: Final = 65_536
"""Rows read at once: reading takes several times the memory of what is read."""
TIMESTAMP_TYPES: Final = {0: "create", 1: "log_append"}
"""Kafka's codes."""
BATCH_UNREADABLE: Final = "batch_unreadable"

__all__ = ["REJECTED", "SOURCE", "Batch", "Decoded", "Limits", "decode", "decode_all"]


def decode(batch: Batch, contract: Contract, limits: Limits) -> Decoded:
    """Split a batch: each of its messages ends in exactly one of accepted and rejected.

    accepted: SOURCE columns and contract.schema. rejected: REJECTED columns: the raw bytes and why.
    Both in offset order.
    """
    return decode_all([batch], contract, limits)


def decode_all(batches: Sequence[Batch], contract: Contract, limits: Limits) -> Decoded:
    """Split several batches of one topic at once; of any shards, in the order given.

    The rows are those of each batch alone. A call costs about 10 ms beside its messages, so what
    reads small fetches gathers some before it decodes.
    """
    records = _records(batches)
    headers = _headers(batches)
    unread = _unread(batches, records)
    empty = value_rules(limits).broken(_without(records, unread))
    unreadable = pl.concat([unread, empty]).sort("row")
    readable = _without(records, unreadable)
    frame, is_suspect = _read(readable, headers, contract, limits)
    rows = readable.drop("value").hstack(frame)
    refused = unreadable.clear()
    if is_suspect.any():
        rescued, refused = _explained(readable.filter(is_suspect), headers, contract, limits)
        rescued = rescued.join(records, on="row", maintain_order="left").select(rows.columns)
        rows = pl.concat([rows.filter(~is_suspect), rescued]).sort("row")
    disagreeing = event_rules(contract, limits).broken(rows)
    reasons = pl.concat([unreadable, refused, disagreeing]).sort("row")
    return Decoded(
        accepted=_without(rows, disagreeing).select(*SOURCE, *contract.schema),
        rejected=_rejected(reasons, records, batches, headers),
    )


def _unread(batches: Sequence[Batch], records: pl.DataFrame) -> pl.DataFrame:
    """Records that stand for what the fetch could not read: `row` and REASON columns."""
    told: list[tuple[object, ...]] = []
    begin = 0
    for batch in batches:
        told += [
            (begin + row, ErrorClass.DECODE, BATCH_UNREADABLE, batch.unreadable[offset], None)
            for row, offset in enumerate(batch.offsets if batch.unreadable else ())
            if offset in batch.unreadable
        ]
        begin += len(batch)
    return pl.DataFrame(told, schema={"row": records.schema["row"], **REASON}, orient="row")


def _rejected(
    reasons: pl.DataFrame,
    records: pl.DataFrame,
    batches: Sequence[Batch],
    headers: Sequence[Sequence[Header]],
) -> pl.DataFrame:
    """REJECTED rows: the refused records as they came; of these few the headers are looked at."""
    if reasons.is_empty():
        return pl.DataFrame(schema=REJECTED)
    rows = reasons["row"].to_list()
    types = _timestamp_types(batches)
    told = reasons.with_columns(
        pl.Series("timestamp_type", [TIMESTAMP_TYPES.get(types[row], "unknown") for row in rows])
        if types
        else pl.lit(TIMESTAMP_TYPES[0]).alias("timestamp_type"),
        pl.Series(
            "headers", [headers_json(headers[row]) if headers else None for row in rows], pl.String
        ),
    )
    return told.join(records, on="row", maintain_order="left").select(*REJECTED)


def _timestamp_types(batches: Sequence[Batch]) -> Sequence[int]:
    """Who set the time of each record; nothing where producers set all of them."""
    if not any(batch.timestamp_types for batch in batches):
        return ()
    return list(
        chain.from_iterable(batch.timestamp_types or repeat(0, len(batch)) for batch in batches)
    )


def _without(rows: pl.DataFrame, refused: pl.DataFrame) -> pl.DataFrame:
    """The rows that are not among the refused; the same frame where none is."""
    if refused.is_empty():
        return rows
    return rows.filter(~pl.col("row").is_in(refused["row"].implode()))


def _records(batches: Sequence[Batch]) -> pl.DataFrame:
    """SOURCE columns, `key` and `value`, and `row`, the place among all records."""
    frames = [pl.DataFrame(schema={**SOURCE, "key": pl.Binary(), "value": pl.Binary()})]
    frames += [
        pl.DataFrame(
            {
                "shard": pl.repeat(batch.shard, len(batch), dtype=pl.Int32, eager=True),
                "offset": pl.Series(batch.offsets, dtype=pl.Int64),
                "record_time_us": pl.Series(batch.record_times_ms, dtype=pl.Int64) * 1_000,
                "key": pl.Series(batch.keys, dtype=pl.Binary),
                "value": pl.Series(batch.values, dtype=pl.Binary),
            }
        )
        for batch in batches
    ]
    return pl.concat(frames).rechunk().with_row_index("row")


def _headers(batches: Sequence[Batch]) -> Sequence[Sequence[Header]]:
    """The headers of all records; none where no batch came with any."""
    if not any(batch.headers for batch in batches):
        return ()
    return list(chain.from_iterable(batch.headers or repeat((), len(batch)) for batch in batches))


def _read(
    readable: pl.DataFrame,
    headers: Sequence[Sequence[Header]],
    contract: Contract,
    limits: Limits,
) -> tuple[pl.DataFrame, pl.Series]:
    """What `read` says of all rows, asked a bounded number at a time."""
    starts = range(0, max(readable.height, 1), READ_ROWS_MAX)
    slices = (readable.slice(start, READ_ROWS_MAX) for start in starts)
    told = [read(rows, headers, contract, nesting_max=limits.nesting_max) for rows in slices]
    return pl.concat([frame for frame, _ in told]), pl.concat([suspect for _, suspect in told])


def _explained(
    suspects: pl.DataFrame,
    headers: Sequence[Sequence[Header]],
    contract: Contract,
    limits: Limits,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The suspected messages that are well after all, as rows; and the others' reasons."""
    rows: list[dict[str, object]] = []
    refusals: list[tuple[object, ...]] = []
    for row, value in suspects.select("row", "value").rows():
        fill = said_by_headers(headers[row]) if headers else {}
        told = explain(value, contract, fill, nesting_max=limits.nesting_max)
        if isinstance(told, Refusal):
            refusals.append((row, *told))
        else:
            rows.append({"row": row, **told})
    row_type = {"row": pl.get_index_type()}
    rescued = pl.DataFrame(rows, schema={**row_type, **contract.schema}, orient="row")
    return rescued, pl.DataFrame(refusals, schema={**row_type, **REASON}, orient="row")
