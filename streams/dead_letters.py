"""Dead letters: refused messages as rows, and on their way to `<topic>.dlq`."""

from __future__ import annotations

import datetime as dt
import json
import logging
import uuid
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import polars as pl

from streams.engine import flood
from streams.events.dead_letter import is_replayable
from streams.events.record_headers import base64_of, headers_of
from streams.events.redriven import redriven
from streams.sink import DeadLetter
from streams.warehouse.connect import frame, transaction

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from duckdb import DuckDBPyConnection

    from streams.events.topics import Topic
    from streams.settings import Settings

log = logging.getLogger(__name__)

ENVELOPE_VALUE_BYTES_MAX = 500_000
"""Larger raw values stay in the table alone: as base64 they would outgrow Kafka's own limit."""
PASS_BYTES_MAX = 32_000_000
"""Raw bytes taken from the table at once."""

EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - UTC; what is written ends with Z
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:listenback:dead-letter")
REDRIVEN = {
    "redrive_of": pl.String(),
    "redrive_count": pl.Int64(),
    "first_failed_at_us": pl.Int64(),
}


@dataclass(frozen=True, slots=True)
class Letters:
    """What a flush writes of its refused messages, within the bounds.

    rows: of the table `dead_letter`. counts: of the table `dead_letter_count`, whole.
    """

    rows: pl.DataFrame
    counts: pl.DataFrame


def dead_letter_id(topic: str, shard: int, offset: int) -> str:
    """The same message is the same dead letter, however often it is refused."""
    return str(uuid.uuid5(NAMESPACE, f"{topic}/{shard}/{offset}"))


def booked(
    con: DuckDBPyConnection, rejected: Mapping[Topic, pl.DataFrame], bounds: flood.Bounds
) -> Letters:
    """The rows and counts of a flush's refused messages (REJECTED frames by topic)."""
    size = sum((pl.col(name).bin.size().fill_null(0) for name in ("key", "value")), pl.lit(0))
    size += pl.col("headers").str.len_bytes().fill_null(0)
    refused = pl.concat(
        rows.with_columns(topic=pl.lit(topic.value), raw_bytes_n=size.cast(pl.Int64))
        for topic, rows in rejected.items()
    )
    if refused.is_empty():
        return Letters(refused, pl.DataFrame(schema=flood.COUNTS))
    before = _counted(con, refused)
    rows, counts = flood.bounded(refused, before, bounds)
    _tell_of_floods(before, counts)
    return Letters(_rows(rows), counts)


def _tell_of_floods(before: pl.DataFrame, counts: pl.DataFrame) -> None:
    """One warning for each kind of error and block where from now on messages are only counted."""
    cut = pl.col("refused_n") > pl.col("whole_n")
    begun = counts.filter(cut).join(before.filter(cut), on=list(flood.KEY), how="anti")
    for row in begun.iter_rows(named=True):
        log.warning(
            "a flood of dead letters in %s[%d]: %d %s/%s from offset %d to %d; what is beyond "
            "dead_letter_rows_max and dead_letter_bytes_max is counted, its bytes stay in Kafka",
            row["topic"],
            row["shard"],
            row["refused_n"],
            row["error_class"],
            row["error_type"],
            row["first_offset"],
            row["last_offset"],
        )


def _counted(con: DuckDBPyConnection, refused: pl.DataFrame) -> pl.DataFrame:
    """flood.COUNTS rows of the blocks that these messages lie in, as stored."""
    blocks = refused.select("topic", "shard", block_offset=flood.block_offset()).unique()
    con.register("touched_block", blocks)
    try:
        return frame(
            con,
            "SELECT t.* FROM dead_letter_count t SEMI JOIN touched_block r "
            "ON t.topic = r.topic AND t.shard = r.shard AND t.block_offset = r.block_offset",
            flood.COUNTS,
        )
    finally:
        con.unregister("touched_block")


