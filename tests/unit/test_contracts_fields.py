import hashlib
import hmac
import json
from pathlib import Path

import polars as pl
import pytest
from pydantic import ValidationError

from streams.events.contracts import CONTRACTS, EXPOSURE, JUDGE_SCORE, LISTEN
from streams.events.dead_letter import DeadLetterEnvelope, ErrorClass
from streams.events.erasure import Erasure
from streams.events.fields import MS_MAX, Kind
from streams.events.identity import evaluator_epoch, score_id, user_key
from streams.events.instant_columns import instants_us
from streams.events.instants import INSTANT_MAX_US, INSTANT_MIN_US, instant_text, instant_us
from streams.events.json_schema import json_schemas, main, schema_text
from streams.events.refused_names import raw_identity_names

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("name", sorted(json_schemas()))
def test_the_json_schema_is_the_golden_one(name):
    written = (GOLDEN / f"{name}.json").read_text(encoding="utf-8")
    again = "python -m streams.events.json_schema tests/golden"
    assert schema_text(json_schemas()[name]) == written, f"meant? then: {again}"


def test_every_golden_schema_is_of_a_message_that_exists(tmp_path):
    main(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        path.name for path in GOLDEN.glob("*.json")
    }


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=lambda contract: contract.name)
def test_the_json_schema_names_every_field_and_either_id(contract):
    schema = json_schemas()[contract.name]
    assert list(schema["properties"]) == [column.wire for column in contract.columns]
    either = {"anyOf": [{"required": ["event_id"]}, {"required": [contract.own_id]}]}
    assert either in schema["allOf"]
    assert not {"event_id", contract.own_id} & set(schema["required"])


def test_limits_are_read_off_the_annotations():
    played = next(column for column in LISTEN.columns if column.name == "ms_played")
    assert (played.kind, played.low, played.high, played.required) == (Kind.WHOLE, 0, MS_MAX, True)
    propensity = next(column for column in EXPOSURE.columns if column.name == "propensity")
    assert (propensity.low, propensity.low_open, propensity.high) == (0, True, 1)
    started = next(column for column in LISTEN.columns if column.wire == "started_at")
    assert (started.name, started.dtype, started.required) == ("started_at_us", pl.Int64, False)
    kind = next(column for column in JUDGE_SCORE.columns if column.wire == "annotator_kind")
    assert kind.values == ("LLM", "CODE", "HUMAN", "other")


def test_a_model_cannot_be_changed_once_made():
    event = LISTEN.model.model_validate(LISTEN.example)
    with pytest.raises(ValidationError):
        event.ms_played = 1


def test_a_model_alone_refuses_raw_identities():
    with pytest.raises(ValidationError, match="ip_addr"):
        LISTEN.model.model_validate({**LISTEN.example, "ip_addr": "::1"})


@pytest.mark.parametrize(
    "name", ["zip", "ship", "users", "user_key", "recipe_id", "agent", "mail_order", "tips", "id"]
)
def test_names_that_only_look_like_raw_identities_pass(name):
    assert raw_identity_names([name]) == []


INSTANTS = [
    ("2026-11-02T10:15:30Z", 1_793_614_530_000_000),
    ("2026-11-02T10:15:30.1Z", 1_793_614_530_100_000),
    ("2026-11-02T10:15:30.999999999Z", 1_793_614_530_999_999),
    ("2026-11-02 12:45:30+02:30", 1_793_614_530_000_000),
    ("2026-11-01t23:15:30.000001-11:00", 1_793_614_530_000_001),
    ("2024-02-29T00:00:00Z", 1_709_164_800_000_000),
    ("2000-01-01T00:00:00Z", INSTANT_MIN_US),
    ("2000-01-01T02:00:00+02:00", INSTANT_MIN_US),
    ("2099-12-31T23:59:59.999999Z", INSTANT_MAX_US - 1),
]
NO_INSTANTS = [
    "", "2026-11-02", "2026-11-02T10:15:30", "2026-11-02T10:15Z", "2026-11-02T10:15:30.Z",
    "2026-11-02T10:15:60Z", "2026-11-02T24:00:00Z", "2026-11-02T10:60:00Z", "2026-02-29T00:00:00Z",
    "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "2100-02-29T00:00:00Z",
    "2026-11-02T10:15:30+2:00", "2026-11-02T10:15:30+0200", "2026-11-02T10:15:30+24:00",
    "2026-11-02T10:15:30+01:60", "2026-11-02T10:15:30.1234567890Z", "2026-11-02X10:15:30Z",
    "2026-11-02T10:15:30Z\n", " 2026-11-02T10:15:30Z", "02026-11-02T10:15:30Z",
    "+026-11-02T10:15:30Z", "\uff12\uff10\uff12\uff16-11-02T10:15:30Z",
    "2026-11-02T10:15:30±01:00", "1793614530",
]  # fmt: skip


