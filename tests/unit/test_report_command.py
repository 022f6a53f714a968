"""`listenback report` and `listenback query`, from the command line to the exit code."""

from __future__ import annotations

import csv
import io
import json

import pytest
from support.night import METRICS, PLAN, fill
from support.published import Published, config_of

from listenback.cli import run
from listenback.definitions import config_dir
from streams.schemas.tables import READERS


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a warehouse and definitions."""
    folder = tmp_path_factory.mktemp("home")
    published = Published(folder / "warehouse.duckdb")
    fill(published)
    published.close()
    config_of(folder / "config", METRICS, PLAN)
    return folder


@pytest.fixture
def listenback(home, monkeypatch, capsys):
    """Run a command line in that folder: exit code, stdout, stderr."""
    monkeypatch.chdir(home)

    def call(*args: str) -> tuple[int, str, str]:
        code = run(list(args))
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


WAREHOUSE = ("--warehouse", "warehouse.duckdb")


def test_report_writes_three_files_and_says_the_headline(listenback, home):
    code, out, err = listenback("report", *WAREHOUSE, "--out", "tonight")
    assert code == 0
    assert out.startswith("1 treatment: 1 ready to ship.")
    assert "report.html" in err
    document = json.loads((home / "tonight" / "report.json").read_text())
    assert document["experiments"][0]["verdicts"][0]["state"] == "ship"


def test_report_as_json_writes_no_file(listenback, home):
    before = set(home.iterdir())
    code, out, _ = listenback("report", *WAREHOUSE, "--json")
    assert code == 0
    assert json.loads(out)["schema"] == "listenback.report/1"
    assert set(home.iterdir()) == before


def test_report_goes_into_a_folder_of_the_date_by_default(listenback, home):
    code, _, _ = listenback("report", *WAREHOUSE)
    (day,) = (home / "reports").iterdir()
    assert code == 0
    assert json.loads((day / "report.json").read_text())["date"] == day.name


def test_an_unknown_experiment_is_an_error_with_a_hint(listenback):
    code, _, err = listenback("report", *WAREHOUSE, "--experiment", "voise")
    assert code == 2
    assert "Did you mean 'voice'?" in err


def test_wrong_definitions_are_all_named_and_end_with_findings(listenback, tmp_path):
    wrong = (
        METRICS[2].replace("operation: sum", "operation: mean").replace("type: open", "type: opn")
    )
    config_of(tmp_path, [wrong])
    code, _, err = listenback("report", *WAREHOUSE, "--config", str(tmp_path))
    lines = err.replace("\n", " ")
    assert code == 1
    assert "must be 'sum', not 'mean'" in lines
    assert "not 'opn'. Did you mean 'open'?" in lines


@pytest.mark.parametrize(("fail_on", "expected"), [("none", 0), ("error", 0), ("warn", 4)])
def test_a_doubt_about_the_data_fails_only_where_asked(listenback, fail_on, expected):
    code, _, _ = listenback("report", *WAREHOUSE, "--json", "--fail-on", fail_on)
    assert code == expected


def test_a_missing_warehouse_says_what_to_run(listenback):
    for command in (("report",), ("query", "FROM generation")):
        code, _, err = listenback(*command, "--warehouse", "nowhere.duckdb")
        assert code == 2
        assert "listenback demo" in err


def test_the_definitions_beside_win_over_those_built_in(home, monkeypatch, tmp_path):
    monkeypatch.chdir(home)
    assert config_dir(None).resolve() == home / "config"
    monkeypatch.chdir(tmp_path)
    assert (config_dir(None) / "metrics" / "fact_tables.yaml").is_file()
    assert config_dir(home) == home


def test_query_prints_one_line_a_row_into_a_pipe(listenback):
    sql = "SELECT variant_id, count(*) AS n FROM exposure GROUP BY ALL ORDER BY ALL"
    code, out, _ = listenback("query", sql, *WAREHOUSE)
    assert code == 0
    assert [line.split() for line in out.splitlines()] == [
        ["variant_id", "n"],
        ["control", "800"],
        ["warm", "800"],
    ]


def test_query_speaks_json_and_csv(listenback):
    sql = "SELECT 1 AS a, NULL AS b, 'x,y' AS c, DATE '2026-01-02' AS d, 'nan'::DOUBLE AS e"
    _, out, _ = listenback("query", sql, "--json", *WAREHOUSE)
    assert json.loads(out) == [{"a": 1, "b": None, "c": "x,y", "d": "2026-01-02", "e": None}]
    _, out, _ = listenback("query", sql, "--csv", *WAREHOUSE)
    assert list(csv.reader(io.StringIO(out))) == [
        ["a", "b", "c", "d", "e"],
        ["1", "", "x,y", "2026-01-02", "nan"],
    ]


def test_query_says_what_the_limit_left_out(listenback):
    _, out, err = listenback("query", "FROM exposure", "--json", "--limit", "3", *WAREHOUSE)
    assert len(json.loads(out)) == 3
    assert "the first 3 rows" in err
    _, out, err = listenback("query", "FROM range(2000)", "--json", "--limit", "0", *WAREHOUSE)
    assert len(json.loads(out)) == 2_000
    assert err == ""


def test_query_lists_tables_and_columns_with_their_comments(listenback):
    _, out, _ = listenback("query", "--tables", "--json", *WAREHOUSE)
    rows = json.loads(out)
    assert all(row["comment"] for row in rows)
    assert tuple(row["table"] for row in rows if row["for"] == "readers") == READERS
    inner = [row["table"] for row in rows if row["for"] == "inner"]
    assert [row["table"] for row in rows] == [*READERS, *inner]
    assert {"unit_day_sum", "listen_recent", "seen_event"} <= set(inner)
    assert inner == sorted(inner)
    _, out, _ = listenback("query", "--schema", "unit_day", "--json", *WAREHOUSE)
    assert {"column": "day", "type": "DATE"}.items() <= json.loads(out)[4].items()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("FROM generatio",), 'Did you mean "generation"'),
        (("DELETE FROM rules",), "read-only"),
        (("--schema", "unit_dya"), "Did you mean 'unit_day'?"),
        ((), "give one of: SQL, --tables, --schema TABLE"),
        (("SELECT 1", "--tables"), "give one of"),
        (("SELECT 1", "--json", "--csv"), "exclude each other"),
    ],
)
def test_query_says_what_is_wrong_in_one_line(listenback, arguments, says):
    code, out, err = listenback("query", *arguments, *WAREHOUSE)
    assert code == 2
    assert out == ""
    assert says in err
    assert "Traceback" not in err
