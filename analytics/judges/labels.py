"""Labels of several raters on the same items, as one table of numbers with gaps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from analytics.stats.checks import floats
from streams.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.stats.checks import FloatArray

UNPARSEABLE = "unparseable"
COLUMNS = ("item", "rater", "value")


@dataclass(frozen=True, eq=False)
class Labels:
    """raters: their names. items: their ids. values: (raters, items), NaN where none was given.

    words: what a code stands for, where labels are words. errors: missing labels by type.
    """

    raters: tuple[str, ...]
    items: tuple[str, ...]
    values: FloatArray
    words: tuple[str, ...] = ()
    errors: Mapping[str, int] = field(default_factory=dict)

    def of(self, raters: Sequence[str]) -> Labels:
        """Only these raters, in this order."""
        rows = [self.raters.index(name) for name in raters]
        return Labels(tuple(raters), self.items, self.values[rows], self.words, self.errors)

    def without(self, raters: Sequence[str]) -> Labels:
        """All but these raters."""
        return self.of([name for name in self.raters if name not in set(raters)])


def labels_of(
    rows: pl.DataFrame, *, is_numeric: bool, scale: tuple[float, float] | None = None
) -> Labels:
    """Labels from rows of (item, rater, value) as text, one per item and rater.

    Args: is_numeric: whether distances count; then a value that is no finite number is a missing
        label of type `unparseable`, counted. scale: declared (lowest, highest) label.
    Raises: ConfigError where a rater labels an item twice, or a label lies outside its scale.
    """
    given = rows.select(pl.col(COLUMNS).cast(pl.String)).drop_nulls(["item", "rater"])
    known = given.filter(pl.col("value").is_not_null() & (pl.col("value") != ""))
    number = pl.col("value").cast(pl.Float64, strict=False)
    words: tuple[str, ...] = ()
    if is_numeric:
        coded = known.with_columns(code=pl.when(number.is_finite()).then(number))
    else:
        words = tuple(sorted(known["value"].unique().to_list(), key=_in_order))
        codes = {word: float(place) for place, word in enumerate(words)}
        code = pl.col("value").replace_strict(codes, return_dtype=pl.Float64)
        coded = known.with_columns(code=code)
    unread_n = coded["code"].null_count()
    coded = coded.drop_nulls("code")
    _check(coded, scale)
    items = given["item"].unique().sort().to_list()
    raters = given["rater"].unique().sort().to_list()
    values = np.full((len(raters), len(items)), np.nan)
    row, column = (
        np.searchsorted(np.asarray(names, dtype=object), coded[name].to_numpy())
        for names, name in ((raters, "rater"), (items, "item"))
    )
    values[row, column] = coded["code"].to_numpy()
    errors = {UNPARSEABLE: unread_n} if unread_n else {}
    missing_n = len(given) - len(known)
    if missing_n:
        errors["absent"] = missing_n
    return Labels(tuple(raters), tuple(items), values, words, errors)


def _check(coded: pl.DataFrame, scale: tuple[float, float] | None) -> None:
    twice = coded.group_by("item", "rater").len().filter(pl.col("len") > 1).sort("item", "rater")
    if len(twice):
        item, rater, n = twice.row(0)
        raise ConfigError(
            f"{len(twice):,} pairs of item and rater have several labels; the first is rater"
            f" '{rater}' on item '{item}', {n} times.",
            where="labels",
            done="Nothing was computed: which of them counts is not ours to choose.",
            todo="Name more columns as the item, or keep one label each.",
        )
    if scale is None or coded.is_empty():
        return
    check_scale(coded["code"].to_numpy(), scale, what="labels")


def check_scale(values: FloatArray, scale: tuple[float, float], *, what: str) -> None:
    """ConfigError where a value lies outside its declared (lowest, highest)."""
    low, high = scale
    outside = values[~np.isnan(values) & ((values < low) | (values > high))]
    if len(outside):
        raise ConfigError(
            f"{len(outside):,} of {int(np.sum(~np.isnan(values))):,} {what} lie outside their"
            f" declared scale {low:g} to {high:g}; the first is {outside[0]:g}.",
            where=what,
            done="Nothing was computed.",
            todo="Correct the scale, or the values.",
        )


def _in_order(word: str) -> tuple[int, float, str]:
    """Numbers by size, then words."""
    try:
        return 0, float(word), word
    except ValueError:
        return 1, 0.0, word


def pairs_within(values: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Every two labels of one item, both ways round: (first, second, item number)."""
    first, second, item = [], [], []
    raters_n = len(values)
    for a in range(raters_n):
        for b in range(raters_n):
            both = ~np.isnan(values[a]) & ~np.isnan(values[b])
            if a != b and both.any():
                first.append(values[a, both])
                second.append(values[b, both])
                item.append(np.flatnonzero(both).astype(np.float64))
    return _joined(first), _joined(second), _joined(item)


def pairs_with(judge: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The judge's label beside each person's: (judge, person, item number)."""
    both = ~np.isnan(values) & ~np.isnan(judge)[None, :]
    row, item = np.nonzero(both)
    return judge[item], values[row, item], item.astype(np.float64)


def _joined(parts: list[FloatArray]) -> FloatArray:
    return floats(np.concatenate(parts)) if parts else np.zeros(0)
