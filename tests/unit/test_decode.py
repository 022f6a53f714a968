import dataclasses
import json

import polars as pl
import pytest
from support.messages import LIMITS, accepted, batch_of, record_time_us, without, written

from streams.events import decode as decoder
from streams.events.batch import Batch
from streams.events.contracts import (
    CONTRACTS,
    EXPOSURE,
    HUMAN_LABEL,
    JUDGE_SCORE,
    LISTEN,
)
from streams.events.decode import REJECTED, SOURCE, Limits, decode, decode_all
from streams.events.examples import encode_example
from streams.events.fields import ID_CHARS_MAX
from streams.events.identity import evaluator_epoch

CASES = [pytest.param(contract, id=contract.name) for contract in CONTRACTS.values()]


@pytest.mark.parametrize("contract", CASES)
def test_the_example_becomes_the_row_that_its_model_says(contract):
    (row,) = accepted(contract, encode_example(contract))
    event = contract.model.model_validate_json(encode_example(contract))
    raw = {column.raw_name: None for column in contract.enum_columns}
    place = {"shard": 3, "offset": 100, "record_time_us": record_time_us(contract)}
    assert row == {**place, **event.model_dump(), **raw}


@pytest.mark.parametrize("contract", CASES)
def test_an_empty_batch_gives_empty_frames_of_the_schema(contract):
    decoded = decode(batch_of(contract, []), contract, LIMITS)
    assert decoded.accepted.schema == {**SOURCE, **contract.schema}
    assert decoded.rejected.schema == REJECTED
    assert decoded.accepted.height == decoded.rejected.height == 0


def test_an_artist_who_opted_out_of_ai_may_still_be_played():
    value = without(EXPOSURE, artist_consent="opted_out", content_origin="human")
    assert accepted(EXPOSURE, value)[0]["artist_consent"] == "opted_out"


def test_a_judge_that_failed_is_a_missing_score_with_its_reason():
    (row,) = accepted(JUDGE_SCORE, without(JUDGE_SCORE, "score_value", error_type="timeout"))
    assert (row["score_value"], row["error_type"]) == (None, "timeout")


def test_an_unknown_enum_value_becomes_other_and_is_kept_raw():
    known, other, unknown, absent = accepted(
        LISTEN,
        without(LISTEN),
        without(LISTEN, reason_end="other"),
        without(LISTEN, reason_end="Tap\\Out"),
        without(LISTEN, "reason_end"),
    )
    shown = [(row["reason_end"], row["reason_end_raw"]) for row in (known, other, unknown, absent)]
    assert shown == [("fwdbtn", None), ("other", None), ("other", "Tap\\Out"), (None, None)]


@pytest.mark.parametrize("contract", CASES)
def test_every_enum_of_every_event_is_open(contract):
    changed = {column.wire: "never heard of" for column in contract.enum_columns}
    (row,) = accepted(contract, without(contract, **changed))
    for column in contract.enum_columns:
        assert (row[column.name], row[column.raw_name]) == ("other", "never heard of")


@pytest.mark.parametrize("contract", CASES)
def test_bytes_of_a_later_producer_are_read_by_this_code(contract):
    later = {"schema_version": "1-7-3", "added": {"deep": [1, {"x": None}]}, "zip": "12"}
    (row,) = accepted(contract, without(contract, **later))
    (today,) = accepted(contract, without(contract, schema_version="1-7-3"))
    assert row == today


@pytest.mark.parametrize("contract", CASES)
def test_bytes_with_the_required_fields_alone_leave_the_rest_null(contract):
    needed = {column.wire for column in contract.columns if column.required}
    said = {"score_label": "good"} if contract in {JUDGE_SCORE, HUMAN_LABEL} else {}
    event = {k: v for k, v in contract.example.items() if k in needed} | said
    key = event.get("generation_id", event.get("user_key", "")).encode()
    (row,) = accepted(contract, written(event), keys=[key])
    given = {column.name for column in contract.columns if column.wire in event}
    shown = {name for name in contract.schema if row[name] is not None}
    assert shown == given | {contract.own_id, "event_id"}


@pytest.mark.parametrize("contract", CASES)
def test_an_explicit_null_is_the_same_as_an_absent_field(contract):
    nulls = {c.wire: None for c in contract.columns if not c.required}
    said = {"score_label": "good"} if contract in {JUDGE_SCORE, HUMAN_LABEL} else {}
    event = {**contract.example, **nulls, **said}
    key = (event["generation_id"] or event["user_key"]).encode()
    lacking = {name: sent for name, sent in event.items() if sent is not None}
    first, second = accepted(contract, written(event), written(lacking), keys=[key, key])
    assert {**first, "offset": 0} == {**second, "offset": 0}


@pytest.mark.parametrize("contract", CASES)
def test_the_two_ids_of_an_event_stand_in_for_each_other(contract):
    own_only, common_only, both = accepted(
        contract,
        without(contract, "event_id", **{contract.own_id: "own"}),
        without(contract, contract.own_id, event_id="common"),
        without(contract, event_id="common", **{contract.own_id: "own"}),
    )
    shown = [(row["event_id"], row[contract.own_id]) for row in (own_only, common_only, both)]
    assert shown == [("own", "own"), ("common", "common"), ("common", "own")]


