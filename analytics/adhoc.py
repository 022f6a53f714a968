"""Two variants in any table with a column for the variant and one for the value.

Rows of one unit are added up first where the unit is named, so that the unit is what varies; units
in both variants are left out and counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from analytics.sql import one_row
from analytics.stats.confidence_sequence import SequencePlan
from analytics.users import UserMetric, compare_users
from streams.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from analytics.catalog.metric import Kind
    from analytics.users import UserComparison

READERS = {".parquet": "read_parquet", ".csv": "read_csv", ".json": "read_json"}
N_STAR = 5_000
VALUE_MAX = 1e145
"""Larger values overflow when a billion of them are squared and added."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of columns: what is added up per unit (denominator: of a ratio; covariate: before)."""

    variant: str
    value: str
    unit: str = ""
    denominator: str = ""
    covariate: str = ""

    @property
    def summed(self) -> tuple[str, ...]:
        """Value, denominator, covariate, as far as they are named."""
        return tuple(name for name in (self.value, self.denominator, self.covariate) if name)


@dataclass(frozen=True, eq=False, slots=True)
class Adhoc:
    """The comparison, and units that were left out because they are in both variants."""

    found: UserComparison
    kind: str
    in_both: int


def compare_file(
    path: Path, table: str, pair: tuple[str, str], columns: Columns, *, alpha: float
) -> Adhoc:
    """Compare pair[1] with pair[0] in a Parquet, CSV, JSON or DuckDB file (there: `table`).

    Raises: ConfigError for a file, column or variant that is not there, and for nulls.
    """
    con = duckdb.connect(":memory:")
    try:
        source = _source(con, path, table)
        _check(con, source, columns, path)
        kind = _kind(con, source, columns)
        in_both = _fold(con, source, pair, columns)
        _check_variants(con, source, pair, columns, path)
        metric = UserMetric(
            columns.value,
            kind,
            ("value", "denominator") if kind == "ratio" else ("value",),
            ("covariate",) if columns.covariate and kind == "mean" else (),
        )
        plan = SequencePlan(n_star=N_STAR, alpha=alpha)
        (found,) = compare_users(
            con, "adhoc", [metric], variant="variant", control=pair[0], plan=plan
        )
        return Adhoc(found, kind, in_both)
    except duckdb.Error as error:
        raise ConfigError(" ".join(str(error).split()), where=str(path)) from error
    finally:
        con.close()


def _source(con: DuckDBPyConnection, path: Path, table: str) -> str:
    """The SQL that names the rows."""
    if not path.exists():
        raise ConfigError("there is no such file.", where=str(path))
    quoted = str(path).replace("'", "''")
    reader = READERS.get(path.suffix)
    if reader:
        return f"{reader}('{quoted}')"
    con.execute(f"ATTACH '{quoted}' AS given (READ_ONLY)")
    rows = con.execute(
        "SELECT table_name FROM duckdb_tables() WHERE database_name = 'given' UNION"
        " SELECT view_name FROM duckdb_views() WHERE database_name = 'given' AND NOT internal"
    ).fetchall()
    names = sorted(name for (name,) in rows)
    if table not in names:
        said = f"there is no table '{table}'" if table else "name the table with --table"
        hint = did_you_mean(table, names) or f"It has: {', '.join(names)}."
        raise ConfigError(f"{said}.", where=str(path), todo=hint)
    return f'given."{table}"'


def _check(con: DuckDBPyConnection, source: str, columns: Columns, path: Path) -> None:
    """Every column is there, numbers are numbers, nothing is null."""
    types = dict(
        con.execute(f"SELECT column_name, column_type FROM (DESCRIBE FROM {source})").fetchall()
    )
    named = tuple(name for name in (columns.variant, columns.unit, *columns.summed) if name)
    for name in named:
        if name not in types:
            hint = did_you_mean(name, types) or f"It has: {', '.join(types)}."
            raise ConfigError(f"there is no column '{name}'.", where=str(path), todo=hint)
    empty = " OR ".join(
        [f'"{name}" IS NULL' for name in named]
        + [
            f'NOT (isfinite("{name}"::DOUBLE) AND abs("{name}"::DOUBLE) < {VALUE_MAX})'
            for name in columns.summed
        ]
    )
    (n,) = one_row(con, f"SELECT count(*) FROM {source} WHERE {empty}")
    if n:
        raise ConfigError(
            f"rows that lack one of {', '.join(named)}, or hold no finite number below"
            f" {VALUE_MAX:g}: {n:,}.",
            where=str(path),
            done="Nothing was computed.",
            todo="Say what they mean: fill in 0, or leave these rows out on purpose.",
        )


def _kind(con: DuckDBPyConnection, source: str, columns: Columns) -> Kind:
    """Ratio, proportion (all values 0 or 1, nothing to adjust by, a row a unit) or mean."""
    if columns.denominator:
        return "ratio"
    value = f'"{columns.value}"'
    (share,) = one_row(con, f"SELECT coalesce(bool_and({value} IN (0, 1)), false) FROM {source}")
    return "proportion" if share and not columns.covariate and not columns.unit else "mean"


def _fold(con: DuckDBPyConnection, source: str, pair: tuple[str, str], columns: Columns) -> int:
    """Make the view `adhoc`, a row a unit; how many units stood in both variants."""
    names = ("value", "denominator", "covariate")
    given = dict(zip(names, (columns.value, columns.denominator, columns.covariate), strict=True))
    picked = {alias: name for alias, name in given.items() if name}
    chosen = f"""FROM {source} WHERE "{columns.variant}"::VARCHAR IN ($a, $b)"""
    variant = f'"{columns.variant}"::VARCHAR'
    params = {"a": pair[0], "b": pair[1]}
    if not columns.unit:
        values = ", ".join(f'"{name}"::DOUBLE AS {alias}' for alias, name in picked.items())
        con.execute(
            f"CREATE TEMP TABLE adhoc AS SELECT {variant} AS variant, {values} {chosen}", params
        )
        return 0
    sums = ", ".join(f'sum("{name}")::DOUBLE AS {alias}' for alias, name in picked.items())
    con.execute(
        f"""CREATE TEMP TABLE folded AS SELECT "{columns.unit}" AS unit, min({variant}) AS variant,
        min({variant}) <> max({variant}) AS in_both, {sums} {chosen} GROUP BY 1""",
        params,
    )
    con.execute("CREATE TEMP VIEW adhoc AS FROM folded WHERE NOT in_both")
    (n,) = one_row(con, "SELECT count(*) FROM folded WHERE in_both")
    return int(n)


def _check_variants(
    con: DuckDBPyConnection, source: str, pair: tuple[str, str], columns: Columns, path: Path
) -> None:
    met = {name for (name,) in con.execute("SELECT DISTINCT variant FROM adhoc").fetchall()}
    lacking = [name for name in pair if name not in met]
    if not lacking:
        return
    rows = con.execute(
        f'SELECT DISTINCT "{columns.variant}"::VARCHAR FROM {source} ORDER BY 1 LIMIT 20'
    ).fetchall()
    known = [name for (name,) in rows]
    raise ConfigError(
        f"no unit has {columns.variant} = '{lacking[0]}' (there are {', '.join(known)}).",
        where=str(path),
        todo=did_you_mean(lacking[0], known),
    )
