"""Health checks: each fires on planted trouble, and is quiet where there is none."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from support.published import Published, config_of, day_us, mean_body, metric_yaml

from analytics.catalog import load_catalog
from analytics.health import (
    covariate_imbalance,
    missing_days,
    novelty,
    pre_period_bias,
)
from analytics.nightly import Request, analyse
from analytics.stats.moments import Moments

DAY = dt.date(2026, 10, 1)


def with_past(rng, n: int, *, past: float = 0.0, columns: int = 2) -> Moments:
    """Outcome(s) and covariate(s) of n units; `past` moves the first covariate."""
    before = rng.gamma(2, 3, (n, columns // 2))
    after = before + rng.gamma(2, 3, (n, columns // 2))
    before[:, 0] += past
    return Moments.of(np.hstack([after, before]))


@pytest.mark.parametrize(("kind", "columns"), [("mean", 2), ("ratio", 4)])
def test_variants_that_differed_before_are_found_and_like_ones_are_not(kind, columns):
    rng = np.random.default_rng(1)
    control, alike = (with_past(rng, 3_000, columns=columns) for _ in range(2))
    unlike = with_past(rng, 3_000, past=1.0, columns=columns)
    told = {"kind": kind, "name": "minutes", "variant": "b"}
    quiet, loud = (pre_period_bias(control, one, **told) for one in (alike, unlike))
    assert (quiet.state, quiet.finding) == ("good", "")
    assert loud.state == "bad"
    assert "before the first exposure, minutes differs" in loud.finding
    assert (loud.n, loud.alpha) == (6_000, 0.001)


def test_few_units_are_not_enough_for_a_check():
    rng = np.random.default_rng(2)
    control, treated = with_past(rng, 50), with_past(rng, 50, past=9.0)
    found = pre_period_bias(control, treated, kind="mean", name="minutes", variant="b")
    assert (found.state, found.p) == ("not enough data", None)


def test_the_metric_whose_past_is_unlike_is_named():
    rng = np.random.default_rng(3)
    good = (with_past(rng, 3_000), with_past(rng, 3_000), "mean")
    bad = (with_past(rng, 3_000), with_past(rng, 3_000, past=1.0), "mean")
    assert covariate_imbalance({"one": good, "two": good}, variant="b").state == "good"
    found = covariate_imbalance({"one": good, "two": bad}, variant="b")
    assert found.state == "look"
    assert "two was unlike" in found.finding
    assert found.alpha == 0.005


@pytest.mark.parametrize(
    ("usual", "gap", "state"),
    [(100, True, "look"), (100, False, "good"), (2, True, "good")],
)
def test_a_day_without_new_units_is_missing_only_where_some_must_have_come(usual, gap, state):
    days = {DAY + dt.timedelta(days=day): usual for day in range(20)}
    if gap:
        del days[DAY + dt.timedelta(days=7)]
    found = missing_days(days)
    assert found.state == state
    assert bool(found.finding) == gap
    assert missing_days({}).state == "not enough data"


def cut(rng, n: int, effects: tuple[float, float], kind: str):
    """(early, late, joint) of one arm: two days, then five, with an effect per day on each."""
    base = rng.gamma(3, 1, (n, 1))
    early = base * 2 * (1 + effects[0]) + rng.normal(0, 1, (n, 1))
    late = base * 5 * (1 + effects[1]) + rng.normal(0, 1, (n, 1))
    if kind == "ratio":
        early, late = (np.hstack([x, d * base]) for x, d in ((early, 2), (late, 5)))
    return Moments.of(early), Moments.of(late), Moments.of(np.hstack([early, late]))


@pytest.mark.parametrize("kind", ["mean", "ratio"])
@pytest.mark.parametrize(
    ("effects", "state", "says"),
    [((0.0, 0.0), "good", ""), ((0.2, 0.2), "good", ""), ((0.4, 0.0), "look", "falls")],
)
def test_an_effect_that_wears_off_is_novelty_and_a_lasting_one_is_not(kind, effects, state, says):
    rng = np.random.default_rng(4)
    control, treated = cut(rng, 4_000, (0.0, 0.0), kind), cut(rng, 4_000, effects, kind)
    pairs = list(zip(control, treated, strict=True))
    found = novelty(*pairs, kind=kind, days=(2, 5), variant="b")
    assert found.state == state
    assert says in found.finding


PLAN = """
id: e
control: a
variants: {a: 0.5, b: 0.5}
metrics: {primary: metrics/minutes}
"""
METRIC = metric_yaml("minutes", mean_body("minutes"), window="type: closed, aggregation_window: 7d")


def result(folder, *, past: int = 600_000, gap: int | None = None, share: float = 0.5):
    """One experiment of 4,000 units over 20 days; `past` is how long b had listened before."""
    rng = np.random.default_rng(5)
    published = Published(folder / "warehouse.duckdb")
    rows = []
    for unit in range(4_000):
        variant = "b" if rng.random() < share else "a"
        first = int(rng.integers(0, 20))
        if first == gap:
            first = 0
        before = (past if variant == "b" else 600_000) + int(rng.integers(0, 900_000))
        own = {"unit_id": f"u{unit}", "variant_id": variant, "experiment_id": "e", "day": first}
        rows.append(own | {"exposures_n": 1, "ms_played": int(rng.integers(0, 900_000))})
        past_day = {"experiment_id": "", "variant_id": "", "unit_id": f"u{unit}", "day": first - 3}
        rows.append(past_day | {"starts_n": 1, "ms_played": before})
    published.unit_days(rows)
    published.reach(30)
    con = published.open()
    try:
        catalog = load_catalog(config_of(folder / "config", [METRIC], PLAN))
        (found,) = analyse(con, catalog, Request("w", now_us=day_us(31))).experiments
        return found
    finally:
        con.close()


def states(found) -> dict[str, str]:
    return {one.check: one.state for one in found.health}


def test_a_fair_experiment_passes_every_check(tmp_path):
    found = result(tmp_path)
    checks = {"mixed units", "missing days", "pre-period bias", "CUPED imbalance", "novelty"}
    assert set(states(found)) == checks
    assert set(states(found).values()) == {"good"}
    assert not found.sample_ratio.alarm
    assert found.verdicts[0].state == "keep running"
    assert found.notes == ()


def test_variants_that_differed_before_void_the_verdict(tmp_path):
    found = result(tmp_path, past=700_000)
    assert states(found)["pre-period bias"] == "bad"
    assert found.verdicts[0].state == "invalid"
    assert "before the first exposure" in found.verdicts[0].sentence
    assert any("pre-period bias" in note for note in found.notes)


def test_a_missing_day_is_noted_and_voids_nothing(tmp_path):
    found = result(tmp_path, gap=7)
    assert states(found)["missing days"] == "look"
    assert found.verdicts[0].state == "keep running"
    assert any("1 of 20 days brought no new unit" in note for note in found.notes)


def test_a_wrong_allocation_is_alarmed_by_the_test_that_holds_every_night(tmp_path):
    found = result(tmp_path, share=0.56)
    assert found.sample_ratio.alarm
    assert found.sample_ratio.p_every_look <= 0.001
    assert found.verdicts[0].state == "invalid"