@pytest.mark.parametrize(("text", "us"), INSTANTS)
def test_an_instant_is_read_exactly(text, us):
    assert instant_us(text) == us
    assert instants_us(pl.Series([f'"{text}"'])).to_list() == [us]


@pytest.mark.parametrize("text", NO_INSTANTS)
def test_what_is_no_instant_is_none(text):
    assert instant_us(text) is None
    assert instants_us(pl.Series([json.dumps(text, ensure_ascii=False)])).to_list() == [None]


@pytest.mark.parametrize("text", ["1999-12-31T23:59:59.999999Z", "2100-01-01T00:00:00Z"])
def test_an_instant_outside_of_the_century_is_a_broken_clock(text):
    assert instant_us(text) is None


def test_instants_of_many_layouts_are_read_side_by_side():
    texts = [text for text, _ in INSTANTS] * 3 + NO_INSTANTS
    tokens = pl.Series(
        [None, "17", "null", "[]", *(json.dumps(t, ensure_ascii=False) for t in texts)]
    )
    expected = [None] * 4 + [instant_us(text) for text in texts]
    assert instants_us(tokens).to_list() == expected


@pytest.mark.parametrize("us", [us for _, us in INSTANTS])
def test_a_written_instant_reads_as_the_same(us):
    assert instant_us(instant_text(us)) == us


def test_a_user_key_is_the_hmac_of_the_user_id():
    secret = b"0123456789abcdef"
    assert (
        user_key(secret, "käthe") == hmac.new(secret, "käthe".encode(), hashlib.sha256).hexdigest()
    )


def test_a_secret_that_could_be_guessed_makes_no_user_key():
    with pytest.raises(ValueError, match="at least 16 bytes"):
        user_key(b"short", "user")


def test_identities_of_different_parts_differ_even_where_their_texts_run_together():
    epochs = {evaluator_epoch(*parts) for parts in (("ab", "c", "d", "e"), ("a", "bc", "d", "e"))}
    scores = {score_id("g", "e", "d", 0), score_id("g", "e", "d", 1), score_id("ge", "", "d", 0)}
    assert (len(epochs), len(scores)) == (2, 3)
    assert all(len(identity) == 64 for identity in epochs | scores)


def test_identities_do_not_change_between_versions():
    assert evaluator_epoch("sha256:5c1e", "prompt-12", "acme", "judge-large-2026-10-01") == (
        "ddc2dbb2a72ef379407f2195fb2acf5c8597c43ed85a2637a9e0208d6e3344d6"
    )


DEAD_LETTER = {
    "dlq_id": "d1",
    "original_topic": "listens",
    "original_partition": 3,
    "original_offset": 99,
    "original_timestamp": "2026-11-02T10:15:30.000Z",
    "timestamp_type": "create",
    "key_b64": "Z2VuLTE=",
    "value_b64": "ew==",
    "headers": [["ce_id", "eA=="], ["ce_id", None]],
    "error_class": "decode",
    "error_type": "invalid_json",
    "error_message": "no",
}


def test_a_dead_letter_holds_the_place_the_bytes_and_the_reason():
    letter = DeadLetterEnvelope.model_validate(DEAD_LETTER)
    assert (letter.original_offset, letter.headers) == (99, [("ce_id", "eA=="), ("ce_id", None)])
    assert letter.original_timestamp_us == 1_793_614_530_000_000


@pytest.mark.parametrize("changed", [{"value_b64": "{"}, {"error_message": "x" * 501}])
def test_a_dead_letter_that_is_not_well_is_refused(changed):
    with pytest.raises(ValidationError):
        DeadLetterEnvelope.model_validate({**DEAD_LETTER, **changed})


def test_every_error_class_may_stand_in_a_dead_letter():
    for error_class in ErrorClass:
        letter = DeadLetterEnvelope.model_validate({**DEAD_LETTER, "error_class": str(error_class)})
        assert letter.error_class == error_class


ERASURE = {"request_id": "r", "user_key": "0" * 64, "requested_at": "2026-11-02T10:15:30Z"}


@pytest.mark.parametrize("scope", [None, "all", "before:2026-11-02T10:15:30Z"])
def test_an_erasure_is_of_everything_or_of_what_was_before(scope):
    assert Erasure.model_validate({**ERASURE, "scope": scope}).scope == scope


@pytest.mark.parametrize("scope", ["", "ALL", "before:", "before:yesterday", "all "])
def test_an_erasure_of_anything_else_is_refused(scope):
    with pytest.raises(ValidationError):
        Erasure.model_validate({**ERASURE, "scope": scope})
