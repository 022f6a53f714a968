"""What listeners did beside what judges scored, day by day, as sums that are kept.

One row a cell: day of first exposure, instrument, surface, variant, place in the list, group of
users, score level. Sums over cells are all that AUC, Spearman and slope need, and they add over
days. So a night reads again only the days that something happened to: every accepted event moves
a counter of its generation, and the day's fingerprint is a hash of those counters.

Weights are summed in whole millionths: exact, in any order, so the same file gives the same bytes.

What is reused: all cells of a day whose fingerprint is unchanged. What is read again: the days
whose generations had any event since, their exposures, plays, feedback and scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from streams.events.measures import MEASURE_NAMES

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection

DAY_US = 86_400_000_000
LEVELS_N = 200
"""Steps of the declared scale that scores are rounded to."""
USER_GROUPS_N = 100
KEY = (
    *("day", "judge_id", "dimension", "evaluator_epoch", "surface", "experiment_id", "variant_id"),
    *("place", "user_group", "level"),
)
SUMS = ("kept_w", "skipped_w", "saved_w", "unsaved_w", "plays_n", "pairs_n")
SCHEMA: dict[str, pl.DataType] = {
    "day": pl.Int64(),
    **{name: pl.String() for name in KEY[1:8]},
    "user_group": pl.Int64(),
    "level": pl.Float64(),
    **{name: pl.Float64() for name in SUMS[:4]},
    **{name: pl.Int64() for name in SUMS[4:]},
}
_COUNTERS = ", ".join(("scores_n", "score_errors_n", "labels_n", *MEASURE_NAMES))
_FINGERPRINTS = f"""
SELECT first_exposure_us // {DAY_US} AS day, count(*)::BIGINT AS generations_n,
    bit_xor(hash(generation_id, first_exposure_id, {_COUNTERS}))::VARCHAR AS fingerprint
