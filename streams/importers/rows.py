"""From a chunk of a table to messages of one block, and the rows that give none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import polars as pl
from polars.exceptions import PolarsError

from streams.digests import joined, sha256
from streams.errors import ConfigError, did_you_mean
from streams.event_json import encoded
from streams.events.fields import Kind
from streams.events.identity import user_key
from streams.importers.conversion import converted, without_blanks
from streams.importers.mapping_block import EVENT_ID
from streams.importers.sources import ROW

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streams.importers.mapping_block import Block
    from streams.importers.sources import Source

FAILURES_MAX: Final = 100
"""Rows of a chunk that an expression may fail on; each costs a search for it."""
ID_CHARS: Final = 32
KEEP: Final = "_keep"
SCHEMA_VERSION: Final = "1-0-0"
VERSION: Final = "schema_version"
READ_AS: Final = {
    Kind.TEXT: "text",
    Kind.ENUM: "text",
    Kind.WHOLE: "a whole number",
    Kind.REAL: "a number",
    Kind.FLAG: "true or false",
    Kind.INSTANT: "a time",
    Kind.TEXTS: "a list of texts",
    Kind.LABELS: "an object of texts",
}


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that gives no message. row: its number in the file."""

    row: int
    error_class: str
    error_type: str
    field: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Messages:
    """Columns ROW, key, value and event_time (text), and the rows that gave none."""

    frame: pl.DataFrame
    refused: tuple[Refused, ...]


def check_columns(block: Block, names: Sequence[str], where: str) -> None:
    """Raise ConfigError for the first column that a block needs and the table lacks."""
    for source in block.sources():
        for name in sorted(source.columns - set(names)):
            raise ConfigError(
                f"{where} has no column '{name}' (it has {', '.join(names)}).",
                where=source.place,
                todo=did_you_mean(name, names),
            )


def messages(rows: pl.DataFrame, block: Block, file_name: str, secret: bytes | None) -> Messages:
    """The messages of one block. rows: a table's columns and ROW, all columns the block needs.

    Raises:
        ConfigError: an expression does not fit the columns' types, or fails too often.
    """
    refused: list[Refused] = []
    values = pl.concat(_evaluated(rows, block, refused), how="vertical_relaxed")
    if block.keep is not None:
        values = values.filter(pl.col(KEEP).fill_null(value=False))
    fields: dict[str, pl.Series] = {}
    unreadable = pl.repeat(value=False, n=values.height, eager=True)
    kinds = {one.wire: one.kind for one in block.contract.columns}
    for name in block.fields:
        raw = without_blanks(values[name], kinds[name])
        if name in block.users:
            fields[name] = _user_keys(raw, secret)
            continue
        fields[name] = converted(raw, kinds[name], block.times.get(name))
        bad = raw.is_not_null() & fields[name].is_null()
        refused += _unreadable(values[ROW].filter(bad & ~unreadable), name, kinds[name])
        unreadable |= bad
    wire = pl.DataFrame({ROW: values[ROW], **fields, **_ids(values, block, file_name)})
    return Messages(_written(wire.filter(~unreadable), block), tuple(refused))


def _sources(block: Block) -> dict[str, Source]:
    """All that is evaluated, by the name of its column."""
    parts = {
        f"{name}:{nth}": part
        for name, hashed in block.hashes.items()
        for nth, part in enumerate(hashed)
    }
    keep = {} if block.keep is None else {KEEP: block.keep}
    return {**block.fields, **parts, **keep}


