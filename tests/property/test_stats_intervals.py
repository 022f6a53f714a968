"""Laws of every interval: verdicts agree, nothing unmarked leaves, units do not matter."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from analytics.stats import proportions, ratios, relative
from analytics.stats.confidence_sequence import (
    SequencePlan,
    difference_sequence,
    relative_sequence,
)
from analytics.stats.cuped import cuped
from analytics.stats.means import (
    mean_difference,
    mean_interval,
    pooled_t_interval,
    welch_interval,
    z_interval,
)
from analytics.stats.moments import Marginal, Moments
from analytics.stats.multiplicity import adjusted_p
from analytics.stats.noninferiority import noninferior_relative, noninferior_sequence
from analytics.stats.overrun import (
    SpendingPlan,
    monitored_interval,
    monitored_relative,
    monitoring_bounds,
)
from analytics.stats.ppi import fused_means, ppi_interval, ppi_mean
from analytics.stats.proportions import Counts
from analytics.stats.srm import sequential_srm, srm_chi2

pytestmark = pytest.mark.property

MEANS = st.one_of(st.floats(-1e9, 1e9), st.just(0.0), st.floats(-1, 1))
SPREADS = st.one_of(st.just(0.0), st.floats(1e-9, 1e9))
SIZES = st.one_of(st.integers(0, 5), st.integers(6, 10**9))


@st.composite
def marginals(draw) -> Marginal:
    n = draw(SIZES)
    spread = draw(SPREADS) if n > 1 else 0.0
    mean = draw(MEANS) if n else 0.0
    return Marginal(*(np.asarray(float(x)) for x in (n, mean, spread * max(n - 1, 0))))


@st.composite
def counts(draw) -> Counts:
    n = draw(st.one_of(st.integers(0, 30), st.integers(31, 10**6)))
    return Counts.of(draw(st.integers(0, n)), n)


def marked(interval) -> None:
    """Enough: finite or openly unbounded, in order, 0 <= p <= 1. Not enough: nothing to misread."""
    enough = np.atleast_1d(interval.enough)
    low, high, p, se = (
        np.atleast_1d(part) for part in (interval.low, interval.high, interval.p, interval.se)
    )
    estimate = np.atleast_1d(interval.estimate)
    assert not np.isnan(low[enough]).any()
    assert not np.isnan(high[enough]).any()
    assert not np.isnan(estimate[enough]).any()
    assert np.isfinite(se[enough]).all()
    assert (low[enough] <= high[enough]).all()
    assert ((p[enough] >= 0) & (p[enough] <= 1)).all()
    finite = np.isfinite(low[~enough]) | np.isfinite(high[~enough])
    assert not finite.any()


PLAN = SequencePlan(1e5, 0.05, burn_in=2)
BOUNDS = monitoring_bounds([0.3, 0.7, 1.0, 1.4], SpendingPlan(0.05))


@given(marginals(), marginals(), st.sampled_from(["two-sided", "greater", "less"]))
def test_no_nan_leaves_unmarked_from_means(control, treatment, side):
    for distribution in ("normal", "t"):
        options = {"alpha": 0.05, "alternative": side, "distribution": distribution}
        marked(mean_difference(control, treatment, **options))
        marked(relative.fieller_interval(control, treatment, **options))
    marked(relative.relative_delta_interval(control, treatment, alpha=0.05, alternative=side))
    marked(relative.relative_log_interval(control, treatment, alpha=0.05))
    marked(pooled_t_interval(control, treatment, alpha=0.05))
    marked(mean_interval(control, alpha=0.05, alternative=side))
    plan = dataclasses.replace(PLAN, alternative=side)
    marked(difference_sequence(control, treatment, plan))
    marked(relative_sequence(control, treatment, plan))
    for look in range(4):
        marked(monitored_interval(control, treatment, BOUNDS, look=look))


@given(marginals(), marginals())
def test_relative_and_absolute_verdicts_agree_where_both_are_given(control, treatment):
    assume(float(control.n) > 1 and float(treatment.n) > 1)
    pairs = (
        (
            z_interval(control, treatment, alpha=0.05),
            relative.fieller_interval(control, treatment, alpha=0.05),
        ),
        (
            welch_interval(control, treatment, alpha=0.05),
            relative.fieller_interval(control, treatment, alpha=0.05, distribution="t"),
        ),
        (
            difference_sequence(control, treatment, PLAN),
            relative_sequence(control, treatment, PLAN),
        ),
        (
            monitored_interval(control, treatment, BOUNDS, look=1),
            monitored_relative(control, treatment, BOUNDS, look=1),
        ),
    )
    for absolute, fraction in pairs:
        if not (fraction.enough and absolute.enough):
            continue
        edge = np.min(np.abs([absolute.low, absolute.high]))
        scale = max(abs(float(control.mean)), abs(float(treatment.mean)), 1e-300)
        if edge > 1e-12 * scale:  # else both touch zero within rounding
            assert bool(absolute.excludes) == bool(fraction.excludes)
            assert bool(absolute.p < 0.05) == bool(absolute.excludes)


@given(counts(), counts())
def test_no_nan_leaves_unmarked_from_proportions_and_mee_agrees_with_the_pooled_test(c, t):
    for interval in (
        proportions.unpooled_interval,
        proportions.pooled_cc_interval,
        proportions.newcombe_interval,
        proportions.miettinen_nurminen_interval,
        proportions.mee_interval,
    ):
        found = interval(c, t, alpha=0.05)
        marked(found)
    score = proportions.mee_interval(c, t, alpha=0.05)
    if score.enough:
        assert -1 - 1e-12 <= float(score.low) <= float(score.estimate) <= float(score.high)
        test = proportions.pooled_z_test(c, t)
        if test.enough and abs(float(test.p) - 0.05) > 1e-9:
            assert bool(score.excludes) == bool(test.p < 0.05)


@given(
    st.floats(-20, 20), st.floats(0.1, 20), st.integers(2, 500), st.integers(2, 500),
    st.sampled_from([1e-6, 1.0, 1e9]),
)  # fmt: skip
@example(1.0, 1.0, 2, 2, 1e9)
def test_the_unit_of_the_metric_does_not_matter(difference, spread, n_c, n_t, unit):
    control = Marginal.from_var(float(n_c), 10.0, spread)
    treatment = Marginal.from_var(float(n_t), 10.0 + difference, 2 * spread)
    plain = welch_interval(control, treatment, alpha=0.05)
    scaled = welch_interval(control.scaled(unit), treatment.scaled(unit), alpha=0.05)
    assert np.allclose(scaled.low, plain.low * unit, rtol=1e-9, atol=1e-9 * unit)
    assert np.allclose(scaled.p, plain.p, rtol=1e-9, atol=1e-12)
    fractions = [
        relative.fieller_interval(c, t, alpha=0.05)
        for c, t in (
            (control, treatment),
            (control.scaled(unit), treatment.scaled(unit)),
        )
    ]
    if fractions[0].enough:
        assert np.allclose(fractions[0].low, fractions[1].low, rtol=1e-9, atol=1e-9)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1e8]))
def test_an_offset_of_the_metric_changes_no_absolute_verdict(seed, offset):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=50), rng.normal(0.3, 1, size=60)
    plain = welch_interval(Marginal.of(a), Marginal.of(b), alpha=0.05)
    moved = welch_interval(Marginal.of(a + offset), Marginal.of(b + offset), alpha=0.05)
    assert np.allclose(plain.low, moved.low, atol=1e-6)
    assert np.allclose(plain.p, moved.p, atol=1e-6)


@given(st.integers(0, 2**32 - 1), st.integers(0, 8), st.integers(0, 8))
def test_nothing_unmarked_leaves_from_few_users_or_constant_columns(seed, n_c, n_t):
    rng = np.random.default_rng(seed)
    arms = [Moments.of(rng.integers(0, 2, size=(n, 3)).astype(float)) for n in (n_c, n_t)]
    marked(welch_interval(*cuped(*arms, covariates=(1, 2)).arms, alpha=0.05))
    marked(welch_interval(*(ratios.ratio(arm) for arm in arms), alpha=0.05))
    near, far = arms[0].columns(0, 1), arms[1].at(1)
    marked(ppi_interval(ppi_mean(near, far), alpha=0.05))
    fused = fused_means(*((arm, arm.columns(1, 2)) for arm in arms))
    marked(welch_interval(*fused.means, alpha=0.05))


@given(marginals(), marginals(), st.floats(1e-6, 0.9))
def test_a_relative_margin_is_cleared_exactly_when_the_fieller_bound_clears_it(c, t, margin):
    fixed = noninferior_relative(c, t, margin, alpha=0.05)
    nightly = noninferior_sequence(c, t, margin, PLAN)
    for found in (fixed, nightly):
        assert not bool(found.non_inferior) or bool(found.interval.enough)
        if found.interval.enough and float(c.mean) > 0:
            near = abs(float(found.interval.low) + margin)
            if near > 1e-9 * max(1.0, abs(float(found.interval.low))):
                assert bool(found.non_inferior) == bool(found.interval.low > -margin)


@given(st.lists(st.one_of(st.floats(0, 1), st.just(float("nan"))), min_size=1, max_size=30))
def test_adjusted_p_values_keep_order_dominate_and_leave_the_unknown_unknown(p):
    values = np.array(p)
    order = np.argsort(values)
    for method in ("bonferroni", "holm", "hochberg", "hommel", "bh", "by", "sidak"):
        found = adjusted_p(values, method)
        known = ~np.isnan(values)
        assert np.array_equal(np.isnan(found), ~known)
        assert (found[known] >= values[known] - 1e-15).all()
        assert (np.diff(found[order][: known.sum()]) >= -1e-15).all()
    hommel, hochberg, holm = (adjusted_p(values, m) for m in ("hommel", "hochberg", "holm"))
    known = ~np.isnan(values)
    assert (hommel[known] <= hochberg[known] + 1e-12).all()
    assert (hochberg[known] <= holm[known] + 1e-12).all()


@given(st.lists(st.lists(st.integers(0, 10**9), min_size=3, max_size=3), min_size=1, max_size=10))
def test_sample_ratio_p_values_never_exceed_one_and_never_rise_again(nightly):
    cumulative = np.cumsum(np.array(nightly, float), axis=0)
    found = sequential_srm(cumulative, [2, 1, 1])
    assert (found.p <= 1).all()
    assert (np.diff(found.p) <= 0).all()
    assert np.isfinite(found.log_bayes_factor).all()
    fixed = srm_chi2(cumulative, [2, 1, 1])
    assert (fixed.enough == (cumulative.sum(axis=1) > 0)).all()
