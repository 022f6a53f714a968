"""Logs of a worker: ours in full, those of others now and then."""

from __future__ import annotations

import json
import logging
import re
import sys
from pathlib import Path

import pytest

from listenback import logs


@pytest.fixture
def heard(monkeypatch):
    """What passes the filter, and a clock to move."""
    now_ms = [0.0]
    monkeypatch.setattr(logs, "monotonic_ms", lambda: now_ms[0])
    sparse = logs.Sparse()

    def say(name, message, *args, at_s=None):
        if at_s is not None:
            now_ms[0] = at_s * 1_000
        record = logging.LogRecord(name, logging.ERROR, "file", 1, message, args, None)
        return record.getMessage() if sparse.filter(record) else None

    return say


def test_what_others_repeat_is_said_once_and_then_with_a_count(heard):
    assert heard("aiokafka", "no node %s", 1, at_s=0) == "no node 1"
    assert [heard("aiokafka", "no node %s", n) for n in (2, 3, 4)] == [None] * 3
    later = heard("aiokafka", "no node %s", 5, at_s=logs.SPARSE_S)
    assert later == "no node 5 (3 more of the kind)"
    assert heard("aiokafka", "no node %s", 6, at_s=2 * logs.SPARSE_S) == "no node 6"


def test_another_message_of_others_is_not_held_back(heard):
    assert heard("aiokafka", "one", at_s=0) == "one"
    assert heard("aiokafka", "two") == "two"
    assert heard("aiokafka.consumer", "one") == "one"


def test_what_we_say_is_always_heard(heard):
    assert [heard("streams.worker", "read %s", n, at_s=0) for n in (1, 2)] == ["read 1", "read 2"]


def test_a_json_line_names_its_event_and_carries_nothing_but_what_was_said():
    record = logging.LogRecord(
        "streams.feed", logging.WARNING, "f", 1, "read %d of %s", (3, "x"), None
    )
    record.created, record.msecs = 1_793_000_000.25, 250.0
    record.user_key = "ab" * 32  # what a library may hang on a record has no way in
    line = json.loads(logs.Lines({"worker_id": "7"}).format(record))
    assert line == {
        "time": "2026-10-26T07:33:20.250Z",
        "level": "WARNING",
        "logger": "streams.feed",
        "event": "read %d of %s",
        "message": "read 3 of x",
        "worker_id": "7",
    }


def test_no_event_of_ours_is_a_bare_value():
    root = Path(logs.__file__).parents[1]
    sources = [path for part in logs.OURS for path in (root / part).rglob("*.py")]
    bare = re.compile(r'\blog\.\w+\(\s*"%s"')
    assert len(sources) > 200
    assert [str(path) for path in sources if bare.search(path.read_text("utf-8"))] == []


def test_a_json_line_keeps_the_traceback():
    try:
        int("why")
    except ValueError:
        record = logging.getLogger("streams").makeRecord(
            "streams", logging.ERROR, "f", 1, "failed", (), sys.exc_info()
        )
    line = json.loads(logs.Lines({}).format(record))
    assert "ValueError: invalid literal" in line["traceback"]
