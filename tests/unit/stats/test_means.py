"""Means, proportions, ratios and what happens where data is thin."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from analytics.stats import tails
from analytics.stats.cuped import cuped, cuped_ratio
from analytics.stats.exact import barnard_test
from analytics.stats.heterogeneity import heterogeneity
from analytics.stats.means import (
    mean_difference,
    mean_interval,
    paired_t_interval,
    welch_interval,
    z_interval,
)
from analytics.stats.moments import Marginal, Moments, pooled
from analytics.stats.proportions import Counts, mee_interval, newcombe_interval, wilson_limits
from analytics.stats.ratios import ratio, session_cluster_se
from analytics.stats.regression import least_squares, lin_interval
from analytics.stats.relative import fieller_interval
from analytics.stats.srm import srm_chi2
from analytics.stats.stratify import post_stratified
from streams.errors import ConfigError


def arm(*values: float) -> Marginal:
    return Marginal.of(values)


def test_the_package_imports_neither_scipy_stats_nor_a_plotting_library():
    code = (
        "import sys, pkgutil, importlib, analytics.stats as s\n"
        "[importlib.import_module(f'analytics.stats.{m.name}')"
        " for m in pkgutil.iter_modules(s.__path__)]\n"
        "print([m for m in sys.modules if m.split('.')[0] in"
        " ('matplotlib', 'bokeh', 'duckdb', 'random') or m == 'scipy.stats'])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = eval(told.stdout)
    assert "scipy.stats" not in loaded
    assert not [name for name in loaded if name.startswith(("matplotlib", "bokeh", "duckdb"))]


def test_far_tails_keep_their_digits():
    assert float(tails.normal_two_sided(9.0)) == pytest.approx(2.2571768119e-19, rel=1e-9)
    assert 0 < float(tails.t_upper(30.0, 1e6)) < 1e-190
    assert float(tails.normal_log_upper(100.0)) == pytest.approx(-5005.5242086942, rel=1e-12)
    assert float(tails.t_upper(np.inf, 5.0)) == 0.0


@pytest.mark.parametrize("df", [1.0, 2.5, 17.8, 1e3, 1e6, 1e9])
@pytest.mark.parametrize("alpha", [1e-12, 1e-5, 0.025, 0.3, 0.8])
def test_t_quantiles_and_tails_are_inverse(df, alpha):
    t = tails.t_upper_quantile(alpha, df)
    assert float(tails.t_upper(t, df)) == pytest.approx(alpha, rel=1e-12)


def test_many_comparisons_at_once_are_each_as_alone():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(2, 7, 40))
    together = [
        Marginal(np.full(7, 40.0), side.mean(axis=1), side.var(axis=1) * 40) for side in rows
    ]
    found = welch_interval(*together, alpha=0.1)
    for k in range(7):
        alone = welch_interval(arm(*rows[0, k]), arm(*rows[1, k]), alpha=0.1)
        assert float(found.low[k]) == pytest.approx(float(alone.low), abs=1e-12)
        assert float(found.p[k]) == pytest.approx(float(alone.p), abs=1e-12)


@pytest.mark.parametrize(
    ("control", "treatment"),
    [((1.0,), (1.0, 2.0)), ((), (1.0, 2.0)), ((2.0, 2.0), (3.0, 3.0)), ((), ())],
)
def test_too_little_data_is_said_and_not_guessed(control, treatment):
    for interval in (welch_interval, z_interval, fieller_interval):
        found = interval(arm(*control), arm(*treatment), alpha=0.05)
        assert not found.enough
        assert np.isnan(found.low)
        assert np.isnan(found.p)
        assert not found.excludes


def test_one_sided_intervals_are_open_on_the_side_not_looked_at():
    control, treatment = arm(1, 2, 3, 4), arm(2, 3, 4, 6)
    up = welch_interval(control, treatment, alpha=0.05, alternative="greater")
    down = welch_interval(control, treatment, alpha=0.05, alternative="less")
    assert up.high == np.inf
    assert down.low == -np.inf
    assert float(up.p + down.p) == pytest.approx(1.0)
    assert not up.bounded


def test_a_control_mean_like_zero_gives_no_relative_effect_but_keeps_the_test():
    control, treatment = arm(-1, 1, -1, 1, 0.1), arm(5, 6, 7, 6, 5)
    found = fieller_interval(control, treatment, alpha=0.05)
    assert not found.enough
    assert (found.low, found.high) == (-np.inf, np.inf)
    assert float(found.p) == pytest.approx(float(z_interval(control, treatment, alpha=0.05).p))


def test_paired_differences_that_are_all_equal_are_not_enough():
    assert not paired_t_interval([1, 2, 3], [2, 3, 4], alpha=0.05).enough


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, float("nan")])
def test_an_alpha_that_is_none_is_refused(alpha):
    with pytest.raises(ConfigError, match="alpha"):
        welch_interval(arm(1, 2), arm(1, 3), alpha=alpha)


def test_bad_calls_are_named():
    with pytest.raises(ConfigError, match="alternative is 'bigger'"):
        mean_interval(arm(1, 2), alpha=0.05, alternative="bigger")
    with pytest.raises(ConfigError, match="NaN or infinity"):
        Marginal.of([1.0, float("nan")])
    two, three = (Marginal(np.ones(k), np.ones(k), np.ones(k)) for k in (2, 3))
    with pytest.raises(ConfigError, match="shapes"):
        mean_difference(two, three, alpha=0.05)
    with pytest.raises(ConfigError, match="0 <= x <= n"):
        Counts.of(5, 4)
    with pytest.raises(ConfigError, match="cell numbers"):
        Moments.by_cell(np.ones((2, 1)), np.array([0, 5]), 2)
    with pytest.raises(ConfigError, match="weights"):
        srm_chi2([1, 2], [1, 0])
    with pytest.raises(ConfigError, match="no arms"):
        pooled()
    with pytest.raises(ConfigError, match="different numbers of columns"):
        cuped(Moments.empty(2), Moments.empty(3))
    with pytest.raises(ConfigError, match="must name at least one"):
        cuped(Moments.empty(2), Moments.empty(2), covariates=())


def test_wilson_covers_zero_and_all():
    low, high = wilson_limits(Counts.of([0, 10, 0], [10, 10, 0]), alpha=0.05)
    assert low[0] == 0.0
    assert high[1] == 1.0
    assert np.isnan(low[2])


def test_score_intervals_answer_where_wald_cannot():
    for interval in (mee_interval, newcombe_interval):
        found = interval(Counts.of(0, 50), Counts.of(0, 50), alpha=0.05)
        assert found.enough
        assert -0.1 < float(found.low) < 0 < float(found.high) < 0.1
        assert float(found.p) == 1.0


def test_barnard_is_valid_at_every_common_rate():
    control, treatment = Counts.of(1, 8), Counts.of(6, 9)
    p = float(barnard_test(control, treatment).p)
    rng = np.random.default_rng(3)
    for rate in (0.2, 0.4, 0.6):
        drawn = rng.binomial([8, 9], rate, size=(4000, 2))
        z = [_z(*row) for row in drawn]
        seen = abs(_z(1, 6))
        assert np.mean(np.abs(z) >= seen - 1e-12) <= p + 4 * np.sqrt(p / 4000)
    assert p == pytest.approx(0.0304, abs=0.02)
    with pytest.raises(ConfigError, match="pooled_z_test"):
        barnard_test(Counts.of(1, 1e4), Counts.of(1, 1e4))


def _z(x: float, y: float) -> float:
    rate = (x + y) / 17
    return 0.0 if rate in {0, 1} else (y / 9 - x / 8) / np.sqrt(rate * (1 - rate) * (1 / 8 + 1 / 9))


def users(seed: int, n: int, effect: float = 0.0) -> np.ndarray:
    """Rows of (y, x, x2): y follows x, arms differ by effect."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return np.column_stack([2 * x + effect + rng.normal(size=n), x, rng.normal(size=n)])