def test_the_evaluator_epoch_follows_from_its_parts_where_it_is_absent():
    parts = {
        "rubric_hash": "r",
        "judge_prompt_version": "p",
        "judge_provider": "v",
        "judge_model_resolved": "m",
    }
    named, derived = accepted(
        JUDGE_SCORE,
        without(JUDGE_SCORE, evaluator_epoch="given", **parts),
        without(JUDGE_SCORE, "evaluator_epoch", **parts),
    )
    assert named["evaluator_epoch"] == "given"
    assert derived["evaluator_epoch"] == evaluator_epoch("r", "p", "v", "m")


def test_labels_are_kept_as_canonical_json():
    rows = accepted(
        EXPOSURE,
        without(EXPOSURE, taxonomy={"mood": "bright", "genre": "house", "a b": "1", "a": ","}),
        without(EXPOSURE, taxonomy={}),
        without(EXPOSURE, taxonomy={"q": 'say "hi"', "é": "ü"}),
    )
    assert [row["taxonomy"] for row in rows] == [
        '{"a":",","a b":"1","genre":"house","mood":"bright"}',
        "{}",
        '{"q":"say \\"hi\\"","é":"ü"}',
    ]


def test_strings_come_out_as_they_were_written():
    texts = [
        'quote " and \\ slash',
        "line\nbreak\ttab",
        "\x00\x1f\x7f",
        "é 😀 \u2028",
        "",
        '"',
        "/",
    ]
    values = [
        json.dumps({**JUDGE_SCORE.example, "explanation": text}, ensure_ascii=is_ascii).encode()
        for text in texts
        for is_ascii in (True, False)
    ]
    rows = accepted(JUDGE_SCORE, *values)
    assert [row["explanation"] for row in rows[::2]] == texts
    assert [row["explanation"] for row in rows[1::2]] == texts


def test_limits_count_characters_not_bytes():
    (row,) = accepted(LISTEN, without(LISTEN, track_uri="ü" * ID_CHARS_MAX))
    assert len(row["track_uri"]) == ID_CHARS_MAX


def test_timestamps_are_read_to_the_microsecond_whatever_their_offset():
    rows = accepted(
        LISTEN,
        *(
            without(LISTEN, started_at=text)
            for text in (
                "2026-11-02T10:15:30.123456Z",
                "2026-11-02T12:45:30.1234569+02:30",
                "2026-11-02t10:15:30z",
                "2026-11-01 23:15:30.5-11:00",
            )
        ),
    )
    second_us = 1_793_614_530_000_000
    assert [row["started_at_us"] - second_us for row in rows] == [123_456, 123_456, 0, 500_000]


def test_an_organic_listen_lies_under_its_user_key():
    organic = without(LISTEN, "generation_id")
    user_key = LISTEN.example["user_key"].encode()
    (row,) = accepted(LISTEN, organic, keys=[user_key])
    assert row["generation_id"] is None
    decoded = decode(batch_of(LISTEN, [organic], keys=[b"gen-7f3a"]), LISTEN, LIMITS)
    assert decoded.rejected["error_type"].to_list() == ["key_mismatch"]


def test_a_message_of_exactly_the_limit_is_read_and_a_larger_one_is_not():
    value = encode_example(LISTEN)
    exact, below = Limits(message_bytes_max=len(value)), Limits(message_bytes_max=len(value) - 1)
    assert decode(batch_of(LISTEN, [value]), LISTEN, exact).accepted.height == 1
    refused = decode(batch_of(LISTEN, [value]), LISTEN, below).rejected
    assert refused["error_type"].to_list() == ["message_too_large"]


def test_brackets_may_nest_to_the_limit_in_fields_that_are_ignored():
    # The message's own brace is one level; brackets inside of strings are none.
    extra = b',"new":"' + b"[" * 100 + b'","deep":' + b"[" * 31 + b"]" * 31 + b"}"
    assert len(accepted(LISTEN, without(LISTEN)[:-1] + extra)) == 1


def test_headers_fill_what_the_body_lacks_and_no_more():
    headers = (
        ("ce_id", b"from-header"),
        ("ce_source", b"//h"),
        ("ce_time", b"2026-11-02T10:18:00Z"),
    )
    bare = without(LISTEN, "event_id", "playback_id", "source", "event_time")
    filled, whole = accepted(LISTEN, bare, encode_example(LISTEN), headers=[headers, headers])
    assert (filled["event_id"], filled["playback_id"]) == ("from-header", "from-header")
    assert (filled["source"], filled["event_time_us"]) == ("//h", 1_793_614_680_000_000)
    assert (whole["event_id"], whole["source"]) == (LISTEN.example["event_id"], "//player/ios")


