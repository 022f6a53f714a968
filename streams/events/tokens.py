"""From JSON texts to one column of tokens a field, without loss of type.

A token is the JSON text of one value: `"5"` is a string and `5` a number, so what is read from it
later is type exact. DuckDB parses, because it is the fastest of the readers that survive a bad row:
polars' and pyarrow's fail a whole batch for one, and polars' takes 1.7 for the integer 1.

DuckDB's parser knows more than JSON: trailing commas, NaN, the first of two equal keys. Nobody may
send those; `surplus` finds the rows that could hold them.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Final

import duckdb
import polars as pl
import pyarrow as pa

from streams.events.refused_names import raw_identity_names

if TYPE_CHECKING:
    from streams.events.contract import Contract

_CHUNKS_N: Final = 8
"""Arrow chunks a batch: DuckDB hands them to its threads, so a single one would use one thread."""
_CHUNK_ROWS_MIN: Final = 4_096
_SINGLE_ROWS_MAX: Final = 64
"""Rows among which bytes that are no UTF-8 are looked for one by one."""
_BLANKS: Final = " \t\r\n"
"""What JSON lets stand around a value."""
_LENIENT: Final = r",\s*[}\]]|[:,\[]\s*-?(?i:nan|inf)"
"""What DuckDB's parser lets pass though it is no JSON; also found inside strings, by design."""


def utf8(values: pl.Series) -> pl.Series:
    """Bytes as String; null where they are no UTF-8."""
    try:
        return values.cast(pl.String)
    except pl.exceptions.ComputeError:  # polars has no cast that spares the rows that are well
        if len(values) <= _SINGLE_ROWS_MAX:
            return _utf8_singly(values)
        half = len(values) // 2
        return pl.concat([utf8(values[:half]), utf8(values[half:])])


def _utf8_singly(values: pl.Series) -> pl.Series:
    texts = []
    for value in values:
        try:
            texts.append(value if value is None else value.decode())
        except UnicodeDecodeError:
            texts.append(None)
    return pl.Series(values.name, texts, pl.String)


def tokens(texts: pl.Series, contract: Contract) -> pl.DataFrame:
    """The tokens of each field, in the order of the texts.

    Args:
        texts: String; null where there is nothing to read.
        contract: names the fields.

    Returns:
        A String column a field, by its name in JSON; null where the field is absent or null, and in
        every column where the text is no JSON object.
    """
    transform = f"json_transform(text, '{_spec(contract)}')"
    texts = _objects(texts)
    try:
        found = _run(f"SELECT {transform} AS found FROM texts", texts)  # noqa: S608 - of our own names
    except duckdb.InvalidInputException:  # some text is no JSON: then look before each step
        careful = f"CASE WHEN json_valid(text) THEN {transform} END"
        found = _run(f"SELECT {careful} AS found FROM texts", texts)  # noqa: S608
    return found.unnest("found")


def _objects(texts: pl.Series) -> pl.Series:
    """The texts that begin and end as an object does; null for the others, which are none.

    One text that is no JSON makes DuckDB give up all of them and be asked again with more care, for
    twice the price. Most of such texts were cut off or never were JSON, and their ends tell.
    """
    is_object = texts.str.starts_with("{") & texts.str.ends_with("}")
    unsure = (~is_object).arg_true()  # blanks may stand around an object
    trimmed = texts.gather(unsure).str.strip_chars(_BLANKS)
    padded = unsure.filter(trimmed.str.starts_with("{") & trimmed.str.ends_with("}"))
    is_object = is_object.scatter(padded, values=True)
    return texts.zip_with(is_object, pl.Series([None], dtype=pl.String))


def surplus(texts: pl.Series, *, nesting_max: int) -> pl.Series:
    """Which texts may hold what no field shows: a Boolean, true also where it is only possible.

    That is: a key twice, a raw identity, nesting beyond the limit, a trailing comma, NaN.

    texts: String, each of them JSON to DuckDB.
    """
    if texts.is_empty():
        return pl.Series([], dtype=pl.Boolean)
    strange = texts.str.contains(_LENIENT) | (texts.str.count_matches(r"[\[{]") > nesting_max)
    return strange | _refused_keys(texts)


def _refused_keys(texts: pl.Series) -> pl.Series:
    """Which texts have a key twice or one that no event may carry.

    Producers send few sets of keys, so each set is looked at once.
    """
    sets = _run("SELECT hash(json_keys(text)) AS key_set FROM texts", texts)["key_set"]
    firsts = pl.DataFrame({"key_set": sets, "text": texts}).unique("key_set")
    keys = firsts.with_columns(_run("SELECT json_keys(text) AS keys FROM texts", firsts["text"]))
    raw = raw_identity_names(keys["keys"].explode().drop_nulls().unique())
    refused = keys.filter(
        (pl.col("keys").list.n_unique() < pl.col("keys").list.len())
        | pl.col("keys").list.set_intersection(pl.lit(raw, pl.List(pl.String))).list.len().gt(0)
    )
    return sets.is_in(refused["key_set"].implode())


@cache
def _connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(":memory:")


def _run(sql: str, texts: pl.Series) -> pl.DataFrame:
    """The rows of a query over the table `texts` (column `text`), in order."""
    array = texts.to_arrow()
    step = max(len(array) // _CHUNKS_N, _CHUNK_ROWS_MIN)
    chunks = [array.slice(at, step) for at in range(0, len(array), step)]
    table = pa.table({"text": pa.chunked_array(chunks, type=array.type)})
    with _connection().cursor() as cursor:
        cursor.register("texts", table)
        found = cursor.sql(sql).to_arrow_table()
    frame = pl.from_arrow(found)
    assert isinstance(frame, pl.DataFrame), "a table becomes a frame"
    return frame


@cache
def _spec(contract: Contract) -> str:
    return json.dumps({column.wire: "JSON" for column in contract.columns})
