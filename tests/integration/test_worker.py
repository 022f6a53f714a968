"""The worker on a broker: every record once, in order, whatever happens to it."""

from __future__ import annotations

import pytest
from support.sinks import MemorySink

from streams.broker import embedded_broker
from streams.errors import ConfigError, IntegrityError, TransientError
from streams.events.topics import JOINED_TOPICS, Topic
from streams.producer import Message, Producer
from streams.sink import DeadLetter
from streams.topics import create_topics, partition_states
from streams.worker import WorkerOptions, run_worker

pytestmark = pytest.mark.integration

UNTIL_IDLE = WorkerOptions(until_idle_s=0.3)


def send(settings, numbers, topics=JOINED_TOPICS):
    with Producer(settings) as producer:
        producer.send(
            [
                Message(
                    topic, b"key-%d" % (n % 13), b"%s-%d" % (topic.value.encode(), n), 1_000 + n
                )
                for n in numbers
                for topic in topics
            ]
        )


def sent(numbers, topics=JOINED_TOPICS):
    return sorted(b"%s-%d" % (topic.value.encode(), n) for n in numbers for topic in topics)


def is_in_order(sink):
    return all(offsets == list(range(len(offsets))) for offsets in sink.offsets().values())


def test_until_idle_it_delivers_each_record_once_in_order_and_then_ends(settings):
    send(settings, range(200))
    sink = MemorySink()
    report = run_worker(settings, sink, UNTIL_IDLE)
    assert sink.values() == sent(range(200))
    assert is_in_order(sink)
    assert len(sink.offsets()) == 10
    assert report.ended_by == "idle"
    assert report.progress.read_n == 1_000
    assert sink.events[0] == "assign [0, 1]"
    assert sink.events[-2:] == ["publish", "assign []"]


def test_records_keep_their_keys_and_times(settings):
    send(settings, range(20), [Topic.LISTENS])
    sink = MemorySink()
    run_worker(settings, sink, UNTIL_IDLE)
    rows = [row for part in sink.flushed.values() for row in part]
    assert {row[3]: row[1:3] for row in rows} == {
        b"listens-%d" % n: (1_000 + n, b"key-%d" % (n % 13)) for n in range(20)
    }


def test_with_nothing_to_read_it_ends_too(settings):
    sink = MemorySink()
    assert run_worker(settings, sink, UNTIL_IDLE).progress.read_n == 0
    assert "commit" not in sink.events


def test_the_sink_is_read_for_in_one_thread_and_written_in_another(settings):
    send(settings, range(50))
    sink = MemorySink()
    run_worker(settings, sink, UNTIL_IDLE)
    reading = {"add", "seal"}
    threads = {
        is_reading: set().union(
            *(on for of, on in sink.threads.items() if (of in reading) is is_reading)
        )
        for is_reading in (True, False)
    }
    assert threads == {True: {"reader_0"}, False: {"sink_0"}}


def test_kafka_is_told_what_is_durable(settings):
    send(settings, range(50))
    run_worker(settings, MemorySink(), UNTIL_IDLE)
    joined = {settings.topic(topic) for topic in JOINED_TOPICS}
    told = {
        (s.topic, s.partition): s.group_offset
        for s in partition_states(settings)
        if s.topic in joined and s.group_offset is not None
    }
    assert sum(told.values()) == 250


def test_a_restart_reads_on_at_the_sinks_offsets_and_not_at_kafkas(settings):
    send(settings, range(100))
    sink = MemorySink()
    run_worker(settings, sink, UNTIL_IDLE)
    kept = {key: rows[: len(rows) // 3] for key, rows in sink.flushed.items()}
    restored = MemorySink(kept)
    send(settings, range(100, 150))
    run_worker(settings, restored, UNTIL_IDLE)
    assert restored.values() == sent(range(150))
    assert is_in_order(restored)


def test_a_sink_that_is_further_than_kafka_was_told_gets_nothing_twice(make_settings):
    settings = make_settings()
    create_topics(settings)
    send(settings, range(100))
    sink = MemorySink()
    run_worker(settings, sink, UNTIL_IDLE)
    never_told = make_settings(group="another", topic_prefix=settings.topic_prefix)
    assert run_worker(never_told, sink, UNTIL_IDLE).progress.read_n == 0
    assert sink.values() == sent(range(100))


@pytest.mark.parametrize("method", ["add", "seal", "commit"])
def test_a_sink_that_fails_loses_nothing(settings, monkeypatch, method):
    def broken(*_):
        raise OSError("disk full")

    sink = MemorySink()
    send(settings, range(100))
    run_worker(settings, sink, UNTIL_IDLE)
    send(settings, range(100, 200))
    with monkeypatch.context() as sick:
        sick.setattr(sink, method, broken)
        with pytest.raises(TransientError, match=r"disk full.*reads on where it stopped"):
            run_worker(settings, sink, UNTIL_IDLE)
    assert sink.values() == sent(range(100))
    run_worker(settings, sink, UNTIL_IDLE)
    assert sink.values() == sent(range(200))
    assert is_in_order(sink)


def test_a_sinks_own_error_leaves_as_it_is(settings, monkeypatch):
    def refuse(_):
        raise IntegrityError("another epoch.", todo="Look.")

    sink = MemorySink()
    monkeypatch.setattr(sink, "assign", refuse)
    with pytest.raises(IntegrityError, match="another epoch"):
        run_worker(settings, sink, UNTIL_IDLE)


def test_another_broker_under_the_same_address_is_noticed(settings, make_settings):
    send(settings, range(100))
    sink = MemorySink()
    run_worker(settings, sink, UNTIL_IDLE)
    with embedded_broker() as other:
        fresh = make_settings(bootstrap=other.bootstrap, topic_prefix=settings.topic_prefix)
        create_topics(fresh)
        with pytest.raises(IntegrityError, match="the topic was recreated"):
            run_worker(fresh, sink, UNTIL_IDLE)
    assert sink.values() == sent(range(100))


def test_topics_that_are_missing_stop_it_before_it_starts(make_settings):
    with pytest.raises(ConfigError, match="topics create"):
        run_worker(make_settings(), MemorySink(), UNTIL_IDLE)


def test_dead_letters_go_to_their_topic_after_the_commit_and_are_marked(settings):
    sink = MemorySink()
    sink.letters = [DeadLetter(f"id-{n}", "listens", b"k", b'{"n":%d}' % n) for n in range(7)]
    run_worker(settings, sink, UNTIL_IDLE)
    assert sink.letters == []
    name = settings.topic("listens.dlq")
    ends = [state.end_offset for state in partition_states(settings) if state.topic == name]
    assert sum(ends) > 0


def test_what_comes_while_it_runs_is_delivered_before_it_is_idle(settings):
    sink = MemorySink()
    commit = sink.commit

    def send_more_and_commit(added):  # a worker that commits is not idle
        sink.commit = commit
        send(settings, range(10, 20))
        return commit(added)

    sink.commit = send_more_and_commit
    send(settings, range(10))
    run_worker(settings, sink, WorkerOptions(until_idle_s=1.0))
    assert sink.values() == sent(range(20))
    assert is_in_order(sink)
