"""Dead letters on a broker: refused, told, sent again, accepted once."""

from __future__ import annotations

import gzip
import json
import time

import pytest
from kafka import TopicPartition
from support.log import START, message
from support.oracle import differences

from listenback import cli
from streams import letters
from streams.bulk_producer import BulkProducer, Records
from streams.events.record_headers import headers_of
from streams.events.redriven import redriven
from streams.events.topics import Topic
from streams.original_records import consumer, originals, until_silent
from streams.pipeline import Pipeline
from streams.topics import create_topics
from streams.warehouse.connect import open_readable
from streams.worker import WorkerOptions, run_worker

pytestmark = pytest.mark.integration

UNTIL_IDLE = WorkerOptions(until_idle_s=0.3)
HEADERS = [("ce_x", b"\x00\xff\xfe"), ("trace", b"1"), ("trace", b"2"), ("empty", b""), ("n", None)]
NOW_MS = int(START.timestamp() * 1_000)
DAY_S = 86_400


def send(settings, topic, events, *, headers=(), time_ms=NOW_MS, partitions=()):
    """Events as dicts, or as (key, value) bytes."""
    pairs = [
        one if isinstance(one, tuple) else (one["generation_id"].encode(), json.dumps(one).encode())
        for one in events
    ]
    with BulkProducer(settings) as producer:
        producer.send(
            Records(
                topic=topic.value,
                keys=[key for key, _ in pairs],
                values=[value for _, value in pairs],
                record_times_ms=[time_ms] * len(pairs),
                headers=[headers] * len(pairs) if headers else (),
                partitions=partitions,
            )
        )


def work(settings):
    """Read all there is; what a published warehouse then says."""
    pipeline = Pipeline(settings)
    try:
        run_worker(settings, pipeline, UNTIL_IDLE)
        assert differences(pipeline._con) == {}
    finally:
        pipeline.close()


def ask(settings, sql):
    with open_readable(settings.warehouse_file) as con:
        return con.execute(sql).fetchall()


def dlq(settings, capsys, *args, code=0):
    place = ["--bootstrap", settings.bootstrap, "--topic-prefix", settings.topic_prefix]
    place += ["--data-dir", str(settings.data_dir), "--json"]
    capsys.readouterr()
    assert cli.run(["dlq", *args, *place]) == code
    return json.loads(capsys.readouterr().out)


def records(settings, topic):
    """All records of a topic by (partition, offset)."""
    name = settings.topic(topic)
    with consumer(settings) as client:
        client.assign([TopicPartition(name, p) for p in range(2)])
        client.seek_to_beginning()
        return {(one.partition, one.offset): one for one in until_silent(client)}


def from_now(topic, event_id):
    """An event of just now: what is sent again gets the time of its sending."""
    return message(topic, event_id, late_s=time.time() - START.timestamp())


@pytest.fixture
def early(settings):
    """Two listens whose records claim to be a day older, and one that is well; all with headers.

    So they lie in their record's future, and no longer when they are sent again.
    """
    now_ms = int(time.time() * 1_000)
    send(settings, Topic.EXPOSURES, [from_now(Topic.EXPOSURES, "x1")], time_ms=now_ms)
    ahead, well = (
        [from_now(Topic.LISTENS, one) for one in ("l1", "l2")],
        from_now(Topic.LISTENS, "l3"),
    )
    send(settings, Topic.LISTENS, ahead, headers=HEADERS, time_ms=now_ms - DAY_S * 1_000)
    send(settings, Topic.LISTENS, [well], headers=HEADERS, time_ms=now_ms)
    work(settings)
    return settings


def test_poison_goes_to_its_topic_and_the_table_says_the_same(early, capsys):
    assert ask(early, "SELECT error_type, count(*) FROM dead_letter GROUP BY 1") == [
        ("event_in_future", 2)
    ]
    here = dlq(early, capsys, "list")
    assert len(here) == 2
    assert dlq(early, capsys, "list", "--from", "kafka") == here


