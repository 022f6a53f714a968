"""Dead letters in the worker's file: whole envelopes, and a bound that loses no count."""

import base64
import dataclasses
import json
import logging
import random
import uuid
from collections import Counter

import polars as pl
import pytest
from support.log import START, batch, message

from streams.engine import flood
from streams.events.dead_letter import DeadLetterEnvelope, ErrorClass, is_replayable
from streams.events.record_headers import headers_json, headers_of
from streams.events.redriven import Redriven, redrive_headers, redriven
from streams.events.topics import Topic
from streams.pipeline import Pipeline
from streams.settings import Settings

POISON = b'{"broken'
HEADERS = [("ce_id", b"\x00\xff"), ("trace", b"1"), ("trace", b"2"), ("empty", b""), ("null", None)]
LETTER = str(uuid.UUID(int=7))


def opened(tmp_path, **other):
    made = Pipeline(Settings(data_dir=tmp_path, **other))
    made.assign(frozenset({0, 1}))
    return made


def with_headers(made, headers):
    return dataclasses.replace(made, headers=[headers] * len(made))


def envelopes(pipeline):
    return [json.loads(letter.envelope) for letter in pipeline.dead_letters(100)]


def rows(pipeline, sql):
    return pipeline._con.execute(sql).fetchall()


def is_balanced(pipeline):
    """Every refused message is booked, counted, and has a row or is counted beyond the rows."""
    (counts,) = rows(
        pipeline,
        "SELECT (SELECT sum(dead_lettered_n) FROM topic_shard), sum(refused_n), sum(rows_n),"
        " (SELECT count(*) FROM dead_letter), sum(whole_n),"
        " (SELECT count(*) FILTER (is_whole) FROM dead_letter),"
        " (SELECT bool_and(is_balanced) FROM pipeline_health) FROM dead_letter_count",
    )
    return (
        counts[0] == counts[1] and counts[2] == counts[3] and counts[4] == counts[5] and counts[6]
    )


def test_an_envelope_is_whole_and_keeps_its_contract(tmp_path):
    pipeline = opened(tmp_path)
    pipeline.add(with_headers(batch(Topic.LISTENS, [POISON]), HEADERS))
    pipeline.flush()
    (told,) = envelopes(pipeline)
    assert set(told) == {
        info.alias or name for name, info in DeadLetterEnvelope.model_fields.items()
    }
    DeadLetterEnvelope.model_validate(told)
    when = f"{(START.replace(hour=13)).isoformat()[:-6]}.000000Z"
    assert told["headers"] == [
        [name, None if value is None else base64.b64encode(value).decode()]
        for name, value in HEADERS
    ]
    assert (told["first_failed_at"], told["last_failed_at"]) == (when, when)
    assert (told["attempt"], told["redrive_count"], told["redrive_of"]) == (1, 0, None)
    assert (told["timestamp_type"], told["replayable"]) == ("create", False)
    assert (told["key_b64"], told["value_bytes_n"]) == ("cG9pc29u", len(POISON))
    assert told["config_hash"] == Settings(data_dir=tmp_path / "x", worker_id="y").config_hash
    assert told["config_hash"] != Settings(horizon_days=2).config_hash
    pipeline.close()


def test_who_set_the_records_time_is_told_of_each_record(tmp_path):
    pipeline = opened(tmp_path)
    plain = batch(Topic.LISTENS, [POISON] * 3)
    pipeline.add(dataclasses.replace(plain, timestamp_types=[0, 1, 7]))
    pipeline.flush()
    assert [one["timestamp_type"] for one in envelopes(pipeline)] == [
        "create",
        "log_append",
        "unknown",
    ]
    pipeline.close()


def test_a_message_refused_again_says_what_it_was_before(tmp_path):
    pipeline = opened(tmp_path)
    headers = redrive_headers(HEADERS, Redriven(LETTER, 2, 1_700_000_000_000_000))
    assert headers[: len(HEADERS)] == HEADERS
    pipeline.add(with_headers(batch(Topic.LISTENS, [POISON]), headers))
    pipeline.flush()
    (told,) = envelopes(pipeline)
    assert (told["redrive_of"], told["redrive_count"], told["attempt"]) == (LETTER, 2, 3)
    assert told["first_failed_at"] == "2023-11-14T22:13:20.000000Z"
    assert told["last_failed_at"].startswith("2026-03-01")
    pipeline.close()


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("listenback_redrive_count", b"3")],
        [("listenback_redrive_of", None)],
        [("listenback_redrive_of", b"\xff" * 36)],
        [("listenback_redrive_of", b"' OR 1=1")],
    ],
)
def test_redrive_headers_that_are_not_ours_say_nothing(headers):
    assert redriven(headers) == Redriven()


