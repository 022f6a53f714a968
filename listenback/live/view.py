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
NIGHTS_MAX = 60
HEALTH = """
SELECT topic, shard, read_n, accepted_n, duplicate_n, dead_lettered_n, is_balanced, late_n,
    orphans_n, epoch_us(newest_record_at) AS newest_record_us, watermark_us
FROM pipeline_health ORDER BY topic, shard
"""
WINDOWS = """
WITH finest AS (
    SELECT min(size_s) AS size_s FROM window_aggregate
    WHERE basis = 'activity' AND attribution = 'all'
), newest AS (
    SELECT * FROM window_aggregate JOIN finest USING (size_s)
    WHERE basis = 'activity' AND attribution = 'all'
    ORDER BY window_start DESC LIMIT $limit
)
SELECT size_s, epoch_us(window_start) AS start_us, starts_n, exposures_n, early_skips_n,
    streams_30s_n, saves_n, status
FROM newest ORDER BY window_start
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

    problem: why there is nothing, as one line; then the rest is empty.
    nights: per night its date and the report's experiments, oldest first.
    """

    looked_at_us: int
    warehouse: str
    published_at_us: int | None
    problem: str | None
    health: Sequence[Mapping[str, Any]]
    windows: Sequence[Mapping[str, Any]]
    judges: Sequence[Mapping[str, Any]]
    refused: Sequence[Mapping[str, Any]]
    nights: Sequence[Mapping[str, Any]]


def look(warehouse: Path, reports: Path, *, now_us: int) -> View:
    """The page as it is now. What cannot be read is said, not raised: the page stays up."""
    rows: dict[str, Sequence[Mapping[str, Any]]] = {}
    published_at_us, problem = None, None
    try:
        con = open_warehouse(warehouse)
        try:
            published_at_us = warehouse.stat().st_mtime_ns // 1_000
            rows = _rows(con)
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
        windows=rows.get("windows", ()),
        judges=rows.get("judges", ()),
        refused=rows.get("refused", ()),
        nights=nights_of(reports),
    )


def _rows(con: DuckDBPyConnection) -> dict[str, Sequence[Mapping[str, Any]]]:
    asked = {"health": HEALTH, "windows": WINDOWS, "judges": JUDGES, "refused": REFUSED}
    found: dict[str, Sequence[Mapping[str, Any]]] = {}
    for name, sql in asked.items():
        con.execute(sql, {"limit": WINDOWS_MAX} if name == "windows" else None)
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
                _comparison(one, role)
                for role in ("success", "guardrails", "deterioration")
                for one in verdict[role]
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
