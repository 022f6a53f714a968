"""Laws of bandit shares: they add to 1, keep the floor, and do not depend on order or unit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.stats.bandit import BanditPlan, allocation, best_chances, inverse_propensity
from analytics.stats.moments import Marginal

pytestmark = pytest.mark.property

MEANS = st.floats(-1e9, 1e9)
SIZES = st.one_of(st.integers(0, 300), st.integers(301, 10**9))
RULES = st.sampled_from(["thompson", "top-two"])
ARM = st.tuples(SIZES, MEANS, st.one_of(st.just(0.0), st.floats(1e-9, 1e9)))


def arms_of(rows) -> Marginal:
    n, mean, spread = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    return Marginal(n, mean * (n > 0), spread * np.maximum(n - 1, 0))


@given(st.lists(ARM, min_size=2, max_size=6), RULES)
def test_shares_are_finite_add_to_one_and_keep_the_floor(rows, rule):
    found = allocation(arms_of(rows), BanditPlan(0.02, rule))
    assert np.isfinite(found.share).all()
    assert found.share.sum() == pytest.approx(1.0, abs=1e-9)
    assert found.share.min() >= 0.02 - 1e-12
    assert np.isfinite(found.chance_best).all() == bool(found.enough)


@given(
    st.lists(st.tuples(st.floats(-5, 5), st.floats(0.01, 10)), min_size=2, max_size=5),
    st.floats(-1e3, 1e3),
    st.floats(0.01, 100),
    st.randoms(use_true_random=False),
)
def test_chances_follow_order_and_ignore_offset_and_unit(rows, offset, factor, random):
    mean, sd = (np.array(column) for column in zip(*rows, strict=True))
    order = list(range(len(rows)))
    random.shuffle(order)
    found = best_chances(mean, sd)
    assert best_chances(mean[order], sd[order]) == pytest.approx(found[order], abs=1e-10)
    moved = best_chances(factor * (mean + offset), factor * sd)
    assert moved == pytest.approx(found, abs=1e-8)


@given(st.lists(st.tuples(ARM, st.floats(0.01, 1.0)), min_size=1, max_size=6), st.floats(-1e6, 1e6))
def test_weighted_means_are_finite_and_move_with_the_values(rows, offset):
    nights, shares = arms_of([row for row, _ in rows]), np.array([share for _, share in rows])
    found = inverse_propensity(nights, shares)
    assert all(np.isfinite(part).all() for part in (found.n, found.mean, found.m2))
    moved = inverse_propensity(
        Marginal(nights.n, (nights.mean + offset) * (nights.n > 0), nights.m2), shares
    )
    seen = found.n > 0
    assert moved.mean[seen] == pytest.approx(found.mean[seen] + offset, rel=1e-6, abs=1e-3)
