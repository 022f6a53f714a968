"""Plain files of ratings: CSV (also .gz), Parquet and JSON lines, columns by name."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from analytics.judges.identity import one_epoch
from analytics.judges.sampling import weights_of
from streams.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from analytics.judges.figure import Figure
    from analytics.stats.checks import FloatArray, IntArray

READERS = ".csv, .csv.gz, .tsv, .parquet, .jsonl, .ndjson"
LOG1P = re.compile(r"log1p\((.+)\)")
CONDITION = re.compile(r"(?P<name>[^=!<>]+)(?P<op>!=|>=|<=|=|>|<)(?P<value>.*)")


@dataclass(frozen=True, eq=False, slots=True)
class Section:
    """What is said of one part of the file: the part, plain counts, figures."""

    by: dict[str, Any]
    counts: dict[str, Any]
    figures: tuple[Figure, ...] = field(default=())


def read_table(path: Path, where: Sequence[str] = ()) -> pl.DataFrame:
    """All rows that meet every condition (`column=value`), or ConfigError."""
    frame = _read(path)
    for condition in where:
        frame = frame.filter(_met(frame, condition, str(path)))
    if frame.is_empty():
        why = f"no row meets {' and '.join(where)}." if where else "the file has no rows."
        raise ConfigError(why, where=str(path), todo="Nothing can be said of nothing.")
    return frame


def _read(path: Path) -> pl.DataFrame:
    name = path.name.lower()
    try:
        if name.endswith((".csv", ".csv.gz", ".tsv", ".tsv.gz")):
            separator = "\t" if ".tsv" in name else ","
            return pl.read_csv(path, separator=separator, infer_schema_length=None)
        if name.endswith(".parquet"):
            return pl.read_parquet(path)
        if name.endswith((".jsonl", ".ndjson")):
            return pl.read_ndjson(path, infer_schema_length=None)
    except (OSError, pl.exceptions.PolarsError) as error:
        what = " ".join(str(error).split())[:200]
        raise ConfigError(f"it cannot be read: {what}.", where=str(path)) from error
    raise ConfigError(f"this kind of file is not read ({READERS} are).", where=str(path))


def _met(frame: pl.DataFrame, condition: str, where: str) -> pl.Expr:
    """`name=value`, `!=`, and `<`, `<=`, `>`, `>=` for numbers; values as text otherwise."""
    found = CONDITION.fullmatch(condition)
    if found is None:
        todo = "Write --where column=value (or !=, <, <=, >, >=)."
        raise ConfigError(f"'{condition}' is no condition.", where="--where", todo=todo)
    name, op, value = found["name"].strip(), found["op"], found["value"].strip()
    column = pl.col(known(frame, name, where))
    if op in {"=", "!="}:
        same = column.cast(pl.String).str.to_lowercase() == value.lower()
        return same if op == "=" else ~same
    number = column.cast(pl.Float64, strict=False)
    bound = _number(value)
    return {"<": number < bound, "<=": number <= bound, ">": number > bound, ">=": number >= bound}[
        op
    ]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"'{text}' is no number.", where="--where") from None


def known(frame: pl.DataFrame, name: str, where: str) -> str:
    """The name of a column that is there, or ConfigError with the nearest one."""
    if name in frame.columns:
        return name
    raise ConfigError(
        f"there is no column '{name}' (there are {', '.join(frame.columns)}).",
        where=where,
        todo=did_you_mean(name, frame.columns),
    )


def numbers(frame: pl.DataFrame, name: str, where: str) -> FloatArray:
    """A column as numbers, NaN where it has none. `log1p(x)` and `x - y` are understood.

    Raises: ConfigError where nothing in it is a number.
    """
    if name in frame.columns:
        found = _numeric(frame[name])
    elif match := LOG1P.fullmatch(name):
        inner = numbers(frame, match[1].strip(), where)
        found = np.log1p(np.where(inner > -1, inner, np.nan))
    elif (two := [part.strip() for part in name.split(" - ")]) and len(two) == 2:
        return numbers(frame, two[0], where) - numbers(frame, two[1], where)
    else:
        found = _numeric(frame[known(frame, name, where)])
    if np.all(np.isnan(found)):
        raise ConfigError(f"column '{name}' holds no number.", where=where)
    return found


def _numeric(column: pl.Series) -> FloatArray:
    cast = column.cast(pl.Float64, strict=False)
    finite = pl.DataFrame({"x": cast}).select(pl.when(pl.col("x").is_finite()).then(pl.col("x")))
    return finite.to_series().fill_null(float("nan")).to_numpy().astype(np.float64)


def words(frame: pl.DataFrame, name: str, where: str) -> list[str | None]:
    """A column as text, None where it is empty."""
    text = frame[known(frame, name, where)].cast(pl.String)
    return [None if value is None or value == "" else value for value in text.to_list()]


def codes(frame: pl.DataFrame, names: Sequence[str], where: str) -> IntArray:
    """A number per different combination of these columns; all different without any."""
    if not names:
        return np.arange(len(frame))
    chosen = [pl.col(known(frame, name, where)).cast(pl.String) for name in names]
    made = frame.select(pl.struct(chosen).rank("dense").alias("code"))["code"]
    return made.to_numpy().astype(np.int64) - 1


def weights(frame: pl.DataFrame, name: str | None, where: str) -> FloatArray:
    """1 / sampling probability per row; 1 where no column names it."""
    if name is None:
        return np.ones(len(frame))
    return weights_of(_numeric(frame[known(frame, name, where)]), where=f"{where}, {name}")


def without_errors(
    frame: pl.DataFrame, error: str | None, where: str
) -> tuple[pl.DataFrame, dict[str, int]]:
    """The rows whose judge did not fail, and how many did by type: an error is no score."""
    if error is None:
        return frame, {}
    text = pl.col(known(frame, error, where)).cast(pl.String)
    failed = text.is_not_null() & (text != "")
    counted = frame.filter(failed).select(text.alias("type")).group_by("type").len().sort("type")
    return frame.filter(~failed), dict(zip(counted["type"], counted["len"], strict=True))


def parts(
    frame: pl.DataFrame, by: Sequence[str], where: str
) -> Iterator[tuple[dict[str, Any], pl.DataFrame]]:
    """The file, or each part of it by these columns in their order."""
    names = [known(frame, name, where) for name in by]
    if not names:
        yield {}, frame
        return
    for key, part in sorted(
        frame.partition_by(names, as_dict=True).items(), key=lambda one: tuple(map(str, one[0]))
    ):
        yield dict(zip(names, key, strict=True)), part


def check_epoch(frame: pl.DataFrame, epoch: str | None, where: str) -> None:
    """IntegrityError (exit code 5) where a part holds scores of several epochs."""
    if epoch is None:
        return
    found = frame[known(frame, epoch, where)].cast(pl.String).drop_nulls()
    one_epoch(
        found.to_list(), where=where, todo=f"Choose one with --where {epoch}=..., or --by {epoch}."
    )
