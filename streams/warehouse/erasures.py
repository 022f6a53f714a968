"""Users to forget, as a file knows them: hashes of their keys, and which rows they speak of.

An event is erased when one of its keys belongs to a user who is to be forgotten and, where the
request names a moment, the event happened before it. That is a function of the event and of the
requests, so it does not matter whether the event or the request came first.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from streams.events.contracts import CONTRACTS
from streams.warehouse.connect import frame
from streams.warehouse.layout import FACT_TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from duckdb import DuckDBPyConnection

    from streams.events.topics import Topic

PERSONS = ("user_key", "unit_id", "rater_key")
"""Columns that name a person; the unit of an experiment is one where users are randomised."""
KEYS = pl.Schema({"key": pl.String, "before_us": pl.Int64})
"""Users of some rows who are to be forgotten; before_us null: all of their events."""
KNOWN = pl.Schema({"key_hash": pl.String, "before_us": pl.Int64})
"""Users to forget, by the hash of their key."""
RAW = ("key", "value", "headers", "value_bytes_n")
"""Columns of a dead letter that hold or measure the message itself."""
LETTER_KEYS_MAX = 1_000_000
"""What may be user keys in dead letters, looked up at once, unless one letter holds more: in a
megabyte of hexadecimal digits each is the first of a key."""
EVER_US = 1 << 62
"""Later than any event."""

_HEX = re.compile(rb"(?=([0-9a-fA-F]{64}))")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{86,}")  # 64 characters are 86 in base64


@dataclass(frozen=True, slots=True)
class Request:
    """A user to forget. before_us: only what happened before, microseconds UTC; None: all."""

    request_id: str
    user_key: str
    requested_at_us: int
    before_us: int | None = None

    @property
    def key_hash(self) -> str:
        """What is kept of the key."""
        return key_hash(self.user_key)


def key_hash(user_key: str) -> str:
    """SHA-256 of a user key, as hexadecimal digits."""
    return hashlib.sha256(user_key.encode()).hexdigest()


def persons_of(topic: Topic) -> tuple[str, ...]:
    """The columns of a topic's events that name a person."""
    return tuple(name for name in PERSONS if name in CONTRACTS[topic].schema)


def remember(con: DuckDBPyConnection, requests: Iterable[Request]) -> None:
    """Note requests that are not known yet; inside the caller's transaction."""
    known = {row[0] for row in con.execute("SELECT request_id FROM erasure").fetchall()}
    new = {one.request_id: one for one in requests if one.request_id not in known}
    for one in new.values():
        con.execute(
            "INSERT INTO erasure VALUES (?, ?, ?, ?, false)",
            [one.request_id, one.key_hash, one.before_us, one.requested_at_us],
        )


def known(con: DuckDBPyConnection) -> pl.DataFrame:
    """KNOWN rows: whom the file is to forget."""
    return frame(con, "SELECT DISTINCT key_hash, before_us FROM erasure", KNOWN)


def known_of(requests: Iterable[Request]) -> pl.DataFrame:
    """KNOWN rows of requests that no file has heard of yet."""
    rows = [(one.key_hash, one.before_us) for one in requests]
    return pl.DataFrame(rows, schema=KNOWN, orient="row")


def among(con: DuckDBPyConnection, keys: pl.Series, whom: pl.DataFrame) -> pl.DataFrame:
    """KEYS rows: which of these user keys are those of KNOWN rows."""
    con.register("arriving_key", pl.DataFrame({"key": keys.drop_nulls().unique()}))
    try:
        return _found(con, "arriving_key", whom)
    finally:
        con.unregister("arriving_key")


def _found(con: DuckDBPyConnection, people: str, whom: pl.DataFrame) -> pl.DataFrame:
    """KEYS rows: which `key` of a relation is that of KNOWN rows, however often it stands there.

    The relation is streamed past the few that are looked for, so memory is bounded by those.
    """
    con.register("known_erasure", whom)
    try:
        return frame(
            con,
            "SELECT key, CASE WHEN bool_and(before_us IS NOT NULL) THEN max(before_us) END "
            f"AS before_us FROM {people} JOIN known_erasure ON key_hash = sha256(key) "
            "GROUP BY key",
            KEYS,
        )
    finally:
        con.unregister("known_erasure")