def test_cuped_takes_out_what_was_known_and_leaves_the_effect():
    control, treatment = Moments.of(users(1, 4000)), Moments.of(users(2, 4000, 0.5))
    after = cuped(control, treatment, covariates=(1, 2))
    plain = welch_interval(control.at(0), treatment.at(0), alpha=0.05)
    found = welch_interval(*after.arms, alpha=0.05)
    assert abs(float(found.estimate) - 0.5) < 4 * float(found.se)
    assert float(found.se / plain.se) == pytest.approx(np.sqrt(0.2), rel=0.05)
    assert float(after.variance_left) == pytest.approx(0.2, rel=0.1)
    assert after.theta[0] == pytest.approx(2.0, abs=0.1)


def test_cuped_from_moments_is_the_adjustment_of_rows():
    rows_c, rows_t = users(3, 50), users(4, 70, 1.0)
    after = cuped(Moments.of(rows_c), Moments.of(rows_t))
    both = np.vstack([rows_c, rows_t])
    theta = np.cov(both[:, 0], both[:, 1])[0, 1] / np.var(both[:, 1], ddof=1)
    for found, rows in zip(after.arms, (rows_c, rows_t), strict=True):
        by_hand = rows[:, 0] - theta * (rows[:, 1] - both[:, 1].mean())
        assert float(found.mean) == pytest.approx(by_hand.mean(), abs=1e-12)
        assert float(found.var) == pytest.approx(by_hand.var(ddof=1), rel=1e-12)