@pytest.mark.parametrize("contract", CASES)
def test_no_event_of_a_clean_batch_is_looked_at_singly(contract, monkeypatch):
    def looked(*_args, **_kwargs):
        raise AssertionError

    monkeypatch.setattr(decoder, "explain", looked)
    whole = dict(contract.example)
    compact = without(contract)
    values = [
        compact,
        written(whole),
        json.dumps(whole).encode(),
        json.dumps(whole, indent=2).encode(),
    ]
    values += [compact[:-1] + b',"new":{"x":[1,2.5,"y, z"]}}', without(contract, source='a "b"\n')]
    decoded = decode(batch_of(contract, values * 3), contract, LIMITS)
    assert decoded.accepted.height == len(values) * 3


def test_poison_is_set_apart_and_the_rest_of_a_large_batch_keeps_its_order():
    good = [without(LISTEN, event_id=f"event-{n}", ms_played=n) for n in range(9_000)]
    poison = {0: b"", 17: None, 4_095: b"\xff", 4_096: b"{", 8_500: b'{"a":1}', 8_999: b"[]"}
    values = [poison.get(n, value) for n, value in enumerate(good)]
    decoded = decode(batch_of(LISTEN, values), LISTEN, LIMITS)
    kept = [n for n in range(9_000) if n not in poison]
    assert decoded.accepted["ms_played"].to_list() == kept
    assert decoded.accepted["offset"].to_list() == [100 + n for n in kept]
    assert decoded.rejected["offset"].to_list() == [100 + n for n in poison]
    assert decoded.rejected["value"].to_list() == list(poison.values())


def test_a_few_odd_messages_among_many_end_as_each_does_alone():
    body = without(LISTEN)[:-1]
    ends = (
        b' , "new" : null }',
        b',"new":{"x":[1]}}',
        b',"ip_addr":"192.0.2.7"}',
        b',"a":1,"a":2}',
    )
    places = range(500, 500 + len(ends))
    values = [without(LISTEN, event_id=f"event-{n}") for n in range(5_000)]
    values[500 : 500 + len(ends)] = [body + end for end in ends]
    many = decode(batch_of(LISTEN, values), LISTEN, LIMITS)
    alone = [decode(batch_of(LISTEN, [values[n]]), LISTEN, LIMITS) for n in places]
    rows = many.accepted.filter(pl.col("offset").is_between(600, 599 + len(ends))).drop("offset")
    assert rows.equals(pl.concat([one.accepted for one in alone]).drop("offset"))
    refused = pl.concat([one.rejected for one in alone])
    assert refused.height == 2
    assert many.rejected.drop("offset").equals(refused.drop("offset"))
    assert many.accepted.height == 5_000 - refused.height


def test_the_cut_of_batches_does_not_matter():
    values = [without(LISTEN, ms_played=n) if n % 7 else b"{" for n in range(60)]
    whole = batch_of(LISTEN, values)
    parts = [
        Batch(
            whole.topic,
            whole.shard,
            whole.offsets[at : at + size],
            whole.record_times_ms[at : at + size],
            whole.keys[at : at + size],
            whole.values[at : at + size],
        )
        for at, size in ((0, 1), (1, 20), (21, 39))
    ]
    once, pieces = decode(whole, LISTEN, LIMITS), [decode(part, LISTEN, LIMITS) for part in parts]
    assert pl.concat([piece.accepted for piece in pieces]).equals(once.accepted)
    assert pl.concat([piece.rejected for piece in pieces]).equals(once.rejected)


def test_batches_of_several_shards_are_read_at_once_as_each_alone():
    header = (("ce_source", b"//header"),)
    values = [without(LISTEN), without(LISTEN, "source"), b"{", b"", without(LISTEN, "source")]
    parts = [
        batch_of(LISTEN, values, headers=[header] * 5),
        batch_of(LISTEN, []),
        dataclasses.replace(batch_of(LISTEN, values), shard=1),
        dataclasses.replace(
            batch_of(LISTEN, values[::-1], headers=[header, (), (), (), ()]), shard=0
        ),
    ]
    together, alone = decode_all(parts, LISTEN, LIMITS), [decode(p, LISTEN, LIMITS) for p in parts]
    assert together.accepted["shard"].to_list() == [3, 3, 3, 1, 0, 0]
    assert together.accepted.equals(pl.concat([one.accepted for one in alone]))
    assert together.rejected.equals(pl.concat([one.rejected for one in alone]))


def test_no_batches_are_an_empty_batch():
    assert decode_all([], LISTEN, LIMITS).accepted.schema == {**SOURCE, **LISTEN.schema}


def test_more_rows_than_are_read_at_once_are_read_in_turn(monkeypatch):
    header = (("ce_source", b"//header"),)
    values = [without(LISTEN, ms_played=n) if n % 5 else b"{" for n in range(45)]
    values += [without(LISTEN, "source")]
    batch = batch_of(LISTEN, values, headers=[*[()] * 45, header])
    whole = decode(batch, LISTEN, LIMITS)
    monkeypatch.setattr(decoder, "READ_ROWS_MAX", 10)
    parts = decode(batch, LISTEN, LIMITS)
    assert parts.accepted.equals(whole.accepted)
    assert parts.rejected.equals(whole.rejected)
    assert whole.accepted.height == 37
