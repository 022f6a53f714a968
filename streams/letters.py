"""Dead letters to look at and decide on, from the published warehouse or from `<topic>.dlq`."""

from __future__ import annotations

import base64
import contextlib
import json
import logging
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

import duckdb
import polars as pl
from kafka import TopicPartition
from pydantic import ValidationError

from streams import decisions
from streams.errors import ConfigError
from streams.events.dead_letter import DeadLetterEnvelope
from streams.events.topics import JOINED_TOPICS, dead_letter_topic
from streams.original_records import consumer, until_silent
from streams.topics import partition_counts
from streams.unreadable import is_unreadable
from streams.warehouse.layout import SQL_TYPES, TABLES
from streams.warehouse.reading import open_warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from streams.settings import Settings

log = logging.getLogger(__name__)

ENVELOPES_MAX: Final = 200_000
"""Envelopes read from Kafka at once; the warehouse has no such bound."""
STATES: Final = ("open", "redriven", "discarded")
LETTER: Final = """
CREATE TEMP VIEW letter AS
SELECT l.* EXCLUDE (forwarded), coalesce(d.decision, 'open') AS state,
    d.decided_at_us, d.decided_by, d.why
FROM dead_letter l LEFT JOIN decided d ON d.dlq_id = l.dlq_id
"""
COUNTS: Final = """
SELECT topic, error_class, error_type, count(*) AS rows_n,
    count(*) FILTER (state = 'open') AS open_n,
    count(*) FILTER (state = 'redriven') AS redriven_n,
    count(*) FILTER (state = 'discarded') AS discarded_n,
    max(record_time_us) AS newest_us
FROM letter {where} GROUP BY ALL ORDER BY rows_n DESC, topic, error_class, error_type
"""
REFUSED: Final = """
SELECT topic, error_class, error_type, sum(refused_n)::BIGINT FROM dead_letter_count GROUP BY ALL
"""
ORDER: Final = 'ORDER BY record_time_us, topic, shard, "offset"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which letters; what is None does not matter. since_us: by the log's time, inclusive."""

    topic: str | None = None
    error_class: str | None = None
    error_type: str | None = None
    state: str | None = None
    since_us: int | None = None

    def sql(self) -> tuple[str, dict[str, Any]]:
        """A WHERE clause and its parameters."""
        given = {
            one.name: value
            for one in fields(self)
            if (value := getattr(self, one.name)) is not None
        }
        tests = [
            "record_time_us >= $since_us" if name == "since_us" else f"{name} = ${name}"
            for name in given
        ]
        return f"WHERE {' AND '.join(tests)}" if tests else "", given


@contextlib.contextmanager
def opened(
    settings: Settings, *, is_from_kafka: bool = False, warehouse: Path | None = None
) -> Iterator[DuckDBPyConnection]:
    """A connection with the view `letter`: dead letters and what was decided on each.

    Raises:
        ConfigError: there is no warehouse. TransientError: no broker answers.
    """
    if is_from_kafka:
        con = duckdb.connect(":memory:")
        con.register("dead_letter", from_kafka(settings))
    else:
        con = open_warehouse(warehouse or settings.warehouse_file)
    try:
        con.register("decided", decisions.decided(decisions.path_of(settings)))
        con.execute(LETTER)
        yield con
    finally:
        con.close()


def one_letter(con: DuckDBPyConnection, dlq_id: str) -> dict[str, Any]:
    """The letter of this id, or of the only id that begins so.

    Raises:
        ConfigError: there is none, or more than one.
    """
    sql = "SELECT * FROM letter WHERE starts_with(dlq_id, $id) LIMIT 2"
    rows: list[dict[str, Any]] = con.sql(sql, params={"id": dlq_id.lower()}).pl().to_dicts()
    if len(rows) == 1:
        return rows[0]
    raise ConfigError(
        "more than one dead letter begins so." if rows else "there is no such dead letter here.",
        where=dlq_id,
        todo="`listenback dlq list` names them; what no snapshot holds yet: --from kafka.",
    )


def newest(con: DuckDBPyConnection, wanted: Wanted, limit: int | None) -> list[dict[str, Any]]:
    """Whole letters, newest first; None: all."""
    where, params = wanted.sql()
    last = 'ORDER BY record_time_us DESC, topic, shard, "offset" DESC'
    cut = "" if limit is None else f"LIMIT {limit}"
    return _asked(con, f"SELECT * FROM letter {where} {last} {cut}", params)


def chosen(
    con: DuckDBPyConnection, ids: Sequence[str] | None, wanted: Wanted
) -> list[dict[str, Any]]:
    """The letters named, or those that the filters leave, oldest first; without their bytes.

    Raises:
        ConfigError: a name fits none or several, or names and filters are both given.
    """
    where, params = wanted.sql()
    if ids and where:
        raise ConfigError("name letters or filter them, not both.", where="listenback dlq")
    if ids:
        return [one_letter(con, one) for one in dict.fromkeys(ids)]
    names = "dlq_id, error_class, error_type, state, is_whole"
    return _asked(con, f"SELECT {names} FROM letter {where} {ORDER}", params)


def whole(con: DuckDBPyConnection, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Whole rows of these letters, in the order of the log."""
    sql = f"SELECT * FROM letter WHERE dlq_id IN (SELECT unnest($ids)) {ORDER}"
    return _asked(con, sql, {"ids": list(ids)})