def test_a_covariate_that_never_varies_or_repeats_another_does_no_harm():
    rows = users(5, 200)
    flat = np.column_stack([rows[:, :2], np.full(200, 7.0), rows[:, 1]])
    control, treatment = Moments.of(flat[:100]), Moments.of(flat[100:])
    one = cuped(control, treatment, covariates=(1,))
    all_of = cuped(control, treatment, covariates=(1, 2, 3))
    for a, b in zip(one.arms, all_of.arms, strict=True):
        assert float(a.mean) == pytest.approx(float(b.mean), abs=1e-9)
        assert float(a.var) == pytest.approx(float(b.var), rel=1e-9)


def listens(seed: int, n: int) -> np.ndarray:
    """Rows of (skips, listens, skips before, listens before) per user."""
    rng = np.random.default_rng(seed)
    taste = rng.beta(2, 6, size=n)
    now, before = rng.poisson(20, size=n) + 1, rng.poisson(20, size=n) + 1
    return np.column_stack(
        [rng.binomial(now, taste), now, rng.binomial(before, taste), before]
    ).astype(float)


@pytest.mark.parametrize("linearised", ["pooled", "per-arm"])
def test_cuped_of_a_ratio_is_cuped_of_its_linearised_rows(linearised):
    rows = listens(1, 600), listens(2, 500)
    after = cuped_ratio(*(Moments.of(r) for r in rows), linearised=linearised)
    plain = [ratio(Moments.of(r)) for r in rows]
    assert float(after.variance_left) < 0.6
    assert float(after.arms[1].var) < float(plain[1].var)

    def lin(r, of, num, den):
        value = of[:, num].sum() / of[:, den].sum()
        return (r[:, num] - value * r[:, den]) / of[:, den].mean()

    both = np.vstack(rows)
    parts = [(both, both)] if linearised == "pooled" else [(r, r) for r in rows]
    y = [lin(r, of, 0, 1) for r, of in parts]
    x = [lin(r, of, 2, 3) for r, of in parts]
    cross = sum(np.sum((a - a.mean()) * (b - b.mean())) for a, b in zip(y, x, strict=True))
    own = sum(np.sum((b - b.mean()) ** 2) for b in x)
    assert float(after.theta[0]) == pytest.approx(cross / own, rel=1e-9)


def test_sessions_clustered_by_user_are_the_delta_method():
    rng = np.random.default_rng(7)
    arms = [[rng.normal(size=k) for k in rng.integers(1, 8, 40)] for _ in range(2)]
    moments = [Moments.of([(s.sum(), len(s)) for s in one]) for one in arms]
    x, y, user = [], [], []
    for which, one in enumerate(arms):
        for place, sessions in enumerate(one):
            x += [(1.0, which)] * len(sessions)
            y += sessions.tolist()
            user += [which * 1000 + place] * len(sessions)
    fit = least_squares(np.array(x), np.array(y))
    bread = np.array(x) @ fit.inverse
    sums = {}
    for row, rest, who in zip(bread, fit.residuals, user, strict=True):
        sums[who] = sums.get(who, 0.0) + row * rest
    se = np.sqrt(sum(np.outer(s, s) for s in sums.values())[1, 1])
    assert float(session_cluster_se(*moments).se) == pytest.approx(se, rel=1e-10)
    more = session_cluster_se(*moments, small_sample="users").se
    assert float(more) == pytest.approx(se * np.sqrt(80 / 79), rel=1e-10)