def _evaluated(rows: pl.DataFrame, block: Block, refused: list[Refused]) -> list[pl.DataFrame]:
    """Every source as a column; rows on which one fails are added to refused.

    A failing expression fails for the whole frame, so the rows at fault are found by halving it.
    """
    sources = _sources(block)
    exprs = [source.expr.alias(name) for name, source in sources.items()]
    try:
        return [rows.select(ROW, *exprs)]
    except PolarsError as error:
        _check_types(rows, sources)
        if rows.height > 1:
            half = rows.height // 2
            return [
                *_evaluated(rows.head(half), block, refused),
                *_evaluated(rows.tail(-half), block, refused),
            ]
        name, source = _failing(rows, sources)
        refused.append(Refused(rows[ROW][0], "mapping", "expression", name, _line(error)))
        if len(refused) > FAILURES_MAX:
            raise ConfigError(
                f"'{source.text}' fails for more than {FAILURES_MAX} rows, first for row "
                f"{refused[0].row}: {refused[0].reason}.",
                where=source.place,
                todo="Filter these rows out, or use TRY_CAST.",
            ) from error
        return [rows.clear().select(ROW, *(pl.lit(None).alias(one) for one in sources))]


def _check_types(rows: pl.DataFrame, sources: Mapping[str, Source]) -> None:
    """Raise ConfigError for an expression that no row could satisfy: its types do not fit."""
    for source in sources.values():
        try:
            rows.clear().select(source.expr)
        except PolarsError as error:
            raise ConfigError(
                f"'{source.text}' does not fit the table: {_line(error)}.",
                where=source.place,
                todo="Columns of CSV files are text: CAST(column AS BIGINT) makes a number.",
            ) from error


def _failing(row: pl.DataFrame, sources: Mapping[str, Source]) -> tuple[str, Source]:
    """The source that fails on this row."""
    for name, source in sources.items():
        try:
            row.select(source.expr)
        except PolarsError:
            return name.partition(":")[0], source
    raise AssertionError("one of them failed when all were evaluated")


def _line(error: Exception) -> str:
    """The first line of an error without the values that it quotes: they may be personal."""
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return first.partition(": [")[0].rstrip(".")


def _unreadable(rows: pl.Series, name: str, kind: Kind) -> list[Refused]:
    reason = f"the value of '{name}' cannot be read as {READ_AS[kind]}"
    return [Refused(row, "mapping", f"no_{kind}", name, reason) for row in rows.to_list()]


def _user_keys(users: pl.Series, secret: bytes | None) -> pl.Series:
    """The user key of each user id; computed once a user."""
    assert secret is not None, "the secret is asked for before the first chunk"
    texts = users.cast(pl.String)
    known = texts.drop_nulls().unique()
    keys = [user_key(secret, one) for one in known]
    return texts.replace_strict(known, pl.Series(keys, dtype=pl.String), default=None)


def _ids(values: pl.DataFrame, block: Block, file_name: str) -> dict[str, pl.Series]:
    """Ids that are the same whenever the same file is imported."""
    out = {}
    for name, parts in block.hashes.items():
        named = [pl.lit(name), *(pl.col(f"{name}:{nth}") for nth in range(len(parts)))]
        out[name] = _digest(values, named)
    own = {EVENT_ID, block.contract.own_id}
    if own.isdisjoint({*out, *block.fields}):
        out[EVENT_ID] = _digest(values, [pl.lit(file_name), pl.lit(block.nth), pl.col(ROW)])
    return out


def _digest(values: pl.DataFrame, parts: Sequence[pl.Expr]) -> pl.Series:
    texts = values.select(joined(parts).alias("parts"), ROW)["parts"]
    return sha256(texts).str.head(ID_CHARS)


def _written(wire: pl.DataFrame, block: Block) -> pl.DataFrame:
    """ROW, key, value and event_time of each row."""
    keys = [name for name in block.contract.key_fields if name in wire.columns]
    version = pl.lit(SCHEMA_VERSION)
    if VERSION in wire.columns:
        version = pl.coalesce(VERSION, version)
    # Anything that comes from the table may be absent in some row; the version never is.
    value = encoded(
        wire.select(pl.exclude(ROW, VERSION), version.alias(VERSION)), set(wire.columns) - {VERSION}
    )
    key = pl.coalesce(keys).cast(pl.Binary)
    return wire.select(ROW, "event_time", key=key).with_columns(value=value)
