"""Tables from files, some thousand rows at a time: CSV, JSONL, JSON (also .gz) and Parquet."""

from __future__ import annotations

import gzip
import itertools
import json
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
from polars.exceptions import PolarsError
from pyarrow import csv, parquet

from streams.errors import ConfigError, did_you_mean
from streams.importers.nested import rows_of
from streams.importers.sources import ROW

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

ROWS_MAX: Final = 50_000
"""Rows of a chunk of JSONL and Parquet."""
CSV_BLOCK_BYTES: Final = 8 << 20
DOCUMENT_BYTES_MAX: Final = 256 << 20
"""Of a .json file, which is one value and read whole; lines of JSON have no such bound."""
GZIP_ENDING: Final = ".gz"


@dataclass(frozen=True, slots=True)
class Unread:
    """A row of the file that no table row came out of, and why. row: its number, from 1."""

    row: int
    error_type: str
    reason: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of a table with their numbers in the column ROW, and the rows between them left out."""

    rows: pl.DataFrame
    unread: tuple[Unread, ...]


def chunks(path: Path, delimiter: str | None, nested: str | None = None) -> Iterator[Chunk]:
    """The table in a file. Raises ConfigError where the file is not what its name says.

    nested: the path of the rows within JSON documents; None: a line of JSON is a row.
    """
    readers: dict[str, Callable[[Path, str | None], Iterator[Chunk]]] = {
        ".csv": _csv,
        ".tsv": _csv,
        ".jsonl": _jsonl,
        ".ndjson": _jsonl,
        ".parquet": _parquet,
    }
    ending = _ending(path)
    if nested is not None:
        with _said_plainly(path):
            yield from _documents(path, nested, is_one=ending == ".json")
        return
    if ending not in readers:
        raise ConfigError(
            f"'{path.name}' is no kind of table that is known ({', '.join(readers)}; also .gz).",
            where=str(path),
            todo=did_you_mean(ending, readers) or "Rename or convert it.",
        )
    with _said_plainly(path):
        yield from readers[ending](path, delimiter)


def _ending(path: Path) -> str:
    """The file's ending without .gz, in lower case."""
    name = path.name.lower().removesuffix(GZIP_ENDING)
    return f".{name.rpartition('.')[2]}" if "." in name else ""


