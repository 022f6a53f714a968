"""The content hash: equal for equal content, different for any single changed value."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path

import duckdb
import pytest
from support.log import batch, message

from streams.events.topics import Topic
from streams.pipeline import Pipeline
from streams.settings import Settings
from streams.warehouse import publish
from streams.warehouse.connect import open_readable
from streams.warehouse.content import CONTENT_TABLES, _sums, columns_of, content_of
from streams.warehouse.layout import TABLES, Table

OTHER = {
    "INTEGER": "coalesce({0}, 0) + 1",
    "BIGINT": "coalesce({0}, 0) + 1",
    "BOOLEAN": "NOT coalesce({0}, false)",
    "DATE": "coalesce({0}, DATE '2020-01-01') + 1",
    "DOUBLE": "nextafter(coalesce({0}, 0.5), 2)",
    "BLOB": "coalesce({0}, ''::BLOB) || 'x'::BLOB",
    "VARCHAR": "coalesce({0}, '') || 'x'",
    "VARCHAR[]": "list_append(coalesce({0}, []), 'x')",
}
COLUMNS = [
    (name, column, kind)
    for name in CONTENT_TABLES
    for column, kind in columns_of(TABLES[name]).items()
]
LOG = [
    (Topic.EXPOSURES, [message(Topic.EXPOSURES, f"x{n}", generation_id=f"g{n}") for n in range(3)]),
    (Topic.LISTENS, [message(Topic.LISTENS, f"l{n}", generation_id=f"g{n}") for n in range(4)]),
    (Topic.FEEDBACK, [message(Topic.FEEDBACK, "f1", value=0.25)]),
    (Topic.JUDGE_SCORES, [message(Topic.JUDGE_SCORES, "s1"), b"poison"]),
    (Topic.HUMAN_LABELS, [message(Topic.HUMAN_LABELS, "h1")]),
]


def settings(folder, worker_id="0"):
    return Settings(data_dir=folder, worker_id=worker_id)


def worked(folder, shards, worker_id="0"):
    """A worker that has read LOG in each of its shards and published."""
    pipeline = Pipeline(settings(folder, worker_id))
    pipeline.assign(frozenset(shards))
    for shard in shards:
        for topic, messages in LOG:
            pipeline.add(batch(topic, messages, shard=shard))
            pipeline.flush()
    pipeline.publish()
    return pipeline


@pytest.fixture(scope="module")
def con(tmp_path_factory):
    pipeline = worked(tmp_path_factory.mktemp("content"), (0, 1))
    yield pipeline._con
    pipeline.close()


@pytest.fixture(scope="module")
def whole(con):
    return content_of(con)


def test_every_table_of_the_file_has_its_part(whole):
    assert {part.table for part in whole.parts} == set(CONTENT_TABLES)
    assert {part.shard for part in whole.parts} == {0, 1}


@pytest.mark.property
@pytest.mark.parametrize(
    ("table", "column", "kind"),
    COLUMNS,
)
def test_any_single_changed_value_changes_it(con, whole, table, column, kind):
    others = set(CONTENT_TABLES) - {table}
    value = OTHER[kind].format(f'"{column}"')
    stored = TABLES[table].name
    one = f"rowid = (SELECT min(rowid) FROM {stored})"
    con.begin()
    try:
        con.execute(f'UPDATE {stored} SET "{column}" = {value} WHERE {one}')
        changed = content_of(con, tables=[table])
    finally:
        con.rollback()
    assert changed.hash != whole.without(others).hash
    assert {name for name, _ in changed.differences(whole.without(others))} == {table}


def test_a_row_more_and_two_rows_more_and_a_row_less_change_it(con):
    again = "INSERT INTO listen_recent SELECT * FROM listen WHERE event_id = 'l1' AND shard = 0"
    seen = {content_of(con, tables=["listen"]).hash}
    con.begin()
    try:
        for sql in (again, again, "DELETE FROM listen_recent WHERE event_id = 'l1' AND shard = 0"):
            con.execute(sql)
            seen.add(content_of(con, tables=["listen"]).hash)
    finally:
        con.rollback()
    assert len(seen) == 4


def test_what_was_done_with_dead_letters_is_no_content(con, whole):
    con.begin()
    try:
        con.execute("UPDATE dead_letter SET forwarded = NOT forwarded")
        assert content_of(con) == whole
    finally:
        con.rollback()


def test_sums_that_lie_in_several_differences_are_the_same_content(con, whole):
    table = TABLES["window_sum"]
    key = ", ".join(f'"{name}"' for name in table.key)
    more, less = (
        ", ".join(one.format(name) for name in table.counted) for one in ("{0} + 7", "-7 AS {0}")
    )
    con.begin()
    try:
        con.execute("CREATE TEMP TABLE old AS FROM window_sum")
        con.execute("DELETE FROM window_sum")
        con.execute(f"INSERT INTO window_sum SELECT {key}, {more} FROM old")
        assert content_of(con) != whole
        con.execute(f"INSERT INTO window_sum SELECT {key}, {less} FROM old")
        assert content_of(con) == whole
    finally:
        con.rollback()


def test_two_workers_files_merged_are_what_one_worker_writes(tmp_path, whole):
    for shard in (0, 1):
        worked(tmp_path, (shard,), worker_id=str(shard)).close()
    merged = settings(tmp_path).warehouse_file
    sources = sorted(settings(tmp_path).published_dir.glob(publish.WORKER_GLOB))
    publish.merge(sources, merged, memory="500MB", keep_n=1)
    con = open_readable(merged)
    assert content_of(con) == whole
    con.close()
    parts = [content_of(open_readable(path)) for path in sources]
    assert sorted(p for part in parts for p in part.parts) == sorted(whole.parts)


def test_an_attached_file_is_hashed_by_its_name(con, whole, tmp_path):
    sql = "SELECT path FROM duckdb_databases() WHERE database_name = 'warehouse_file'"
    publish.snapshot(con, Path(con.sql(sql).fetchall()[0][0]), tmp_path / "copy.db", keep_n=1)
    other = duckdb.connect()
    other.execute(f"ATTACH '{tmp_path}/copy.db' AS copied (READ_ONLY)")
    assert content_of(other, catalog="copied") == whole


KINDS = Table("kinds", "", {"shard": "INTEGER", **{k: k for k in OTHER}}, ("shard",))
ROWS = [
    (7, -3, 1 << 40, True, date(1969, 12, 31), 0.1, b"\x00\xff", "ü:1", ["a", "1:b", None]),
    (7, None, None, None, None, None, None, None, None),
    (7, 0, 0, False, date(2026, 11, 22), -0.0, b"", "", []),
]


def text(value: object) -> str:
    """A value as docs/replay-and-erasure.md has it; null only inside lists."""
    if value is None:
        return "~"
    if isinstance(value, list):
        return f"{len(value)}[" + "".join(map(text, value)) + ";"
    if isinstance(value, str):
        return f"{len(value.encode())}:{value}"
    if isinstance(value, date):
        value = value.toordinal() - date(1970, 1, 1).toordinal()
    if isinstance(value, bytes):
        value = value.hex().upper()
    return f"{value + 0.0:.17g};" if isinstance(value, float) else f"{value};".replace("True", "1")


def row_text(row: tuple[object, ...]) -> str:
    kinds = list(KINDS.columns.values())
    absent = {"VARCHAR": "~"}
    parts = [
        absent.get(kind, "~;") if one is None else text(int(one) if one is False else one)
        for kind, one in zip(kinds, row, strict=True)
    ]
    return "".join(parts)


def test_a_row_s_number_is_the_md5_of_its_text_as_documented():
    con = duckdb.connect()
    con.execute(
        "CREATE TABLE kinds (" + ", ".join(f'"{n}" {k}' for n, k in KINDS.columns.items()) + ")"
    )
    con.executemany("INSERT INTO kinds VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", ROWS)
    expected = sum(
        int.from_bytes(hashlib.md5(row_text(row).encode()).digest(), "little") for row in ROWS
    )
    ((shard, rows_n, low, high),) = con.execute(_sums(KINDS, "")).fetchall()
    assert (shard, rows_n) == (7, 3)
    assert (high << 64) + low == expected
