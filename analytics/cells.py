"""First and second moments per group, in one scan of the units.

Every value is taken as its distance from a number near the mean, so no digits are lost at any
offset. Integer columns are summed as integers: exact, whatever the threads and the row order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np

from analytics.sql import one_row
from analytics.stats.moments import Moments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from duckdb import DuckDBPyConnection

_NEAR_ROWS = 10_000
"""Rows from which the numbers near the means are taken: any number inside the data will do."""


@dataclass(frozen=True, slots=True)
class Units:
    """Which rows: a table, a condition on it and the condition's parameters."""

    table: str
    where: str = "true"
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cell:
    """n units and the sums of their distances d from `shift`: of d, and of d_i * d_j.

    Of integer columns the numbers are integers, and exact.
    """

    n: int
    shift: Mapping[str, float]
    sums: Mapping[str, float]
    products: Mapping[tuple[str, str], float]


def moments_of(cells: Sequence[Cell], columns: Sequence[str], scales: Sequence[float]) -> Moments:
    """The moments of all the cells' units together, each column divided by its scale.

    The cells share their shifts; the columns stood in one vector of `read_cells`. Integers are
    added as such and each result is rounded once, at the end. Zeros where there are no units.
    """
    n = sum(cell.n for cell in cells)
    if n == 0:
        return Moments.empty(len(columns))
    sums = {name: sum(cell.sums[name] for cell in cells) for name in columns}

    def centred(a: str, b: str) -> float:
        """Sum of (a - mean a)(b - mean b)."""
        pair = (a, b) if a <= b else (b, a)
        return (n * sum(cell.products[pair] for cell in cells) - sums[a] * sums[b]) / n

    scale = np.asarray(scales, dtype=np.float64)
    mean = np.asarray([(cells[0].shift[name] * n + sums[name]) / n for name in columns])
    m2 = np.asarray([[centred(a, b) for b in columns] for a in columns])
    return Moments(np.asarray(float(n)), mean / scale, m2 / np.outer(scale, scale))


def read_cells(
    con: DuckDBPyConnection,
    units: Units,
    *,
    group: Sequence[str],
    vectors: Sequence[Sequence[str]],
) -> dict[tuple[Any, ...], Cell]:
    """Cells by group, from columns that are never null.

    vectors: column sets; the products inside each set are summed, those across sets are not.
    """
    columns = list(dict.fromkeys(name for vector in vectors for name in vector))
    pairs = list(dict.fromkeys(pair for vector in vectors for pair in _pairs(vector)))
    shift = _near_means(con, units, columns)
    try:
        rows = con.execute(_sums(units, group, shift, pairs), units.params).fetchall()
    except duckdb.OutOfRangeException:  # a product of distances beyond 64 bits
        wide = _sums(units, group, shift, pairs, kind="HUGEINT")
        rows = con.execute(wide, units.params).fetchall()
    cells = {}
    for row in rows:
        key, (n, *numbers) = row[: len(group)], row[len(group) :]
        sums = dict(zip(columns, numbers, strict=False))
        products = dict(zip(pairs, numbers[len(columns) :], strict=True))
        cells[key] = Cell(n, shift, sums, products)
    return cells


def _sums(
    units: Units,
    group: Sequence[str],
    shift: Mapping[str, float],
    pairs: Sequence[tuple[str, str]],
    kind: str = "",
) -> str:
    """The one scan; integers as 64 bits (128 where `kind` says so), sums as 128 anyway."""
    apart = {name: f"({name} - {at!r})" for name, at in shift.items()}
    wide = {
        name: f"{apart[name]}::{kind}" if kind and isinstance(at, int) else apart[name]
        for name, at in shift.items()
    }
    keys = ", ".join(group)
    sums = [f"sum({one})" for one in apart.values()]
    products = [f"sum({wide[a]} * {apart[b]})" for a, b in pairs]
    selected = ", ".join([keys, "count(*)", *sums, *products])
    return f"SELECT {selected} FROM {units.table} WHERE {units.where} GROUP BY {keys}"


def _pairs(vector: Sequence[str]) -> list[tuple[str, str]]:
    a_b = combinations_with_replacement(dict.fromkeys(vector), 2)
    return [pair if pair[0] <= pair[1] else (pair[1], pair[0]) for pair in a_b]


def _near_means(con: DuckDBPyConnection, units: Units, columns: Sequence[str]) -> dict[str, float]:
    """Per column a number near its mean, whole for integers; the first rows tell enough."""
    if not columns:
        return {}
    asked = ", ".join(f"avg({name}), min({name})" for name in columns)
    first = f"SELECT {', '.join(columns)} FROM {units.table} WHERE {units.where} LIMIT {_NEAR_ROWS}"
    row = one_row(con, f"SELECT {asked} FROM ({first})", units.params)
    means = {name: (row[2 * index], row[2 * index + 1]) for index, name in enumerate(columns)}
    return {
        name: 0 if mean is None else round(mean) if isinstance(low, int) else float(mean)
        for name, (mean, low) in means.items()
    }
