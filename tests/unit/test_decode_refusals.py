import dataclasses

import pytest
from support.messages import (
    BEHIND_US,
    LIMITS,
    batch_of,
    refusal,
    without,
)

from streams.events.contracts import (
    CONTRACTS,
    EXPOSURE,
    FEEDBACK,
    HUMAN_LABEL,
    JUDGE_SCORE,
    LISTEN,
)
from streams.events.decode import Limits, decode
from streams.events.examples import encode_example
from streams.events.fields import ID_CHARS_MAX, LIST_ITEMS_MAX

CASES = [pytest.param(contract, id=contract.name) for contract in CONTRACTS.values()]


@pytest.mark.parametrize(
    ("value", "error_type"),
    [
        (None, "value_null"),
        (b"", "value_empty"),
        (b"   ", "invalid_json"),
        (b"\xef\xbb\xbf{}", "byte_order_mark"),
        (b'{"event_id": "\xff"}', "invalid_utf8"),
        (b'{"event_id": "\xed\xa0\x80"}', "invalid_utf8"),
        (b'{"event_id": "\\ud800"}', "lone_surrogate"),
        (b"[]", "not_an_object"),
        (b"null", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b"17", "not_an_object"),
        (b"{'event_id': 1}", "invalid_json"),
        (encode_example(LISTEN)[:-1], "invalid_json"),
        (encode_example(LISTEN)[:-1] + b",}", "invalid_json"),
        (encode_example(LISTEN)[:-1] + b',"new":[1,]}', "invalid_json"),
        (encode_example(LISTEN)[:-1] + b',"new":NaN}', "invalid_json"),
        (encode_example(LISTEN)[:-1] + b',"new":-Infinity}', "invalid_json"),
        (encode_example(LISTEN) * 2, "invalid_json"),
        (encode_example(LISTEN) + b"\x00", "invalid_json"),
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, "nested_too_deep"),
        (b"[" * 500_000, "nested_too_deep"),
        (
            encode_example(LISTEN)[:-1] + b',"new":' + b"[" * 40 + b"]" * 40 + b"}",
            "nested_too_deep",
        ),
    ],
)
def test_bytes_that_are_no_json_object_are_refused_by_name(value, error_type):
    assert refusal(LISTEN, value) == ("decode", error_type, None)


@pytest.mark.parametrize(
    ("addition", "path"),
    [
        (b',"ms_played":1}', "ms_played"),
        (b',"new":1,"new":1}', "new"),
        (b',"a":1,"\\u0061":2}', "a"),
    ],
)
def test_a_key_that_comes_twice_is_refused(addition, path):
    value = without(LISTEN)[:-1] + addition
    assert refusal(LISTEN, value) == ("decode", "duplicate_key", path)


def test_a_label_that_comes_twice_is_refused():
    value = without(EXPOSURE, taxonomy={}).replace(b"{}", b'{"mood":"x","mood":"y"}')
    assert refusal(EXPOSURE, value) == ("decode", "duplicate_key", "taxonomy")


