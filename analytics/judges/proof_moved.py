"""Planted movements of a mean score, one cause at a time: is the cause named?

A period has 1,500 items of 300 listeners with tastes in three strata, scored with probability .9
above 5 and .5 below; 60 anchors are graded in both periods. Planted: half a point by the judge,
half a point by the system, or a fifth of the items moved to a stratum that stands higher.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analytics.judges.moved import Change, moved
from analytics.judges.proof_rows import ALPHA, Row, streams

if TYPE_CHECKING:
    from analytics.judges.moved import Moved

LEVEL = np.array([4.0, 5.0, 6.5])
SHARES = ((0.5, 0.3, 0.2), (0.3, 0.3, 0.4))
ITEMS_N, USERS_N, ANCHORS_N = 1_500, 300, 60
POINTS = 0.5
CAUSES = ("judge", "system", "traffic", "none")


def attribution(runs: int) -> list[Row]:
    """How often each single cause is named, and how often the alarm is raised."""
    rows, raised = [], {}
    for cause in CAUSES:
        found = [_found(cause, rng) for rng in streams(f"{cause} moved", runs)]
        hits = sum(one.cause == cause for one in found)
        raised[cause] = sum(one.alarm.is_raised for one in found)
        words = "nothing moved: none is named" if cause == "none" else f"{cause} moved: it is named"
        rows.append(Row(words, ">= 90 %", hits, runs))
    rows.append(Row("judge moved by half a point: alarm", ">= 90 %", raised["judge"], runs))
    others = sum(raised[one] for one in CAUSES if one != "judge")
    rows.append(Row("judge did not move: false alarm", "<= 5 %", others, 3 * runs))
    return rows


def _found(cause: str, rng: np.random.Generator) -> Moved:
    return moved(changed(cause, rng), alpha=ALPHA)


def changed(cause: str, rng: np.random.Generator) -> Change:
    """Two periods between which one thing moved."""
    taste = rng.normal(0, 0.4, USERS_N)
    parts = []
    for after in (0, 1):
        share = SHARES[after if cause == "traffic" else 0]
        stratum = rng.choice(len(LEVEL), ITEMS_N, p=share)
        user = rng.integers(0, USERS_N, ITEMS_N)
        by = after * POINTS * (cause in {"judge", "system"})
        score = LEVEL[stratum] + taste[user] + rng.normal(0, 1, ITEMS_N) + by
        probability = np.where(score > 5, 0.9, 0.5)
        drawn = rng.random(ITEMS_N) < probability
        period = np.full(ITEMS_N, after)
        columns = (score, 1 / probability, period, stratum, user)
        parts.append([column[drawn] for column in columns])
    score, weight, is_after, stratum, user = map(np.concatenate, zip(*parts, strict=True))
    true = rng.normal(5, 1, ANCHORS_N)
    before, later = (true + rng.normal(0, 0.3, ANCHORS_N) for _ in (0, 1))
    grades = (before, later + POINTS * (cause == "judge"))
    return Change(score, weight, is_after, stratum, user, grades)
