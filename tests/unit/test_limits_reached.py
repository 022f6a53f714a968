"""Limits on what is held at once, made small, and reached."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from support.log import batch, message
from support.oracle import differences

from streams import dead_letters, decisions, erasing, forward, letters, producer, redrive
from streams.event_writer import JsonlWriter
from streams.events.topics import Topic
from streams.pipeline import Pipeline
from streams.producer import Message, Producer
from streams.replay import jsonl
from streams.settings import Settings
from streams.simulate.plan import Plan
from streams.simulate.simulation import simulate
from streams.sink import DeadLetter
from streams.warehouse.erasures import Request

USER = "a" * 64


@pytest.fixture
def refusing(tmp_path):
    """A worker that has refused five messages of 1,000 bytes, the last of which names the user."""
    worker = Pipeline(Settings(data_dir=tmp_path))
    worker.assign(frozenset({0}))
    broken = [b"{%d" % n + b"x" * 998 for n in range(4)] + [b'{"user_key":"%b' % USER.encode()]
    worker.add(batch(Topic.LISTENS, [one.ljust(1_000) for one in broken]))
    worker.flush()
    yield worker
    worker.close()


def test_letters_taken_at_once_hold_no_more_bytes_than_the_limit(refusing, monkeypatch):
    monkeypatch.setattr(dead_letters, "PASS_BYTES_MAX", 2_500)
    taken = []
    while found := refusing.dead_letters(100):
        taken.append(len(found))
        refusing.mark_forwarded([one.dlq_id for one in found])
    assert taken == [2, 2, 1]


def test_letters_are_looked_through_for_an_erased_user_a_few_at_a_time(refusing, monkeypatch):
    monkeypatch.setattr(erasing, "LETTERS_MAX", 2)
    looked_at = []
    named_in = erasing.erasures.named_in

    def counted(con, rows, whom):
        looked_at.append(rows.height)
        return named_in(con, rows, whom)

    monkeypatch.setattr(erasing.erasures, "named_in", counted)
    rows_n = refusing.erase([Request("r", USER, requested_at_us=0)])
    assert (looked_at, rows_n) == ([2, 2, 1], {"dead_letter": 1})


def test_keys_of_letters_are_looked_up_a_few_at_a_time(refusing, monkeypatch):
    monkeypatch.setattr(erasing.erasures, "LETTER_KEYS_MAX", 64)
    looked_up, among = [], erasing.erasures.among

    def counted(con, keys, whom):
        looked_up.append(len(keys))
        return among(con, keys, whom)

    monkeypatch.setattr(erasing.erasures, "among", counted)
    many = [json.dumps({"user_key": f"{n:x}{USER[:-1]}" + "b" * 40}).encode() for n in range(3)]
    refusing.add(batch(Topic.LISTENS, many, first_offset=5))
    refusing.flush()
    rows_n = refusing.erase([Request("r", USER, requested_at_us=0)])
    assert rows_n == {"dead_letter": 1}
    assert (max(looked_up), sum(looked_up)) == (
        41 + 1,
        3 * 41 + 1,
    )  # a letter that holds more, alone


def test_what_an_erasure_joins_anew_is_joined_a_few_facts_at_a_time(tmp_path, monkeypatch):
    worker = Pipeline(Settings(data_dir=tmp_path))
    worker.assign(frozenset({0}))
    own = {"unit_id": USER, "user_key": USER}
    shown = [message(Topic.EXPOSURES, f"x{n}", generation_id=f"g{n}", **own) for n in range(9)]
    heard = [
        message(Topic.LISTENS, f"l{n}", generation_id=f"g{n % 9}", user_key=user)
        for n, user in enumerate([USER] * 18 + ["b" * 64] * 40)
    ]
    scored = [message(Topic.JUDGE_SCORES, f"s{n}", generation_id=f"g{n}") for n in range(9)]
    worker.add(batch(Topic.EXPOSURES, shown))
    worker.add(batch(Topic.LISTENS, heard))
    worker.add(batch(Topic.JUDGE_SCORES, scored))
    worker.flush()
    monkeypatch.setattr(erasing, "FACTS_MAX", 8)  # a pair has 4: exposure, two listens, a score
    joined, planned = [], erasing._planned

    def counted(before, keys, rules):
        joined.append(sum(rows.height for rows in before.values()))
        return planned(before, keys, rules)

    monkeypatch.setattr(erasing, "_planned", counted)
    rows_n = worker.erase([Request("r", USER, requested_at_us=0)])
    assert (rows_n["exposure"], rows_n["listen"]) == (9, 18)
    assert (max(joined), sum(joined)) == (8, 36)  # none of what others did with the generations
    assert worker._con.sql("SELECT DISTINCT user_key FROM listen").fetchall() == [("b" * 64,)]
    assert differences(worker._con) == {}
    worker.close()


def test_letters_are_forwarded_a_few_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(forward, "LETTERS_MAX", 2)
    waiting = [DeadLetter(str(n), Topic.LISTENS, None, b"{}") for n in range(5)]
    sent = []

    async def call(work, *args):
        return work(*args)

    def mark_forwarded(ids):
        del waiting[: len(ids)]

    sink = SimpleNamespace(dead_letters=lambda n: waiting[:n], mark_forwarded=mark_forwarded)
    forwarder = forward.Forwarder(Settings(data_dir=tmp_path), sink, SimpleNamespace(call=call))
    forwarder._send = lambda found: sent.append(len(found))
    assert asyncio.run(forwarder._pass_on())
    assert (sent, forwarder.forwarded_n) == ([2, 2, 1], 5)


def test_letters_are_sent_again_a_few_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(redrive, "CHUNK_LETTERS_MAX", 2)
    read = []

    @contextmanager
    def nowhere(_settings):
        yield SimpleNamespace(send=lambda _records: None, flush=lambda: None)

    def rows(ids):
        read.append(len(ids))
        place = {"topic": "listens", "shard": 0, "offset": 0}
        raw = {"is_whole": True, "key": None, "value": b"{", "headers": None}
        again = {"redrive_count": 0, "first_failed_at_us": 0}
        return [{"dlq_id": one} | place | raw | again for one in ids]

    monkeypatch.setattr(redrive, "BulkProducer", nowhere)
    settings = Settings(data_dir=tmp_path)
    act = redrive.Act(decided_by="me", why=None, rate_max=1e9)
    sent = redrive.redrive(settings, list("abcde"), rows, act, lambda _: None)
    assert (sent.sent_n, read) == (5, [2, 2, 1])
    assert decisions.path_of(settings).read_text().count("\n") == 3


def test_files_are_read_a_few_lines_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr(jsonl, "LINES_MAX", 7)
    with JsonlWriter(tmp_path) as writer:
        for topic, records in simulate(Plan(seed=1, events_n=300)).records(500):
            writer.write(topic, records)
    lines_n = sum(path.read_bytes().count(b"\n") for path in tmp_path.glob("*.jsonl"))
    sizes = [len(one) for one in jsonl.JsonlSource(tmp_path, partitions_n=1).batches({}, None)]
    assert (max(sizes), sum(sizes)) == (7, lines_n)


def test_only_so_many_envelopes_are_read_from_the_topics(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(letters, "ENVELOPES_MAX", 3)
    worker = Pipeline(Settings(data_dir=tmp_path))
    worker.assign(frozenset({0}))
    worker.add(batch(Topic.LISTENS, [b"{%d" % n for n in range(5)]))
    worker.flush()
    sent = [SimpleNamespace(value=one.envelope) for one in worker.dead_letters(5)]
    worker.close()

    @contextmanager
    def client(_settings):
        yield SimpleNamespace(assign=lambda _: None, seek_to_beginning=lambda: None)

    monkeypatch.setattr(letters, "consumer", client)
    monkeypatch.setattr(letters, "partition_counts", lambda _: {})
    monkeypatch.setattr(letters, "until_silent", lambda _: iter(sent))
    assert letters.from_kafka(Settings(data_dir=tmp_path)).height == 3
    assert "only 3 envelopes were read" in caplog.text


def test_a_producer_waits_when_it_holds_as_many_bytes_as_it_may(tmp_path, monkeypatch):
    monkeypatch.setattr(producer, "UNSENT_BYTES_MAX", 250)
    held, waits = [], []

    class Client:
        def __init__(self, **_):
            pass

        def send(self, _topic, *, value, **_):
            held.append(len(value))
            return SimpleNamespace(get=lambda timeout: timeout)

        def flush(self, timeout):
            assert timeout > 0
            waits.append(sum(held))
            held.clear()

        def close(self, timeout):
            assert timeout > 0

    settings = Settings(data_dir=tmp_path)
    monkeypatch.setattr(producer, "KafkaProducer", Client)
    monkeypatch.setattr(producer, "home_counts", lambda _: {settings.topic("listens"): 4})
    with Producer(settings) as sending:
        assert sending.send([Message("listens", b"k", b"x" * 100)] * 7) == 7
    assert waits == [300, 300, 100]
