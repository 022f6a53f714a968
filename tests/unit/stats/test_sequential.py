"""Sequential methods: boundaries, overrun, sequences, e-values, and their refusals."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.stats import betting, evalues, mixtures, overrun, stitching
from analytics.stats import confidence_sequence as cs
from analytics.stats import group_sequential as gst
from analytics.stats.means import z_interval
from analytics.stats.moments import Marginal
from analytics.stats.multiplicity import adjusted_p, e_bh, lord_plus_plus
from analytics.stats.spending import SPENDINGS, spent
from streams.errors import ConfigError

ARMS = Marginal.from_var(5000.0, 10.0, 4.0), Marginal.from_var(5200.0, 10.1, 4.2)


@pytest.mark.parametrize("spending", SPENDINGS)
@pytest.mark.parametrize("sides", [1, 2])
def test_spending_starts_at_nothing_never_falls_and_ends_at_alpha(spending, sides):
    t = np.linspace(0, 1.2, 40)
    gone = spent(t, alpha=0.04, spending=spending, sides=sides)
    assert gone[0] == pytest.approx(0.0, abs=1e-15)
    assert (np.diff(gone) >= 0).all()
    assert gone[-1] == pytest.approx(0.04, rel=1e-12)


@pytest.mark.parametrize("spending", SPENDINGS)
@pytest.mark.parametrize("sides", [1, 2])
@pytest.mark.parametrize("looks", [[1.0], [0.1, 0.11, 0.5, 0.93, 1.0], [0.02, 0.03, 1.0]])
def test_boundaries_spend_exactly_alpha_whatever_the_looks(spending, sides, looks):
    z = gst.spending_bounds(looks, alpha=0.05, spending=spending, sides=sides)
    assert gst.crossing_chances(looks, z, sides=sides).ever == pytest.approx(0.05, abs=1e-11)


def test_one_look_is_the_fixed_test():
    assert float(gst.spending_bounds([1.0], alpha=0.05)[0]) == pytest.approx(1.959963984540054)
    one = gst.spending_bounds([1.0], alpha=0.05, sides=1)
    assert float(one[0]) == pytest.approx(1.6448536269514722)


def test_crossing_chances_are_those_of_simulated_walks():
    t = np.array([0.2, 0.5, 0.6, 1.0])
    z = gst.spending_bounds(t, alpha=0.1, spending="pocock")
    rng = np.random.default_rng(5)
    steps = rng.normal(size=(200_000, 4)) * np.sqrt(np.diff(t, prepend=0)) + 2.0 * np.diff(
        t, prepend=0
    )
    seen = np.abs(steps.cumsum(axis=1) / np.sqrt(t)) > z
    first = seen & (np.cumsum(seen, axis=1) == 1)
    exact = gst.crossing_chances(t, z, drift=2.0)
    assert np.allclose(first.mean(axis=0), exact.at_look, atol=0.004)
    assert exact.ever == pytest.approx(gst.power(t, z, 2.0))


def test_a_look_without_new_information_spends_nothing():
    z = gst.spending_bounds([0.5, 0.5 + 1e-9, 1.0], alpha=0.05)
    assert z[1] == np.inf
    assert np.allclose(z[[0, 2]], gst.spending_bounds([0.5, 1.0], alpha=0.05))


def test_a_spend_too_small_to_reach_is_carried_on():
    z = gst.spending_bounds(gst.equal_looks(28), alpha=0.05)
    assert z[0] == np.inf
    assert gst.crossing_chances(gst.equal_looks(28), z).ever == pytest.approx(0.05, abs=1e-11)


def test_power_of_nothing_is_alpha_and_impossible_power_is_refused():
    z = gst.spending_bounds([0.5, 1.0], alpha=0.05)
    assert gst.drift_for_power([0.5, 1.0], z, power_wanted=0.05) == pytest.approx(0.0, abs=1e-6)
    with pytest.raises(ConfigError, match="no effect reaches"):
        gst.drift_for_power([1.0], [np.inf], power_wanted=0.8)


@pytest.mark.parametrize("horizon", [7, 14, 28, 40])
@pytest.mark.parametrize("side", ["two-sided", "greater", "less"])
def test_an_overrun_never_costs_more_than_alpha(horizon, side):
    plan = overrun.SpendingPlan(0.05, "power", 2.0, side)
    t = np.arange(1, 29) / horizon
    bounds = overrun.monitoring_bounds(t, plan)
    ever = gst.crossing_chances(t, bounds.z, sides=plan.sides).ever
    assert ever <= 0.05
    assert (bounds.overrun_level > 0) == (horizon < 28)
    if horizon <= 28:
        assert ever > 0.044


def test_a_jump_over_the_planned_size_uses_what_is_left_of_alpha():
    t = [0.1, 0.4, 1.5, 2.0]
    plan = overrun.SpendingPlan(0.05)
    bounds = overrun.monitoring_bounds(t, plan)
    assert np.isfinite(bounds.z[2:]).all()
    assert gst.crossing_chances(t, bounds.z).ever <= 0.05
    exact = overrun.monitoring_bounds([0.1, 0.4, 1.0, 1.5, 2.0], plan)
    assert bounds.z[2] < exact.z[3]


def test_without_a_share_kept_back_the_plan_refuses_after_its_horizon():
    plan = overrun.SpendingPlan(0.05, kept_back=0.0)
    bounds = overrun.monitoring_bounds([0.5, 1.0, 1.2], plan)
    assert np.allclose(bounds.z[:2], gst.spending_bounds([0.5, 1.0], alpha=0.05))
    late = overrun.monitored_interval(*ARMS, bounds)
    assert not late.enough
    assert np.isnan(late.p)
    assert overrun.monitored_interval(*ARMS, bounds, look=1).enough


def test_the_repeated_p_is_alpha_at_the_boundary_and_falls_with_the_score():
    for side in ("two-sided", "greater", "less"):
        plan = overrun.SpendingPlan(0.05, "power", 2.0, side)
        bounds = overrun.monitoring_bounds(np.arange(1, 12) / 8, plan)
        for look in (0, 7, 10):
            edge = float(bounds.z[look])
            scores = np.array([edge * 0.5, edge * 0.9, edge, edge * 1.1, edge * 1.5])
            p = overrun.repeated_p(scores if side != "less" else -scores, bounds, look)
            assert p[2] == pytest.approx(0.05, rel=1e-9)
            assert (np.diff(p) <= 0).all()
            assert (p <= 1).all()


def test_monitored_intervals_cover_as_wide_as_their_boundary():
    bounds = overrun.monitoring_bounds([0.5, 1.0], overrun.SpendingPlan(0.05))
    found = overrun.monitored_interval(*ARMS, bounds, look=0)
    fixed = z_interval(*ARMS, alpha=0.05)
    assert float(found.half_width / found.se) == pytest.approx(float(bounds.z[0]))
    assert float(found.half_width) > float(fixed.half_width)
    assert found.method == "group sequential (obrien-fleming)"


@pytest.mark.parametrize("side", ["two-sided", "greater", "less"])
def test_a_sequence_s_p_is_alpha_where_its_boundary_lies(side):
    plan = cs.SequencePlan(1e4, 0.05, side)
    n = np.array([1e2, 1e4, 1e7])
    edge = cs.critical(n, plan) * (-1 if side == "less" else 1)
    assert np.allclose(cs.always_valid_p(edge, n, plan), 0.05, rtol=1e-12)
    assert (cs.always_valid_p(np.zeros(3), n, plan) == 1.0).all()
    assert (cs.always_valid_p(edge * 100, n, plan) >= 0).all()


def test_the_e_value_and_the_p_of_a_sequence_are_inverse():
    plan = cs.SequencePlan(1e4, 0.05)
    z, n = np.array([0.0, 3.0, 5.0, 60.0]), 1e4
    e = cs.e_value(z, n, plan)
    assert np.allclose(cs.always_valid_p(z, n, plan), np.minimum(1, 1 / e))


def test_nothing_is_said_before_the_burn_in():
    early = Marginal.from_var(150.0, 1.0, 1.0), Marginal.from_var(5000.0, 9.0, 1.0)
    assert not cs.difference_sequence(*early, cs.SequencePlan(1e4, 0.05)).enough
    assert not cs.relative_sequence(*early, cs.SequencePlan(1e4, 0.05)).enough
    assert cs.difference_sequence(*early, cs.SequencePlan(1e4, 0.05, burn_in=100)).enough
    assert not cs.mean_sequence(early[0], cs.SequencePlan(1e4, 0.05)).enough


def test_a_running_intersection_keeps_a_verdict():
    nightly = np.array([1e3, 2e3, 4e3])
    control = Marginal.from_var(nightly, np.zeros(3), np.ones(3))
    treatment = Marginal.from_var(nightly, np.array([0.1, 0.2, 0.02]), np.ones(3))
    each = cs.difference_sequence(control, treatment, cs.SequencePlan(1e4, 0.05))
    assert each.excludes.tolist() == [False, True, False]
    held = each.intersected()
    assert held.excludes.tolist() == [False, True, True]
    assert (np.diff(held.p) <= 0).all()


def test_mixtures_are_e_processes_at_time_zero_and_reach_their_bound():
    kinds = [
        mixtures.NormalTwoSided(50),
        mixtures.NormalOneSided(50),
        mixtures.GammaExponential(50, 1.0),
        mixtures.GammaPoisson(50, 1.0),
        mixtures.BetaBinomialTwoSided(50, 0.5, 0.5),
    ]
    v = np.array([5.0, 50.0, 500.0])
    for kind in kinds:
        assert float(kind.log_mixture(0.0, 1e-9)) == pytest.approx(0.0, abs=1e-6)
        bound = mixtures.bound(kind, v, alpha=0.05)
        reached = np.isfinite(bound)
        found = kind.log_mixture(bound[reached], v[reached])
        assert np.allclose(found, np.log(20), atol=1e-9)
        assert (np.diff(bound[reached]) > 0).all()
    assert np.allclose(
        mixtures.bound(kinds[0], v, alpha=0.05), mixtures.normal_bound(v, v_opt=50, alpha=0.05)
    )


def test_a_bound_no_sum_can_reach_is_infinite():
    tight = mixtures.BetaBinomialTwoSided(100.0, 0.5, 0.5)
    assert float(mixtures.bound(tight, 0.01, alpha=0.001)) == np.inf


def test_bernoulli_sequences_answer_without_trials_and_at_the_ends():
    low, high = mixtures.bernoulli_sequence([0, 0, 20], [0, 20, 20], t_opt=50, alpha=0.05)
    assert (low[0], high[0]) == (0.0, 1.0)
    assert low[1] == 0.0
    assert high[2] == 1.0
    assert 0 < low[2] < 1
    assert low[2] == pytest.approx(1 - high[1])


def test_quantile_sequences_hold_the_quantile_or_admit_not_to_know():
    values = np.arange(1.0, 2001)
    low, high = stitching.quantile_sequence(values, q=0.5, alpha=0.05, t_opt=100)
    assert 850 < low < 1000.5 < high < 1150
    assert stitching.quantile_sequence([], q=0.5, alpha=0.05, t_opt=10) == (-np.inf, np.inf)
    first, last = stitching.quantile_sequence(values[:20], q=0.99, alpha=0.05, t_opt=10)
    assert last == np.inf
    assert first < last
    assert float(stitching.empirical_process_radius(5, alpha=0.05, t_min=10)) == np.inf


def test_betting_needs_the_unit_interval_and_survives_its_ends():
    certain = betting.betting_sequence(np.ones(40), alpha=0.05, grid_n=1000)
    assert certain.high[-1] == 1.0
    assert certain.low[-1] > 0.8
    both = betting.betting_sequence(np.tile([0.0, 1.0], 30), alpha=0.05, grid_n=1000)
    assert both.low[-1] < 0.5 < both.high[-1]
    assert betting.betting_sequence([], alpha=0.05).low.size == 0
    with pytest.raises(ConfigError, match="between 0 and 1"):
        betting.betting_sequence([1.5], alpha=0.05)
    with pytest.raises(ConfigError, match="grid_n"):
        betting.betting_sequence([0.5], alpha=0.05, grid_n=1)


def test_e_values_combine_in_logarithms_past_overflow():
    assert evalues.product_log_e([500.0, 400.0]) == 900.0
    assert evalues.mean_log_e([900.0, 0.0]) == pytest.approx(900 - np.log(2))
    assert float(evalues.p_from_log_e(900.0)) < 1e-300
    assert float(evalues.p_from_log_e(-3.0)) == 1.0
    grid = (np.arange(200_000) + 0.5) / 200_000
    assert np.mean(np.exp(evalues.log_e_from_p(grid))) == pytest.approx(1.0, abs=0.01)
    with pytest.raises(ConfigError, match="no e-values"):
        evalues.mean_log_e([])


def test_the_msprt_p_never_rises():
    ratio = evalues.msprt_log_ratio([0.1, 0.3, 0.05], [10, 20, 30], variance=1.0, tau2=0.1)
    p = evalues.msprt_p(ratio)
    assert (np.diff(p) <= 0).all()
    assert (p <= 1).all()


def test_the_anytime_t_radius_inverts_its_p():
    se = 0.7
    found = evalues.anytime_t(9.0, df=40, n=42, se=se, alpha=0.05)
    edge = evalues.anytime_t((float(found.radius) / se) ** 2, df=40, n=42, se=se, alpha=0.05)
    assert float(edge.p) == pytest.approx(0.05, rel=1e-9)
    small = evalues.anytime_t(9.0, df=2, n=4, se=se, alpha=0.001)
    assert float(small.radius) == np.inf


def test_e_bh_and_lord_answer_the_empty_stream():
    assert e_bh([], alpha=0.1).size == 0
    assert e_bh([0.0, float("nan")], alpha=0.1).size == 0
    assert lord_plus_plus([], alpha=0.05).level.size == 0
    assert adjusted_p([], "holm").size == 0


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: gst.spending_bounds([0.5, 0.4], alpha=0.05), "falls from one look"),
        (lambda: gst.spending_bounds([], alpha=0.05), "0 looks"),
        (lambda: gst.equal_looks(gst.LOOKS_MAX + 1), "looks"),
        (lambda: gst.crossing_chances([0.5, 1.0], [2.0]), "bounds for"),
        (lambda: spent(0.5, alpha=0.05, spending="obrian-flemming"), "Did you mean"),
        (lambda: spent(0.5, alpha=0.05, spending="power", shape=-1), "above 0"),
        (lambda: gst.spending_bounds([1.0], alpha=0.05, sides=3), "not 1 or 2"),
        (lambda: overrun.SpendingPlan(0.05, kept_back=1.0), "kept_back"),
        (lambda: cs.SequencePlan(0, 0.05), "n_star"),
        (lambda: cs.SequencePlan(100, 0.6, "greater"), "one-sided"),
        (lambda: mixtures.NormalTwoSided(-1), "v_opt"),
        (lambda: mixtures.bernoulli_sequence(3, 2, t_opt=1, alpha=0.05), "between 0 and trials"),
        (lambda: stitching.Epochs(s=1.0), "above 1"),
        (
            lambda: stitching.empirical_process_radius(9, alpha=0.05, t_min=1, scale=0.5),
            "0.7071",
        ),
        (lambda: stitching.double_stitching_bound(1.0, 5, alpha=0.05, t_opt=1), "between 0 and 1"),
        (lambda: evalues.log_e_from_p(1.5), "between 0 and 1"),
        (lambda: lord_plus_plus([0.1], alpha=0.05, w0=0.06), "w0"),
        (lambda: e_bh([-1.0], alpha=0.1), "negative"),
        (lambda: adjusted_p([1.2], "bh"), "between 0 and 1"),
        (lambda: adjusted_p([0.2], "benjamini"), "known"),
    ],
)
def test_what_cannot_be_answered_is_refused_by_name(call, says):
    with pytest.raises(ConfigError, match=says):
        call()
