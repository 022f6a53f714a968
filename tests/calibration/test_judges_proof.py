"""What the judges' figures claim, on few planted worlds; `analytics.judges.proof` has many.

A count must lie inside a binomial interval at 1e-4 of what is claimed.
"""

from __future__ import annotations

import pytest

from analytics.judges import proof
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
