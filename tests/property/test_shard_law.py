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
from support.shard_logs import OPTIMIZED, RULES, as_log, cut, interleaved, logs, plan

from streams.flush import commit
from streams.warehouse import archive, archiving, compact
from streams.warehouse.connect import ARCHIVE_VARIABLE, transaction
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
def con(tmp_path_factory):
    con = duckdb.connect(":memory:", config={"threads": 1})  # no file: examples need no fsync
    con.execute(f"SET VARIABLE {ARCHIVE_VARIABLE} = '{tmp_path_factory.mktemp('archive')}'")
    migrate(con, "law")
    con.execute(
        "INSERT INTO rules (window_sizes_s, out_of_orderness_us, horizon_us) "
        "VALUES ([60, 3600, 86400], 60000000, 2592000000000)"
    )
    yield con
    con.close()


def content(
    con: DuckDBPyConnection,
    chunks: list[list[Entry]],
    folds: Sequence[bool] = (),
    moves_n: Sequence[int] = (),
) -> Content:
    """The content hash after the chunks, each one flush; checks the balance.

    folds: after which chunks the appended differences are folded.
    moves_n: how many pieces are archived after each chunk, if so many are due.
    """
    with transaction(con):
        shown = archive.files_by_view(con)
        drop_shards(con, (0, 1))
        archive.show(con, shown)
    steps = itertools.zip_longest(chunks, folds[: len(chunks)], moves_n[: len(chunks)])
    for chunk, is_folded, pieces_n in steps:
        commit(con, arrived(chunk), RULES)
        for table, shard in itertools.product(compact.FOLDED_TABLES, (0, 1) if is_folded else ()):
            compact.fold(con, table, shard)
        for _ in range(pieces_n or 0):
            pieces = archiving.due(con, after_us=AFTER_US, rows_min=1)
            if pieces is not None:
                archiving.move(con, pieces[:1])
    assert con.sql("FROM pipeline_health WHERE NOT is_balanced").fetchall() == []
    return content_of(con)


def derived(con: DuckDBPyConnection) -> dict[str, list[Any]]:
    """All derived rows, as their readers see them, held against all facts wherever they lie."""
    assert differences(con) == {}
    return {
        table: con.sql(f"FROM {rows_of(table)} ORDER BY ALL").fetchall()
        for table in (*EXPECTED, "topic_shard", "shard_watermark")
    }


AFTER_US = 1
"""Whatever lies before the day of the watermark may be archived: sooner than any setting allows."""
SCENARIOS = {
    "drawn": logs,
    "repeats": st.lists(st.integers(0, 100), max_size=4),
    "order": st.lists(st.integers(0, 100), max_size=30),
    "cuts": st.lists(
        st.tuples(st.integers(0, 8), st.booleans(), st.sampled_from((0, 0, 0, 1, 4))), max_size=6
    ),
}
FAST_EXAMPLES_N = 12
ALL_EXAMPLES_N = max(490, settings.default.max_examples)


def hold_the_law(con, drawn, repeats, order, cuts, *, shown=lambda _: None) -> None:
    """shown: what else must be equal; the hash is over all rows that it could read."""
    log = as_log(drawn, repeats=repeats)
    whole, whole_shown = content(con, [log]), shown(con)
    assert differences(con) == {}
    sizes, folds, moves_n = ([one[n] for one in cuts] for n in range(3))
    pieces = content(con, cut(interleaved(log, order), sizes), folds, moves_n)
    assert shown(con) == whole_shown
    assert pieces.differences(whole) == ()
    assert pieces == whole


@settings(max_examples=FAST_EXAMPLES_N)
@given(**SCENARIOS)
def test_rows_equal_the_oracle_and_depend_on_no_order_cut_fold_or_archive(
    con, drawn, repeats, order, cuts
):
    hold_the_law(con, drawn, repeats, order, cuts, shown=derived)


@pytest.mark.faults
@pytest.mark.timeout(3_600)
@settings(max_examples=ALL_EXAMPLES_N)
@given(**SCENARIOS, is_optimized=OPTIMIZED)
def test_the_shard_law_holds_in_many_more_examples(con, is_optimized, **drawn):
    with plan(con, is_optimized=is_optimized):
        hold_the_law(con, **drawn)