def test_once_redriven_when_its_time_has_come_it_counts_once(early, capsys):
    assert dlq(early, capsys, "redrive")["to_send_n"] == 2
    assert dlq(early, capsys, "redrive", "--yes", "--why", "clocks")["sent_n"] == 2
    assert dlq(early, capsys, "redrive", "--yes")["to_send_n"] == 0
    work(early)
    assert ask(early, "SELECT event_id FROM listen ORDER BY 1") == [("l1",), ("l2",), ("l3",)]
    assert ask(early, "SELECT sum(duplicate_n) FROM pipeline_health") == [(0,)]
    assert {one["state"] for one in dlq(early, capsys, "list")} == {"redriven"}


def test_redriven_twice_it_counts_once_and_the_second_is_a_duplicate(early, capsys):
    for again in ([], ["--again"]):
        assert dlq(early, capsys, "redrive", "--yes", *again)["sent_n"] == 2
    work(early)
    assert ask(early, "SELECT count(*) FROM listen") == [(3,)]
    assert ask(early, "SELECT sum(duplicate_n), bool_and(is_balanced) FROM pipeline_health") == [
        (2, True)
    ]


def test_key_value_headers_and_partition_survive_a_redrive_byte_for_byte(early, capsys):
    assert dlq(early, capsys, "redrive", "--yes")["sent_n"] == 2
    found = records(early, "listens")
    sent_again = {at: one for at, one in found.items() if redriven(one.headers).redrive_of}
    assert len(sent_again) == 2
    firsts = {one.value: at for at, one in found.items() if at not in sent_again}
    for (partition, _), one in sent_again.items():
        assert [tuple(pair) for pair in one.headers][: len(HEADERS)] == HEADERS
        assert one.key == b"g1"
        assert partition == firsts[one.value][0]


def test_a_redriven_message_that_fails_again_is_a_new_letter_that_says_so(settings, capsys):
    send(settings, Topic.LISTENS, [message(Topic.LISTENS, "l1", ms_played=-1)], headers=HEADERS)
    work(settings)
    (first,) = dlq(settings, capsys, "list")
    assert dlq(settings, capsys, "redrive", "--yes")["sent_n"] == 1
    work(settings)
    (second,) = dlq(settings, capsys, "list", "--state", "open")
    assert (second["redrive_of"], second["redrive_count"]) == (first["dlq_id"], 1)
    assert second["first_failed_at"] == first["record_time"]
    assert second["headers"][: len(HEADERS)] == first["headers"]
    assert dlq(settings, capsys, "redrive", "--yes")["sent_n"] == 1
    work(settings)
    (third,) = dlq(settings, capsys, "list", "--state", "open")
    assert (third["redrive_of"], third["redrive_count"]) == (second["dlq_id"], 2)
    assert third["first_failed_at"] == first["record_time"]


def test_a_redrive_goes_to_the_partition_it_came_from_whatever_its_key(settings, capsys):
    event = message(Topic.LISTENS, "l1", ms_played=-1)
    send(settings, Topic.LISTENS, [event, event], partitions=[0, 1])
    work(settings)
    assert dlq(settings, capsys, "redrive", "--yes")["sent_n"] == 2
    work(settings)
    assert ask(settings, "SELECT shard, count(*) FROM dead_letter GROUP BY 1 ORDER BY 1") == [
        (0, 2),
        (1, 2),
    ]


def test_in_a_flood_the_bytes_are_read_from_the_topic_itself(make_settings, capsys):
    settings = make_settings(dead_letter_bytes_max=0)
    create_topics(settings)
    events = [message(Topic.LISTENS, f"l{n}", ms_played=-1) for n in range(5)]
    send(settings, Topic.LISTENS, events, headers=HEADERS)
    work(settings)
    assert ask(settings, "SELECT count(*), count(value) FROM dead_letter") == [(5, 0)]
    told = dlq(settings, capsys, "redrive", "--yes")
    assert (told["from_topic_n"], told["sent_n"], told["gone_n"]) == (5, 5, 0)
    values = [one.value for one in records(settings, "listens").values()]
    assert sorted(values) == sorted([json.dumps(one).encode() for one in events] * 2)
    headers = {
        tuple(map(tuple, one.headers))[: len(HEADERS)]
        for one in records(settings, "listens").values()
    }
    assert headers == {tuple(HEADERS)}