def test_lin_s_regression_is_the_interacted_one_with_its_sandwich():
    rows_c, rows_t = users(8, 30), users(9, 25, 1.0)
    y = np.concatenate([rows_c[:, 0], rows_t[:, 0]])
    t = np.concatenate([np.zeros(30), np.ones(25)])
    x = np.concatenate([rows_c[:, 1], rows_t[:, 1]])
    near = x - x.mean()
    fit = least_squares(np.column_stack([np.ones(55), t, near, t * near]), y)
    for robust in ("hc0", "hc2", "hc3"):
        found = lin_interval(y, t, x, alpha=0.05, robust=robust)
        assert float(found.estimate) == pytest.approx(fit.coef[1], rel=1e-10)
        assert float(found.se) == pytest.approx(np.sqrt(fit.covariance(robust)[1, 1]), rel=1e-9)
    assert not lin_interval(y[:3], t[-3:], x[:3], alpha=0.05).enough
    with pytest.raises(ConfigError, match="0 or 1"):
        lin_interval(y, t + 1, x, alpha=0.05)


def test_strata_too_thin_are_pooled_and_named_not_dropped():
    n_c, n_t = np.array([100.0, 1, 50, 0]), np.array([90.0, 60, 40, 3])
    mean = np.array([10.0, 20, 30, 40])
    control = Marginal(n_c, np.where(n_c > 0, mean, 0), n_c)
    treatment = Marginal(n_t, mean + 1, n_t)
    found = post_stratified(control, treatment)
    assert found.collapsed.tolist() == [1, 3]
    assert float(found.control.n) == n_c.sum()
    assert float(found.treatment.n) == n_t.sum()
    assert found.weights.sum() == pytest.approx(1.0)
    assert np.isfinite(float(found.treatment.se2))


def test_stratifying_removes_what_lies_between_strata():
    rng = np.random.default_rng(11)
    cells = []
    for effect in (0.0, 1.0):
        stratum = rng.integers(0, 3, 3000)
        value = 10.0 * stratum + effect + rng.normal(size=3000)
        cells.append((Moments.by_cell(value[:, None], stratum, 3).at(0), Marginal.of(value)))
    (control, whole_c), (treatment, whole_t) = cells
    found = post_stratified(control, treatment)
    after = z_interval(found.control, found.treatment, alpha=0.05)
    plain = z_interval(whole_c, whole_t, alpha=0.05)
    assert float(after.se) < 0.3 * float(plain.se)
    assert after.low < 1.0 < after.high


def test_a_single_or_wholly_thin_stratum_is_the_unstratified_arm():
    one = post_stratified(
        Marginal(*np.array([[9.0], [3], [8]])), Marginal(*np.array([[7.0], [4], [5]]))
    )
    assert float(one.control.se2) == pytest.approx(8 / 8 / 9)
    thin = Marginal(np.ones(4), np.arange(4.0), np.zeros(4))
    assert float(post_stratified(thin, thin).control.mean) == pytest.approx(1.5)


def test_equal_effects_are_homogeneous_and_opposite_ones_are_not():
    same = heterogeneity([1.0, 1.1, 0.9, np.nan], [0.5, 0.5, 0.5, 0.5])
    assert float(same.test.df) == 2
    assert float(same.test.p) > 0.9
    assert float(same.i2) == 0.0
    apart = heterogeneity([1.0, -1.0], [0.2, 0.2])
    assert float(apart.test.p) < 1e-6
    assert float(apart.pooled) == pytest.approx(0.0)
    assert not heterogeneity([1.0, np.nan], [0.2, 0.2]).test.enough
