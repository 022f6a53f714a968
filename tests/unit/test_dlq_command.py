"""`listenback dlq` on a published warehouse, without a broker."""

import base64
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.log import batch, message

from listenback import cli
from listenback.findings import findings
from listenback.letters import ADVICE
from streams import decisions, redrive
from streams.decisions import Decision
from streams.events.dead_letter import ErrorClass
from streams.events.topics import Topic
from streams.pipeline import Pipeline
from streams.settings import Settings

ROOT = Path(__file__).parents[2]
BROKEN = b'{"broken'
AHEAD = {"event_time": "2026-03-02T12:00:00Z", "recorded_time": "2026-03-02T12:00:00Z"}


@pytest.fixture
def published(tmp_path, monkeypatch):
    """Three decode letters and one semantic; the folder is the data dir."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LISTENBACK_DATA_DIR", str(tmp_path))
    settings = Settings(data_dir=tmp_path, dead_letter_rows_max=3)
    pipeline = Pipeline(settings)
    pipeline.assign(frozenset({0}))
    pipeline.add(batch(Topic.LISTENS, [BROKEN, b"\xff\x00", b"[]", *[b"[]"] * 4]))
    pipeline.add(batch(Topic.FEEDBACK, [message(Topic.FEEDBACK, "f1") | AHEAD]))
    pipeline.flush()
    pipeline.publish()
    pipeline.close()
    return settings


def said(capsys, *args):
    code = cli.run(["dlq", *args])
    out = capsys.readouterr()
    return code, out.out, out.err


def asked(capsys, *args):
    code, out, err = said(capsys, *args, "--json")
    assert code == 0, err
    return json.loads(out)


@pytest.mark.usefixtures("published")
def test_letters_are_listed_with_place_reason_and_state(capsys):
    listed = asked(capsys, "list")
    assert {(one["topic"], one["offset"], one["error_type"], one["state"]) for one in listed} == {
        ("listens", 0, "invalid_json", "open"),
        ("listens", 1, "invalid_utf8", "open"),
        ("listens", 2, "not_an_object", "open"),
        ("listens", 3, "not_an_object", "open"),
        ("listens", 4, "not_an_object", "open"),
        ("feedback", 0, "event_in_future", "open"),
    }
    code, text, _ = said(capsys, "list", "--topic", "feedback")
    assert code == 0
    assert "feedback[0]@0" in text
    assert "semantic/event_in_future" in text


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize(
    ("args", "n"),
    [
        (["--error-class", "semantic"], 1),
        (["--error-type", "not_an_object"], 3),
        (["--topic", "listens"], 5),
        (["--since", "2026-03-01T13:00:00Z"], 6),
        (["--since", "2026-03-01T13:00:01"], 0),
        (["--state", "discarded"], 0),
        (["--limit", "2"], 2),
        (["--limit", "0"], 6),
    ],
)
def test_filters_narrow_the_list(capsys, args, n):
    assert len(asked(capsys, "list", *args)) == n


@pytest.mark.usefixtures("published")
def test_counts_say_what_a_flood_left_without_a_row(capsys):
    counted = {one["error_type"]: one for one in asked(capsys, "list", "--count")}
    assert (counted["not_an_object"]["refused_n"], counted["not_an_object"]["rows_n"]) == (5, 3)
    assert sum(one["refused_n"] for one in counted.values()) == 8


@pytest.mark.usefixtures("published")
def test_one_letter_is_shown_whole_by_the_beginning_of_its_id(capsys):
    (letter,) = asked(capsys, "list", "--error-type", "invalid_utf8")
    shown = asked(capsys, "show", letter["dlq_id"][:10])
    assert base64.b64decode(shown["value_b64"]) == b"\xff\x00"
    assert shown["todo"] == ADVICE[ErrorClass.DECODE]
    code, text, _ = said(capsys, "show", letter["dlq_id"])
    assert code == 0
    assert "hex ff00" in text
    assert "listens[0]@1" in text
    assert "decode/invalid_utf8" in text


@pytest.mark.usefixtures("published")
def test_the_raw_value_goes_to_stdout_byte_for_byte(capsysbinary):
    assert cli.run(["dlq", "list", "--error-type", "invalid_utf8", "--json"]) == 0
    (letter,) = json.loads(capsysbinary.readouterr().out)
    assert cli.run(["dlq", "show", letter["dlq_id"], "--raw"]) == 0
    assert capsysbinary.readouterr().out == b"\xff\x00"


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["show", "ffffffff"], "no such dead letter"),
        (["show", ""], "more than one"),
        (["list", "--topic", "listen"], "Did you mean 'listens'?"),
        (["list", "--since", "yesterday"], "no date"),
        (["list", "--state", "lost"], "open, redriven, discarded"),
        (["redrive", "abc", "--topic", "listens"], "not both"),
        (["list", "--error-class", "bad"], "Usage"),
    ],
)
def test_what_cannot_be_is_said_and_ends_with_2(capsys, args, says):
    code, _, err = said(capsys, *args)
    assert code == 2
    assert says in err


def test_a_redrive_is_a_dry_run_unless_told_otherwise(published, capsys):
    told = asked(capsys, "redrive")
    assert (told["to_send_n"], told["not_replayable_n"], told["is_dry_run"]) == (1, 5, True)
    assert told["sent_n"] == 0
    assert not decisions.path_of(published).exists()
    (letter,) = asked(capsys, "list", "--error-type", "invalid_json")
    assert asked(capsys, "redrive", letter["dlq_id"])["to_send_n"] == 1
    code, text, _ = said(capsys, "redrive")
    assert code == 0
    assert "nothing was done; --yes does it" in text


@pytest.mark.usefixtures("published")
def test_a_discard_is_remembered_with_who_when_and_why_and_stays_counted(capsys):
    wanted = ["--error-class", "decode", "--why", "a load test", "--by", "ada"]
    assert asked(capsys, "discard", *wanted) == {"discarded_n": 5, "is_dry_run": True}
    assert asked(capsys, "list", "--state", "discarded") == []
    assert asked(capsys, "discard", *wanted, "--yes")["discarded_n"] == 5
    discarded = asked(capsys, "list", "--state", "discarded")
    assert {(one["decided_by"], one["why"]) for one in discarded} == {("ada", "a load test")}
    assert all(one["decided_at"].endswith("Z") for one in discarded)
    counted = asked(capsys, "list", "--count")
    assert sum(one["discarded_n"] for one in counted) == 5
    assert sum(one["refused_n"] for one in counted) == 8
    assert asked(capsys, "discard", *wanted, "--yes")["discarded_n"] == 0
    told = asked(capsys, "redrive")
    assert (told["to_send_n"], told["discarded_before_n"]) == (1, 5)


def test_the_sql_on_the_page_counts_each_letter_under_its_last_decision(published, capsys):
    ids = [one["dlq_id"] for one in asked(capsys, "list")]
    path = decisions.path_of(published)
    decisions.decide(path, act("redriven", *ids[:2]))
    decisions.decide(path, act("discarded", *ids[1:3], at_us=2))
    decisions.decide(path, act("redriven", *ids[2:3], at_us=3))
    page = (ROOT / "docs/dead-letters.md").read_text("utf-8")
    (sql,) = re.findall(r"```sql\n(.+?)```", page, re.DOTALL)
    sql = sql.replace("listenback-data", str(published.data_dir))
    assert cli.run(["query", sql, "--json"]) == 0
    counted = {one["decision"]: one["count_star()"] for one in json.loads(capsys.readouterr().out)}
    assert counted == {"redriven": 2, "discarded": 1, None: len(ids) - 3}


@pytest.mark.usefixtures("published")
def test_a_discard_needs_a_reason(capsys):
    code, _, err = said(capsys, "discard", "--yes")
    assert code == 2
    assert "--why" in err


def test_without_a_warehouse_it_says_where_one_comes_from(tmp_path, capsys):
    code, _, err = said(capsys, "list", "--data-dir", str(tmp_path))
    assert code == 2
    assert "no warehouse" in err


@pytest.mark.parametrize(
    ("values", "bounds", "state", "says"),
    [
        ([], {}, "ok", "none among the newest"),
        ([b"[]"], {}, "ok", "listens 0.50% of the newest 200 (decode 1)"),
        ([b"[]"] * 10, {}, "warn", "listens 4.78% of the newest 209 (decode 10)"),
        (
            [b"[]", b"[]"],
            {"dead_letter_rows_max": 1},
            "warn",
            "listens 1.00% of the newest 201 (decode 2; a FLOOD, 1 are in Kafka alone)",
        ),
    ],
)
def test_the_doctor_says_how_much_was_refused_lately(tmp_path, values, bounds, state, says):
    settings = Settings(data_dir=tmp_path, bootstrap="localhost:1", **bounds)
    pipeline = Pipeline(settings)
    pipeline.assign(frozenset({0}))
    good = [message(Topic.LISTENS, f"l{n}") for n in range(199)]
    pipeline.add(batch(Topic.LISTENS, [*good, *values]))
    pipeline.flush()
    pipeline.publish()
    pipeline.close()
    flags = {"data_dir": tmp_path, "bootstrap": "localhost:1"}
    (found,) = [one for one in findings(flags) if one.check == "dlq"]
    assert found.state == state
    assert says in found.says


def act(decision, *dlq_ids, at_us=1):
    return Decision(
        decision=decision, decided_at_us=at_us, decided_by="ada", why=None, dlq_ids=dlq_ids
    )


def test_of_several_decisions_the_last_counts(tmp_path):
    path = tmp_path / "new" / "file.jsonl"
    decisions.decide(path, act("redriven", "a", "b"))
    decisions.decide(path, act("discarded", "b", "c", at_us=2))
    found = dict(decisions.decided(path).select("dlq_id", "decision").rows())
    assert found == {"a": "redriven", "b": "discarded", "c": "discarded"}


def test_half_a_line_of_a_dead_process_costs_that_line_alone(tmp_path, caplog):
    path = tmp_path / "file.jsonl"
    decisions.decide(path, act("redriven", "a"))
    with path.open("ab") as file:
        file.write(b'{"decision": "redri')
    decisions.decide(path, act("redriven", "b"))
    assert sorted(decisions.decided(path)["dlq_id"]) == ["a", "b"]
    assert "file.jsonl:2" in caplog.text


def test_decisions_of_several_processes_do_not_mix(tmp_path):
    path = tmp_path / "file.jsonl"
    code = (
        "import sys; from pathlib import Path; from streams.decisions import *\n"
        "for n in range(50):\n"
        "    decide(Path(sys.argv[1]), Decision(decision='redriven', decided_at_us=1,\n"
        "        decided_by='x', why=None, dlq_ids=tuple(f'{sys.argv[2]}-{n}-{k}' "
        "for k in range(200))))\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(path), name], cwd=ROOT)
        for name in ("a", "b")
    ]
    assert [one.wait(60) for one in running] == [0, 0]
    assert decisions.decided(path).height == 2 * 50 * 200


def letter(dlq_id, state="open", error_class="semantic", *, is_whole=True):
    return {
        "dlq_id": dlq_id,
        "state": state,
        "error_class": error_class,
        "error_type": "any",
        "is_whole": is_whole,
    }


LETTERS = [
    letter("a"),
    letter("b", "redriven"),
    letter("c", "discarded"),
    letter("d", error_class="decode"),
    letter("e", is_whole=False),
]


def test_what_was_sent_discarded_or_is_hopeless_is_left_out():
    plan = redrive.planned(LETTERS, is_again=False, is_named=False)
    assert plan == redrive.Plan(("a", "e"), 1, 1, 1, 1)


def test_again_and_naming_take_it_in():
    assert redrive.planned(LETTERS, is_again=True, is_named=False).to_send == ("a", "b", "c", "e")
    assert redrive.planned(LETTERS, is_again=True, is_named=True) == redrive.Plan(
        ("a", "b", "c", "d", "e"), 1, 0, 0, 0
    )


def test_every_class_of_error_has_advice_here_and_in_the_docs():
    assert set(ADVICE) == set(ErrorClass)
    page = (ROOT / "docs/dead-letters.md").read_text()
    assert [one.value for one in ErrorClass if f"`{one.value}`" not in page] == []