def test_bytes_that_kafka_no_longer_has_are_reported_and_not_recorded(make_settings, capsys):
    settings = make_settings(dead_letter_bytes_max=0)
    create_topics(settings)
    send(settings, Topic.LISTENS, [message(Topic.LISTENS, "l1", ms_played=-1)])
    work(settings)
    other = make_settings(dead_letter_bytes_max=0, topic_prefix=f"{settings.topic_prefix}anew-")
    create_topics(other)
    told = dlq(other, capsys, "redrive", "--yes", code=1)
    assert (told["sent_n"], told["gone_n"]) == (0, 1)
    assert [one["state"] for one in dlq(other, capsys, "list")] == ["open"]


def test_originals_are_those_that_are_still_there(settings):
    send(settings, Topic.LISTENS, [(b"k", b"v%d" % n) for n in range(3)], partitions=[1] * 3)
    found = originals(settings, [("listens", 1, 2), ("listens", 1, 0), ("listens", 1, 99)])
    assert {at: one.value for at, one in found.items()} == {
        ("listens", 1, 0): b"v0",
        ("listens", 1, 2): b"v2",
    }


def listen(**fields):
    return json.dumps(message(Topic.LISTENS, "bad", **fields)).encode()


BAD = {
    "a gzip bomb": (gzip.compress(b"[" * 5_000_000), "decode", "invalid_utf8", None),
    "deep nesting": (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "decode", "nested_too_deep", None),
    "NaN": (listen().replace(b'"muted_ms": 0', b'"muted_ms": NaN'), "decode", "invalid_json", None),
    "a number as text": (listen(ms_played="5"), "schema", "int_type", "ms_played"),
    "a negative duration": (listen(ms_played=-1), "schema", "greater_than_equal", "ms_played"),
    "another key": (listen(generation_id="g2"), "semantic", "key_mismatch", "generation_id"),
    "the future": (listen(late_s=2 * DAY_S), "semantic", "event_in_future", "event_time"),
    "too long": (b'{"a":"' + b"x" * 300_000 + b'"}', "decode", "message_too_large", None),
    "an unknown person": (listen(user_key="ada"), "schema", "string_pattern_mismatch", "user_key"),
}


def test_every_kind_of_bad_input_ends_as_a_letter_that_names_its_field(make_settings):
    settings = make_settings(message_bytes_max=200_000)
    create_topics(settings)
    good = message(Topic.LISTENS, "good")
    values = [(b"g1", value) for value, *_ in BAD.values()]
    send(settings, Topic.LISTENS, [good, *values, message(Topic.LISTENS, "last")])
    work(settings)
    rows = ask(
        settings,
        "SELECT value, error_class, error_type, field_path, error_message FROM dead_letter",
    )
    found = {row[0]: row[1:4] for row in rows}
    assert found == {value: tuple(why) for value, *why in BAD.values()}
    assert all(row[4] and len(row[4]) <= 500 for row in rows)
    assert ask(settings, "SELECT event_id FROM listen ORDER BY 1") == [("good",), ("last",)]
    with letters.opened(settings, is_from_kafka=True) as con:
        assert con.execute("SELECT count(*) FROM letter").fetchall() == [(len(BAD),)]


def test_what_is_no_envelope_on_the_dlq_is_passed_over(settings, caplog):
    send(settings, Topic.LISTENS, [(b"k", b"{")])
    work(settings)
    with BulkProducer(settings) as producer:
        bad = [b"{", b"{}", b"[1]", None, b"\xff"]
        producer.send(Records("listens.dlq", [None] * 5, bad, [NOW_MS] * 5))
    found = letters.from_kafka(settings)
    assert found.select("topic", "value").rows() == [("listens", b"{")]
    assert headers_of(found["headers"][0]) == []
    assert caplog.text.count("is no dead letter") == 5