@contextmanager
def _said_plainly(path: Path) -> Iterator[None]:
    """What readers raise, as a line that says which file and what to do."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise _wrong(
            path, "this is no UTF-8 text.", "Convert it, for example with iconv."
        ) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _wrong(path, f"the compression is broken: {error}.", "Fetch it again.") from error
    except pa.ArrowInvalid as error:
        if "UTF8" in str(error):
            raise _wrong(path, "this is no UTF-8 text.", "Convert it with iconv.") from error
        raise _wrong(path, f"it cannot be read: {_line(error)}.", "Check the file.") from error
    except OSError as error:
        reason = error.strerror or _line(error)
        raise _wrong(path, f"cannot read this file ({reason}).", "Check the path.") from error


def _wrong(path: Path, what: str, todo: str) -> ConfigError:
    return ConfigError(what, where=str(path), todo=todo)


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def _csv(path: Path, delimiter: str | None) -> Iterator[Chunk]:
    """CSV: every column is text and an empty cell is null, so that no row decides a type."""
    torn: list[Unread] = []

    def skip(row: Any) -> str:  # noqa: ANN401 - pyarrow ships no types
        reason = f"{row.actual_columns} cells where the header has {row.expected_columns}"
        torn.append(Unread(row.number - 1, "cells", reason))
        return "skip"

    if path.stat().st_size == 0:
        raise _wrong(path, "the file is empty.", "A CSV file begins with a line of column names.")
    by_name = "\t" if _ending(path) == ".tsv" else ","
    parsing = csv.ParseOptions(
        delimiter=delimiter or by_name, invalid_row_handler=skip, newlines_in_values=True
    )
    names = _header(path, parsing)
    torn.clear()
    with _opened(path) as stream:
        reader = csv.open_csv(
            stream,
            read_options=csv.ReadOptions(use_threads=False, block_size=CSV_BLOCK_BYTES),
            parse_options=parsing,
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                strings_can_be_null=True,
                null_values=[""],
            ),
        )
        last = 0
        for batch in reader:
            numbers = _numbers(last, batch.num_rows, torn)
            last = int(numbers[-1]) if len(numbers) else last
            # The reader is a block ahead: rows it has left out there belong to the next chunk.
            here = [one for one in torn if one.row < last]
            torn[:] = [one for one in torn if one.row > last]
            yield _chunk(pl.from_arrow(batch), numbers, here)
    schema = {**dict.fromkeys(names, pl.String), ROW: pl.Int64}
    yield Chunk(pl.DataFrame(schema=schema), tuple(torn))


def _header(path: Path, parsing: Any) -> list[str]:  # noqa: ANN401 - pyarrow ships no types
    with _opened(path) as stream:
        reading = csv.ReadOptions(use_threads=False, block_size=CSV_BLOCK_BYTES)
        reader = csv.open_csv(stream, read_options=reading, parse_options=parsing)
        names: list[str] = reader.schema.names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise _wrong(path, f"the header names '{twice[0]}' twice.", "Rename one of the columns.")
    return names


def _numbers(last: int, rows_n: int, torn: Sequence[Unread]) -> Ints:
    """The numbers of the next rows, those left out skipped."""
    following = np.arange(last + 1, last + 1 + rows_n + len(torn))
    return following[~np.isin(following, [one.row for one in torn])][:rows_n]


def _opened(path: Path) -> Any:  # noqa: ANN401 - pyarrow ships no types
    return pa.input_stream(
        str(path), compression="gzip" if path.name.endswith(GZIP_ENDING) else None
    )


def _chunk(table: Any, numbers: Sequence[int] | Ints, unread: Sequence[Unread]) -> Chunk:  # noqa: ANN401 - pyarrow ships no types
    rows = table.with_columns(pl.Series(ROW, numbers, dtype=pl.Int64))
    return Chunk(rows, tuple(unread))


def _parquet(path: Path, _delimiter: str | None) -> Iterator[Chunk]:
    done_n = 0
    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS_MAX):
            numbers = np.arange(done_n + 1, done_n + 1 + batch.num_rows)
            done_n += batch.num_rows
            yield _chunk(pl.from_arrow(batch), numbers, ())


def _jsonl(path: Path, _delimiter: str | None) -> Iterator[Chunk]:
    opening = gzip.open if path.name.endswith(GZIP_ENDING) else open
    with opening(path, "rb") as file:
        numbered = ((n, line) for n, line in enumerate(file, start=1) if line.strip())
        while part := list(itertools.islice(numbered, ROWS_MAX)):
            yield _of_lines(part)


def _of_lines(part: Sequence[tuple[int, bytes]]) -> Chunk:
    """Lines of JSON at once where all are well, one at a time where one is not."""
    try:
        rows = pl.read_ndjson(
            b"\n".join(line.strip() for _, line in part), infer_schema_length=None
        )
    except PolarsError:
        rows = pl.DataFrame()
    if rows.height == len(part):
        return _chunk(rows, [number for number, _ in part], ())
    good: list[tuple[int, dict[str, Any]]] = []
    unread = []
    for number, line in part:
        try:
            value = json.loads(line)
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            unread.append(Unread(number, "json", _line(error)))
            continue
        if isinstance(value, dict):
            good.append((number, value))
        else:
            unread.append(Unread(number, "json", "the line is no JSON object"))
    rows = pl.DataFrame([value for _, value in good], infer_schema_length=None, strict=False)
    return _chunk(rows, [number for number, _ in good], unread)


def _documents(path: Path, nested: str, *, is_one: bool) -> Iterator[Chunk]:
    """Rows of the documents in a file; the number of a row is its place among them."""
    documents = _whole(path) if is_one else _lines(path)
    done_n = 0
    while part := list(itertools.islice(documents, ROWS_MAX)):
        good: list[tuple[int, dict[str, str | None]]] = []
        unread = []
        for document in part:
            if isinstance(document, str):
                done_n += 1
                unread.append(Unread(done_n, "json", document))
                continue
            for row in rows_of(document, nested):
                done_n += 1
                good.append((done_n, row))
        names = dict.fromkeys(name for _, row in good for name in row)
        rows = pl.DataFrame([row for _, row in good], schema=dict.fromkeys(names, pl.String()))
        yield _chunk(rows, [number for number, _ in good], unread)


def _lines(path: Path) -> Iterator[dict[str, Any] | str]:
    """A document a line; a text says why a line is none."""
    opening = gzip.open if path.name.endswith(GZIP_ENDING) else open
    with opening(path, "rb") as file:
        for line in file:
            if line.strip():
                yield _object(line)


def _whole(path: Path) -> Iterator[dict[str, Any] | str]:
    """The documents of one JSON value: itself, or the elements of a list."""
    opening = gzip.open if path.name.endswith(GZIP_ENDING) else open
    with opening(path, "rb") as file:
        text = file.read(DOCUMENT_BYTES_MAX + 1)
    if len(text) > DOCUMENT_BYTES_MAX:
        raise _wrong(
            path,
            f"the document is larger than {DOCUMENT_BYTES_MAX:,} bytes.",
            "Write one object a line, as .jsonl.",
        )
    try:
        value = json.loads(text)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise _wrong(path, f"this is no JSON: {_line(error)}.", "Check the file.") from error
    for one in value if isinstance(value, list) else [value]:
        yield one if isinstance(one, dict) else "the element is no JSON object"


def _object(line: bytes) -> dict[str, Any] | str:
    try:
        value = json.loads(line)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        return _line(error)
    return value if isinstance(value, dict) else "the line is no JSON object"