FROM generation WHERE first_exposure_us IS NOT NULL GROUP BY ALL ORDER BY day
"""
_JOINED = f"""
WITH item AS (
    SELECT generation_id, first_exposure_us // {DAY_US} AS day FROM generation
    WHERE list_contains($days, first_exposure_us // {DAY_US})
), met AS (
    SELECT i.day, e.generation_id, e.user_key, coalesce(e.surface, '') AS surface,
        coalesce(e.experiment_id, '') AS experiment_id, coalesce(e.variant_id, '') AS variant_id,
        CASE WHEN e.position IS NULL THEN 'unknown' WHEN e.position = 0 THEN 'first'
            WHEN e.position < 3 THEN 'near the top' ELSE 'below' END AS place
    FROM exposure e JOIN item i USING (generation_id)
    QUALIFY row_number() OVER (PARTITION BY e.generation_id, e.user_key
        ORDER BY e.event_time_us, e.source, e.event_id) = 1
), play AS (
    SELECT generation_id, user_key,
        count(*) FILTER (is_early) AS skipped_n, count(*) FILTER (NOT is_early) AS kept_n
    FROM (SELECT generation_id, user_key,
            coalesce(reason_end IN ('fwdbtn', 'backbtn') AND ms_played < 30000, false) AS is_early
        FROM listen SEMI JOIN item USING (generation_id)
        WHERE NOT coalesce(incognito, false) AND coalesce(reason_end, '') NOT IN
            ('trackerror', 'unexpected_exit', 'unexpected_exit_while_paused'))
    GROUP BY ALL
), save AS (
    SELECT generation_id, user_key,
        count(*) FILTER (action = 'save') > count(*) FILTER (action = 'unsave') AS is_saved
    FROM feedback SEMI JOIN item USING (generation_id)
    WHERE action IN ('save', 'unsave') GROUP BY ALL
), score AS (
    SELECT *, round(1e6 / coalesce(sampling_prob, 1))::BIGINT AS weight,
        CASE WHEN score_max > score_min THEN round((score_value - score_min)
                / (score_max - score_min) * {LEVELS_N}) / {LEVELS_N} * (score_max - score_min)
                + score_min
            ELSE round(score_value, 2) END AS level
    FROM generation_score SEMI JOIN item USING (generation_id) WHERE score_value IS NOT NULL
)
SELECT m.day, s.judge_id, s.dimension, s.evaluator_epoch, m.surface, m.experiment_id,
    m.variant_id, m.place,
    (('0x' || md5(coalesce(m.user_key, ''))[1:8])::BIGINT % {USER_GROUPS_N})::BIGINT AS user_group,
    s.level,
    sum(s.weight * coalesce(p.kept_n, 0)) / 1e6 AS kept_w,
    sum(s.weight * coalesce(p.skipped_n, 0)) / 1e6 AS skipped_w,
    sum(s.weight) FILTER (coalesce(v.is_saved, false)) / 1e6 AS saved_w,
    sum(s.weight) FILTER (NOT coalesce(v.is_saved, false)) / 1e6 AS unsaved_w,
    sum(coalesce(p.kept_n + p.skipped_n, 0))::BIGINT AS plays_n, count(*)::BIGINT AS pairs_n
FROM met m JOIN score s USING (generation_id)
LEFT JOIN play p USING (generation_id, user_key) LEFT JOIN save v USING (generation_id, user_key)
GROUP BY ALL
"""


@dataclass(frozen=True, eq=False)
class DaySums:
    """cells: SCHEMA. fingerprints: day and fingerprint, those that the cells were made at.

    days_read, days_kept: of the night that made them.
    """

    cells: pl.DataFrame
    fingerprints: dict[int, str]
    days_read: int = 0
    days_kept: int = 0

    @classmethod
    def empty(cls) -> DaySums:
        """Nothing kept yet."""
        return cls(pl.DataFrame(schema=SCHEMA), {})


def night_sums(con: DuckDBPyConnection, before: DaySums) -> DaySums:
    """The cells of all days: kept where nothing happened, read again where something did."""
    rows = con.execute(_FINGERPRINTS).fetchall()
    now = {int(day): str(fingerprint) for day, _, fingerprint in rows}
    same = [day for day, one in now.items() if before.fingerprints.get(day) == one]
    changed = sorted(set(now) - set(same))
    kept = before.cells.filter(pl.col("day").is_in(same))
    read = joined_sums(con, changed)
    cells = pl.concat([kept, read]).sort(KEY)
    return DaySums(cells, now, days_read=len(changed), days_kept=len(same))


def joined_sums(con: DuckDBPyConnection, days: list[int]) -> pl.DataFrame:
    """Cells of these days, read from exposures, plays, feedback and scores."""
    if not days:
        return pl.DataFrame(schema=SCHEMA)
    found: pl.DataFrame = con.sql(_JOINED, params={"days": days}).pl()
    return found.with_columns(pl.col(SUMS).fill_null(0)).select(
        pl.col(name).cast(kind) for name, kind in SCHEMA.items()
    )


def load(folder: Path) -> DaySums:
    """What an earlier night kept; nothing where there is none, or of another shape."""
    cells, days = folder / "day_sums.parquet", folder / "day_fingerprints.parquet"
    if not (cells.is_file() and days.is_file()):
        return DaySums.empty()
    known = pl.read_parquet(cells)
    if dict(known.schema) != SCHEMA:
        return DaySums.empty()
    marks = pl.read_parquet(days)
    return DaySums(known, dict(zip(marks["day"], marks["fingerprint"], strict=True)))


def save(folder: Path, sums: DaySums) -> None:
    """Keep them for the next night; the fingerprints last, so that a torn write is read again."""
    folder.mkdir(parents=True, exist_ok=True)
    marks = pl.DataFrame(
        {"day": list(sums.fingerprints), "fingerprint": list(sums.fingerprints.values())},
        schema={"day": pl.Int64, "fingerprint": pl.String},
    )
    (folder / "day_fingerprints.parquet").unlink(missing_ok=True)
    for name, frame in (("day_sums", sums.cells), ("day_fingerprints", marks)):
        part = folder / f"{name}.parquet.part"
        frame.write_parquet(part)
        part.rename(folder / f"{name}.parquet")
