"""Looked at on 28 nights, every sequential method errs in at most alpha of 2,000 experiments."""

from __future__ import annotations

import numpy as np
import pytest
from support.stat_paths import NIGHTS, PATHS, PER_NIGHT, about, arms, at_most

from analytics.stats import betting, evalues, mixtures, overrun, stitching
from analytics.stats import confidence_sequence as cs
from analytics.stats import group_sequential as gst
from analytics.stats.means import difference_se, z_interval
from analytics.stats.moments import Marginal, Moments
from analytics.stats.noninferiority import noninferior_sequence
from analytics.stats.ppi import fused_means
from analytics.stats.spending import SPENDINGS
from analytics.stats.srm import sequential_srm

pytestmark = pytest.mark.calibration

N_END = 2.0 * NIGHTS * PER_NIGHT


def z_scores(control: Marginal, treatment: Marginal) -> np.ndarray:
    return (treatment.mean - control.mean) / difference_se(control, treatment)


def ever(held: np.ndarray) -> int:
    return int(held.any(axis=1).sum())


def test_peeking_at_the_fixed_interval_errs_as_computed_far_too_often():
    seen = z_interval(*arms(1), alpha=0.05).excludes
    assert about(ever(seen), gst.peeking_type_one(NIGHTS))


@pytest.mark.parametrize("spending", SPENDINGS)
@pytest.mark.parametrize("side", ["two-sided", "greater"])
@pytest.mark.parametrize("shape", ["exponential", "binary"])
def test_group_sequential_nights_spend_alpha(spending, side, shape):
    z = z_scores(*arms(2, shape=shape))
    sides = 2 if side == "two-sided" else 1
    bounds = gst.spending_bounds(
        gst.equal_looks(NIGHTS), alpha=0.05, spending=spending, sides=sides
    )
    held = (np.abs(z) if sides == 2 else z) > bounds
    exact = gst.crossing_chances(gst.equal_looks(NIGHTS), bounds, sides=sides).ever
    assert about(ever(held), exact)


@pytest.mark.parametrize("planned", [7, 14, 21])
@pytest.mark.parametrize("side", ["two-sided", "greater", "less"])
def test_an_overrun_keeps_alpha_over_all_nights(planned, side):
    plan = overrun.SpendingPlan(0.05, "power", 2.0, side)
    bounds = overrun.monitoring_bounds(np.arange(1, NIGHTS + 1) / planned, plan)
    control, treatment = arms(3)
    held = np.stack(
        [
            overrun.monitored_interval(
                _night(control, k), _night(treatment, k), bounds, look=k
            ).excludes
            for k in range(NIGHTS)
        ],
        axis=1,
    )
    assert at_most(ever(held), 0.05)
    exact = gst.crossing_chances(
        np.arange(1, NIGHTS + 1) / planned, bounds.z, sides=plan.sides
    ).ever
    assert about(ever(held), exact)


def _night(arm: Marginal, k: int) -> Marginal:
    return Marginal(arm.n[:, k], arm.mean[:, k], arm.m2[:, k])


@pytest.mark.parametrize("side", ["two-sided", "greater", "less"])
@pytest.mark.parametrize("shape", ["exponential", "binary"])
def test_confidence_sequences_cover_the_whole_trajectory(side, shape):
    plan = cs.SequencePlan(N_END, 0.05, side)
    found = cs.difference_sequence(*arms(4, shape=shape), plan)
    assert at_most(ever(found.excludes), 0.05)
    assert at_most(ever(found.enough & (found.p <= 0.05)), 0.05)
    relative = cs.relative_sequence(*arms(4, shape=shape), plan)
    assert at_most(ever(relative.excludes), 0.05)


def test_confidence_sequences_cover_a_real_effect_and_its_ratio_at_every_night():
    plan = cs.SequencePlan(N_END, 0.05)
    control, treatment = arms(5, effect=0.1)
    found = cs.difference_sequence(control, treatment, plan)
    missed = found.enough & ((found.low > 0.1) | (found.high < 0.1))
    assert at_most(ever(missed), 0.05)
    ratio = cs.relative_sequence(control, treatment, plan)
    missed = ratio.enough & ((ratio.low > 0.1) | (ratio.high < 0.1))
    assert at_most(ever(missed), 0.05)
    held = found.intersected(axis=1)
    assert (np.diff(held.excludes.astype(int), axis=1) >= 0).all()