def split(
    con: DuckDBPyConnection, events: Mapping[Topic, pl.DataFrame]
) -> tuple[dict[Topic, pl.DataFrame], dict[Topic, pl.DataFrame]]:
    """The events that are kept and those that are erased, by topic."""
    whom = known(con)
    if whom.is_empty():
        return dict(events), {}
    people = [rows[name] for topic, rows in events.items() for name in persons_of(topic)]
    keys = among(con, pl.concat([one.rename("key") for one in people]), whom)
    if keys.is_empty():
        return dict(events), {}
    hits = {topic: is_erased(topic, rows, keys) for topic, rows in events.items()}
    kept = {topic: rows.filter(~hits[topic]) for topic, rows in events.items()}
    return kept, {topic: rows.filter(hits[topic]) for topic, rows in events.items()}


def is_erased(topic: Topic, rows: pl.DataFrame, keys: pl.DataFrame) -> pl.Series:
    """For each event of a topic whether one of its keys is among KEYS, and in its scope."""
    until = _until(keys)
    hits = [
        pl.col("event_time_us")
        < pl.col(name).replace_strict(until, default=None, return_dtype=pl.Int64)
        for name in persons_of(topic)
    ]
    none = pl.repeat(value=False, n=rows.height, dtype=pl.Boolean, eager=True)
    return rows.select(hit=pl.any_horizontal(hits).fill_null(value=False))["hit"] if hits else none


def named_in(con: DuckDBPyConnection, letters: pl.DataFrame, whom: pl.DataFrame) -> pl.Series:
    """For each row of `dead_letter` whether its bytes name somebody of KNOWN.

    A refused message has no event time that one could trust: the log's time stands in for it.
    """
    told: list[bool] = []
    waiting: list[tuple[frozenset[str], int]] = []
    keys_n = 0
    for key, value, headers, time_us in letters.select(*RAW[:3], "record_time_us").rows():
        keys = keys_in(key or b"", value or b"", (headers or "").encode())
        if waiting and keys_n + len(keys) > LETTER_KEYS_MAX:
            told += _named(con, waiting, whom)
            waiting, keys_n = [], 0
        waiting.append((keys, time_us))
        keys_n += len(keys)
    return pl.Series("named", told + _named(con, waiting, whom), dtype=pl.Boolean)


def _named(
    con: DuckDBPyConnection, letters: Sequence[tuple[frozenset[str], int]], whom: pl.DataFrame
) -> list[bool]:
    """For each letter, what may be keys in it and its time, whether it names one of KNOWN."""
    found = pl.Series(list(frozenset().union(*(keys for keys, _ in letters))), dtype=pl.String)
    until = _until(among(con, found, whom))
    return [any(time_us < until[one] for one in keys & until.keys()) for keys, time_us in letters]


def redacted(con: DuckDBPyConnection, letters: pl.DataFrame) -> pl.DataFrame:
    """Rows of `dead_letter`, those that name somebody to forget without their bytes."""
    if letters.is_empty() or (whom := known(con)).is_empty():
        return letters
    gone = named_in(con, letters, whom)
    return letters.with_columns(
        *(pl.when(~gone).then(name).alias(name) for name in RAW),
        is_whole=pl.col("is_whole") & ~gone,
    )


def _until(keys: pl.DataFrame) -> dict[str, int]:
    """User key -> the moment before which its events are erased."""
    return dict(keys.with_columns(pl.col("before_us").fill_null(EVER_US)).rows())


def keys_in(*raw: bytes) -> frozenset[str]:
    """Everything in these bytes that may be a user key: 64 hexadecimal digits, also in base64."""
    found = {key.decode().lower() for one in raw for key in _HEX.findall(one)}
    for one in raw:
        for run in _BASE64.findall(one):
            for start in range(4):
                found |= {key.decode().lower() for key in _HEX.findall(_decoded(run[start:]))}
    return frozenset(found)


def _decoded(text: bytes) -> bytes:
    """What base64 characters say; a last one that says nothing alone is left out."""
    whole = text[: len(text) - (len(text) % 4 == 1)]
    return base64.b64decode(whole + b"=" * (-len(whole) % 4))


def fact_condition(topic: Topic, keys: str = "erased_key") -> str:
    """SQL: whether a row `t` of a topic's facts is erased by a registered KEYS frame."""
    hits = [
        f"EXISTS (SELECT 1 FROM {keys} k WHERE k.key = t.{name} "
        "AND (k.before_us IS NULL OR t.event_time_us < k.before_us))"
        for name in persons_of(topic)
    ]
    return f"({' OR '.join(hits)})" if hits else "false"


def facts_keys(con: DuckDBPyConnection, whom: pl.DataFrame) -> pl.DataFrame:
    """KEYS rows: who of KNOWN has facts. Reads the persons' columns of all facts."""
    people = [
        f"SELECT {name} AS key FROM {table}"
        for topic, table in FACT_TABLES.items()
        for name in persons_of(topic)
    ]
    return _found(con, f"({' UNION ALL '.join(people)})", whom)
