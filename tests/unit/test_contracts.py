import json

import polars as pl
import pytest
from pydantic import ValidationError

from streams.events.contracts import CONTRACTS
from streams.events.examples import encode_example
from streams.events.topics import Topic

CASES = [pytest.param(contract, id=contract.name) for contract in CONTRACTS.values()]


def test_every_input_topic_has_a_contract_of_its_own():
    assert set(CONTRACTS) == set(Topic)
    assert all(contract.topic is topic for topic, contract in CONTRACTS.items())


@pytest.mark.parametrize("contract", CASES)
def test_the_example_shows_every_field_and_keeps_the_contract(contract):
    assert list(contract.example) == [column.wire for column in contract.columns]
    event = contract.model.model_validate_json(encode_example(contract))
    assert list(event.model_dump()) == [column.name for column in contract.columns]


@pytest.mark.parametrize("contract", CASES)
def test_a_frame_has_a_raw_column_beside_each_enum_and_no_other_addition(contract):
    names = {column.name for column in contract.columns}
    raw = {f"{column.wire}_raw" for column in contract.enum_columns}
    assert set(contract.schema) == names | raw
    assert all(contract.schema[name] == pl.String for name in raw)


@pytest.mark.parametrize("contract", CASES)
def test_every_field_is_described_and_the_key_is_one_of_them(contract):
    assert all(column.description for column in contract.columns)
    assert set(contract.key_fields) <= {column.wire for column in contract.columns}


@pytest.mark.parametrize("contract", CASES)
def test_the_required_fields_alone_make_an_event(contract):
    needed = {column.wire for column in contract.columns if column.required}
    event = {name: value for name, value in contract.example.items() if name in needed}
    event.pop("event_id")
    read = contract.model.model_validate(event)
    assert read.event_id == contract.example[contract.own_id]


@pytest.mark.parametrize("contract", CASES)
def test_each_required_field_is_missed_by_name(contract):
    for column in contract.columns:
        if not column.required or column.wire in {"event_id", contract.own_id, "evaluator_epoch"}:
            continue
        event = {k: v for k, v in contract.example.items() if k != column.wire}
        with pytest.raises(ValidationError) as refused:
            contract.model.model_validate_json(json.dumps(event))
        assert [error["loc"] for error in refused.value.errors()] == [(column.wire,)]