def test_a_relative_margin_exactly_missed_is_claimed_in_at_most_alpha_over_all_nights():
    control, treatment = arms(6, effect=-0.05)
    plan = cs.SequencePlan(N_END, 0.05)
    found = noninferior_sequence(control, treatment, 0.05, plan)
    assert at_most(ever(found.non_inferior), 0.05)


def test_the_msprt_errs_in_at_most_alpha():
    control, treatment = arms(7)
    variance = (control.var + treatment.var) / 2
    ratio = evalues.msprt_log_ratio(
        treatment.mean - control.mean, control.n, variance=variance, tau2=0.01
    )
    burnt = ratio[:, 3:]  # the variance is estimated: not before 240 users an arm
    assert at_most(int((evalues.msprt_p(burnt)[:, -1] <= 0.05).sum()), 0.05)


def test_e_values_average_to_at_most_one():
    z = z_scores(*arms(8))
    n = 2.0 * PER_NIGHT * np.arange(1, NIGHTS + 1)
    e = cs.e_value(z, n, cs.SequencePlan(N_END, 0.05))
    mean, se = e[:, -1].mean(), e[:, -1].std() / np.sqrt(PATHS)
    assert mean <= 1 + 4 * se
    burnt = e[:, 3:]  # not before 240 users an arm
    assert at_most(ever(burnt >= 20), 0.05)


@pytest.mark.parametrize(
    ("kind", "sides"),
    [(mixtures.NormalTwoSided(1000.0), 2), (mixtures.NormalOneSided(1000.0), 1)],
)
def test_normal_mixture_bounds_hold_at_every_step(kind, sides):
    rng = np.random.default_rng(9)
    sums = rng.normal(size=(PATHS, 1000)).cumsum(axis=1)
    bound = mixtures.bound(kind, np.arange(1.0, 1001), alpha=0.05)
    assert at_most(ever((np.abs(sums) if sides == 2 else sums) >= bound), 0.05)


@pytest.mark.parametrize(
    "kind", [mixtures.GammaExponential(500.0, 1.0), mixtures.GammaPoisson(500.0, 1.0)]
)
def test_skewed_sums_stay_below_their_mixture_bounds(kind):
    rng = np.random.default_rng(10)
    steps = (
        rng.exponential(size=(PATHS, 1000)) - 1
        if isinstance(kind, mixtures.GammaExponential)
        else rng.poisson(1.0, size=(PATHS, 1000)) - 1.0
    )
    bound = mixtures.bound(kind, np.arange(1.0, 1001), alpha=0.05)
    assert at_most(ever(steps.cumsum(axis=1) >= bound), 0.05)


def test_poly_stitching_bounds_hold_at_every_step():
    rng = np.random.default_rng(11)
    sums = rng.normal(size=(PATHS, 1000)).cumsum(axis=1)
    bound = stitching.poly_stitching_bound(np.arange(1.0, 1001), alpha=0.05, v_min=1.0)
    assert at_most(ever(sums >= bound), 0.05)


def test_bernoulli_sequences_cover_at_every_trial():
    rng = np.random.default_rng(12)
    wins = (rng.random((PATHS, 400)) < 0.3).cumsum(axis=1)
    shown = np.array([1, 2, 5, 10, 20, 50, 100, 200, 400])
    low, high = mixtures.bernoulli_sequence(wins[:, shown - 1], shown, t_opt=100, alpha=0.05)
    assert at_most(ever((low > 0.3) | (high < 0.3)), 0.05)