@pytest.mark.parametrize("count", [b"", b"-1", b"9" * 400, b"1e3", b"\xb2", None])
def test_a_redrive_count_that_is_no_number_counts_as_one(count):
    headers = [("listenback_redrive_of", LETTER.encode()), ("listenback_redrive_count", count)]
    assert redriven(headers) == Redriven(LETTER, 1, None)


def test_headers_survive_as_json_byte_for_byte():
    assert headers_of(headers_json(HEADERS)) == HEADERS
    assert (headers_json([]), headers_of(None)) == (None, [])


def test_sending_again_replaces_our_own_headers_and_no_others():
    once = redrive_headers(HEADERS, Redriven(LETTER, 1, None))
    other = str(uuid.UUID(int=8))
    twice = redrive_headers(once, Redriven(other, 2, 5))
    assert twice[: len(HEADERS)] == HEADERS
    assert redriven(twice) == Redriven(other, 2, 5)
    assert len(twice) == len(HEADERS) + 3


def test_what_the_bytes_themselves_forbid_is_not_replayable():
    assert [one.value for one in ErrorClass if not is_replayable(one, "any")] == [
        "decode",
        "consent_block",
    ]
    assert is_replayable("decode", "message_too_large")


def test_a_null_cloud_events_header_is_no_poison(tmp_path):
    pipeline = opened(tmp_path)
    lacking = {k: v for k, v in message(Topic.LISTENS, "l1").items() if k != "source"}
    nulls = [("ce_source", None), ("ce_id", None)]
    pipeline.add(with_headers(batch(Topic.LISTENS, [lacking, POISON]), nulls))
    assert pipeline.flush().dead_lettered_n == 2
    pipeline.close()


def test_beyond_the_rows_messages_of_a_kind_are_counted_and_other_kinds_still_kept(
    tmp_path, caplog
):
    pipeline = opened(tmp_path, dead_letter_rows_max=3)
    with caplog.at_level(logging.WARNING):
        for first in (0, 4):
            pipeline.add(batch(Topic.LISTENS, [POISON] * 4, first_offset=first))
            pipeline.flush()
    pipeline.add(batch(Topic.LISTENS, [b"[]"] * 2, first_offset=8))
    pipeline.flush()
    assert rows(pipeline, 'SELECT "offset" FROM dead_letter ORDER BY ALL') == [
        (n,) for n in (0, 1, 2, 8, 9)
    ]
    assert rows(
        pipeline,
        "SELECT error_type, refused_n, rows_n, first_offset, last_offset FROM dead_letter_count"
        " ORDER BY ALL",
    ) == [("invalid_json", 8, 3, 0, 7), ("not_an_object", 2, 2, 8, 9)]
    assert is_balanced(pipeline)
    assert rows(pipeline, "SELECT flooded_n FROM pipeline_health") == [(5,)]
    assert [one.message.partition(";")[0] for one in caplog.records] == [
        "a flood of dead letters in listens[0]: 4 decode/invalid_json from offset 0 to 3"
    ]
    pipeline.close()


def test_beyond_the_bytes_a_row_keeps_the_reason_and_the_place(tmp_path):
    pipeline = opened(tmp_path, dead_letter_bytes_max=2 * (len(POISON) + len(b"poison")))
    pipeline.add(batch(Topic.LISTENS, [POISON] * 3))
    pipeline.flush()
    assert rows(
        pipeline, 'SELECT "offset", key, value, value_bytes_n, is_whole FROM dead_letter ORDER BY 1'
    ) == [
        (0, b"poison", POISON, 8, True),
        (1, b"poison", POISON, 8, True),
        (2, None, None, 8, False),
    ]
    assert is_balanced(pipeline)
    pipeline.close()


