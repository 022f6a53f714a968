"""Who asked to be forgotten, as a report may say it: counts, and what follows for other nights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analytics.read import stamp
from analytics.sql import one_row

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Requests to be forgotten that this warehouse has carried out.

    listeners: distinct keys, of whom in_part only what happened before a moment. events: accepted
    events that went with them. last_asked: of the newest request, ISO 8601 UTC; None without one.
    """

    requests: int
    listeners: int
    in_part: int
    events: int
    last_asked: str | None


def read_forgotten(con: DuckDBPyConnection) -> Forgotten:
    """Counts over the table `erasure`; a user who asked twice is one listener."""
    requests, listeners, whole, last_us = one_row(
        con,
        "SELECT count(*), count(DISTINCT key_hash),"
        " count(DISTINCT key_hash) FILTER (before_us IS NULL), max(requested_at_us) FROM erasure",
    )
    (events,) = one_row(con, "SELECT coalesce(sum(erased_n), 0)::BIGINT FROM pipeline_health")
    return Forgotten(
        requests=requests,
        listeners=listeners,
        in_part=listeners - whole,
        events=events,
        last_asked=None if last_us is None else stamp(last_us),
    )
