"""A simulated log through the joining side: the rows equal the oracle, the counts the truth."""

from __future__ import annotations

import duckdb
import pytest
from support.oracle import differences
from support.report_sql import columns_and_rows, held
from support.simulated import SHARDS_N, batches

from analytics.nightly import Request, analyse
from listenback.definitions import definitions
from streams.pipeline import Pipeline
from streams.settings import Settings
from streams.simulate.plan import Plan
from streams.simulate.simulation import simulate
from streams.warehouse.connect import open_readable

EVENTS_N = 30_000


@pytest.fixture(scope="module")
def joined(tmp_path_factory):
    """The warehouse's settings after a log whose every flush is another size, with restarts."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("joined"))
    shards = frozenset(range(SHARDS_N))
    pipeline = Pipeline(settings)
    pipeline.assign(shards)
    for n, batch in enumerate(batches(Plan(events_n=EVENTS_N), rows_max=7_000)):
        pipeline.add(batch)
        if n % 5 == 0:
            pipeline.flush()
        if n % 17 == 0:
            pipeline.flush()
            pipeline.close()
            pipeline = Pipeline(settings)
            pipeline.assign(shards)
    pipeline.flush()
    pipeline.publish()
    pipeline.close()
    return settings


def test_every_row_equals_the_oracle(joined):
    with duckdb.connect(str(joined.worker_file)) as con:
        assert differences(con) == {}


def test_the_counts_are_those_the_simulator_planted(joined):
    truth = simulate(Plan(events_n=EVENTS_N)).truth()["counts"]
    with duckdb.connect(str(joined.warehouse_file), read_only=True) as con:
        booked = con.sql(
            "SELECT topic, sum(read_n)::BIGINT, sum(accepted_n)::BIGINT, sum(duplicate_n)::BIGINT, "
            "sum(dead_lettered_n)::BIGINT FROM pipeline_health GROUP BY topic"
        ).fetchall()
        letters = con.sql(
            "SELECT topic, error_class, count(*) FROM dead_letter GROUP BY ALL"
        ).fetchall()
    assert {topic: counts for topic, *counts in booked} == {
        topic: [one["records"], one["events"], one["duplicates"], one["poison"]]
        for topic, one in truth.items()
    }
    assert {(topic, kind): n for topic, kind, n in letters} == {
        (topic, kind): n
        for topic, one in truth.items()
        for kind, n in one["poison_by_error_class"].items()
    }


def test_the_numbers_of_its_report_come_out_of_the_report_s_own_sql(joined):
    catalog = definitions(None)
    con = open_readable(joined.warehouse_file)
    try:
        report = analyse(con, catalog, Request("warehouse.duckdb", now_us=1_793_700_000_000_000))
        rows = {name: found for name, (_, found) in columns_and_rows(con, report).items()}
    finally:
        con.close()
    compared = list(held(report, rows, catalog))
    assert [one for one in compared if one[1] != one[2]] == []
    assert len(compared) > 500
