"""Many experiments at once, each stopped on its best night: false discoveries and false ships."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from support.stat_paths import NIGHTS, PATHS, PER_NIGHT, arms, at_most

from analytics.catalog import Experiment
from analytics.decide import Evidence, settle
from analytics.stats import confidence_sequence as cs
from analytics.stats.multiplicity import e_bh, lord_plus_plus
from analytics.stats.noninferiority import noninferior_sequence

pytestmark = pytest.mark.calibration

N = 2.0 * PER_NIGHT * np.arange(1, NIGHTS + 1)
PLAN = cs.SequencePlan(2.0 * NIGHTS * PER_NIGHT, 0.05)
ALPHA = 0.1


def scores(seed: int, experiments: int, real: int) -> np.ndarray:
    """z on every night, (PATHS, experiments, nights); the first `real` have an effect."""
    rng = np.random.default_rng(seed)
    drift = np.where(np.arange(experiments) < real, 0.8, 0.0)[:, None]
    steps = rng.standard_normal((PATHS, experiments, NIGHTS)) + drift
    return steps.cumsum(axis=-1) / np.sqrt(np.arange(1.0, NIGHTS + 1))


def stopped(values: np.ndarray, enough: np.ndarray) -> np.ndarray:
    """Each experiment's value on the first night on which it is enough, else on the last."""
    at = np.where(enough.any(axis=-1), enough.argmax(axis=-1), NIGHTS - 1)
    return np.take_along_axis(values, at[..., None], axis=-1)[..., 0]


def false_share_holds(found: np.ndarray, real: int, alpha: float) -> bool:
    """Whether the mean false discovery proportion is within chance of at most alpha."""
    share = found[:, real:].sum(axis=1) / np.maximum(found.sum(axis=1), 1)
    return bool(share.mean() <= alpha + 4 * share.std() / np.sqrt(len(share)))


@pytest.mark.parametrize("real", [0, 4])
def test_e_bh_keeps_false_discoveries_when_each_experiment_stops_on_its_best_night(real):
    e = cs.e_value(scores(21, 10, real), N, PLAN)
    ends = stopped(e, e >= 10 / ALPHA)
    found = np.zeros(ends.shape, dtype=bool)
    for family, one in zip(found, ends, strict=True):
        family[e_bh(one, alpha=ALPHA)] = True
    assert false_share_holds(found, real, ALPHA)
    if real:
        assert found[:, :real].mean() > 0.3


@pytest.mark.parametrize("real", [0, 8])
def test_a_stream_of_experiments_keeps_false_discoveries_with_always_valid_p(real):
    z = scores(22, 20, real)
    p = np.minimum.accumulate(cs.always_valid_p(z, N, PLAN), axis=-1)
    ends = stopped(p, p <= 0.001)
    found = np.stack([lord_plus_plus(one, alpha=ALPHA).rejected for one in ends])
    assert false_share_holds(found, real, ALPHA)
    if real:
        assert found[:, :real].mean() > 0.3


def experiment(**metrics: object) -> Experiment:
    return Experiment(id="e", control="a", variants={"a": 0.5, "b": 0.5}, metrics=metrics)


def evidence(title: str, found, *, better: bool) -> list[list[Evidence]]:
    """A success metric's evidence by path and night."""
    told = []
    for row in range(PATHS):
        nights = zip(found.excludes[row], found.estimate[row], found.p[row], strict=True)
        told.append(
            [
                Evidence(
                    title,
                    "success",
                    ("better" if value > 0 else "worse") if clear else "no clear difference",
                    1.0 if np.isnan(p) else float(p),
                    bool(value > 0),
                )
                for clear, value, p in nights
            ]
        )
    assert better == bool(found.estimate[:, -1].mean() > 0.05)
    return told


def ships(plan: Experiment, metrics: list[list[list[Evidence]]]) -> int:
    """Experiments of which any night says ship."""
    day = dt.date(2026, 10, 1)
    dates = [day + dt.timedelta(k) for k in range(NIGHTS)]
    count = 0
    for paths in zip(*metrics, strict=True):
        nights = [list(night) for night in zip(*paths, strict=True)]
        decided = settle(plan, list(zip(dates, nights, strict=True)))
        count += decided is not None and decided.state == "ship"
    return count


def test_the_rule_ships_nothing_that_does_nothing_in_more_than_alpha_of_experiments():
    plan = experiment(primary="metrics/one")
    found = cs.difference_sequence(*arms(23), cs.SequencePlan(PLAN.n_star, plan.alpha))
    assert at_most(ships(plan, [evidence("one", found, better=False)]), plan.alpha)


def test_the_rule_ships_no_gain_past_a_missed_margin_in_more_than_alpha_of_experiments():
    plan = experiment(primary="metrics/one", guardrail=["metrics/two"])
    sequence = cs.SequencePlan(PLAN.n_star, plan.alpha)
    gain = evidence("one", cs.difference_sequence(*arms(24, effect=0.5), sequence), better=True)
    kept = noninferior_sequence(*arms(25, effect=-0.05), 0.05, sequence).non_inferior
    guard = [
        [
            Evidence(
                "two",
                "guardrail",
                "within margin" if ok else "margin undecided",
                1.0,
                is_good=False,
            )
            for ok in row
        ]
        for row in kept
    ]
    assert at_most(ships(plan, [gain, guard]), plan.alpha)
    assert ships(experiment(primary="metrics/one"), [gain]) > 0.95 * PATHS
