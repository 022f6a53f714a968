"""Fixed-n methods: error rates, coverage and power are what they say, counted by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from support.stat_paths import about, at_most

from analytics.stats import group_sequential as gst
from analytics.stats import power
from analytics.stats.cuped import cuped, cuped_ratio
from analytics.stats.means import mean_interval, welch_interval, z_interval
from analytics.stats.moments import Moments
from analytics.stats.noninferiority import noninferior_relative
from analytics.stats.ppi import fused_means, ppi_clustered_interval, ppi_mean
from analytics.stats.ppi_quantile import ppi_quantile
from analytics.stats.proportions import (
    Counts,
    mee_interval,
    miettinen_nurminen_interval,
    newcombe_interval,
)
from analytics.stats.quantiles import quantile_difference, quantile_interval
from analytics.stats.ratios import ratio
from analytics.stats.regression import lin_interval
from analytics.stats.relative import fieller_interval
from analytics.stats.stratify import post_stratified
from analytics.stats.surrogate import fit_surrogate, surrogate_effect

pytestmark = pytest.mark.calibration

PATHS = 4000


def sampled(rng: np.random.Generator, n: int, k: int, draw) -> Moments:
    """Moments of PATHS samples of n rows of k numbers; draw(rng, n) gives the rows of one chunk."""
    cells = []
    for _ in range(8):
        rows = draw(rng, (PATHS // 8, n))
        assert rows.shape == (PATHS // 8, n, k)
        mean = rows.mean(axis=1)
        apart = rows - mean[:, None]
        cells.append((mean, np.einsum("pni,pnj->pij", apart, apart)))
    mean, m2 = (np.concatenate(parts) for parts in zip(*cells, strict=True))
    return Moments(np.full(PATHS, float(n)), mean, m2)


def missed(interval, truth: float) -> int:
    assert interval.enough.all()
    return int(((interval.low > truth) | (interval.high < truth)).sum())


def test_welch_covers_where_variances_and_sizes_differ():
    rng = np.random.default_rng(1)
    control = sampled(rng, 12, 1, lambda r, s: r.normal(0, 3, size=(*s, 1))).at(0)
    treatment = sampled(rng, 40, 1, lambda r, s: r.normal(1, 1, size=(*s, 1))).at(0)
    assert about(missed(welch_interval(control, treatment, alpha=0.05), 1.0), 0.05, PATHS)
    assert about(missed(mean_interval(control, alpha=0.05), 0.0), 0.05, PATHS)


def test_fieller_covers_the_relative_effect_even_with_a_noisy_control():
    rng = np.random.default_rng(2)
    control = sampled(rng, 100, 1, lambda r, s: r.normal(1.0, 2.2, size=(*s, 1))).at(0)
    treatment = sampled(rng, 100, 1, lambda r, s: r.normal(1.5, 2.2, size=(*s, 1))).at(0)
    found = fieller_interval(control, treatment, alpha=0.05)
    wrong = found.enough & ((found.low > 0.5) | (found.high < 0.5))
    assert about(int(wrong.sum()), 0.05, PATHS)


@pytest.mark.parametrize("interval", [mee_interval, miettinen_nurminen_interval, newcombe_interval])
def test_score_intervals_cover_small_proportions(interval):
    rng = np.random.default_rng(3)
    control, treatment = rng.binomial(60, 0.05, PATHS), rng.binomial(80, 0.1, PATHS)
    found = interval(Counts.of(control, 60), Counts.of(treatment, 80), alpha=0.05)
    rate = missed(found, 0.05) / PATHS
    assert 0.02 < rate < 0.065


def listens(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """(skips, listens, skips before, listens before) of users who differ in taste."""
    taste = rng.beta(2, 6, size=shape)
    now, before = rng.poisson(8, size=shape) + 1, rng.poisson(8, size=shape) + 1
    rows = (rng.binomial(now, taste), now, rng.binomial(before, taste), before)
    return np.stack(rows, axis=-1).astype(float)


def test_ratios_plain_and_adjusted_cover():
    rng = np.random.default_rng(4)
    arms = [sampled(rng, 150, 4, listens) for _ in range(2)]
    plain = welch_interval(*(ratio(arm) for arm in arms), alpha=0.05)
    assert about(missed(plain, 0.0), 0.05, PATHS)
    for linearised in ("pooled", "per-arm"):
        after = cuped_ratio(*arms, linearised=linearised)
        found = welch_interval(*after.arms, alpha=0.05)
        assert about(missed(found, 0.0), 0.05, PATHS)
        assert float(np.median(found.se / plain.se)) < 0.9


def test_cuped_covers_and_narrows():
    rng = np.random.default_rng(5)

    def rows(r, shape):
        x = r.exponential(size=shape)
        return np.stack([x + r.normal(size=shape), x], axis=-1)

    arms = [sampled(rng, 120, 2, rows) for _ in range(2)]
    found = welch_interval(*cuped(*arms).arms, alpha=0.05)
    assert about(missed(found, 0.0), 0.05, PATHS)
    plain = welch_interval(*(arm.at(0) for arm in arms), alpha=0.05)
    assert float(np.median(found.se / plain.se)) == pytest.approx(np.sqrt(0.5), rel=0.05)


def test_lin_s_regression_covers_where_covariates_act_differently():
    rng = np.random.default_rng(6)
    wrong = 0
    for _ in range(1500):
        x = rng.exponential(size=120)
        t = rng.permutation(np.repeat([0.0, 1.0], [80, 40]))
        y = np.where(t == 1, 2 * (x - 1), 0.2 * (x - 1)) + rng.normal(size=120)
        found = lin_interval(y, t, x, alpha=0.05, robust="hc3")
        # the sample's own effect: the covariate's mean is the sample's, not the population's
        truth = 1.8 * (x.mean() - 1)
        wrong += bool(found.low > truth or found.high < truth)
    assert at_most(wrong, 0.06, 1500)


def test_post_stratified_intervals_cover():
    rng = np.random.default_rng(7)
    wrong = 0
    for _ in range(1500):
        cells = []
        for _ in range(2):
            stratum = rng.integers(0, 4, 300)
            value = 3.0 * stratum + rng.normal(size=300)
            cells.append(Moments.by_cell(value[:, None], stratum, 4).at(0))
        found = post_stratified(*cells)
        wrong += bool(z_interval(found.control, found.treatment, alpha=0.05).excludes)
    assert at_most(wrong, 0.06, 1500)


def test_quantiles_cover_for_one_arm_and_for_two():
    rng = np.random.default_rng(8)
    one = two = 0
    for _ in range(400):
        a, b = rng.exponential(size=(2, 400))
        truth = -np.log(0.1)
        found = quantile_interval(a, q=0.9, alpha=0.05)
        one += bool(found.low > truth or found.high < truth)
        two += bool(quantile_difference(a, b, q=0.9, alpha=0.05, rng=rng).excludes)
    assert at_most(one, 0.055, 400)
    assert at_most(two, 0.055, 400)


def fused_arms(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    truth = rng.normal(size=shape)
    judge = truth + 0.8 * rng.normal(size=shape)
    return np.stack(
        [truth + 0.4 * rng.normal(size=shape), judge, 0.3 * truth + rng.normal(size=shape)], -1
    )


def test_fused_and_prediction_powered_means_cover_and_narrow():
    rng = np.random.default_rng(9)
    arms = []
    for _ in range(2):
        near = sampled(rng, 120, 3, fused_arms)
        rest = sampled(rng, 600, 3, fused_arms)
        arms.append((near, near.merge(rest).columns(1, 2), rest.at(1)))
    fused = fused_means(*((near, far) for near, far, _ in arms))
    found = z_interval(*fused.means, alpha=0.05)
    assert missed(found, 0.0) / PATHS == pytest.approx(0.05, abs=0.015)
    tuned = [ppi_mean(near.columns(0, 1), rest).mean for near, _, rest in arms]
    ppi = z_interval(*tuned, alpha=0.05)
    assert missed(ppi, 0.0) / PATHS == pytest.approx(0.05, abs=0.015)
    alone = welch_interval(*(near.at(0) for near, _, _ in arms), alpha=0.05)
    assert float(np.median(found.se / alone.se)) < 0.85
    assert float(np.median(fused.label_saving)) > 0.25


def test_clusters_declared_cover_and_undeclared_do_not():
    rng = np.random.default_rng(10)
    declared = hidden = 0
    for _ in range(800):
        song = rng.normal(size=80)
        ids = np.repeat(np.arange(80.0), 5)
        judge = np.repeat(song, 5) + 0.3 * rng.normal(size=400)
        human = np.repeat(song[:40], 5) + 0.6 * np.repeat(rng.normal(size=40), 5)
        for clustered in (True, False):
            place = ids if clustered else np.arange(400.0)
            found = ppi_clustered_interval(
                (human, judge[:200], place[:200]), (judge[200:], place[200:]), alpha=0.05
            )
            if clustered:
                declared += bool(found.low > 0 or found.high < 0)
            else:
                hidden += bool(found.low > 0 or found.high < 0)
    assert at_most(declared, 0.065, 800)
    assert hidden > 3 * declared


def test_ppi_medians_cover():
    rng = np.random.default_rng(11)
    wrong = 0
    for _ in range(600):
        truth = rng.exponential(size=700)
        judge = truth * np.exp(0.3 * rng.normal(size=700))
        found = ppi_quantile(truth[:100], judge[:100], judge[100:], q=0.5, alpha=0.05)
        wrong += bool(found.low > np.log(2) or found.high < np.log(2))
    assert at_most(wrong, 0.06, 600)


def test_the_surrogate_index_covers_only_with_its_model_part():
    rng = np.random.default_rng(12)
    whole = naive = 0
    for _ in range(1500):
        past = rng.normal(size=(40, 2))
        model = fit_surrogate(past, past @ [1.0, 2.0] + 2 * rng.normal(size=40))
        control, treatment = rng.normal(size=(300, 2)), rng.normal([0.8, 0.4], 1, size=(300, 2))
        found = surrogate_effect(model, control, treatment, alpha=0.05)
        off = abs(float(found.interval.estimate) - 1.6)
        whole += off > 1.96 * float(found.interval.se)
        naive += off > 1.96 * found.se_sampling
    assert at_most(whole, 0.065, 1500)
    assert naive > 3 * whole


def test_planned_power_is_reached_within_two_points():
    rng = np.random.default_rng(13)
    target = power.Target(0.05, 0.8)
    users = power.users_needed((1.0, 1.0), 0.2, target)
    n = int(np.ceil(users.control))
    arms = [
        sampled(rng, n, 1, lambda r, s, m=mean: r.exponential(size=(*s, 1)) + m).at(0)
        for mean in (0.0, 0.2)
    ]
    assert abs(float(welch_interval(*arms, alpha=0.05).excludes.mean()) - 0.8) < 0.02
    looks = gst.equal_looks(28)
    for bounds in (
        gst.spending_bounds(looks, alpha=0.05, spending="power"),
        power.sequence_bounds(28, target),
    ):
        cost = power.sequential_inflation(28, target, bounds=bounds)
        drift = float(target.z_sum) * np.sqrt(cost)
        steps = rng.normal(drift / 28, np.sqrt(1 / 28), size=(20_000, 28))
        z = steps.cumsum(axis=1) / np.sqrt(looks)
        assert abs(float((np.abs(z) > bounds).any(axis=1).mean()) - 0.8) < 0.02


def test_power_for_a_margin_is_reached_within_two_points():
    rng = np.random.default_rng(14)
    target = power.Target(0.05, 0.9, "greater")
    users = power.users_noninferior((5.0, 16.0), 0.1, target)
    n = int(np.ceil(users.control))
    arms = [sampled(rng, n, 1, lambda r, s: r.normal(5, 4, size=(*s, 1))).at(0) for _ in range(2)]
    passed = noninferior_relative(*arms, 0.1, alpha=0.05).non_inferior
    assert abs(float(passed.mean()) - 0.9) < 0.02


@pytest.mark.parametrize("correlation", [0.0, 0.5])
def test_the_decision_rule_holds_its_error_and_its_power_only_when_corrected(correlation):
    rng = np.random.default_rng(15)
    successes, guardrails, paths = 2, 3, 40_000

    def drawn(means: np.ndarray) -> np.ndarray:
        common = rng.normal(size=(paths, 1)) * np.sqrt(correlation)
        return means + common + rng.normal(size=(paths, len(means))) * np.sqrt(1 - correlation)

    def ships(z: np.ndarray) -> np.ndarray:
        bar = 1.959963984540054  # one-sided alpha / 2 with two success metrics
        return (z[:, :2] > bar).any(axis=1) & (z[:, 2:] > 1.6448536269514722).all(axis=1)

    each = power.power_per_test(0.8, successes=successes, guardrails=guardrails)
    null = np.array([0.0, 0.0, 30.0, 30.0, 30.0])
    assert float(ships(drawn(null)).mean()) <= 0.052
    sure = _drift(0.05 / 2, each), _drift(0.05, each)
    corrected = np.array([sure[0], -9.0, sure[1], sure[1], sure[1]])
    assert float(ships(drawn(corrected)).mean()) >= 0.79
    plain = _drift(0.05 / 2, 0.8), _drift(0.05, 0.8)
    uncorrected = np.array([plain[0], -9.0, plain[1], plain[1], plain[1]])
    assert float(ships(drawn(uncorrected)).mean()) < 0.6


def _drift(alpha: float, wanted: float) -> float:
    return float(power.Target(alpha, wanted, "greater").z_sum)
