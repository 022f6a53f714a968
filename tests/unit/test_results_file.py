"""`results.duckdb`: the report's numbers as tables, a night once, whole or as it was."""

from __future__ import annotations

import dataclasses
import json

import pytest
from support.night import night

from analytics.report.results_file import TABLES
from analytics.report.write import to_json
from listenback.cli import run
from listenback.results_file import NAME, keep_results
from streams.errors import ConfigError, IntegrityError
from streams.warehouse.connect import open_readable, open_writable

KINDS = {
    ("fixed", False): "raw",
    ("fixed", True): "relative",
    ("adjusted", False): "adjusted",
    ("adjusted", True): "adjusted_relative",
    ("always", False): "always_valid",
    ("always", True): "always_valid_relative",
}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return night(tmp_path_factory.mktemp("night"))


def asked(path, sql):
    con = open_readable(path)
    try:
        return con.execute(sql).fetchall()
    finally:
        con.close()


def test_every_estimate_of_the_json_is_a_row_and_no_other(report, tmp_path):
    path = keep_results(report, tmp_path)
    document = json.loads(to_json(report))
    said = {
        (one["id"], it["treatment"]["variant"], it["metric"], name): (
            *(it[name][part] for part in ("estimate", "low", "high", "se", "p", "level")),
            *(it[arm][part] for arm in ("control", "treatment") for part in ("n", "value")),
        )
        for one in document["experiments"]
        for it in one["comparisons"]
        for name in KINDS.values()
        if it[name] is not None
    }
    rows = asked(
        path,
        "SELECT experiment_id, treatment, metric, kind, is_relative, estimate, low, high, se, p,"
        " level, control_n, control_value, treatment_n, treatment_value FROM estimate",
    )
    found = {(*row[:3], KINDS[row[3], row[4]]): row[5:] for row in rows}
    assert len(rows) == len(found) > 10
    assert found == said


def test_verdicts_judges_and_the_night_are_those_of_the_report(report, tmp_path):
    path = keep_results(report, tmp_path)
    ((state, sentence, reasons),) = asked(path, "SELECT state, sentence, reasons FROM verdict")
    verdict = report.experiments[0].verdicts[0]
    assert (state, sentence, tuple(reasons)) == (verdict.state, verdict.sentence, verdict.reasons)
    views = asked(path, "SELECT evaluator_epoch, estimate, prefers FROM judge_view ORDER BY 1")
    said = [(one.epoch, one.difference.estimate, one.prefers) for one in verdict.judges]
    assert views == sorted(said)
    trusts = asked(path, "SELECT evaluator_epoch, surface, state, rank, auc_low FROM judge_trust")
    assert sorted(trusts) == sorted(
        (one.epoch, one.surface, one.state, one.rank[0], one.auc[1]) for one in report.judges
    )
    ((day, as_of, headline),) = asked(path, "SELECT date, as_of, headline FROM night")
    assert (day.isoformat(), as_of.isoformat()) == (report.date, report.as_of)
    assert tuple(headline) == report.headline


def test_the_same_night_again_leaves_the_file_as_it_is_byte_by_byte(report, tmp_path):
    path = keep_results(report, tmp_path)
    before = path.read_bytes(), path.stat().st_ino
    keep_results(report, tmp_path)
    assert (path.read_bytes(), path.stat().st_ino) == before
    assert [one.name for one in tmp_path.iterdir()] == [NAME]


def test_another_night_is_added_and_a_night_made_again_takes_the_place_of_itself(report, tmp_path):
    path = keep_results(report, tmp_path)
    keep_results(dataclasses.replace(report, date="2026-10-23"), tmp_path)
    assert asked(path, "SELECT count(*), count(DISTINCT date) FROM night") == [(2, 2)]
    ((each, nights),) = asked(path, "SELECT count(*), count(DISTINCT date) FROM estimate")
    assert nights == 2
    none = dataclasses.replace(report, date="2026-10-23", experiments=())
    keep_results(none, tmp_path)
    assert asked(path, "SELECT count(*), count(DISTINCT date) FROM estimate") == [(each // 2, 1)]
    assert asked(path, "SELECT count(*) FROM night") == [(2,)]


def test_readers_of_the_old_file_keep_it_and_no_half_written_one_is_left(report, tmp_path):
    path = keep_results(report, tmp_path)
    con = open_readable(path)
    try:
        keep_results(dataclasses.replace(report, date="2026-10-23"), tmp_path)
        assert con.execute("SELECT count(*) FROM night").fetchall() == [(1,)]
    finally:
        con.close()
    assert [one.name for one in tmp_path.iterdir()] == [NAME]


def test_a_file_that_is_none_stays_and_is_named(report, tmp_path):
    (tmp_path / NAME).write_bytes(b"<no database>" * 400)
    with pytest.raises(IntegrityError, match="results of earlier nights"):
        keep_results(report, tmp_path)
    assert (tmp_path / NAME).read_bytes() == b"<no database>" * 400
    assert [one.name for one in tmp_path.iterdir()] == [NAME]
    with pytest.raises(ConfigError, match="cannot be written"):
        keep_results(report, tmp_path / NAME / "below")


def test_every_table_and_column_says_what_it_is(report, tmp_path):
    path = keep_results(report, tmp_path)
    tables = dict(asked(path, "SELECT table_name, comment FROM duckdb_tables()"))
    assert tables == {one.name: one.comment for one in TABLES}
    columns = asked(
        path, "SELECT table_name, column_name, data_type, comment FROM duckdb_columns()"
    )
    assert {row[:2]: row[2:] for row in columns if row[0] in tables} == {
        (one.name, name): words for one in TABLES for name, words in one.columns.items()
    }


def test_a_data_scientist_asks_it_with_the_command_for_queries(report, tmp_path, capsys):
    path = keep_results(report, tmp_path)
    sql = "SELECT date, state FROM verdict ORDER BY date"
    assert run(["query", sql, "--warehouse", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"date": report.date, "state": "ship"}]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("ALTER TABLE verdict ADD COLUMN mood VARCHAR", "verdict differs in mood"),
        ("ALTER TABLE estimate DROP COLUMN se", "estimate differs in se"),
    ],
)
def test_a_file_with_the_columns_of_another_listenback_is_refused_and_stays(
    report, tmp_path, change, named
):
    path = keep_results(report, tmp_path)
    con = open_writable(path, memory="500MB", threads_n=1)
    con.execute(change)
    con.close()
    before = path.read_bytes()
    with pytest.raises(IntegrityError, match=named):
        keep_results(report, tmp_path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
