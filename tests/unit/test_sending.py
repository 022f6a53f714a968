"""What the producer helpers make is what a worker accepts."""

from __future__ import annotations

import json
import uuid

import pytest

from streams import sending
from streams.clock import now_us
from streams.errors import ConfigError
from streams.events.batch import Batch
from streams.events.contracts import CONTRACTS
from streams.events.decode import decode
from streams.events.identity import user_key
from streams.events.limits import Limits

SECRET = b"sixteen bytes or more"
LEAST = {
    "exposure": {"generation_id": "g", "user_id": "42", "unit_type": "user"},
    "listen": {"generation_id": "g", "user_id": "42", "ms_played": 31_000},
    "feedback": {"generation_id": "g", "user_id": "42", "action": "save"},
    "judge_score": {
        "generation_id": "g",
        "dimension": "taste",
        "score_value": 0.5,
        "score_min": 0.0,
        "score_max": 1.0,
        "judge_id": "j",
        "evaluator_epoch": "e",
    },
    "human_label": {
        "generation_id": "g",
        "dimension": "taste",
        "rater_id": "7",
        "preference": "A",
        "other_generation_id": "h",
    },
}
NAMES = [contract.name for contract in CONTRACTS.values()]


def made(name, **more):
    return getattr(sending, name)(source="//test", secret=SECRET, **LEAST[name] | more)


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=NAMES)
def test_what_a_helper_makes_is_accepted_by_the_worker_s_decoder(contract):
    record = made(contract.name)
    batch = Batch(
        contract.topic, 0, [0], [now_us() // 1_000], [record.key], [record.value], [record.headers]
    )
    decoded = decode(batch, contract, Limits())
    assert decoded.rejected.is_empty(), decoded.rejected
    (row,) = decoded.accepted.to_dicts()
    headers = {name: value.decode() for name, value in record.headers}
    assert headers["ce_id"] == row["event_id"]
    assert (record.topic, headers["ce_source"]) == (contract.topic.value, "//test")
    assert record.key == b"g"


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=NAMES)
def test_a_raw_id_becomes_its_hmac_and_is_nowhere_in_the_record(contract):
    people = {"exposure": "user", "listen": "user", "feedback": "user", "human_label": "rater"}
    if contract.name not in people:
        assert b"secret" not in made(contract.name).value
        return
    who = people[contract.name]
    record = made(contract.name, **{f"{who}_id": "someone@example.org"})
    fields = json.loads(record.value)
    assert fields[f"{who}_key"] == user_key(SECRET, "someone@example.org")
    assert b"someone" not in record.value + b"".join(value for _, value in record.headers)


def test_an_organic_listen_has_the_listener_as_key():
    record = made("listen", generation_id=None)
    assert record.key.decode() == user_key(SECRET, "42")


def test_the_same_grading_is_the_same_event_and_another_repetition_is_not():
    ids = {json.loads(made("judge_score").value)["score_id"] for _ in range(3)}
    other = json.loads(made("judge_score", repeat_idx=1).value)["score_id"]
    assert len(ids) == 1
    assert other not in ids


def test_ids_are_time_ordered_and_unlike():
    ids = [json.loads(made("listen").value)["playback_id"] for _ in range(50)]
    assert len(set(ids)) == 50
    assert {uuid.UUID(one).version for one in ids} == {7}
    assert [one[:13] for one in ids] == sorted(one[:13] for one in ids)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"ms_played": -1}, "listen.ms_played"),
        ({"ms_played": "31000"}, "listen.ms_played"),
        ({"ms_playd": 3}, "listen.ms_playd"),
        ({"ip": "192.0.2.1"}, "listen.ip"),
        ({"secret": None}, "listen.user_id"),
    ],
)
def test_what_no_worker_would_accept_is_refused_at_the_producer(fields, says):
    with pytest.raises(ConfigError) as error:
        sending.listen(**{"source": "//test", "secret": SECRET, **LEAST["listen"], **fields})
    assert error.value.where == says
