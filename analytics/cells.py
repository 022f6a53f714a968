"""Exact first and second moments of integer columns, per group, in one scan of the units.

Every value is taken as its distance from a whole number near the mean, so the sums are small
integers: no digits are lost at any offset, and threads or row order change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any

import numpy as np

from analytics.sql import one_row
from analytics.stats.moments import Moments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from duckdb import DuckDBPyConnection

_PRODUCT_SAFE = 3_000_000_000
"""Distances up to this many have products that fit 64 bits; beyond it the sums use 128."""


@dataclass(frozen=True, slots=True)
class Units:
    """Which rows: a table, a condition on it and the condition's parameters."""

    table: str
    where: str = "true"
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cell:
    """n units and the exact sums of their distances d from `shift`: of d, and of d_i * d_j."""

    n: int
    shift: Mapping[str, int]
    sums: Mapping[str, int]
    products: Mapping[tuple[str, str], int]


def moments_of(cells: Sequence[Cell], columns: Sequence[str], scales: Sequence[float]) -> Moments:
    """The moments of all the cells' units together, each column divided by its scale.

    The cells share their shifts; the columns stood in one vector of `read_cells`. Whole numbers
    are added and each result is rounded once, at the end. Zeros where there are no units.
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
    """Cells by group, from integer columns that are never null.

    vectors: column sets; the products inside each set are summed, those across sets are not.
    """
    columns = list(dict.fromkeys(name for vector in vectors for name in vector))
    pairs = list(dict.fromkeys(pair for vector in vectors for pair in _pairs(vector)))
    near = _near_means(con, units, columns)
    keys = ", ".join(group)
    shifted = {name: f"({name} - {near[name][0]})" for name in columns}
    sums = [f"sum({shifted[name]})" for name in columns]
    products = [f"sum({_product(a, b, shifted, near)})" for a, b in pairs]
    selected = ", ".join([keys, "count(*)", *sums, *products])
    sql = f"SELECT {selected} FROM {units.table} WHERE {units.where} GROUP BY {keys}"
    shift = {name: near[name][0] for name in columns}
    cells = {}
    for row in con.execute(sql, units.params).fetchall():
        key, numbers = row[: len(group)], [int(number) for number in row[len(group) :]]
        sums_of = dict(zip(columns, numbers[1:], strict=False))
        products_of = dict(zip(pairs, numbers[1 + len(columns) :], strict=True))
        cells[key] = Cell(numbers[0], shift, sums_of, products_of)
    return cells


def _pairs(vector: Sequence[str]) -> list[tuple[str, str]]:
    a_b = combinations_with_replacement(dict.fromkeys(vector), 2)
    return [pair if pair[0] <= pair[1] else (pair[1], pair[0]) for pair in a_b]


def _near_means(
    con: DuckDBPyConnection, units: Units, columns: Sequence[str]
) -> dict[str, tuple[int, int]]:
    """Per column a whole number near its mean, and the largest distance from it."""
    if not columns:
        return {}
    asked = ", ".join(f"avg({name}), min({name}), max({name})" for name in columns)
    sql = f"SELECT {asked} FROM {units.table} WHERE {units.where}"
    row = one_row(con, sql, units.params)
    near = {}
    for index, name in enumerate(columns):
        mean, low, high = row[3 * index : 3 * index + 3]
        at = 0 if mean is None else round(mean)
        near[name] = (at, 0 if mean is None else max(high - at, at - low))
    return near


def _product(
    a: str, b: str, shifted: Mapping[str, str], near: Mapping[str, tuple[int, int]]
) -> str:
    wide = max(near[a][1], near[b][1]) > _PRODUCT_SAFE
    left = f"{shifted[a]}::HUGEINT" if wide else shifted[a]
    return f"{left} * {shifted[b]}"
