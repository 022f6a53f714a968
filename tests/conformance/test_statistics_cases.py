"""Every reference case of statistics against the public functions, at its own tolerance."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from support import stat_cases_fixed, stat_cases_judges, stat_cases_sequential
from support.stat_alt_test import alt_test_case
from support.stat_answer import off

METHODS = (
    stat_cases_fixed.METHODS
    | stat_cases_sequential.METHODS
    | stat_cases_judges.METHODS
    | {r"alt-test": alt_test_case}
)


def cases() -> list[dict]:
    named = os.environ.get("LISTENBACK_SHARED")
    folder = Path(named) if named else Path(__file__).parents[2] / "../shared"
    path = folder / "cases" / "statistics.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []


CASES = cases()


def answer_of(method: str):
    found = [answer for pattern, answer in METHODS.items() if re.match(pattern, method)]
    assert len(found) == 1, f"{method!r} maps to {len(found)} functions"
    return found[0]


def test_the_reference_cases_are_there(shared):
    assert len(CASES) >= 74, shared
    assert len({case["id"] for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_a_reference_case_holds_at_its_tolerance(case):
    answer = answer_of(case["method"])(case["inputs"])
    missing = set(case["expected"]) - set(answer.ours) - set(answer.wrong) - answer.elsewhere
    assert not missing, "the case expects what nothing answers"
    tolerance = case["tolerance"]
    assert case["tolerance_kind"] == "abs"
    for key in set(case["expected"]) & set(answer.ours):
        assert off(answer.ours[key], case["expected"][key]) <= tolerance, key


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_where_a_peer_is_wrong_its_number_is_explained_and_ours_is_another(case):
    wrong = answer_of(case["method"])(case["inputs"]).wrong
    tolerance = case["tolerance"]
    for key, (theirs, _) in wrong.items():
        if theirs is not None:
            assert off(theirs, case["expected"][key]) <= tolerance, key
    apart = {key: off(ours, case["expected"][key]) for key, (_, ours) in wrong.items()}
    assert not apart or max(apart.values()) > tolerance
