"""What the judges' figures claim, on few planted worlds; `analytics.judges.proof` has many.

A count must lie inside a binomial interval at 1e-4 of what is claimed.
"""

from __future__ import annotations

import pytest

from analytics.judges import proof
from analytics.judges.proof_budget import budget
from analytics.judges.proof_mined import mining
from analytics.judges.proof_moved import attribution
from analytics.judges.proof_rows import Measured, Row
from analytics.judges.proof_watch import collapse
from analytics.stats.tails import binomial_lower

pytestmark = [pytest.mark.calibration, pytest.mark.timeout(1_500)]
RUNS = 25
WORLDS = 60


def chance(hits: int, runs: int, claimed: float) -> float:
    """Of so few hits or fewer, were the claim just true."""
    return float(binomial_lower(hits, runs, claimed))


def test_intervals_hold_the_planted_truth():
    rows = proof.coverage(RUNS)
    assert len(rows) == 11
    for row in rows:
        assert row.runs == RUNS, row
        assert chance(row.hits, row.runs, 0.93) > 1e-4, row


def asked_of(row) -> tuple[str, float]:
    side, number, *_ = row.asked.split()
    return side, float(number) / 100


def holds(row) -> None:
    """The count is not one in ten thousand, were what is asked just true."""
    side, share = asked_of(row)
    if side == ">=":
        assert chance(row.hits, row.runs, share) > 1e-4, row
    else:
        assert chance(row.runs - row.hits, row.runs, 1 - share) > 1e-4, row


def test_single_causes_of_a_movement_are_named():
    rows = attribution(12)
    assert [row.asked for row in rows] == [*[">= 90 %"] * 5, "<= 5 %"]
    for row in rows:
        holds(row)


def test_planted_disagreements_are_mined():
    rows = mining(2)
    assert len(rows) == 12
    for row in rows:
        assert row.runs > 50
        holds(row)


def test_a_collapsed_judge_is_caught_and_a_steady_one_is_not_accused():
    rows = [row for row in collapse(30) if row.asked]
    assert len(rows) == 2
    for row in rows:
        holds(row)


def test_a_planned_draw_is_narrower_than_a_uniform_one():
    together, *_ = budget(3)
    assert together.value < 0.8
    assert together.low < 0.75


def test_a_line_says_whether_what_is_asked_is_met():
    assert Row("claim", ">= 93 %", 93, 100).line.endswith("| yes |")
    assert Row("claim", ">= 93 %", 92, 100).line.endswith("| **no** |")
    assert Row("claim", "<= 5 %", 6, 100).line.endswith("| **no** |")
    assert Row("claim", "", 6, 100).line.endswith("|  |")
    wide = Measured("claim", "<= 0.75", 0.8, 0.7, 0.9, 3, "worlds")
    assert wide.line == "| claim | <= 0.75 | 0.80 | 3 worlds | 0.70 to 0.90 | **no** |"


def test_certificates_revoke_the_useless_and_the_unfair_and_keep_the_fair():
    for row in proof.states(10):
        if row.asked:
            assert chance(row.hits, row.runs, 0.95) > 1e-4, row


def test_a_fused_verdict_stays_right_where_the_judge_alone_is_wrong():
    rows, saving = proof.verdicts(WORLDS)
    found = {row.claim: row for row in rows}
    wrong = found["no effect, unfair judge: fused is wrong"]
    assert chance(wrong.runs - wrong.hits, wrong.runs, 0.95) > 1e-4
    assert found["no effect, unfair judge: judge alone is wrong"].share > 0.9
    assert found["effect: fused finds it"].hits >= found["effect: labels alone find it"].hits
    assert found["effect: the fused sequence holds it at all nights"].share > 0.9
    assert saving > 0.05
