"""Dead letters that Kafka does not take hold up no end of a worker."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import pytest
from support.sinks import MemorySink

from streams import forward
from streams.errors import TransientError
from streams.feed import Feed
from streams.forward import Forwarder
from streams.settings import Settings
from streams.sink import DeadLetter

WAIT_MAX_S = 60.0


class HungProducer:
    """Takes a letter and waits for an answer that does not come, also after it was closed."""

    def __init__(self):
        self.is_asked, self.answer = threading.Event(), threading.Event()
        self.is_answered, self.closed_with = False, []

    def send(self, _messages):
        self.is_asked.set()
        self.is_answered = self.answer.wait(WAIT_MAX_S)
        raise TransientError("nobody acknowledged it.")

    def close(self, wait_max_s):
        self.closed_with.append(wait_max_s)


@pytest.fixture
def sink():
    sink = MemorySink()
    sink.letters = [DeadLetter("d1", "listen", b"k", b"{}")]
    return sink


async def ended_after(moment, sink):
    """A forwarder that was ended as a worker ends it, at a moment (an event)."""
    feed = Feed(Settings(), sink, partitions_n=1)
    forwarder = Forwarder(Settings(), sink, feed)
    running = asyncio.ensure_future(forwarder.run())
    assert await asyncio.to_thread(moment.wait, WAIT_MAX_S)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    forwarder.close()
    feed.shut()


def test_an_end_waits_for_no_answer_to_a_letter_and_keeps_the_letter(sink, monkeypatch):
    producer = HungProducer()
    monkeypatch.setattr(forward, "Producer", lambda _settings: producer)
    asyncio.run(ended_after(producer.is_asked, sink))
    assert not producer.is_answered  # or the end of the loop would have waited for it
    assert producer.closed_with == [forward.LAST_WAIT_MAX_S]
    assert [letter.dlq_id for letter in sink.letters] == ["d1"]
    producer.answer.set()


def test_a_producer_that_connects_after_the_end_is_closed(sink, monkeypatch):
    is_connecting, go_on = threading.Event(), threading.Event()
    producer = HungProducer()

    def connected(_settings):
        is_connecting.set()
        go_on.wait(WAIT_MAX_S)
        return producer

    monkeypatch.setattr(forward, "Producer", connected)
    asyncio.run(ended_after(is_connecting, sink))
    go_on.set()
    assert producer.is_asked.wait(WAIT_MAX_S)
    assert producer.closed_with == [forward.LAST_WAIT_MAX_S]
    assert [letter.dlq_id for letter in sink.letters] == ["d1"]
    producer.answer.set()
