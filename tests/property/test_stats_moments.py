"""Moments merge exactly in any order and at any offset; nothing leaves that is not marked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from analytics.stats.moments import Marginal, Moments, pooled

pytestmark = pytest.mark.property

UNIT = st.floats(-100, 100, allow_nan=False, width=32)
ROWS = hnp.arrays(np.float64, st.tuples(st.integers(1, 60), st.integers(1, 4)), elements=UNIT)
OFFSETS = st.sampled_from([0.0, 1e3, 1e8, -1e8])


def oracle(rows: np.ndarray) -> Moments:
    """Two passes in extended precision, the obvious way."""
    wide = rows.astype(np.longdouble)
    mean = wide.mean(axis=0)
    apart = wide - mean
    m2 = (apart.T @ apart).astype(float)
    return Moments(np.asarray(float(len(rows))), mean.astype(float), m2)


def alike(a: Moments, b: Moments, *, scale: float = 1.0) -> None:
    assert np.array_equal(a.n, b.n)
    assert np.allclose(a.mean, b.mean, rtol=1e-12, atol=1e-9 * scale)
    assert np.allclose(a.m2, b.m2, rtol=1e-6, atol=1e-5 * scale)


@given(ROWS, OFFSETS)
@example(np.array([[4.0], [7.0], [13.0], [16.0]]), 1e9)
def test_moments_of_rows_are_the_oracle_s_at_any_offset(rows, offset):
    alike(Moments.of(rows + offset), oracle(rows + offset))


@given(ROWS, OFFSETS, st.randoms(use_true_random=False))
def test_any_cut_merged_in_any_order_is_the_whole(rows, offset, random):
    values = rows + offset
    cells = [Moments.of(values[k : k + 1 + k % 5]) for k in _starts(len(values))]
    random.shuffle(cells)
    alike(pooled(*cells), oracle(values))


def _starts(n: int) -> list[int]:
    starts, k = [], 0
    while k < n:
        starts.append(k)
        k += 1 + k % 5
    return starts


@given(ROWS, st.integers(1, 7), st.integers(0, 10))
def test_cells_in_one_pass_are_the_cells_one_by_one(rows, cells_n, seed):
    cell = np.random.default_rng(seed).integers(0, cells_n, len(rows))
    together = Moments.by_cell(rows, cell, cells_n)
    for k in range(cells_n):
        alike(together[k], Moments.of(rows[cell == k]))
    alike(together.merged(), oracle(rows))


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_users_does_not_matter(rows, random):
    order = list(range(len(rows)))
    random.shuffle(order)
    alike(Moments.of(rows), Moments.of(rows[order]))


@given(ROWS, st.floats(-50, 50), OFFSETS)
def test_scaling_and_shifting_act_as_they_must(rows, factor, offset):
    one = Moments.of(rows).at(0)
    scaled = Marginal.of(rows[:, 0] * factor)
    assert np.allclose(one.scaled(factor).m2, scaled.m2, rtol=1e-9, atol=1e-7)
    shifted = Marginal.of(rows[:, 0] + offset)
    assert np.allclose(one.m2, shifted.m2, rtol=1e-6, atol=1e-5)


@given(ROWS, st.data())
def test_a_weighted_sum_of_columns_has_the_moments_of_its_values(rows, data):
    weights = data.draw(hnp.arrays(np.float64, rows.shape[1], elements=st.floats(-5, 5)))
    found = Moments.of(rows).linear(weights)
    direct = Marginal.of(rows @ weights)
    assert np.allclose(found.mean, direct.mean, rtol=1e-9, atol=1e-9)
    assert np.allclose(found.m2, direct.m2, rtol=1e-7, atol=1e-6)


@given(ROWS)
def test_an_empty_cell_changes_nothing(rows):
    whole = Moments.of(rows)
    empty = Moments.empty(rows.shape[1])
    for merged in (whole.merge(empty), empty.merge(whole)):
        assert np.array_equal(merged.n, whole.n)
        assert np.array_equal(merged.mean, whole.mean)
        assert np.array_equal(merged.m2, whole.m2)


@given(st.floats(1e13, 1e14), st.integers(2, 1000), st.integers(2, 1000))
def test_pooling_at_a_huge_mean_keeps_the_spread(centre, n_a, n_b):
    a = Marginal(np.float64(n_a), np.float64(centre), np.float64(n_a))
    b = Marginal(np.float64(n_b), np.float64(centre + 1), np.float64(n_b))
    apart = (centre + 1) - centre
    exact = n_a + n_b + apart**2 * n_a * n_b / (n_a + n_b)
    assert abs(float(a.merge(b).m2) - exact) <= 1e-12 * exact
