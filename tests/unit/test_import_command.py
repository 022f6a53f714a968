"""`listenback import`: what it prints, how it ends."""

from __future__ import annotations

import json

import pytest

from listenback import cli, console

MAPPING = """\
topic: listens
columns: {event_time: stopped, ms_played: ms}
hash_user: listener
"""
HISTORY = [{"endTime": "2021-04-22 05:41", "artistName": "A", "trackName": "T", "msPlayed": 9}]


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A folder of its own, with a secret."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LISTENBACK_USER_KEY_SECRET", "a secret for tests only")
    console.configure()
    yield tmp_path
    console.configure()


@pytest.fixture
def table(place):
    (place / "plays.yaml").write_text(MAPPING)
    (place / "plays.csv").write_text(
        "stopped,ms,listener\n2026-03-01T10:00:00Z,5,ada\n2026-03-01T10:00:00Z,many,ada\n"
    )
    return ["import", "events", "plays.csv", "--mapping", "plays.yaml", "--out", "out"]


def test_a_table_gives_counts_on_stdout_and_reasons_on_stderr(table, capsys):
    assert cli.run(table) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines() == ["topic    events", "listens  1"]
    assert "2 rows: 1 event to out, 1 refused" in printed.err
    assert "1 listens: mapping/no_whole ms_played" in printed.err
    assert "(first: plays.csv, row 2)" in printed.err


def test_json_says_the_same_to_programs(table, place, capsys):
    assert cli.run([*table, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["rows_n"], told["sent"], told["refused_n"]) == (2, {"listens": 1}, 1)
    assert told["refused"][0]["first_row"] == 2
    assert len((place / "out" / "listens.jsonl").read_text().splitlines()) == 1


def test_strict_makes_a_refusal_a_finding(table):
    assert cli.run([*table, "--strict"]) == 1


def test_when_everything_is_refused_the_import_has_failed(table, place):
    (place / "plays.csv").write_text("stopped,ms,listener\n2026-03-01T10:00:00Z,many,ada\n")
    assert cli.run(table) == 1


def test_old_plays_are_refused_when_records_get_the_time_of_now(table, place, capsys):
    (place / "plays.csv").write_text("stopped,ms,listener\n2011-03-01T10:00:00Z,5,ada\n")
    assert cli.run([*table, "--record-time", "now", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["refused"][0]["error_class"] == "late_beyond_horizon"


def test_a_history_is_imported_for_its_user(place, capsys):
    (place / "StreamingHistory0.json").write_text(json.dumps(HISTORY))
    args = ["import", "spotify-history", "StreamingHistory0.json", "--user", "ada", "--out", "out"]
    assert cli.run([*args, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sent"] == {"listens": 1}
    assert "ada" not in (place / "out" / "listens.jsonl").read_text()


@pytest.mark.parametrize("secret", [None, "short"])
def test_without_a_secret_nobody_is_hashed(table, monkeypatch, capsys, secret):
    if secret is None:
        monkeypatch.delenv("LISTENBACK_USER_KEY_SECRET")
    else:
        monkeypatch.setenv("LISTENBACK_USER_KEY_SECRET", secret)
    assert cli.run(table) == 2
    assert "LISTENBACK_USER_KEY_SECRET" in capsys.readouterr().err


def test_a_mapping_that_names_no_user_needs_no_secret(table, place, monkeypatch):
    monkeypatch.delenv("LISTENBACK_USER_KEY_SECRET")
    key = "f" * 64
    (place / "plays.yaml").write_text(
        MAPPING.replace("hash_user: listener", f"constants: {{user_key: {key}}}")
    )
    assert cli.run(table) == 0


def test_an_error_in_the_middle_says_what_had_been_written(table, capsys):
    args = [*table[:3], "none.csv", *table[3:]]
    assert cli.run(args) == 2
    said = capsys.readouterr().err
    assert "none.csv: cannot read this file" in said
    assert "1 event went to out before." in said


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (["--mapping", "none.yaml"], "none.yaml: cannot read this file"),
        (["--topic", "listen"], "Did you mean 'listens'?"),
    ],
)
def test_what_is_wrong_is_one_line_and_code_2(table, capsys, args, why):
    assert cli.run([*table, *args]) == 2
    assert why in capsys.readouterr().err