def test_the_next_million_offsets_have_their_own_allowance(tmp_path):
    pipeline = opened(tmp_path, dead_letter_rows_max=1)
    end = flood.BLOCK_OFFSETS
    pipeline.add(batch(Topic.LISTENS, [POISON] * 4, first_offset=end - 2))
    pipeline.flush()
    assert rows(pipeline, 'SELECT "offset" FROM dead_letter ORDER BY 1') == [(end - 2,), (end,)]
    assert is_balanced(pipeline)
    pipeline.close()


def test_a_flood_of_nothing_but_poison_stays_bounded_and_balanced(tmp_path):
    pipeline = opened(tmp_path, dead_letter_rows_max=100, dead_letter_bytes_max=5_000)
    for first in range(0, 20_000, 2_000):
        for shard in (0, 1):
            pipeline.add(
                batch(Topic.LISTENS, [POISON, b"[]"] * 1_000, shard=shard, first_offset=first)
            )
        done = pipeline.flush()
        assert (done.read_n, done.dead_lettered_n) == (4_000, 4_000)
    assert is_balanced(pipeline)
    assert rows(
        pipeline,
        "SELECT count(*), max(dead_letters_n) FROM (SELECT count(*) AS"
        " dead_letters_n FROM dead_letter GROUP BY shard, error_type)",
    ) == [(4, 100)]
    (kept,) = rows(
        pipeline,
        "SELECT max(n) FROM (SELECT sum(octet_length(key) +"
        " octet_length(value)) AS n FROM dead_letter GROUP BY shard)",
    )
    assert 0 < kept[0] <= 5_000
    assert rows(pipeline, "SELECT sum(refused_n) FROM dead_letter_count") == [(40_000,)]
    pipeline.close()


def oracle(letters, bounds):
    """One letter after the other, in the order of the log."""
    seen, spent, kept = Counter(), Counter(), {}
    for one in sorted(letters, key=lambda one: (one["topic"], one["shard"], one["offset"])):
        block = (one["topic"], one["shard"], one["offset"] // flood.BLOCK_OFFSETS)
        kind = (*block, one["error_class"], one["error_type"])
        seen[kind] += 1
        if seen[kind] <= bounds.rows_max:
            spent[block] += one["raw_bytes_n"]
            kept[one["topic"], one["shard"], one["offset"]] = spent[block] <= bounds.bytes_max
    return kept


def some_letters(rng):
    offsets = rng.sample(range(flood.BLOCK_OFFSETS - 60, flood.BLOCK_OFFSETS + 60), 60)
    return [
        {
            "topic": rng.choice(["listens", "feedback"]),
            "shard": rng.choice([0, 1]),
            "offset": offset,
            "record_time_us": rng.randrange(1_000),
            "error_class": rng.choice(["decode", "schema"]),
            "error_type": rng.choice(["a", "b"]),
            "raw_bytes_n": rng.randrange(50),
        }
        for offset in offsets
    ]


@pytest.mark.parametrize("seed", range(100))
def test_what_is_kept_depends_on_no_cut_and_no_interleaving(seed):
    rng = random.Random(seed)
    letters = some_letters(rng)
    bounds = flood.Bounds(rows_max=rng.randrange(6), bytes_max=rng.randrange(300))
    queues = {}
    for one in sorted(letters, key=lambda one: one["offset"]):
        queues.setdefault((one["topic"], one["shard"]), []).append(one)
    stored, kept = pl.DataFrame(schema=flood.COUNTS), {}
    while any(queues.values()):
        flushed = []
        for queue in rng.sample(list(queues.values()), rng.randint(1, len(queues))):
            cut = rng.randint(0, len(queue))
            flushed += queue[:cut]
            del queue[:cut]
        if flushed:
            frame = pl.DataFrame(flushed, schema_overrides={"shard": pl.Int32})
            got, counts = flood.bounded(frame, stored, bounds)
            stored = pl.concat([stored.join(counts, on=list(flood.KEY), how="anti"), counts])
            at = got.select("topic", "shard", "offset", "is_whole").rows()
            kept |= {row[:3]: row[3] for row in at}
    assert kept == oracle(letters, bounds)
    assert stored["refused_n"].sum() == len(letters)
    assert stored["rows_n"].sum() == len(kept)
    assert stored["whole_n"].sum() == sum(kept.values())