@pytest.mark.parametrize(
    ("contract", "field", "sent"),
    [
        (LISTEN, "ms_played", 1.7),
        (LISTEN, "ms_played", 1.0),
        (LISTEN, "ms_played", True),
        (LISTEN, "ms_played", "5"),
        (LISTEN, "ms_played", [5]),
        (LISTEN, "ms_played", -1),
        (LISTEN, "ms_played", 2**63),
        (LISTEN, "ms_played", 10**400),
        (LISTEN, "track_duration_ms", 0),
        (LISTEN, "skipped", "true"),
        (LISTEN, "skipped", 1),
        (LISTEN, "platform", 5),
        (LISTEN, "platform", {"os": "ios"}),
        (LISTEN, "country", "se"),
        (LISTEN, "country", "SWE"),
        (LISTEN, "reason_end", 3),
        (LISTEN, "user_key", "0" * 63),
        (LISTEN, "user_key", "A" * 64),
        (LISTEN, "playback_rate", "1.0"),
        (LISTEN, "playback_rate", True),
        (LISTEN, "playback_rate", -0.5),
        (LISTEN, "artist_ids", "artist"),
        (LISTEN, "artist_ids", ["a" * (ID_CHARS_MAX + 1)]),
        (LISTEN, "artist_ids", ["a"] * (LIST_ITEMS_MAX + 1)),
        (LISTEN, "track_uri", ""),
        (LISTEN, "track_uri", "a" * (ID_CHARS_MAX + 1)),
        (LISTEN, "event_time", "2026-11-02T10:15:30"),
        (LISTEN, "event_time", 1793614530),
        (LISTEN, "started_at", "2026-02-30T10:15:30Z"),
        (LISTEN, "started_at", "1970-01-01T00:00:00Z"),
        (LISTEN, "schema_version", "2-0-0"),
        (LISTEN, "schema_version", "1.0.0"),
        (EXPOSURE, "propensity", 0),
        (EXPOSURE, "propensity", 1.1),
        (EXPOSURE, "taxonomy", {"genre": 1}),
        (EXPOSURE, "taxonomy", []),
        (FEEDBACK, "polarity", 2),
        (FEEDBACK, "value", 1e7),
        (FEEDBACK, "value_text", "x" * 501),
        (JUDGE_SCORE, "sampling_prob", 0.0),
        (JUDGE_SCORE, "probability", 1.01),
        (JUDGE_SCORE, "score_value", "4"),
    ],
)
def test_a_value_that_is_not_exactly_of_its_type_or_range_is_refused_by_field(
    contract, field, sent
):
    error_class, _, path = refusal(contract, without(contract, **{field: sent}))
    assert (error_class, path.split(".")[0]) == ("schema", field)


def test_a_number_too_large_for_a_double_is_refused():
    value = without(JUDGE_SCORE).replace(b'"score_value":4.0', b'"score_value":1e999')
    assert refusal(JUDGE_SCORE, value) == ("schema", "finite_number", "score_value")


@pytest.mark.parametrize(
    "name",
    [
        *("ip_addr", "ip_addr_decrypted", "user_agent", "userAgent", "user_id", "USER_ID"),
        *("username", "client_ip", "e-mail"),
    ],
)
@pytest.mark.parametrize("sent", ["x", None])
def test_raw_identities_are_refused_whatever_their_value(name, sent):
    assert refusal(LISTEN, without(LISTEN, **{name: sent})) == ("schema", "raw_identity", name)


def test_an_escaped_name_hides_no_raw_identity():
    value = without(LISTEN)[:-1] + b',"user\\u005fid":"x"}'
    assert refusal(LISTEN, value) == ("schema", "raw_identity", "user_id")


@pytest.mark.parametrize("contract", CASES)
def test_each_required_field_is_missed_by_name(contract):
    derived = {"event_id", contract.own_id, "evaluator_epoch"}
    for column in contract.columns:
        if column.required and column.wire not in derived:
            got = refusal(contract, without(contract, column.wire))
            assert got == ("schema", "missing", column.wire)
    got = refusal(contract, without(contract, "event_id", contract.own_id))
    assert got == ("schema", "missing", "event_id")


TOGETHER = [
    ("schema", "score_beside_error", "score_value", JUDGE_SCORE, {"error_type": "timeout"}),
    ("schema", "score_missing", "score_value",
     JUDGE_SCORE, {"score_value": None, "score_label": None}),
    ("schema", "score_out_of_range", "score_value", JUDGE_SCORE, {"score_value": 5.5}),
    ("schema", "score_out_of_range", "score_value",
     JUDGE_SCORE, {"score_value": 0, "score_max": None}),
    ("schema", "score_range_empty", "score_min", JUDGE_SCORE, {"score_min": 5}),
    ("schema", "label_missing", "preference", HUMAN_LABEL, {"preference": None}),
    ("semantic", "preference_of_one", "other_generation_id",
     HUMAN_LABEL, {"other_generation_id": None}),
    ("semantic", "preference_of_one", "other_generation_id",
     HUMAN_LABEL, {"other_generation_id": "gen-7f3a"}),
    ("semantic", "started_after_end", "started_at",
     LISTEN, {"started_at": "2026-11-02T10:18:42.501Z"}),
    ("semantic", "variant_without_experiment", "variant_id", EXPOSURE, {"variant_id": None}),
    ("semantic", "variant_without_experiment", "variant_id", EXPOSURE, {"experiment_id": None}),
]  # fmt: skip


