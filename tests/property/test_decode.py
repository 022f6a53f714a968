"""The decoder against a reader that takes one message at a time: json.loads and pydantic."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.messages import LIMITS, batch_of, told, written
from support.mutations import ODD, SCALARS, STYLES, mutated

from streams.events.contracts import CONTRACTS
from streams.events.decode import REJECTED, SOURCE, decode

pytestmark = pytest.mark.property

BY_NAME = {contract.name: contract for contract in CONTRACTS.values()}
NAMES = sorted(BY_NAME)


def check(contract, values, keys=None):
    """Each message is in one frame only, and there as the slow reader says."""
    batch = batch_of(contract, values, keys=keys)
    decoded = decode(batch, contract, LIMITS)
    assert decoded.accepted.schema == {**SOURCE, **contract.schema}
    assert decoded.rejected.schema == REJECTED
    assert decoded.accepted["offset"].is_sorted()
    assert decoded.rejected["offset"].is_sorted()
    accepted = {row["offset"]: row for row in decoded.accepted.to_dicts()}
    rejected = {row["offset"]: row for row in decoded.rejected.to_dicts()}
    assert len(accepted) + len(rejected) == len(values)
    for offset, value, key in zip(batch.offsets, values, batch.keys, strict=True):
        expected = told(value, key, contract)
        if isinstance(expected, str):
            assert offset in rejected, (value, accepted[offset])
            assert rejected[offset]["error_class"] == expected, (value, rejected[offset])
            assert rejected[offset]["value"] == value
            assert rejected[offset]["key"] == key
            assert rejected[offset]["error_message"]
        else:
            assert offset in accepted, (value, rejected[offset])
            shown = {name: accepted[offset][name] for name in contract.schema}
            assert shown == {name: expected.get(name) for name in contract.schema}, value


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(3))
def test_a_mutated_message_is_read_as_one_at_a_time_would_read_it(name, seed):
    rng = random.Random(f"{name} {seed}")
    check(BY_NAME[name], [mutated(BY_NAME[name], rng) for _ in range(400)])


@pytest.mark.parametrize("name", NAMES)
def test_each_field_takes_what_pydantic_takes_and_refuses_the_rest(name):
    contract = BY_NAME[name]
    values = [
        written({**contract.example, column.wire: sent})
        for column in contract.columns
        for sent in (*SCALARS, *ODD, *column.values)
    ]
    check(contract, values)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(data=st.data())
def test_any_json_in_any_field_lands_in_exactly_one_frame(data):
    contract = BY_NAME[data.draw(st.sampled_from(NAMES))]
    wires = [column.wire for column in contract.columns]
    changes = data.draw(
        st.lists(st.dictionaries(st.sampled_from(wires) | st.text(max_size=8), JSON), max_size=6)
    )
    style = data.draw(st.sampled_from(STYLES))
    check(contract, [written({**contract.example, **one}, **style) for one in changes])


@given(values=st.lists(st.none() | st.binary(max_size=40), max_size=8), name=st.sampled_from(NAMES))
def test_any_bytes_are_survived(values, name):
    check(BY_NAME[name], values)


@given(
    st.lists(
        st.floats(allow_nan=False, allow_infinity=False)
        | st.integers()
        | st.sampled_from(
            ["1e2", "1E+2", "10e1", "1e-3", "12e-5", "0.0001", "-1e1", "5e-324", "1e400"]
        ),
        min_size=1,
        max_size=30,
    ),
    st.sampled_from(
        [",", ',"x":1', ',"a":""', "", ',"score_value":100.0', ',"x":{"score_value":100.0}', " "]
    ),
)
def test_no_way_to_write_a_number_hides_what_stands_beside_it(numbers, beside):
    contract = BY_NAME["judge_score"]
    base = {**contract.example, "score_min": None, "score_max": None, "score_value": None}
    whole = written({k: v for k, v in base.items() if v is not None})[:-1]
    texts = [number if isinstance(number, str) else json.dumps(number) for number in numbers]
    check(contract, [whole + f',"score_value":{text}{beside}}}'.encode() for text in texts])


@given(
    st.lists(
        st.sampled_from(
            [b"%b", b" %b\r\n", b"\xff%b", b"%b\xc3", b"[%b]", b"%.9b", b"%b}", b"\x0b%b"]
        ),
        min_size=1,
        max_size=8,
    ),
    st.integers(1, 60),
)
def test_what_is_no_object_is_told_apart_wherever_it_stands(shapes, times_n):
    """More rows than are looked at one by one, ever more often cut in halves to find the bad."""
    contract = BY_NAME["feedback"]
    check(contract, [shape % written(contract.example) for shape in shapes * times_n])