def test_quantile_sequences_and_the_process_radius_cover_at_every_look():
    rng = np.random.default_rng(13)
    shown, missed, outside = [50, 100, 200, 400], 0, 0
    radii = stitching.empirical_process_radius(shown, alpha=0.05, t_min=50)
    for _ in range(500):
        values = rng.exponential(size=400)
        ends = [stitching.quantile_sequence(values[:n], q=0.5, alpha=0.05, t_opt=50) for n in shown]
        missed += any(not low <= np.log(2) <= high for low, high in ends)
        gaps = [
            np.abs(np.arange(1, n + 1) / n + np.expm1(-np.sort(values[:n]))).max() for n in shown
        ]
        outside += bool((gaps > radii).any())
    assert at_most(missed, 0.05, 500)
    assert at_most(outside, 0.05, 500)


def test_quantile_tests_of_two_arms_err_in_at_most_alpha():
    rng = np.random.default_rng(14)
    wrong = 0
    for _ in range(300):
        a, b = rng.exponential(size=(2, 300))
        wrong += any(
            mixtures.quantile_p(a[:n], b[:n], q=0.9, t_opt=100) <= 0.05 for n in (50, 100, 300)
        )
    assert at_most(wrong, 0.05, 300)


@pytest.mark.parametrize("make", [betting.betting_sequence, betting.hoeffding_sequence])
def test_betting_covers_the_mean_after_every_value(make):
    rng = np.random.default_rng(15)
    options = {"grid_n": 400} if make is betting.betting_sequence else {}
    wrong = 0
    for _ in range(1000):
        found = make(rng.beta(2, 3, size=100), alpha=0.05, **options)
        wrong += bool(((found.low > 0.4) | (found.high < 0.4)).any())
    assert at_most(wrong, 0.05, 1000)


def test_sequential_sample_ratio_alarms_on_at_most_alpha_of_fair_experiments():
    rng = np.random.default_rng(16)
    nightly = rng.multinomial(300, [0.5, 0.25, 0.25], size=(PATHS, NIGHTS)).cumsum(axis=1)
    alarms = sum(bool(sequential_srm(one, [2, 1, 1], alpha=0.05).rejected.any()) for one in nightly)
    assert at_most(alarms, 0.05)
    skewed = rng.multinomial(300, [0.44, 0.28, 0.28], size=(50, NIGHTS)).cumsum(axis=1)
    caught = [sequential_srm(one, [2, 1, 1], alpha=0.001).rejected[-1] for one in skewed]
    assert np.mean(caught) == 1.0


def judged(rng: np.random.Generator, per_night: int, *, bias: float) -> Moments:
    """Moments of (human, judge) up to each night, (paths, nights); the judge is biased."""
    truth = rng.normal(size=(1000, NIGHTS, per_night))
    judge = truth + bias + 0.7 * rng.normal(size=truth.shape)
    rows = np.stack([truth + 0.3 * rng.normal(size=truth.shape), judge], axis=-1)
    total = rows.sum(axis=2).cumsum(axis=1)
    products = np.einsum("pnui,pnuj->pnij", rows, rows).cumsum(axis=1)
    n = np.broadcast_to(per_night * np.arange(1.0, NIGHTS + 1), total.shape[:-1])
    return Moments.from_sums(n, total, products)


def test_prediction_powered_nights_err_in_at_most_alpha_even_with_a_judge_biased_on_one_arm():
    rng = np.random.default_rng(17)
    arms_of = []
    for bias in (0.0, 0.3):
        near, rest = (judged(rng, k, bias=bias) for k in (20, 80))
        arms_of.append((near, near.merge(rest).columns(1)))
    fused = fused_means(*arms_of)
    found = cs.difference_sequence(*fused.means, cs.SequencePlan(40.0 * NIGHTS, 0.05))
    assert at_most(ever(found.excludes), 0.05, 1000)
    alone = cs.difference_sequence(
        *(near.at(0) for near, _ in arms_of), cs.SequencePlan(40.0 * NIGHTS, 0.05)
    )
    assert (found.half_width < alone.half_width)[found.enough].mean() > 0.99
    judge_only = cs.difference_sequence(
        *(far.at(0) for _, far in arms_of), cs.SequencePlan(200.0 * NIGHTS, 0.05)
    )
    assert ever(judge_only.excludes) > 990
