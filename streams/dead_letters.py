"""Dead letters: refused messages as rows, and on their way to `<topic>.dlq`."""

from __future__ import annotations

import base64
import json
import uuid
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import polars as pl

from streams.sink import DeadLetter
from streams.warehouse.connect import transaction

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from duckdb import DuckDBPyConnection

    from streams.events.topics import Topic
    from streams.settings import Settings

ENVELOPE_VALUE_BYTES_MAX = 500_000
"""Larger raw values stay in the table alone: as base64 they would outgrow Kafka's own limit."""
PASS_BYTES_MAX = 32_000_000
"""Raw bytes taken from the table at once."""

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:listenback:dead-letter")


def dead_letter_id(topic: str, shard: int, offset: int) -> str:
    """The same message is the same dead letter, however often it is refused."""
    return str(uuid.uuid5(NAMESPACE, f"{topic}/{shard}/{offset}"))


def rows_of(rejected: Mapping[Topic, pl.DataFrame]) -> pl.DataFrame:
    """Rows of the table `dead_letter`. Few by nature, so ids may be made one by one."""
    frames = [
        rows.with_columns(
            pl.Series(
                "dlq_id",
                [dead_letter_id(topic, *at) for at in rows.select("shard", "offset").rows()],
                dtype=pl.String,
            ),
            topic=pl.lit(topic.value),
            forwarded=pl.lit(value=False),
        )
        for topic, rows in rejected.items()
    ]
    return pl.concat(frames)


def waiting(con: DuckDBPyConnection, limit: int, settings: Settings) -> list[DeadLetter]:
    """Stored dead letters that were not yet sent, oldest first; bounded in number and bytes.

    A value too large for an envelope is null there; the table keeps its bytes.
    """
    rows = con.sql(
        "SELECT * EXCLUDE (bytes_n) FROM ("
        '    SELECT dlq_id, topic, shard, "offset", record_time_us, key, error_class, error_type,'
        "    error_message, field_path,"
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
    return [
        DeadLetter(row["dlq_id"], row["topic"], row["key"], envelope(row, settings))
        for row in rows.iter_rows(named=True)
    ]


def mark_forwarded(con: DuckDBPyConnection, dlq_ids: Sequence[str]) -> None:
    """Remember that these were sent; sending twice is harmless, their id is the same."""
    with transaction(con):
        con.execute(
            "UPDATE dead_letter SET forwarded = true WHERE dlq_id IN (SELECT unnest(?))",
            [list(dlq_ids)],
        )


def envelope(row: Mapping[str, Any], settings: Settings) -> bytes:
    """The dead letter envelope of the contract as JSON; the raw bytes travel as base64."""
    return json.dumps(
        {
            "dlq_id": row["dlq_id"],
            "original_topic": row["topic"],
            "original_partition": row["shard"],
            "original_offset": row["offset"],
            "original_timestamp": _rfc3339(row["record_time_us"]),
            "timestamp_type": "create",
            "key_b64": _b64(row["key"]),
            "value_b64": _b64(row["value"]),
            "headers": {},
            "consumer_group": settings.group,
            "worker_id": settings.worker_id,
            "app_version": version("listenback"),
            "error_class": row["error_class"],
            "error_type": row["error_type"],
            "error_message": row["error_message"],
            "field_path": row["field_path"],
            "attempt": 1,
            "replayable": row["value"] is not None,
            "redrive_count": 0,
        }
    ).encode()


def _b64(raw: bytes | None) -> str | None:
    return None if raw is None else base64.b64encode(raw).decode()


def _rfc3339(time_us: int) -> str:
    moment = pl.Series([time_us]).cast(pl.Datetime("us", "UTC"))
    return str(moment.dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")[0])
