"""Whatever reads a published warehouse refuses one it cannot read right, and says what to do."""

from __future__ import annotations

import json
import re
import shutil
from importlib.metadata import version
from pathlib import Path

import duckdb
import pytest
from support.night import fill
from support.published import Published

import listenback
from listenback.cli import run
from listenback.definitions import config_dir
from streams.errors import IntegrityError, TransientError
from streams.warehouse import nights
from streams.warehouse.connect import literal, open_readable, open_writable
from streams.warehouse.migrate import newest_version
from streams.warehouse.reading import open_warehouse
from streams.warehouse.trouble import damage

NEWEST = newest_version()
WAREHOUSE = Path("listenback-data/published/warehouse.duckdb")
READERS = {
    "report": ("report", "--json"),
    "nightly": ("nightly",),
    "compare": ("compare", "a", "b", "-e", "dj-voice"),
    "trust": ("trust",),
    "mine": ("mine", "--out", "set"),
    "plan": ("plan", "-e", "dj-voice", "--from-warehouse", "--users", "900"),
    "dlq list": ("dlq", "list"),
    "dlq show": ("dlq", "show", "ab"),
    "hash": ("hash",),
    "judges list": ("judges", "list"),
    "judges epochs": ("judges", "epochs", "e1", "e2", "--judge", "keen"),
    "judges fused": ("judges", "fused"),
    "judges budget": ("judges", "budget", "--judge", "keen", "--cap", "5"),
    "judges moved": (
        *("judges", "moved", "--dimension", "warmth"),
        *("--from", "2026-10-01", "--to", "2026-10-02"),
    ),
    "erase": ("erase", "--user-key", "0" * 64),
    "replay": ("replay", "--from", "parquet"),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Warehouses as other versions would have them, and what is none."""
    folder = tmp_path_factory.mktemp("made")
    published = Published(folder / "ours")
    fill(published)
    published.close()
    changes = {
        "newer": f"INSERT INTO schema_history VALUES ({NEWEST + 7}, 'later.sql', now()::TIMESTAMP)",
        "older": f"DELETE FROM schema_history WHERE version = {NEWEST}",
        "none": "DROP TABLE schema_history",
    }
    for name, sql in changes.items():
        shutil.copyfile(folder / "ours", folder / name)
        con = open_writable(folder / name, memory="500MB", threads_n=1)
        con.execute(sql)
        con.close()
    whole = (folder / "ours").read_bytes()
    (folder / "cut").write_bytes(whole[: len(whole) * 3 // 5])
    middle = whole[20_000:-10_000]
    (folder / "overwritten").write_bytes(whole[:20_000] + bytes(len(middle)) + whole[-10_000:])
    (folder / "text").write_text("no database at all, though it has the name of one\n" * 400)
    (folder / "empty").write_bytes(b"")
    return folder


@pytest.fixture
def call(made, tmp_path, monkeypatch, capsys):
    """Run a command where the published warehouse is one of those: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    WAREHOUSE.parent.mkdir(parents=True)

    def of(kind: str, *args: str) -> tuple[int, str, str]:
        shutil.copyfile(made / kind, WAREHOUSE)
        code = run(list(args))
        said = capsys.readouterr()
        return code, said.out, said.err

    return of


def left(folder: Path) -> set[str]:
    """What lies there beside the warehouse, and locks."""
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return {name for name in files if not name.endswith(".lock")} - {str(WAREHOUSE)}


@pytest.mark.parametrize(
    ("kind", "command"),
    [*(("newer", one) for one in READERS), ("older", "report"), ("older", "nightly")],
)
def test_a_warehouse_of_another_schema_is_refused_with_both_versions(call, command, kind, tmp_path):
    found = NEWEST + 7 if kind == "newer" else NEWEST - 1
    code, out, err = call(kind, *READERS[command])
    assert (code, out) == (5, "")
    assert f"warehouse.duckdb: schema version {found} is {kind} than this listenback" in err
    assert f"({NEWEST})" in err
    assert ("Install the listenback" if kind == "newer" else "publish it again") in err
    assert "Traceback" not in err
    said = {"reports/latest/status.json", "listenback-data/nights/last.json"}  # that it failed
    assert left(tmp_path) == (said if command == "nightly" else set())


@pytest.mark.parametrize("command", ["dlq list", "nightly"])
def test_a_database_that_is_no_warehouse_is_refused(call, command):
    code, out, err = call("none", *READERS[command])
    assert (code, out) == (2, "")
    assert "no listenback warehouse" in err


@pytest.mark.parametrize(
    ("command", "kind"),
    [("report", "cut"), ("hash", "cut"), ("trust", "overwritten"), ("nightly", "overwritten")],
)
def test_a_damaged_warehouse_is_named_and_never_a_traceback(call, command, kind):
    code, _, err = call(kind, *READERS[command])
    assert code == 5
    assert "the file is damaged" in err
    assert "publish it again" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(("command", "kind"), [("report", "text"), ("nightly", "empty")])
def test_what_is_no_database_is_refused(call, command, kind, tmp_path):
    code, out, err = call(kind, *READERS[command])
    assert (code, out) == (2, "")
    assert "cannot be opened as a DuckDB file" in err
    assert not list(tmp_path.glob("listenback-data/nights/????-*"))


def test_questions_are_asked_of_an_older_file_and_of_any_database_but_of_no_newer_one(call):
    asked = ("query", "SELECT count(*) AS n FROM unit_day", "--json")
    code, out, err = call("older", *asked)
    assert (code, json.loads(out)[0]["n"] > 0) == (0, True)
    assert f"schema version {NEWEST - 1}; the documentation here is of version {NEWEST}" in err
    code, out, err = call("none", *asked)
    assert (code, json.loads(out)[0]["n"] > 0, err) == (0, True, "")
    code, out, err = call("newer", *asked)
    assert (code, out) == (5, "")
    assert f"schema version {NEWEST + 7} is newer" in err


def test_a_question_that_meets_damage_is_no_mistake_in_the_question(call):
    code, out, err = call("cut", "query", "FROM unit_day_sum", "--limit", "0")
    assert (code, out) == (5, "")
    assert "the file is damaged" in err


@pytest.mark.parametrize(
    "sql",
    [
        "FROM '{folder}/typo.parquet'",
        "FROM '{folder}/archive/shard=00/listen/day=2026-10-01/part-typo.parquet'",
        "FROM read_csv('nope')",
        "FROM read_parquet('{folder}/short.parquet')",
        "SELECT error('Corrupt database file')",
        "SELECT 'Could not read enough bytes'::INTEGER",
    ],
)
def test_a_wrong_file_or_a_text_in_the_question_is_no_damage(call, sql, tmp_path):
    (tmp_path / "short.parquet").write_text("x")
    code, out, err = call("ours", "query", sql.format(folder=tmp_path))
    assert (code, out) == (2, "")
    assert "SQL" in err
    assert "damaged" not in err
    assert "archived part" not in err


@pytest.mark.parametrize("kind", ["newer", "older", "none", "cut", "text"])
def test_the_live_page_stays_up_and_says_what_is_wrong(made, tmp_path, kind):
    from listenback.live.view import look  # noqa: PLC0415 - aiohttp loads slowly

    shutil.copyfile(made / kind, tmp_path / "w.duckdb")
    view = look(tmp_path / "w.duckdb", tmp_path / "reports", now_us=0)
    says = {"newer": "newer than", "older": "older than", "none": "no listenback warehouse"}
    says |= {"cut": "damaged", "text": "DuckDB file"}
    assert says[kind] in view.problem
    assert (view.health, view.windows) == ((), ())


def test_doctor_fails_on_a_newer_and_on_a_damaged_warehouse_and_goes_on(call):
    for kind, says in (("newer", "is newer than"), ("cut", "is damaged")):
        code, out, _ = call(kind, "doctor", "--bootstrap", "127.0.0.1:1", "--json")
        found = {one["check"]: one for one in json.loads(out)}
        assert code == 1
        bad = [one["says"] for one in found.values() if one["state"] == "fail"]
        assert any(says in text for text in bad), bad
        assert "nights" in found


def test_doctor_warns_of_an_older_warehouse_and_does_not_fail_over_what_it_cannot_count(call):
    _, out, _ = call("older", "doctor", "--bootstrap", "127.0.0.1:1", "--json")
    found = {one["check"]: one for one in json.loads(out)}
    assert (found["warehouse"]["state"], found["dlq"]["state"]) == ("warn", "ok")
    assert "not counted in a file of an older schema" in found["dlq"]["says"]


def test_a_pinned_night_of_an_older_schema_says_who_still_reads_it(call, made, tmp_path):
    pinned = nights.pin(
        tmp_path / "listenback-data" / "nights",
        nights.Look("2026-10-20", 0, "listenback report", version("listenback")),
        warehouse=made / "ours",
        definitions=config_dir(None),
    )
    pinned.warehouse.unlink()
    shutil.copyfile(made / "older", pinned.warehouse)
    code, _, err = call("ours", "report", "--as-of", "2026-10-20")
    assert code == 5
    assert "by the listenback that made it" in err


def test_a_file_that_another_process_writes_is_to_be_tried_again(made, tmp_path, monkeypatch):
    shutil.copyfile(made / "ours", tmp_path / "w.duckdb")

    def held(*_: object, **__: object) -> None:
        raise duckdb.IOException('IO Error: Could not set lock on file "w": Conflicting lock')

    monkeypatch.setattr(duckdb, "connect", held)
    with pytest.raises(TransientError, match="another process holds"):
        open_readable(tmp_path / "w.duckdb")

    def corrupt(*_: object, **__: object) -> None:
        raise duckdb.Error("Corrupt database file: checksum in block 7")

    monkeypatch.setattr(duckdb, "connect", corrupt)
    with pytest.raises(IntegrityError, match="damaged"):  # "block" is no lock
        open_readable(tmp_path / "w.duckdb")


def test_a_command_opens_warehouses_only_where_the_schema_is_looked_at():
    folder = Path(listenback.__file__).parent
    opens = {
        str(path.relative_to(folder))
        for path in folder.rglob("*.py")
        if re.search(r"\bopen_readable\b|duckdb\.connect", path.read_text("utf-8"))
    }
    assert opens == {"findings.py"}  # it looks at the version itself, to say more of it


def test_what_is_ours_opens(made):
    con = open_warehouse(made / "ours")
    assert con.execute("SELECT count(*) > 0 FROM unit_day").fetchall() == [(True,)]
    con.close()


@pytest.mark.parametrize("left_of_it", ["gone", "empty", "half"])
def test_an_archived_part_that_is_not_whole_is_named(tmp_path, left_of_it):
    folder = tmp_path / "it's" / "shard=03" / "listen" / "day=2026-10-01"
    path = folder / f"part-{7:032x}.parquet"
    path.parent.mkdir(parents=True)
    sql_path = literal(path)
    duckdb.sql("SELECT range AS a FROM range(10_000)").write_parquet(str(path))
    whole = path.read_bytes()
    path.unlink()
    if left_of_it != "gone":
        path.write_bytes(whole[: len(whole) // 2] if left_of_it == "half" else b"")
    with pytest.raises(duckdb.Error) as raised:
        duckdb.sql(f"SELECT max(a) FROM read_parquet(['{sql_path}'])").fetchall()
    said = damage(raised.value)
    assert said is not None
    assert "an archived part is not as it was" in said.what
    assert said.where == str(path)
    assert "backup" in said.todo


def test_a_mistake_in_a_question_and_a_bug_are_no_damage():
    with pytest.raises(duckdb.Error) as raised:
        duckdb.sql("SELECT nothing FROM nowhere")
    assert damage(raised.value) is None
    assert damage(OSError("Corrupt database file")) is None