@pytest.mark.parametrize(("error_class", "error_type", "path", "contract", "changed"), TOGETHER)
def test_fields_that_contradict_each_other_are_refused(
    error_class, error_type, path, contract, changed
):
    assert refusal(contract, without(contract, **changed)) == (error_class, error_type, path)


@pytest.mark.parametrize("origin", ["ai_generated", "ai_assisted", "unknown", "brand_new", None])
def test_an_artist_who_opted_out_blocks_every_exposure_that_is_not_human(origin):
    value = without(EXPOSURE, artist_consent="opted_out", content_origin=origin)
    assert refusal(EXPOSURE, value) == ("consent_block", "consent_opted_out", "artist_consent")


def test_an_evaluator_epoch_that_cannot_be_derived_is_missed():
    value = without(JUDGE_SCORE, "evaluator_epoch", "judge_model_resolved")
    assert refusal(JUDGE_SCORE, value) == ("schema", "missing", "evaluator_epoch")


@pytest.mark.parametrize("key", [None, b"", b"gen-7f3", b"gen-7f3a ", b"\xff"])
def test_a_record_that_lies_under_another_key_is_refused(key):
    right = b"gen-7f3a"
    got = refusal(LISTEN, encode_example(LISTEN), keys=[right, key, right])
    assert got == ("semantic", "key_mismatch", "generation_id")


@pytest.mark.parametrize(
    ("limits", "error_type"),
    [
        (Limits(horizon_us=BEHIND_US), None),
        (Limits(horizon_us=BEHIND_US - 1), "late_beyond_horizon"),
        (Limits(future_max_us=-BEHIND_US), None),
        (Limits(future_max_us=-BEHIND_US + 1), None),
        (Limits(future_max_us=-BEHIND_US - 1), "event_in_future"),
    ],
)
def test_an_event_is_held_against_the_time_of_its_record(limits, error_type):
    decoded = decode(batch_of(LISTEN, [encode_example(LISTEN)]), LISTEN, limits)
    assert decoded.rejected["error_type"].to_list() == ([error_type] if error_type else [])
    assert decoded.rejected["field_path"].to_list() == (["event_time"] if error_type else [])


def test_lateness_has_a_class_of_its_own():
    limits = dataclasses.replace(LIMITS, horizon_us=0)
    decoded = decode(batch_of(LISTEN, [encode_example(LISTEN)]), LISTEN, limits)
    assert decoded.rejected["error_class"].to_list() == ["late_beyond_horizon"]


def test_a_header_does_not_paper_over_a_field_of_the_wrong_type():
    headers = [(), (("ce_id", b"fine"), ("ce_time", b"2026-11-02T10:18:00Z")), ()]
    value = without(LISTEN, event_time=17)
    assert refusal(LISTEN, value, headers=headers) == ("schema", "timestamp", "event_time")
    value = without(LISTEN, event_id=17)
    assert refusal(LISTEN, value, headers=headers) == ("schema", "string_type", "event_id")


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (("ce_time", b"yesterday"), ("schema", "timestamp", "event_time")),
        (("ce_time", b"\xff"), ("schema", "missing", "event_time")),
        (("traceparent", b"00-4bf9"), ("schema", "missing", "event_time")),
    ],
)
def test_a_header_that_cannot_be_read_fills_nothing(header, told):
    value = without(LISTEN, "event_time")
    assert refusal(LISTEN, value, headers=[(), (header,), ()]) == told


def test_a_refusal_tells_nothing_of_what_was_sent():
    secret = "s3cret-9f"
    values = [
        without(LISTEN, user_key=secret),
        without(LISTEN, reason_end=[secret]),
        without(LISTEN, event_time=secret),
        without(LISTEN, schema_version=secret),
        f'{{"event_id": "{secret}'.encode(),
        f'{{"{secret}": {secret}}}'.encode(),
    ]
    decoded = decode(batch_of(LISTEN, values), LISTEN, LIMITS)
    assert decoded.rejected.height == len(values)
    assert not decoded.rejected["error_message"].str.contains(secret).any()
