"""Publishing that fails is tried again, ever more rarely, until it goes."""

from __future__ import annotations

import itertools

import pytest
from support.sinks import MemorySink

from streams import publishing
from streams.publishing import RETRY_MAX_MS, Publishing


@pytest.fixture
def clock(monkeypatch):
    """The time in ms, to be set."""
    time_ms = [0.0]
    monkeypatch.setattr(publishing, "monotonic_ms", lambda: time_ms[0])
    return time_ms


def test_the_wait_doubles_up_to_a_minute_and_ends_with_a_success(clock):
    sink, tried_at = MemorySink(), []

    def broken():
        tried_at.append(clock[0])
        raise OSError("full")

    sink.publish_if_due = broken
    under_test = Publishing(sink)
    for second in range(240):
        clock[0] = second * 1_000.0
        assert not under_test.if_due()
    waits = [after - before for before, after in itertools.pairwise(tried_at)]
    assert waits[:7] == [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000]
    assert max(waits) == RETRY_MAX_MS
    assert str(under_test.failure) == "full"

    sink.publish_if_due = lambda: True
    clock[0] += RETRY_MAX_MS
    assert under_test.if_due()
    assert (under_test.failure, under_test.published_n) == (None, 1)


def test_what_is_no_trouble_of_the_folder_is_raised():
    sink = MemorySink()
    sink.publish_if_due = lambda: 1 / 0
    with pytest.raises(ZeroDivisionError):
        Publishing(sink).if_due()
