"""Every named limit on memory is reached by a test, and every such limit has one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from support.messages import refusal, without

from streams.events.batch import RECORD_TIME_MS_MAX, Batch
from streams.events.contracts import CONTRACTS
from streams.events.dead_letter import ERROR_MESSAGE_CHARS_MAX
from streams.events.explain import FIELD_PATH_CHARS_MAX, Refusal, explain
from streams.events.fields import COUNT_MAX, SCORE_MAX, TEXT_CHARS_MAX, VALUE_MAX
from streams.events.topics import Topic
from streams.settings import Settings

ROOT = Path(__file__).parents[2]
BOUNDS_MEMORY = re.compile(
    r"(BYTES|ROWS|RECORDS|LETTERS|LINES|CHARS|ITEMS|ENVELOPES|BATCHES|FACTS|KEYS|PIECES)_MAX$"
)

REACHED_OTHERWISE = {
    "future_max_s": "tests/support/simulation/script.py: events at the limit and a second beyond",
    "_SINGLE_ROWS_MAX": "tests/property/test_decode.py: up to 480 rows, halved down to it",
    "ENVELOPE_VALUE_BYTES_MAX": "test_pipeline.py: a value of 900,000 bytes",
}


def limits() -> dict[str, str]:
    """Module constants and settings that bound memory, and where they are."""
    found = {name: "settings" for name in Settings.model_fields if "max" in name.split("_")}
    for path in sorted((ROOT / "streams").rglob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            targets = (
                node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            )
            names = [one.id for one in targets if isinstance(one, ast.Name)]
            found |= {n: str(path.relative_to(ROOT)) for n in names if BOUNDS_MEMORY.search(n)}
    return found


def test_each_limit_on_memory_is_named_by_a_test():
    tests = "".join(path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py"))
    unnamed = {
        name: where
        for name, where in limits().items()
        if not re.search(rf"\b({name}|{name.upper()})\b", tests)
    }
    assert unnamed == {}, "a limit that no test reaches and no list admits"


def test_the_list_names_limits_that_exist():
    assert set(limits()) >= {*REACHED_OTHERWISE}


@pytest.mark.parametrize(
    ("topic", "field", "most"),
    [
        (Topic.JUDGE_SCORES, "input_tokens", COUNT_MAX),
        (Topic.JUDGE_SCORES, "cost_usd", VALUE_MAX),
        (Topic.HUMAN_LABELS, "score_value", SCORE_MAX),
    ],
)
def test_a_number_beyond_its_limit_is_refused(topic, field, most):
    told = refusal(CONTRACTS[topic], without(CONTRACTS[topic], **{field: most + 1}))
    assert (told[0], told[2]) == ("schema", field)


def test_a_text_beyond_its_limit_is_refused():
    contract = CONTRACTS[Topic.JUDGE_SCORES]
    told = refusal(contract, without(contract, explanation="x" * (TEXT_CHARS_MAX + 1)))
    assert (told[0], told[2]) == ("schema", "explanation")


def test_what_a_refusal_says_is_cut_at_its_limits():
    contract = CONTRACTS[Topic.EXPOSURES]
    name = "k" * (FIELD_PATH_CHARS_MAX + 9)
    twice = b'{"%b":1,"%b":2}' % (name.encode(), name.encode())
    told = explain(twice, contract, {}, nesting_max=9)
    assert isinstance(told, Refusal)
    assert len(told.field_path or "") == FIELD_PATH_CHARS_MAX
    assert len(told.error_message) <= ERROR_MESSAGE_CHARS_MAX


def test_record_times_are_kept_within_their_limit():
    wild = Batch("listens", 0, [0, 1], [RECORD_TIME_MS_MAX + 1, -1], [None] * 2, [None] * 2)
    assert wild.with_sane_times().record_times_ms == [RECORD_TIME_MS_MAX, 0]
    assert RECORD_TIME_MS_MAX * 1_000 < 1 << 63
