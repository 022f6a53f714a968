"""`listenback simulate`: files, counts, and what it says when it cannot."""

from __future__ import annotations

import json

import pytest

from listenback import cli, console
from streams.events.topics import Topic


@pytest.fixture(autouse=True)
def consoles():
    """The consoles as they start."""
    console.configure()
    yield
    console.configure()


def test_it_writes_a_file_a_topic_and_the_truth(tmp_path, capsys):
    assert cli.run(["simulate", "-n", "400", "--out", str(tmp_path / "out"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    truth = json.loads((tmp_path / "out" / "truth.json").read_text())
    assert told["counts"] == truth["counts"]
    for topic in Topic:
        lines = (tmp_path / "out" / f"{topic}.jsonl").read_bytes().splitlines()
        assert len(lines) == truth["counts"][topic]["records"]


def test_people_get_a_table_and_one_line_on_stderr(tmp_path, capsys):
    assert cli.run(["simulate", "-n", "400", "--out", str(tmp_path / "out")]) == 0
    printed = capsys.readouterr()
    header, *rows = printed.out.splitlines()
    assert header.split() == ["topic", "events", "duplicates", "poison", "late", "records"]
    assert [row.split()[0] for row in rows] == list(Topic)
    assert f"records to {tmp_path / 'out'}; the truth is in" in printed.err


def test_equal_seeds_write_equal_files(tmp_path):
    for name in ("a", "b"):
        assert cli.run(["simulate", "-n", "400", "--seed", "5", "--out", str(tmp_path / name)]) == 0
    for path in sorted((tmp_path / "a").iterdir()):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_options_plant_a_mismatch_and_a_drifting_judge(tmp_path):
    args = ["simulate", "-n", "400", "--srm", "--drifting-judge", "--out", str(tmp_path)]
    assert cli.run(args) == 0
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert truth["experiments"]["home-shelf"]["sample_ratio_mismatch"] is True
    assert "drifter" in truth["judges"]


def test_the_end_is_a_moment_in_any_offset(tmp_path):
    args = ["simulate", "-n", "50", "--end", "2026-06-01T02:00:00+02:00", "--out", str(tmp_path)]
    assert cli.run(args) == 0
    assert json.loads((tmp_path / "truth.json").read_text())["end_ms"] == 1_780_272_000_000


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (["--mix", "bnech"], "Did you mean 'bench'?"),
        (["--end", "tomorrow"], "'tomorrow' is no date."),
        (["--events", "0"], "cannot simulate 0 events"),
        (["--days", "0"], "0 days of test do not fit"),
        (
            ["--truth", "/dev/null/truth.json"],
            "a file has the folder's name",
        ),
    ],
)
def test_what_is_wrong_is_one_line_and_code_2(args, why, tmp_path, capsys):
    assert cli.run(["simulate", "-n", "50", "--out", str(tmp_path / "out"), *args]) == 2
    assert why in capsys.readouterr().err


def test_a_directory_with_events_is_left_as_it_is(tmp_path, capsys):
    assert cli.run(["simulate", "-n", "50", "--out", str(tmp_path)]) == 0
    before = (tmp_path / "listens.jsonl").read_bytes()
    assert cli.run(["simulate", "-n", "90", "--out", str(tmp_path)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "listens.jsonl").read_bytes() == before
