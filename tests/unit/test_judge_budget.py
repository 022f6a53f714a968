"""The budget goes where it narrows what is known of a judge, and bends no estimate."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.judged import ITEMS_N as JUDGED_N
from support.judged import judged

from analytics.judges.budget import KINDS, STRAY_SCORES, History, design, drawn, squared_influence
from listenback.cli import run
from streams.errors import ConfigError
from streams.warehouse.connect import open_writable

ITEMS_N, RUNS_N = 6_000, 500
CAP = 400.0


def population(seed: int):
    """Items of two arms; the judge spreads widely on one surface; one in twelve is rated.

    Cells: 2 surfaces x (kept, skipped) x (rated, not). Skips and ratings are rare, as they are.
    """
    rng = np.random.default_rng(seed)
    arm = rng.integers(0, 2, ITEMS_N)
    is_wide = rng.random(ITEMS_N) < 0.3
    quality = rng.normal(size=ITEMS_N)
    score = 5 + 0.3 * arm + np.where(is_wide, 1.6, 0.4) * quality
    kept = (rng.random(ITEMS_N) < 1 / (1 + np.exp(-1.5 - 0.5 * quality))).astype(float)
    is_rated = rng.random(ITEMS_N) < 1 / 12
    rating = np.where(is_rated, 3 + 0.5 * quality + 0.5 * rng.normal(size=ITEMS_N), np.nan)
    cell = 4 * is_wide + 2 * (kept > 0) + is_rated
    cost = np.where(is_wide, 1.5, 1.0)
    return History(score, np.ones(ITEMS_N), arm, cell.astype(int), kept, rating), cost


def estimates(whole: History, chosen, probability):
    """(difference of means, slope of kept, slope of ratings) from the drawn items, weighted."""
    s, arm, w = whole.score[chosen], whole.arm[chosen], 1 / probability[chosen]
    means = [np.average(s[arm == one], weights=w[arm == one]) for one in (0, 1)]
    centred = s - np.array(means)[arm]
    slopes = []
    for y in (whole.kept[chosen], whole.rating[chosen]):
        known = np.isfinite(y)
        x, v = centred[known], w[known]
        x = x - np.average(x, weights=v)
        slopes.append(v @ (x * y[known]) / (v @ x**2))
    return np.array([means[1] - means[0], *slopes])


@pytest.fixture(scope="module")
def runs():
    """Estimates of 500 draws, by design and uniform at equal cost; the history is another day."""
    history, _ = population(1)
    today, cost = population(2)
    items = np.bincount(today.cell, minlength=8).astype(float)
    cell_cost = np.where(np.arange(8) >= 4, 1.5, 1.0)
    made = design(history, items, cell_cost, CAP)
    rng = np.random.default_rng(3)
    by, flat = made.probability[today.cell], np.full(ITEMS_N, made.uniform)
    found = {}
    for name, p in (("design", by), ("uniform", flat)):
        draws = [drawn(p, cost, rng) for _ in range(RUNS_N)]
        found[name] = np.array([estimates(today, one, p) for one in draws])
        found[f"{name} cost"] = np.array([cost[one].sum() for one in draws])
    everything = estimates(today, np.arange(ITEMS_N), np.ones(ITEMS_N))
    return made, found, everything


def test_every_estimate_stays_unbiased_over_500_draws(runs):
    _, found, truth = runs
    error = found["design"].std(axis=0) / np.sqrt(RUNS_N)
    assert np.all(np.abs(found["design"].mean(axis=0) - truth) < 4 * error)


def test_intervals_are_a_quarter_narrower_than_uniform_at_equal_cost(runs):
    made, found, _ = runs
    assert found["design cost"].mean() == pytest.approx(found["uniform cost"].mean(), rel=0.02)
    ratio = found["design"].std(axis=0) / found["uniform"].std(axis=0)
    assert np.exp(np.log(ratio).mean()) <= 0.75
    assert ratio.max() <= 1.05  # no kind pays for the others
    assert np.all(made.width >= ratio - 0.05)  # it promises no more than comes
    assert made.width == pytest.approx(ratio, abs=0.2)


def test_no_draw_costs_more_than_the_cap(runs):
    _, found, _ = runs
    assert found["design cost"].max() <= CAP


@given(st.integers(0, 2**32 - 1))
def test_an_item_is_drawn_as_often_as_its_probability_says(seed):
    rng = np.random.default_rng(seed)
    p = rng.uniform(0.05, 1, 12)
    cost = rng.choice([1.0, 2.0], 12)
    n = 400
    hits = np.zeros(12)
    for _ in range(n):
        hits[drawn(p, cost, rng)] += 1
    assert np.all(np.abs(hits / n - p) < 6 * np.sqrt(p * (1 - p) / n) + 1e-9)


@given(st.integers(0, 2**32 - 1))
def test_a_draw_strays_from_its_expected_cost_by_two_scores_at_most(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 200))
    p, cost = rng.uniform(0.01, 1, n), rng.choice([0.5, 1.0, 3.0], n)
    spent = cost[drawn(p, cost, rng)].sum()
    assert spent <= p @ cost + STRAY_SCORES * cost.max() + 1e-9


def test_no_cell_falls_below_the_floor_and_none_rises_above_one():
    history, _ = population(1)
    items = np.bincount(history.cell, minlength=9).astype(float)  # the last was never seen
    items[8] = 50
    made = design(history, items, np.ones(9), CAP)
    assert np.all(made.probability >= 0.2 * made.uniform - 1e-12)
    assert np.all(made.probability <= 1)
    assert made.probability[8] > made.uniform / 2  # what is not known gets the overall influence


def test_a_cap_that_pays_for_everything_scores_everything():
    history, _ = population(1)
    made = design(history, np.full(8, 10.0), np.ones(8), 1_000.0)
    assert made.probability.tolist() == [1] * 8


def test_a_kind_without_evidence_has_no_influence_and_no_width():
    history, _ = population(1)
    bare = History(
        *(history.score, history.weight, history.arm, history.cell),
        history.kept,
        np.full(ITEMS_N, np.nan),
    )
    assert not squared_influence(bare)[KINDS.index("slope of ratings")].any()
    made = design(bare, np.full(8, 100.0), np.ones(8), CAP)
    assert np.isnan(made.width[KINDS.index("slope of ratings")])


@pytest.mark.parametrize(("cost", "cap"), [(0.0, 10.0), (np.nan, 10.0), (1.0, 2.0), (1.0, -1.0)])
def test_a_cost_or_cap_that_means_nothing_is_refused(cost, cap):
    history, _ = population(1)
    with pytest.raises(ConfigError):
        design(history, np.full(8, 10.0), np.full(8, cost), cap)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    """`judged`, where `ear` has not scored four of five items of the last day."""
    path = tmp_path_factory.mktemp("budget") / "warehouse.duckdb"
    judged(path).close()
    con = open_writable(path, memory="500MB", threads_n=1)
    con.execute("""
        DELETE FROM generation_score WHERE judge_id = 'ear' AND generation_id[2:]::INT % 5 > 0
            AND generation_id IN (SELECT generation_id FROM generation WHERE first_exposure_us
                // 86400000000 = (SELECT max(first_exposure_us // 86400000000) FROM generation))
    """)
    con.close()
    return path


def asked(warehouse, *options: str) -> int:
    return run(["judges", "budget", "--warehouse", str(warehouse), *options])


def test_the_command_draws_what_waits_with_its_probability_and_under_the_cap(
    warehouse, tmp_path, capsys
):
    out = tmp_path / "tomorrow.jsonl"
    options = ("--judge", "ear", "--cap", "0.5", "--cost-per-score", "0.01")
    assert asked(warehouse, *options, "--out", str(out), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    drawn_items = pl.read_ndjson(out)
    assert told["drawn"] == drawn_items.height
    assert 40 <= drawn_items.height <= 50
    assert told["drawn_usd"] <= 0.5
    assert set(drawn_items["sampling_reason"]) == {"active"}
    assert drawn_items["sampling_prob"].is_between(1e-6, 1).all()
    assert {int(one[1:]) % 5 for one in drawn_items["generation_id"]} == {1, 2, 3, 4}
    assert told["items"] < JUDGED_N
    assert told["width_vs_uniform"]["slope of ratings"] < 1
    again = tmp_path / "again.jsonl"
    assert asked(warehouse, *options, "--out", str(again)) == 0
    assert again.read_bytes() == out.read_bytes()
    assert "of at most 0.50" in capsys.readouterr().out


def test_a_judge_that_does_not_say_its_cost_needs_it_said(warehouse, capsys):
    assert asked(warehouse, "--judge", "ear", "--cap", "1") == 2
    assert "do not say what they cost" in capsys.readouterr().err


def test_where_nothing_waits_the_answer_is_said_with_exit_code_four(warehouse, capsys):
    options = ("--judge", "coin", "--cap", "1", "--cost-per-score", "0.01")
    assert asked(warehouse, *options) == 4
    assert "waits for a score" in capsys.readouterr().err