def _rows(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of the table `dead_letter`. Bounded by now, so ids may be made one by one."""
    ids = [dead_letter_id(*at) for at in rows.select("topic", "shard", "offset").rows()]
    said = [redriven(headers_of(text)) for text in rows["headers"]]
    raw = [pl.when("is_whole").then(name).alias(name) for name in ("key", "value", "headers")]
    return (
        rows.with_columns(
            pl.Series("dlq_id", ids, dtype=pl.String),
            pl.DataFrame(said, schema=REDRIVEN, orient="row").to_struct("redriven"),
            *raw,
            value_bytes_n=pl.col("value").bin.size().cast(pl.Int64),
            forwarded=pl.lit(value=False),
        )
        .unnest("redriven")
        .with_columns(pl.col("first_failed_at_us").fill_null(pl.col("record_time_us")))
    )


def waiting(con: DuckDBPyConnection, limit: int, settings: Settings) -> list[DeadLetter]:
    """Stored dead letters that were not yet sent, oldest first; bounded in number and bytes.

    A value too large for an envelope is null there; the table keeps its bytes.
    """
    rows = con.sql(
        "SELECT * EXCLUDE (bytes_n) FROM ("
        "    SELECT * EXCLUDE (value, forwarded),"
        "    CASE WHEN octet_length(value) <= $value_max THEN value END AS value,"
        "    sum(least(coalesce(octet_length(value), 0), $value_max))"
        '        OVER (ORDER BY record_time_us, topic, shard, "offset") AS bytes_n'
        "    FROM dead_letter WHERE NOT forwarded"
        ') WHERE bytes_n <= $pass_max ORDER BY record_time_us, topic, shard, "offset" LIMIT $limit',
        params={
            "limit": limit,
            "value_max": ENVELOPE_VALUE_BYTES_MAX,
            "pass_max": PASS_BYTES_MAX,
        },
    ).pl()
    reader = {
        "consumer_group": settings.group,
        "worker_id": settings.worker_id,
        "app_version": version("listenback"),
        "config_hash": settings.config_hash,
    }
    return [
        DeadLetter(row["dlq_id"], row["topic"], row["key"], envelope(row, reader))
        for row in rows.iter_rows(named=True)
    ]


def mark_forwarded(con: DuckDBPyConnection, dlq_ids: Sequence[str]) -> None:
    """Remember that these were sent; sending twice is harmless, their id is the same."""
    with transaction(con):
        con.execute(
            "UPDATE dead_letter SET forwarded = true WHERE dlq_id IN (SELECT unnest(?))",
            [list(dlq_ids)],
        )


def envelope(row: Mapping[str, Any], reader: Mapping[str, str]) -> bytes:
    """The dead letter envelope of the contract as JSON; the raw bytes travel as base64.

    reader: who refused it.

    When it failed is said by the log's time, so that a replay says the same.
    """
    return json.dumps(
        {
            "dlq_id": row["dlq_id"],
            "original_topic": row["topic"],
            "original_partition": row["shard"],
            "original_offset": row["offset"],
            "original_timestamp": rfc3339(row["record_time_us"]),
            "timestamp_type": row["timestamp_type"],
            "key_b64": base64_of(row["key"]),
            "value_b64": base64_of(row["value"]),
            "value_bytes_n": row["value_bytes_n"],
            "headers": json.loads(row["headers"] or "[]"),
            **reader,
            "error_class": row["error_class"],
            "error_type": row["error_type"],
            "error_message": row["error_message"],
            "field_path": row["field_path"],
            "attempt": row["redrive_count"] + 1,
            "first_failed_at": rfc3339(row["first_failed_at_us"]),
            "last_failed_at": rfc3339(row["record_time_us"]),
            "replayable": is_replayable(row["error_class"], row["error_type"]),
            "redrive_of": row["redrive_of"],
            "redrive_count": row["redrive_count"],
        }
    ).encode()


def rfc3339(time_us: int) -> str:
    """The moment in UTC, to the microsecond."""
    moment = EPOCH + dt.timedelta(microseconds=time_us)
    return moment.isoformat(timespec="microseconds") + "Z"