def counted(con: DuckDBPyConnection, wanted: Wanted, *, has_refused: bool) -> list[dict[str, Any]]:
    """Per topic and kind: all that were refused, those with a row, and what was decided.

    has_refused: whether the table `dead_letter_count` is there and fits what is wanted.
    """
    where, params = wanted.sql()
    kinds = _asked(con, COUNTS.format(where=where), params)
    refused = {row[:3]: row[3] for row in con.sql(REFUSED).fetchall()} if has_refused else {}
    for one in kinds:
        one["refused_n"] = refused.get((one["topic"], one["error_class"], one["error_type"]))
    return kinds


def _asked(con: DuckDBPyConnection, sql: str, params: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = con.sql(sql, params=params).pl().to_dicts()
    return found


def from_kafka(settings: Settings) -> pl.DataFrame:
    """Rows as those of the table `dead_letter`, from the envelopes on `<topic>.dlq`.

    What was sent twice is there once. What is no envelope or cannot be read is passed over, with a
    warning, and counted.

    Raises:
        TransientError: no broker answers.
    """
    found: dict[str, dict[str, Any]] = {}
    passed_n = 0
    counts = partition_counts(settings)
    names = [settings.topic(dead_letter_topic(topic)) for topic in JOINED_TOPICS]
    tps = [TopicPartition(name, p) for name in names for p in range(counts.get(name, 0))]
    with consumer(settings) as client:
        client.assign(tps)
        client.seek_to_beginning()
        for record in until_silent(client):
            row = _row_of(record)
            if row is None:
                passed_n += 1
                continue
            found[row["dlq_id"]] = row
            if len(found) >= ENVELOPES_MAX:
                log.warning("only %d envelopes were read; the warehouse has all", len(found))
                break
    if passed_n:
        log.warning("passed over %d records or batches of the dead-letter topics", passed_n)
    kinds = {kind: dtype for dtype, kind in SQL_TYPES.items()}
    columns = TABLES["dead_letter"].columns
    schema = {name: kinds[kind] for name, kind in columns.items()}
    return pl.DataFrame(list(found.values()), schema=schema, orient="row")


def _row_of(record: Any) -> dict[str, Any] | None:  # noqa: ANN401 - kafka-python has no types
    """The table's row of a record of a dead-letter topic; None, and said: it holds none."""
    if is_unreadable(record):
        return None
    row = _row(record.value)
    if row is None:
        place = f"{record.topic}[{record.partition}]@{record.offset}"
        log.warning("%s: is no dead letter and was passed over", place)
    return row


def _row(value: bytes | None) -> dict[str, Any] | None:
    """The table's row of an envelope; None where it is none."""
    try:
        sent = json.loads(value or b"")
        told = DeadLetterEnvelope.model_validate(sent)
        value = _raw(told.value_b64)
        return {
            "dlq_id": told.dlq_id,
            "topic": told.original_topic,
            "shard": told.original_partition,
            "offset": told.original_offset,
            "record_time_us": told.original_timestamp_us,
            "timestamp_type": told.timestamp_type,
            "key": _raw(told.key_b64),
            "value": value,
            "headers": json.dumps(sent["headers"]) if sent.get("headers") else None,
            "value_bytes_n": told.value_bytes_n,
            "is_whole": value is not None or told.value_bytes_n is None,
            "error_class": told.error_class,
            "error_type": told.error_type,
            "error_message": told.error_message,
            "field_path": told.field_path,
            "redrive_of": told.redrive_of,
            "redrive_count": told.redrive_count or 0,
            "first_failed_at_us": told.first_failed_at_us,
            "forwarded": True,
        }
    except (ValueError, ValidationError):
        return None


def _raw(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)
