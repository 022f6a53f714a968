"""Agreement, alt-test, prediction-powered inference, quantiles, margins, power: edges and laws."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.stats import alt_test as alt
from analytics.stats import power, quantiles
from analytics.stats.agreement import Confusion, ac1, kappa, raw_agreement
from analytics.stats.bayes import Prior, empirical_prior, posterior
from analytics.stats.bootstrap import bootstrap_difference
from analytics.stats.control_variates import variance_left
from analytics.stats.drift import ks_two_sample, population_stability
from analytics.stats.judge_error import (
    mcnemar,
    mcnemar_exact,
    rogan_gladen_interval,
    smallest_certifiable,
)
from analytics.stats.krippendorff import krippendorff_alpha
from analytics.stats.means import welch_interval, z_interval
from analytics.stats.moments import Marginal, Moments
from analytics.stats.noninferiority import (
    noninferior_absolute,
    noninferior_estimate,
    noninferior_relative,
)
from analytics.stats.ppi import fused_means, ppi_clustered_interval, ppi_interval, ppi_mean
from analytics.stats.ppi_quantile import ppi_quantile
from analytics.stats.surrogate import fit_surrogate, surrogate_effect
from streams.errors import ConfigError


def test_raters_who_always_agree_score_one_and_by_chance_zero():
    same = Confusion.of([1, 2, 3, 1], [1, 2, 3, 1])
    assert float(kappa(same, alpha=0.05).estimate) == 1.0
    assert raw_agreement(same) == 1.0
    independent = Confusion.of_counts(np.outer([30, 70], [40, 60]))
    assert float(kappa(independent, alpha=0.05).estimate) == pytest.approx(0.0, abs=1e-12)


def test_one_category_gives_no_kappa_but_an_ac1_on_the_full_scale():
    table = Confusion.of([1, 1, 1], [1, 1, 1], categories=[0, 1])
    assert not kappa(table, alpha=0.05).enough
    assert float(ac1(table, alpha=0.05).estimate) == 1.0
    assert not ac1(Confusion.of([1, 1], [1, 1]), alpha=0.05).enough
    assert np.isnan(raw_agreement(Confusion.of([], [])))


def test_weighted_kappa_measures_distance_on_the_scale_not_between_places():
    near = Confusion.of([1, 2, 9, 9, 1, 2], [2, 1, 9, 9, 1, 2])
    assert float(kappa(near, alpha=0.05, weights="quadratic").estimate) > 0.95
    assert float(kappa(near, alpha=0.05).estimate) < 0.8


def test_the_error_of_kappa_is_the_spread_of_simulated_kappas():
    rng = np.random.default_rng(2)
    p = np.array([[0.4, 0.1], [0.15, 0.35]])
    drawn = rng.multinomial(300, p.ravel(), size=2000).reshape(-1, 2, 2)
    found = [float(kappa(Confusion.of_counts(t), alpha=0.05).estimate) for t in drawn.astype(float)]
    told = float(kappa(Confusion.of_counts(p * 300), alpha=0.05).se)
    assert np.std(found) == pytest.approx(told, rel=0.05)
    chance_corrected = [float(ac1(Confusion.of_counts(t), alpha=0.05).estimate) for t in drawn]
    assert np.std(chance_corrected) == pytest.approx(
        float(ac1(Confusion.of_counts(p * 300), alpha=0.05).se), rel=0.05
    )


def test_krippendorff_says_when_nothing_can_disagree():
    assert not krippendorff_alpha([[1, 1, 1], [1, 1, 1]], level="nominal").enough
    assert not krippendorff_alpha([[1, np.nan], [np.nan, 2]], level="interval").enough
    with pytest.raises(ConfigError, match="ratio level"):
        krippendorff_alpha([[-1, 2, 3], [1, 2, 3]], level="ratio")
    with pytest.raises(ConfigError, match="level"):
        krippendorff_alpha([[1, 2], [1, 2]], level="cardinal")


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval", "ratio"])
def test_krippendorff_s_jackknife_leaves_one_unit_out_at_a_time(level):
    rng = np.random.default_rng(4)
    data = rng.integers(1, 5, size=(3, 12)).astype(float)
    data[0, :3] = np.nan
    found = krippendorff_alpha(data, level=level)
    left = [
        float(krippendorff_alpha(np.delete(data, k, axis=1), level=level).estimate)
        for k in range(12)
    ]
    by_hand = np.sqrt(11 / 12 * np.sum((np.array(left) - np.mean(left)) ** 2))
    assert float(found.se) == pytest.approx(by_hand, rel=1e-9)


def test_a_judge_who_copies_the_others_passes_and_a_coin_does_not():
    rng = np.random.default_rng(6)
    truth = rng.integers(0, 3, 200).astype(float)
    noisy = [np.where(rng.random(200) < 0.2, rng.integers(0, 3, 200), truth) for _ in range(3)]
    rule = alt.AltRule(0.1)
    good = alt.alt_test(noisy, truth, rule)
    assert good.passed
    assert good.advantage > 0.9
    coin = alt.alt_test(noisy, rng.integers(0, 3, 200).astype(float), rule)
    assert not coin.passed
    assert coin.winning_rate == 0.0


def test_too_few_items_give_no_verdict():
    found = alt.alt_test(np.ones((3, 10)), np.ones(10), alt.AltRule(0.2))
    assert not found.enough
    assert not found.passed
    assert np.isnan(found.winning_rate)
    sure = alt.alt_test(np.ones((3, 40)), np.ones(40), alt.AltRule(0.2))
    assert sure.p.tolist() == [0.0, 0.0, 0.0]
    assert sure.passed


def test_a_judge_no_better_than_a_coin_cannot_be_corrected():
    found = rogan_gladen_interval((0.5, 100), (0.4, 50), (0.6, 50), alpha=0.05)
    assert not found.enough
    assert np.isnan(found.low)
    perfect = rogan_gladen_interval((0.3, 1e6), (1.0, 1e6), (1.0, 1e6), alpha=0.05)
    assert float(perfect.estimate) == pytest.approx(0.3)
    assert perfect.low < 0.3 < perfect.high


def test_judges_who_never_differ_cannot_be_told_apart():
    assert not mcnemar([[5, 0], [0, 9]]).enough
    assert not mcnemar_exact([[5, 0], [0, 9]]).enough
    assert float(mcnemar_exact([[5, 1], [6, 9]]).p) == pytest.approx(2 * 8 / 128)
    assert smallest_certifiable(100, alpha=0.05) == pytest.approx(0.0295, abs=1e-4)


def scored(seed: int, n: int, many: int, *, shift: float = 0.0, bias: float = 0.0):
    """Labelled (human, judge, usage) and everyone (judge, usage)."""
    rng = np.random.default_rng(seed)
    truth = 3 + shift + rng.normal(size=many)
    judge = truth + bias + 0.7 * rng.normal(size=many)
    usage = 0.3 * truth + rng.normal(size=many)
    signals = np.column_stack([judge, usage])
    human = truth[:n] + 0.3 * rng.normal(size=n)
    return Moments.of(np.column_stack([human, signals[:n]])), Moments.of(signals)


def test_a_biased_judge_moves_the_judge_not_the_fused_mean():
    control, treatment = scored(1, 400, 8000), scored(2, 400, 8000, bias=0.5)
    judge_only = z_interval(control[1].at(0), treatment[1].at(0), alpha=0.05)
    assert judge_only.excludes
    fused = fused_means(control, treatment)
    found = z_interval(*fused.means, alpha=0.01)
    assert not found.excludes
    assert float(fused.label_saving) > 0.4
    alone = welch_interval(control[0].at(0), treatment[0].at(0), alpha=0.01)
    assert float(found.se) < float(alone.se)


def test_zero_trust_is_the_human_mean_alone():
    near, far = scored(3, 100, 1000)
    fused = fused_means((near, far), lam=[0.0, 0.0])
    assert float(fused.means[0].mean) == float(near.at(0).mean)
    assert float(fused.means[0].se2) == pytest.approx(float(near.at(0).se2))
    ppi = ppi_mean(near.columns(0, 1), far.at(0), lam=0.0)
    assert float(ppi.mean.mean) == float(near.at(0).mean)


def test_one_signal_fused_is_ppi_with_an_untruncated_weight():
    near, far = scored(4, 100, 100_000)
    fused = fused_means((near.columns(0, 1), far.columns(0)))
    ppi = ppi_mean(near.columns(0, 1), far.at(0))
    assert float(fused.means[0].mean) == pytest.approx(float(ppi.mean.mean), abs=0.01)
    assert 0.0 <= float(variance_left(near, 0, (1, 2))) <= 1.0


def test_ppi_without_unlabelled_scores_is_not_enough_unless_the_judge_is_ignored():
    near, _ = scored(5, 50, 60)
    nothing = Marginal(np.zeros(()), np.zeros(()), np.zeros(()))
    assert not ppi_interval(ppi_mean(near.columns(0, 1), nothing, lam=0.5), alpha=0.05).enough
    assert ppi_interval(ppi_mean(near.columns(0, 1), nothing), alpha=0.05).enough
    with pytest.raises(ConfigError, match="human, judge"):
        ppi_mean(near, nothing)


def test_clusters_that_straddle_both_sides_add_before_they_are_squared():
    rng = np.random.default_rng(7)
    song = rng.normal(size=60)
    ids = np.repeat(np.arange(60.0), 4)
    judge = np.repeat(song, 4) + 0.1 * rng.normal(size=240)
    human = judge[:120] + 0.5 * rng.normal(size=120)
    flat = ppi_clustered_interval(
        (human, judge[:120], np.arange(120.0)), (judge[120:], np.arange(120.0, 240)), alpha=0.05
    )
    grouped = ppi_clustered_interval(
        (human, judge[:120], ids[:120]), (judge[120:], ids[120:]), alpha=0.05
    )
    assert float(grouped.se) > 1.3 * float(flat.se)
    assert not ppi_clustered_interval(
        (human[:4], judge[:4], ids[:4]), (judge, ids), alpha=0.05
    ).enough


def test_ppi_quantiles_of_a_perfect_judge_are_those_of_all_items():
    values = np.arange(1.0, 1001)
    found = ppi_quantile(values[::10], values[::10], values, q=0.5, alpha=0.05)
    assert abs(float(found.estimate) - 500) <= 1
    assert 465 < found.low < 500 < found.high < 535
    assert not ppi_quantile([], [], values, q=0.5, alpha=0.05).enough


def test_quantile_ends_beyond_the_data_are_not_enough():
    assert not quantiles.quantile_interval([1.0, 2, 3], q=0.9, alpha=0.05).enough
    found = quantiles.quantile_interval(np.arange(1.0, 1001), q=0.5, alpha=0.05)
    assert (float(found.low), float(found.high)) == (470.0, 531.0)


def test_differences_of_quantiles_repeat_with_the_seed_and_cover_a_shift():
    rng = np.random.default_rng(8)
    a, b = rng.exponential(size=3000), rng.exponential(size=2500) + 0.5
    first, again = (
        quantiles.quantile_difference(a, b, q=0.9, alpha=0.05, rng=np.random.default_rng(1))
        for _ in range(2)
    )
    assert float(first.low) == float(again.low)
    assert first.low < 0.5 < first.high
    few = quantiles.quantile_difference([1.0], b, q=0.9, alpha=0.05, rng=rng)
    assert not few.enough
    same = quantiles.quantile_difference(np.ones(9), np.ones(9), q=0.5, alpha=0.05, rng=rng)
    assert not same.enough


def test_events_of_one_user_alike_widen_the_quantile():
    kept = {
        "n": 5000, "n_star": 5000, "nu": 0.5, "q_low": 9.0, "q_high": 11.0, "users": 500,
        "events_sum": 5000, "events_sq": 50_000,
    }  # fmt: skip
    all_or_none = quantiles.ClusteredQuantile(
        below_sum=2500, below_sq=25_000, below_events=25_000, **kept
    )
    found = quantiles.clustered_quantile_variance(all_or_none)
    assert found.clustered > 8 * found.iid
    arm = quantiles.clustered_quantile(10.0, all_or_none)
    assert float(arm.se2) == pytest.approx(found.clustered / 5000)


def test_the_bootstrap_of_a_mean_is_near_its_formula():
    rng = np.random.default_rng(9)
    a, b = rng.normal(size=300), rng.normal(0.2, 1, size=300)
    found = bootstrap_difference(a, b, np.mean, alpha=0.05, rng=np.random.default_rng(2))
    plain = welch_interval(Marginal.of(a), Marginal.of(b), alpha=0.05)
    assert float(found.se) == pytest.approx(float(plain.se), rel=0.06)
    assert not bootstrap_difference(a[:5], b, np.mean, alpha=0.05, rng=rng).enough


def test_margins_of_metrics_where_less_is_better():
    control = Marginal.from_var(4000.0, 10.0, 4.0)
    better, worse = (Marginal.from_var(4000.0, mean, 4.0) for mean in (10.05, 10.6))
    for margin_test, margin in ((noninferior_relative, 0.05), (noninferior_absolute, 0.5)):
        good = margin_test(control, better, margin, alpha=0.05, preferred="decrease")
        bad = margin_test(control, worse, margin, alpha=0.05, preferred="decrease")
        assert good.non_inferior
        assert not bad.non_inferior
        assert good.interval.low == -np.inf
    found = noninferior_estimate(0.01, 0.02, 0.05, alpha=0.05, n=400)
    assert found.non_inferior
    assert float(found.z) == pytest.approx(3.0)


def test_power_round_trips():
    target = power.Target(0.05, 0.8)
    users = power.users_needed((2.0, 3.0), 0.1, target, shares=power.Shares(1, 3))
    se = np.sqrt(2.0 / users.control + 3.0 / users.treatment)
    assert float(power.power_of(se, 0.1, alpha=0.05)) == pytest.approx(0.8, abs=1e-5)
    effect = power.smallest_effect((2.0, 2.0), 1000, target)
    se = np.sqrt(4 * 2.0 / 1000)
    assert float(power.power_of(se, effect, alpha=0.05)) == pytest.approx(0.8, abs=1e-12)
    one = power.Target(0.05, 0.8, "greater")
    assert float(power.power_of(1.0, float(one.z_sum), alpha=0.05, alternative="greater")) == (
        pytest.approx(0.8)
    )


def test_looking_costs_users_and_crossing_early_gives_some_back():
    target = power.Target(0.05, 0.8)
    nightly = power.sequence_bounds(28, target)
    cost = power.sequential_inflation(28, target, bounds=nightly)
    last_point = ((nightly[-1] + 0.8416212) / float(target.z_sum)) ** 2
    assert 1.5 < cost < last_point
    half = power.users_noninferior((5.0, 16.0), 0.02, power.Target(0.05, 0.9, "greater"))
    assert float(half.total) < 67_248  # two-sided, as a guardrail need not be


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: Confusion.of([1, 2], [1]), "differ in length"),
        (lambda: Confusion.of([1, 5], [1, 1], categories=[1, 2]), "not on the scale"),
        (lambda: Confusion.of_counts([[1, 2]]), "square"),
        (lambda: mcnemar([[1, 2, 3], [1, 2, 3]]), "2 by 2"),
        (lambda: alt.AltRule(1.5), "epsilon"),
        (lambda: alt.count_wins([1.0], [1.0]), "humans by items"),
        (lambda: rogan_gladen_interval((1.5, 9), (0.9, 9), (0.9, 9), alpha=0.05), "rate"),
        (lambda: noninferior_relative(*[Marginal.of([1, 2])] * 2, -0.1, alpha=0.05), "margin"),
        (lambda: noninferior_relative(*[Marginal.of([1, 2])] * 2, 1.0, alpha=0.05), "lose"),
        (lambda: power.users_needed((1, 1), 0.0, power.Target(0.05, 0.8)), "not 0"),
        (lambda: power.bernoulli_variances(0.95, 0.1), "between 0 and 1"),
        (lambda: power.power_per_test(0.8, successes=0, guardrails=0), "decide nothing"),
        (lambda: power.power_per_test(0.8, successes=1, guardrails=0, alpha_quality=0.3), "beta"),
        (lambda: power.Shares(0, 1), "shares"),
        (lambda: quantiles.bootstrap_ranks(10, 1.0, alpha=0.05), "quantile"),
        (lambda: posterior(1.0, 0.0, Prior(0, 1)), "standard errors"),
        (lambda: posterior(1.0, 1.0, Prior(0, -1)), "normal law"),
        (lambda: empirical_prior([1.0], [1.0]), "2 or more"),
        (lambda: population_stability([0, 0], [1, 1]), "not all zero"),
        (lambda: population_stability([1], [1, 1]), "bins differ"),
        (lambda: fit_surrogate([[1.0], [2.0]], [1.0, 2.0]), "too few"),
        (fused_means, "at least one arm"),
        (lambda: fused_means((Moments.empty(2), Moments.empty(2))), "everyone"),
        (lambda: ppi_quantile([1.0], [1.0, 2.0], [1.0], q=0.5, alpha=0.05), "length"),
    ],
)
def test_what_cannot_be_answered_is_refused_by_name(call, says):
    with pytest.raises(ConfigError, match=says):
        call()


def test_small_arms_of_a_surrogate_and_empty_samples_are_not_enough():
    rng = np.random.default_rng(10)
    signals = rng.normal(size=(30, 2))
    model = fit_surrogate(signals, signals @ [1.0, 2.0] + rng.normal(size=30))
    assert not surrogate_effect(model, signals[:1], signals, alpha=0.05).interval.enough
    assert not ks_two_sample([], [1.0]).enough
    with pytest.raises(ConfigError, match="signals"):
        surrogate_effect(model, signals[:, :1], signals, alpha=0.05)


def test_a_posterior_without_spread_is_the_prior_and_an_unknown_effect_stays_unknown():
    sure = posterior([1.0, -1.0], 0.1, Prior(0.2, 0.0))
    assert sure.mean.tolist() == [0.2, 0.2]
    assert sure.chance_to_win.tolist() == [1.0, 1.0]
    assert sure.loss_if_held.tolist() == [0.2, 0.2]
    assert np.isnan(posterior([np.nan], 0.1, Prior(0.0, 1.0)).mean[0])
