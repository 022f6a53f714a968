"""Health checks read on 28 nights of 2,000 experiments without trouble alarm as rarely as said."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from support.stat_paths import NIGHTS, PATHS, at_most

from analytics.catalog import Experiment
from analytics.decide import SRM_ALPHA, sample_ratio
from analytics.health import (
    IMBALANCE_ALPHA,
    NOVELTY_ALPHA,
    PRE_PERIOD_ALPHA,
    covariate_imbalance,
    missing_days,
    novelty,
    pre_period_bias,
)
from analytics.stats.moments import Moments

pytestmark = pytest.mark.calibration

PER_NIGHT = 40


def nightly(seed: int) -> Moments:
    """Moments of two skewed, correlated columns up to each night, (PATHS, NIGHTS)."""
    rng = np.random.default_rng(seed)
    rows = rng.exponential(size=(PATHS, NIGHTS, PER_NIGHT, 2)).astype(np.float32)
    rows[..., 0] += rows[..., 1]
    total = rows.sum(axis=2, dtype=np.float64).cumsum(axis=1)
    products = np.einsum("pnui,pnuj->pnij", rows, rows).astype(np.float64).cumsum(axis=1)
    n = np.broadcast_to(PER_NIGHT * np.arange(1.0, NIGHTS + 1), total.shape[:-1])
    return Moments.from_sums(n, total, products)


def at(moments: Moments, path: int, night: int, *columns: int) -> Moments:
    kept = list(columns)
    m2 = moments.m2[path, night]
    return Moments(moments.n[path, night], moments.mean[path, night][kept], m2[np.ix_(kept, kept)])


def alarms(check) -> int:
    """Paths on which some night alarms; the nights before 200 units a variant say nothing."""
    first = 200 // PER_NIGHT - 1
    return sum(
        any(check(path, night).finding for night in range(first, NIGHTS)) for path in range(PATHS)
    )


def test_alike_pasts_are_called_biased_or_unlike_as_rarely_as_said():
    control, treated = nightly(31), nightly(32)

    def both(path: int, night: int) -> tuple[Moments, Moments]:
        return at(control, path, night, 0, 1), at(treated, path, night, 0, 1)

    said = {"kind": "mean", "name": "minutes", "variant": "b"}
    assert at_most(alarms(lambda *one: pre_period_bias(*both(*one), **said)), PRE_PERIOD_ALPHA)
    assert at_most(
        alarms(lambda *one: covariate_imbalance({"m": (*both(*one), "mean")}, variant="b")),
        IMBALANCE_ALPHA,
    )


def test_a_constant_effect_is_called_novel_as_rarely_as_said():
    arms = nightly(33), nightly(34)

    def check(path: int, night: int):
        parts = [
            tuple(at(one, path, night, *columns) for one in arms)
            for columns in ((0,), (1,), (0, 1))
        ]
        return novelty(*parts, kind="mean", days=(2, 5), variant="b")

    assert at_most(alarms(check), NOVELTY_ALPHA)


@pytest.mark.parametrize("usual", [3, 8, 30])
def test_days_are_called_missing_in_few_experiments_without_a_gap_of_their_own(usual):
    came = np.random.default_rng(usual).poisson(usual, size=(PATHS, NIGHTS))
    days = [dt.date(2026, 10, 1) + dt.timedelta(k) for k in range(NIGHTS)]
    alarmed = 0
    for one in came:
        counts = {day: int(n) for day, n in zip(days, one, strict=True) if n}
        alarmed += any(
            missing_days({day: n for day, n in counts.items() if day <= last}).state == "look"
            for last in days
        )
    assert at_most(alarmed, 0.01)


def test_fair_sizes_are_alarmed_as_rarely_as_said():
    rng = np.random.default_rng(35)
    plan = Experiment(
        id="e", control="a", variants={"a": 0.7, "b": 0.3}, metrics={"primary": "metrics/one"}
    )
    came = rng.multinomial(300, [0.7, 0.3], size=(PATHS, NIGHTS)).cumsum(axis=1)
    alarmed = 0
    for one in came:
        found = sample_ratio(plan, [{"a": int(a), "b": int(b)} for a, b in one])
        assert found is not None
        alarmed += found.alarm
    assert at_most(alarmed, SRM_ALPHA)
