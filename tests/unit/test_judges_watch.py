"""A judge that no longer grades its reference items as it used to is noticed, and only then."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.judges.anchors import AnchorCheck, anchor_check
from analytics.judges.certificate import RULES, Evidence, decide_state
from analytics.judges.figure import nothing
from analytics.judges.hearing import Heard
from analytics.judges.proof_watch import COLLAPSE, HEARS, NIGHTS, grades
from analytics.judges.watch import DAY_US, ITEMS_MIN, Watch, watch, watched

DAY = 20_000


def frame(table: np.ndarray) -> pl.DataFrame:
    rounds, items = table.shape
    return pl.DataFrame(
        {
            "generation_id": np.tile([f"a{i}" for i in range(items)], rounds),
            "event_time_us": np.repeat(DAY + np.arange(rounds), items) * DAY_US + 5,
            "score": table.ravel(),
        }
    )


def test_a_judge_that_goes_deaf_is_caught_within_three_nights_and_the_day_is_told():
    table = grades(60, 0.0, np.random.default_rng(3))
    found = watched(frame(table), alpha=0.05)
    assert found.alarm is not None
    assert COLLAPSE <= found.alarm < COLLAPSE + 3
    assert found.day == DAY + found.alarm
    assert found.before > 0.6
    assert abs(found.after) < 0.25
    assert found.has_lost_its_ear


def test_a_steady_judge_is_left_alone():
    alarms = [watch(grades(60, HEARS, np.random.default_rng(s)), alpha=0.05) for s in range(60)]
    assert sum(one.alarm is not None for one in alarms) <= 9  # of 5 %: 9 of 60 is one in 2,500


@given(st.integers(0, 2**32 - 1), st.floats(-3, 3))
def test_what_all_items_get_more_is_not_the_watchs_business(seed, points):
    table = grades(30, HEARS, np.random.default_rng(seed))
    moved = table + points * (np.arange(NIGHTS) >= COLLAPSE)[:, None]
    assert watch(moved, alpha=0.05).alarm == watch(table, alpha=0.05).alarm


def test_a_judge_that_always_says_the_same_raises_no_alarm():
    same = np.tile(np.random.default_rng(1).normal(size=40), (10, 1))
    assert watch(same, alpha=0.05) == Watch(10)


def test_one_that_always_said_the_same_and_then_does_not_raises_it():
    rng = np.random.default_rng(1)
    table = np.tile(rng.normal(size=40), (10, 1))
    table[8:] = rng.normal(size=(2, 40))
    found = watch(table, alpha=0.05)
    assert found.alarm == 8
    assert found.has_lost_its_ear


@pytest.mark.parametrize(("rounds", "items"), [(4, 60), (20, ITEMS_MIN - 1)])
def test_few_rounds_or_items_are_not_watched(rounds, items):
    table = grades(items, 0.0, np.random.default_rng(0))[:rounds]
    assert watched(frame(table), alpha=0.05).alarm is None


def test_items_that_miss_a_round_are_left_out():
    table = grades(61, 0.0, np.random.default_rng(3))
    rows = frame(table)
    holed = rows.filter(
        (pl.col("generation_id") != "a60") | (pl.col("event_time_us") // DAY_US != DAY + 5)
    )
    whole = rows.filter(pl.col("generation_id") != "a60")
    assert watched(holed, alpha=0.05) == watched(whole, alpha=0.05)


def test_a_judge_that_lost_its_ear_is_revoked_and_told_why():
    table = grades(60, 0.0, np.random.default_rng(3))
    none = nothing("", "nobody asked")
    anchors = anchor_check(frame(table), margin=None, alpha=0.05)
    assert isinstance(anchors, AnchorCheck)
    heard = Heard(none, none, (), (), none, (), None)
    kept = (none, none, none)
    state, use, reasons, _ = decide_state(Evidence(heard, kept, kept, (), anchors, none), RULES)
    assert (state, use) == ("REVOKED", "do not use")
    assert "no longer hears what it heard" in reasons[0]
