"""Logs of a worker: ours in full, those of others now and then."""

from __future__ import annotations

import logging

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
