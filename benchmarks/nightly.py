"""The night's statistics: users to intervals with CUPED, and bounds for 28 looks."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from analytics.catalog import load_catalog
from analytics.fold import UNIT_DAYS, UNIT_TABLE, fold_units, plan_fold
from analytics.stats.group_sequential import spending_bounds
from analytics.users import UserMetric, compare_users
from streams.events.measures import MEASURE_NAMES
from streams.pipeline import Pipeline
from streams.settings import Settings

CONFIG = Path(__file__).parents[1] / "config"
VARIANTS = ("control", "a", "b", "c")
METRICS_N = 20
LOOKS_N = 28
COMPARISONS_N = 30
MEMORY = "160MB"
DAYS_N = 10
EFFECT = 0.02


def make_users(folder: str, users_n: int) -> dict[str, Any]:
    """A row per user, 20 outcomes and what each was before, as DuckDB file and as Parquet."""
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    con = duckdb.connect(str(place / "users.duckdb"))
    con.execute("SELECT setseed(0.5)")
    con.execute(f"SET threads = 1; SET temp_directory = '{place}'")
    columns = ", ".join(
        f"(before_{n} * 0.6 + 400 * random() + {EFFECT * 100} * (hash % 4))::BIGINT AS after_{n}, "
        f"before_{n}"
        for n in range(METRICS_N)
    )
    before = ", ".join(f"(1000 * random())::BIGINT AS before_{n}" for n in range(METRICS_N))
    con.execute(
        f"CREATE TABLE users AS SELECT {list(VARIANTS)}[hash % 4 + 1] AS variant, {columns} "
        f"FROM (SELECT (hash(range) % 4)::INTEGER AS hash, {before} FROM range({users_n}))"
    )
    con.execute(f"COPY users TO '{place / 'users.parquet'}'")
    con.close()
    return {"file_mib": (place / "users.duckdb").stat().st_size / (1 << 20)}


def night(folder: str) -> dict[str, Any]:
    """Moments in one scan of the file, then CUPED and every interval of all comparisons."""
    metrics = [UserMetric.mean(f"after_{n}", f"before_{n}") for n in range(METRICS_N)]
    config = {"threads": 2, "memory_limit": MEMORY}
    started_s = time.perf_counter()
    con = duckdb.connect(str(Path(folder) / "users.duckdb"), read_only=True, config=config)
    found = compare_users(con, "users", metrics, variant="variant", control="control")
    took_s = time.perf_counter() - started_s
    con.close()
    first = found[0]
    return {
        "took_s": took_s,
        "comparisons_n": len(found),
        "estimates": {
            f"{one.treatment} {one.metric}": float(one.found.adjusted.estimate[one.place])
            for one in found
        },
        "standard_width": float(
            first.found.adjusted.high[first.place] - first.found.adjusted.low[first.place]
        ),
    }


def looks() -> dict[str, Any]:
    """Bounds for 28 nightly looks, asked for by each of 30 comparisons as if it were alone."""
    information = np.linspace(1 / LOOKS_N, 1, LOOKS_N)
    spending_bounds(information[:2], alpha=0.05)  # quadrature nodes are made once a process
    started_s = time.perf_counter()
    shared = spending_bounds(information, alpha=0.05)
    z = np.random.default_rng(1).standard_normal((COMPARISONS_N, LOOKS_N))
    crossed = np.maximum.accumulate(np.abs(z) >= shared, axis=1)
    shared_s = time.perf_counter() - started_s
    started_s = time.perf_counter()
    alone = [
        spending_bounds(information * (1 - n * 1e-3), alpha=0.05) for n in range(COMPARISONS_N)
    ]
    return {
        "took_s": shared_s,
        "each_own_s": time.perf_counter() - started_s,
        "first_bound": float(shared[0]),
        "last_bound": float(shared[-1]),
        "crossed_n": int(crossed[:, -1].sum()),
        "comparisons_n": len(alone),
    }


def make_days(folder: str, users_n: int) -> dict[str, Any]:
    """A warehouse of users with 5 days in an experiment and 10 days of their own."""
    settings = Settings(data_dir=Path(folder))
    Pipeline(settings).close()
    con = duckdb.connect(str(settings.worker_file), config={"threads": 2})
    sums = ", ".join(
        f"1 + (u + d * {place}) % 5 AS {name}" for place, name in enumerate(MEASURE_NAMES)
    )
    kinds = (("'dj-voice'", f"{list(VARIANTS)}[u % 4 + 1]", 20, 5), ("''", "''", 10, 10))
    for experiment, variant, first_day, days_n in kinds:
        con.execute(
            f"INSERT INTO {UNIT_DAYS} BY NAME SELECT u % 4 AS shard, {experiment} AS experiment_id,"
            f" {variant} AS variant_id, 'user' AS unit_type, sha256(u::VARCHAR) AS unit_id, "
            f"DATE '2026-10-01' + ({first_day} + d)::INTEGER AS day, {sums} "
            f"FROM range({users_n}) one(u), range({days_n}) two(d)"
        )
    con.execute("CHECKPOINT")
    con.close()
    return {"path": str(settings.worker_file)}


def fold_time(path: str, source: str) -> dict[str, Any]:
    """Days to a row per user, for every metric that ships."""
    plan = plan_fold(load_catalog(CONFIG).metrics.values())
    con = duckdb.connect(path, read_only=True, config={"threads": 2, "memory_limit": "1GB"})
    started_s = time.perf_counter()
    fold_units(con, plan, as_of=dt.date(2026, 10, 26), source=source)
    took_s = time.perf_counter() - started_s
    (users_n,) = con.execute(f"SELECT count(*) FROM {UNIT_TABLE}").fetchall()[0]
    con.close()
    return {"took_s": took_s, "users_n": users_n, "spans_n": len(plan.spans)}
