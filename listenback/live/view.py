"""What the live page shows: one frozen value, read from published files alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import duckdb

from streams.errors import ListenbackError
from streams.warehouse.reading import open_warehouse
from streams.warehouse.trouble import damage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from duckdb import DuckDBPyConnection

WINDOWS_MAX = 180
"""How far the page looks back, in windows of the chosen size."""
PLAYS_MIN = 20.0
"""Plays a window from which on a line shows more than single listeners come and go."""
NIGHTS_MAX = 60
ROLES = {"success": "success", "guardrails": "guardrail", "deterioration": "deterioration"}
"""Where a verdict keeps its comparisons, and what each of them is."""
HEALTH = """
SELECT topic, shard, read_n, accepted_n, duplicate_n, dead_lettered_n, is_balanced, late_n,
    orphans_n, epoch_us(newest_record_at) AS newest_record_us, watermark_us
FROM pipeline_health ORDER BY topic, shard
"""
SIZES = """
SELECT size_s, sum(starts_n)::BIGINT AS starts_n,
    least($limit, 1 + any_value(epoch_us(newest) - epoch_us(first)) // (1000000 * size_s::BIGINT))
FROM (
    SELECT size_s, starts_n, window_start,
        min(window_start) OVER (PARTITION BY size_s) AS first,
        max(window_start) OVER (PARTITION BY size_s) AS newest
    FROM window_aggregate WHERE basis = 'activity' AND attribution = 'all'
)
WHERE window_start > newest - to_seconds(size_s * $limit) GROUP BY size_s ORDER BY size_s
"""
WINDOWS = """
WITH seen AS (
    SELECT size_s, epoch_us(window_start) AS start_us, sum(starts_n)::BIGINT AS starts_n,
        sum(exposures_n)::BIGINT AS exposures_n, sum(early_skips_n)::BIGINT AS early_skips_n,
        sum(streams_30s_n)::BIGINT AS streams_30s_n, sum(saves_n)::BIGINT AS saves_n,
        min(status) AS status
    FROM window_aggregate WHERE basis = 'activity' AND attribution = 'all' AND size_s = $size
    GROUP BY ALL
)
SELECT * FROM seen
WHERE start_us > (SELECT max(start_us) FROM seen) - 1000000 * $size::BIGINT * $limit
ORDER BY start_us
"""
JUDGES = """
SELECT judge_id, dimension, evaluator_epoch, sum(scores_n)::BIGINT AS scores_n,
    sum(errors_n)::BIGINT AS errors_n, max(event_time_us) AS newest_us
FROM generation_score GROUP BY ALL ORDER BY 1, 2, 3
"""
REFUSED = """
SELECT topic, error_class, error_type, sum(refused_n)::BIGINT AS refused_n,
    max(record_time_us_max) AS newest_us
FROM dead_letter_count GROUP BY ALL ORDER BY refused_n DESC, 1, 2, 3 LIMIT 50
"""


@dataclass(frozen=True, slots=True)
class View:
    """All of the page. Times in microseconds UTC; rows as the queries above name them.

    problem: why there is nothing, as one line; then the rest is empty. window_sizes: seconds, what
    can be asked for; window_s: what windows has, None without any.
    nights: per night its date and the report's experiments, oldest first.
    """

    looked_at_us: int
    warehouse: str
    published_at_us: int | None
    problem: str | None
    health: Sequence[Mapping[str, Any]]
    window_sizes: Sequence[int]
    window_s: int | None
    windows: Sequence[Mapping[str, Any]]
    judges: Sequence[Mapping[str, Any]]
    refused: Sequence[Mapping[str, Any]]
    nights: Sequence[Mapping[str, Any]]


def look(warehouse: Path, reports: Path, *, now_us: int, window_s: int | None = None) -> View:
    """The page as it is now. What cannot be read is said, not raised: the page stays up.

    window_s: the size of the windows; None, or one that is not there: what suits the traffic.
    """
    rows: dict[str, Sequence[Mapping[str, Any]]] = {}
    sizes: list[int] = []
    published_at_us, problem = None, None
    try:
        con = open_warehouse(warehouse)
        try:
            published_at_us = warehouse.stat().st_mtime_ns // 1_000
            busy = _busy(con)
            sizes = list(busy)
            window_s = window_s if window_s in busy else suited(busy)
            rows = _rows(con, window_s)
        finally:
            con.close()
    except ListenbackError as error:
        problem = str(error)
    except duckdb.Error as error:
        problem = str(damage(error) or error).splitlines()[0]
    except OSError as error:
        problem = f"{warehouse.name}: {error.strerror}; it is read again in a moment."
    return View(
        looked_at_us=now_us,
        warehouse=warehouse.name,
        published_at_us=published_at_us,
        problem=problem,
        health=rows.get("health", ()),
        window_sizes=sizes,
        window_s=window_s if rows.get("windows") else None,
        windows=rows.get("windows", ()),
        judges=rows.get("judges", ()),
        refused=rows.get("refused", ()),
        nights=nights_of(reports),
    )


def suited(busy: Mapping[int, float]) -> int | None:
    """The finest size whose windows hold enough plays to make a line, else the widest.

    busy: seconds -> plays a window, finest first.
    """
    enough = [size for size, plays in busy.items() if plays >= PLAYS_MIN]
    return next(iter(enough), max(busy, default=None))


def _busy(con: DuckDBPyConnection) -> dict[int, float]:
    """By size in seconds: plays a window, over the stretch that the page shows.

    Empty windows count, those before the first do not: nobody was there to play.
    """
    rows = con.execute(SIZES, {"limit": WINDOWS_MAX}).fetchall()
    return {size_s: plays / windows_n for size_s, plays, windows_n in rows}


def _rows(con: DuckDBPyConnection, window_s: int | None) -> dict[str, Sequence[Mapping[str, Any]]]:
    asked: dict[str, tuple[str, Mapping[str, Any]]] = {
        "health": (HEALTH, {}),
        "windows": (WINDOWS, {"limit": WINDOWS_MAX, "size": window_s}),
        "judges": (JUDGES, {}),
        "refused": (REFUSED, {}),
    }
    found: dict[str, Sequence[Mapping[str, Any]]] = {}
    for name, (sql, given) in asked.items():
        con.execute(sql, given)
        columns = [column[0] for column in con.description or ()]
        found[name] = [dict(zip(columns, row, strict=True)) for row in con.fetchall()]
    return found


def nights_of(reports: Path) -> list[Mapping[str, Any]]:
    """The verdicts of the nights whose reports lie in the folder, oldest first.

    A report that cannot be read is left out: it belongs to a night that is being written.
    """
    found: list[Mapping[str, Any]] = []
    for path in sorted(reports.glob("????-??-??/report.json"))[-NIGHTS_MAX:]:
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            found.append({"date": path.parent.name, "experiments": _experiments(document)})
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return found


def _experiments(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "id": experiment["id"],
            "title": experiment["title"],
            "treatment": verdict["treatment"],
            "state": verdict["state"],
            "sentence": verdict["sentence"],
            "days_left": experiment["days_left"],
            "comparisons": [
                _comparison(one, role) for part, role in ROLES.items() for one in verdict[part]
            ],
        }
        for experiment in document["experiments"]
        for verdict in experiment["verdicts"]
    ]


def _comparison(one: Mapping[str, Any], role: str) -> dict[str, Any]:
    """The relative effect with the interval that holds at every look; null: not enough data."""
    chosen = one["always_valid_relative"] or {}
    return {
        "metric": one["metric"],
        "title": one["title"],
        "role": role,
        "direction": one["direction"],
        "standing": one["standing"],
        "n": one["control"]["n"] + one["treatment"]["n"],
        "estimate": chosen.get("estimate"),
        "low": chosen.get("low"),
        "high": chosen.get("high"),
        "margin": one["margin"]["margin"] if one["margin"] else None,
    }
