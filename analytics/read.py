"""What the published file says about itself: how far it is, which experiments it holds."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analytics.data_trust import DeadLetters, TopicBalance, Trust
from analytics.sql import one_row
from streams.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

NEEDED = ("unit_day", "exposure", "generation", "generation_score", "pipeline_health")
ORPHANS_SHARE_LOOK = 0.05
"""Share of generations without an exposure from which on someone should look."""
REFUSED_SHARE_LOOK = 0.01
"""Share of dead letters of what was read, likewise."""
SHARD_BEHIND_LOOK_S = 86_400
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
TOPICS = """\
SELECT topic, sum(read_n)::BIGINT AS read_n, sum(accepted_n)::BIGINT AS accepted_n,
    sum(duplicate_n)::BIGINT AS duplicate_n, sum(dead_lettered_n)::BIGINT AS dead_lettered_n,
    sum(late_n)::BIGINT AS late_n, sum(unknown_enum_n)::BIGINT AS unknown_enum_n,
    bool_and(is_balanced) AS is_balanced
FROM pipeline_health GROUP BY topic ORDER BY topic"""
DEAD_LETTERS = """\
SELECT topic, coalesce(error_class, 'unknown') AS error_class, sum(refused_n)::BIGINT AS n
FROM dead_letter_count GROUP BY ALL ORDER BY n DESC, topic, error_class"""
GENERATIONS = """\
SELECT count(*) AS generations, count(*) FILTER (first_exposure_us IS NULL) AS orphans
FROM generation"""
PROGRESS = """\
SELECT strftime(make_timestamp(min(watermark_us)), '%Y-%m-%dT%H:%M:%SZ') AS watermark,
    (max(watermark_us) - min(watermark_us)) / 1e6 AS slowest_shard_behind_s
FROM pipeline_health"""


@dataclass(frozen=True, slots=True)
class Seen:
    """An experiment as the data has it: units by variant and unit type, first days."""

    experiment_id: str
    variant_id: str
    unit_type: str
    units: int
    multiple: int
    with_past: int
    first_day: dt.date
    last_day: dt.date


def check_warehouse(con: DuckDBPyConnection, where: str) -> None:
    """ConfigError where the open file lacks what a report reads."""
    rows = con.execute(
        "SELECT table_name FROM duckdb_tables() UNION SELECT view_name FROM duckdb_views()"
    ).fetchall()
    missing = [name for name in NEEDED if (name,) not in rows]
    if missing:
        raise ConfigError(
            f"this is no listenback warehouse: it has no {', '.join(missing)}.",
            where=where,
            todo="Name a published warehouse.duckdb with --warehouse.",
        )


def watermark_us(con: DuckDBPyConnection) -> int | None:
    """How far the slowest shard has come in event time; None for a file without events."""
    (mark,) = one_row(con, "SELECT min(watermark_us) FROM pipeline_health")
    return None if mark is None else int(mark)


def data_day(con: DuckDBPyConnection) -> dt.date | None:
    """The UTC day that the data is in the middle of; the days before it are over."""
    us = watermark_us(con)
    if us is not None:
        return moment(us).date()
    (day,) = one_row(con, "SELECT max(day) FROM unit_day")
    return day if isinstance(day, dt.date) else None


def moment(us: int) -> dt.datetime:
    """Microseconds UTC as a moment."""
    return EPOCH + dt.timedelta(microseconds=us)


def seen_experiments(con: DuckDBPyConnection, table: str) -> tuple[Seen, ...]:
    """What the folded units hold, per experiment, variant and unit type."""
    rows = con.execute(f"""
        SELECT experiment_id, variant_id, unit_type,
            count(*) FILTER (NOT is_multiple), count(*) FILTER (is_multiple),
            count(*) FILTER (has_past), min(first_day), max(first_day)
        FROM {table} GROUP BY ALL ORDER BY ALL
    """).fetchall()
    return tuple(Seen(*row) for row in rows)


def read_trust(con: DuckDBPyConnection, *, now_us: int) -> Trust:
    """Balance, dead letters, orphans and freshness, with what is not as it should be in words."""
    topics = _topics(con)
    dead = con.execute(DEAD_LETTERS).fetchall()
    generations, orphans = one_row(con, GENERATIONS)
    mark = watermark_us(con)
    _, behind_s = one_row(con, PROGRESS)
    bad = _unbalanced(topics)
    look = _worth_a_look(topics, generations, orphans, behind_s)
    return Trust(
        level="bad" if bad else "look" if look else "good",
        findings=(*bad, *look),
        watermark=None if mark is None else stamp(mark),
        watermark_lag_s=None if mark is None else (now_us - mark) / 1e6,
        slowest_shard_behind_s=behind_s,
        generations=generations,
        orphans=orphans,
        topics=topics,
        dead_letters=tuple(DeadLetters(*row) for row in dead),
    )


def stamp(us: int) -> str:
    """ISO 8601, UTC, whole seconds."""
    return moment(us).isoformat(timespec="seconds").replace("+00:00", "Z")


def _topics(con: DuckDBPyConnection) -> tuple[TopicBalance, ...]:
    rows = con.execute(TOPICS).fetchall()
    return tuple(TopicBalance(*row) for row in rows)


def _unbalanced(topics: Sequence[TopicBalance]) -> tuple[str, ...]:
    return tuple(
        f"{topic.topic}: {topic.read:,} read, but accepted, duplicate and dead-lettered messages"
        f" sum to {topic.accepted + topic.duplicate + topic.dead_lettered:,}"
        for topic in topics
        if not topic.balanced
    )


def _worth_a_look(
    topics: Sequence[TopicBalance], generations: int, orphans: int, behind_s: float | None
) -> tuple[str, ...]:
    found = [
        f"{topic.topic}: {topic.dead_lettered / topic.read:.1%} of the messages were refused"
        for topic in topics
        if topic.read and topic.dead_lettered / topic.read > REFUSED_SHARE_LOOK
    ]
    if generations and orphans / generations > ORPHANS_SHARE_LOOK:
        found.append(f"{orphans / generations:.1%} of the generations wait for their exposure")
    if behind_s is not None and behind_s > SHARD_BEHIND_LOOK_S:
        days = behind_s / 86_400
        found.append(f"one shard is {days:.1f} days behind the others, and holds the rest back")
    return tuple(found)
