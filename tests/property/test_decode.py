"""The decoder against a reader that takes one message at a time: json.loads and pydantic."""

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.messages import LIMITS, batch_of, told, written

from streams.events.contracts import CONTRACTS
from streams.events.decode import REJECTED, SOURCE, decode

pytestmark = pytest.mark.property

BY_NAME = {contract.name: contract for contract in CONTRACTS.values()}
NAMES = sorted(BY_NAME)

SCALARS = [
    None, True, False, 0, 1, -1, 5, 1.0, 1.5, -0.0, 0.1, 1e2, 1e-7, 1e22, 1e300, 100.0, 0.001,
    2**31, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 2**64, 10**25, 10**400,
    "", " ", "5", "true", "null", "x", "other", "a" * 64, "A" * 64, "x" * 513, "ä" * 300, ",", ":",
    '","', '":"', '"', "\\", "\n", "\x00", "\x7f", "😀", "\u2028", "}", "]", ",}", ",]", "nan",
    ", infinite", "[[[[", "1-0-0", "1-2-3", "2-0-0", "se", "SE", "human", "opted_out", "dj", "AB",
    "2026-11-02T10:15:30Z", "2026-11-02t10:15:30.1234567z", "2026-11-02 12:15:30+02:00",
    "2026-11-02T10:15:60Z", "2026-02-29T00:00:00Z", "1999-12-31T23:59:59Z", "2026-11-02",
    "2100-01-01T00:30:00+01:00", "2026-11-02T10:15:30.Z", "2026-09-01T00:00:00Z",
    "2026-11-09T00:00:00Z",
]  # fmt: skip
ODD = [
    [], [[]], ["a"], ["a", "b"], ["a", 1], [""], [","], [",", "b"], ['a"b'], ["a,b"], ["x" * 600],
    [None], ["é", "\n"], {}, {"a": "b"}, {"b": "x", "a": "y"}, {"a": 1}, {"a": None}, {"": ""},
    {"a b": "1", "a": "2", "a!": "3"}, {"a": ","}, {",": "a"}, {"a": '","'}, {"a": {"b": "c"}},
    {"é": "ü\n"}, {":": ":"}, [[[[[[1]]]]]],
]  # fmt: skip
EXTRA = [
    "new", "user_id", "userId", "IP", "ip_addr_decrypted", "User-Agent", "e_mail", "zip", "users",
    "ipso", "taxonomy", "event_id", "user_\u0131d", "new.field", "",
]  # fmt: skip
STYLES = [
    {},
    {"separators": (", ", ": ")},
    {"ensure_ascii": True},
    {"indent": 1},
    {"allow_nan": True, "separators": (" ,\t", "\n: ")},
]
SPLICES = [
    b",", b"{", b"}", b"[", b"]", b'"', b":", b"\\", b" ", b"\n", b"\t", b"\x00", b"\xff", b"\xc3",
    b"\xed\xa0\x80", b"\xc0\x80", b"\xef\xbb\xbf", b"1", b"e", b"E5", b".", b"-", b"null", b"NaN",
    b"Infinity", b"true", b"\\u0041", b"\\ud83d", b"\\ude00", b"\\ud83d\\ude00", b"//", b'"a":1,',
    b'"x":"y",', b",,", b",}", b"'", b"\xe2\x80\xa8", b"0", b"[" * 40,
]  # fmt: skip


def mutated(contract, rng):
    """A message near the example: fields changed, dropped, added, repeated; bytes changed."""
    fields = {k: v for k, v in contract.example.items() if v is not None or rng.random() < 0.2}
    for _ in range(rng.choice([0, 0, 1, 1, 1, 2, 4])):
        change(fields, rng)
    text = written(fields, **rng.choice([{}, *STYLES]))
    for _ in range(rng.choice([0, 0, 0, 0, 1, 1, 2])):
        text = spliced(text, rng)
    return text


def change(fields, rng):
    name = rng.choice(sorted(fields))
    match rng.randrange(6):
        case 0:
            del fields[name]
        case 1:
            fields[name] = rng.choice(ODD)
        case 2:
            fields[rng.choice(EXTRA)] = rng.choice(SCALARS + ODD)
        case 3:
            fields[name] = fields[rng.choice(sorted(fields))]
        case _:
            fields[name] = rng.choice(SCALARS)


def spliced(text, rng):
    at = rng.randrange(len(text) + 1)
    match rng.randrange(5):
        case 0:
            return text[:at]
        case 1:
            return text[:at] + text[at + rng.randrange(1, 4) :]
        case 2:
            return text[: text.rfind(b"}")] + rng.choice(SPLICES) + text[text.rfind(b"}") :]
        case 3:
            return rng.choice([text + rng.choice(SPLICES), rng.choice(SPLICES) + text])
        case _:
            return text[:at] + rng.choice(SPLICES) + text[at:]


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
    st.sampled_from([",", ',"x":1', ',"a":""', ""]),
)
def test_no_way_to_write_a_number_hides_what_stands_beside_it(numbers, beside):
    contract = BY_NAME["judge_score"]
    base = {**contract.example, "score_min": None, "score_max": None, "score_value": None}
    whole = written({k: v for k, v in base.items() if v is not None})[:-1]
    texts = [number if isinstance(number, str) else json.dumps(number) for number in numbers]
    check(contract, [whole + f',"score_value":{text}{beside}}}'.encode() for text in texts])
