"""The shard law: rows are a function of the events, whatever the order, the cut, the restarts."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.frames import arrived
from support.oracle import EXPECTED, differences, rows_of
from support.shard_logs import RULES, as_log, cut, interleaved, logs

from streams.flush import commit
from streams.warehouse import compact
from streams.warehouse.connect import transaction
from streams.warehouse.content import content_of
from streams.warehouse.migrate import migrate
from streams.warehouse.restore import drop_shards

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection
    from support.frames import Entry

    from streams.warehouse.content import Content

pytestmark = [pytest.mark.property, pytest.mark.timeout(1_500)]


@pytest.fixture(scope="module")
def con():
    con = duckdb.connect(":memory:", config={"threads": 1})  # no file: examples need no fsync
    migrate(con, "law")
    con.execute(
        "INSERT INTO rules (window_sizes_s, out_of_orderness_us, horizon_us) "
        "VALUES ([60, 3600, 86400], 60000000, 2592000000000)"
    )
    yield con
    con.close()


def content(
    con: DuckDBPyConnection, chunks: list[list[Entry]], folds: Sequence[bool] = ()
) -> Content:
    """The content hash after the chunks, each one flush; checks the balance.

    folds: after which chunks the appended differences are folded.
    """
    with transaction(con):
        drop_shards(con, (0, 1))
    for chunk, is_folded in itertools.zip_longest(chunks, folds[: len(chunks)], fillvalue=False):
        commit(con, arrived(chunk), RULES)
        for table, shard in itertools.product(compact.FOLDED_TABLES, (0, 1) if is_folded else ()):
            compact.fold(con, table, shard)
    assert con.sql("FROM pipeline_health WHERE NOT is_balanced").fetchall() == []
    return content_of(con)


def derived(con: DuckDBPyConnection) -> dict[str, list[Any]]:
    """All derived rows, as their readers see them."""
    return {
        table: con.sql(f"FROM {rows_of(table)} ORDER BY ALL").fetchall()
        for table in (*EXPECTED, "topic_shard", "shard_watermark")
    }


SCENARIOS = {
    "drawn": logs,
    "repeats": st.lists(st.integers(0, 100), max_size=4),
    "order": st.lists(st.integers(0, 100), max_size=30),
    "cuts": st.lists(st.tuples(st.integers(0, 8), st.booleans()), max_size=6),
}
FAST_EXAMPLES_N = min(100, settings.default.max_examples)
ALL_EXAMPLES_N = max(500, settings.default.max_examples)


def hold_the_law(con, drawn, repeats, order, cuts, *, shown=lambda _: None) -> None:
    """shown: what else must be equal; the hash is over all rows that it could read."""
    log = as_log(drawn, repeats=repeats)
    whole, whole_shown = content(con, [log]), shown(con)
    assert differences(con) == {}
    sizes, folds = [size for size, _ in cuts], [is_folded for _, is_folded in cuts]
    pieces = content(con, cut(interleaved(log, order), sizes), folds)
    assert shown(con) == whole_shown
    assert pieces.differences(whole) == ()
    assert pieces == whole


@settings(max_examples=FAST_EXAMPLES_N)
@given(**SCENARIOS)
def test_rows_equal_the_oracle_and_depend_on_no_order_cut_or_fold(con, drawn, repeats, order, cuts):
    hold_the_law(con, drawn, repeats, order, cuts, shown=derived)


@pytest.mark.faults
@pytest.mark.timeout(3_600)
@settings(max_examples=ALL_EXAMPLES_N)
@given(**SCENARIOS)
def test_the_shard_law_holds_in_many_more_examples(con, drawn, repeats, order, cuts):
    hold_the_law(con, drawn, repeats, order, cuts)
