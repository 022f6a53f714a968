"""Moments read in one scan, against numpy."""

from __future__ import annotations

import duckdb
import numpy as np
import polars as pl
import pytest

from analytics.cells import Units, moments_of, read_cells
from analytics.users import UserMetric, compare_users
from streams.errors import ConfigError


def cells_of(frame: pl.DataFrame, *vectors: tuple[str, ...], threads: int = 2):
    con = duckdb.connect()
    con.execute(f"SET threads = {threads}")
    con.register("units", frame)
    return read_cells(con, Units("units"), group=("arm",), vectors=vectors)


def random_units(seed: int, n: int, offset: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.integers(-50, 50, n)
    y = x + rng.integers(-20, 20, n)
    return pl.DataFrame({"arm": rng.integers(0, 3, n), "y": y + offset, "x": x - offset})


@pytest.mark.parametrize("offset", [0, 100_000_000, 10**14])
def test_moments_are_exact_at_any_offset(offset):
    frame = random_units(1, 5_000, offset)
    for (arm,), cell in cells_of(frame, ("y", "x")).items():
        values = frame.filter(pl.col("arm") == arm).select("y", "x").to_numpy()
        # The oracle needs no digits beyond 53 bits once the offset is gone.
        plain = (values - np.array([offset, -offset])).astype(float)
        apart = plain - plain.mean(axis=0)
        found = moments_of([cell], ("y", "x"), (1.0, 1.0))
        assert found.n == len(values)
        np.testing.assert_allclose(found.m2, apart.T @ apart, rtol=1e-12)
        np.testing.assert_allclose(
            found.mean, plain.mean(axis=0) + np.array([offset, -offset]), rtol=1e-15
        )


def test_row_order_and_threads_change_no_bit():
    frame = random_units(2, 60_000, 10**8)
    first = cells_of(frame, ("y", "x"), threads=1)
    again = cells_of(frame.sample(fraction=1, shuffle=True, seed=3), ("y", "x"), threads=2)
    for key, cell in first.items():
        one, other = (moments_of([c], ("y", "x"), (1.0, 1.0)) for c in (cell, again[key]))
        assert one.mean.tolist() == other.mean.tolist()
        assert one.m2.tolist() == other.m2.tolist()


def test_cells_merge_to_what_one_big_cell_gives():
    frame = random_units(4, 3_000, 7)
    apart = moments_of(list(cells_of(frame, ("y", "x")).values()), ("y", "x"), (1.0, 1.0))
    whole = cells_of(frame.with_columns(arm=pl.lit(0)), ("y", "x"))[(0,)]
    together = moments_of([whole], ("y", "x"), (1.0, 1.0))
    np.testing.assert_allclose(apart.m2, together.m2, rtol=1e-14)
    np.testing.assert_allclose(apart.mean, together.mean, rtol=1e-15)


def test_scales_divide_means_and_products():
    frame = pl.DataFrame({"arm": [0, 0, 0], "y": [60_000, 120_000, 180_000], "x": [1, 2, 3]})
    found = moments_of([cells_of(frame, ("y", "x"))[(0,)]], ("y", "x"), (60_000.0, 1.0))
    np.testing.assert_allclose(found.mean, [2.0, 2.0])
    np.testing.assert_allclose(found.m2, [[2.0, 2.0], [2.0, 2.0]])


def test_products_beyond_64_bits_do_not_overflow():
    big = 4_000_000_000_000
    frame = pl.DataFrame({"arm": [0, 0], "y": [-big, big]})
    found = moments_of([cells_of(frame, ("y",))[(0,)]], ("y",), (1.0,))
    assert found.m2[0, 0] == 2.0 * big**2


def test_a_cell_without_units_is_empty_and_not_nan():
    found = moments_of([], ("y", "x"), (1.0, 1.0))
    assert found.n == 0
    assert not found.mean.any()


def test_a_column_may_stand_in_several_vectors():
    frame = random_units(5, 100, 0).with_columns(arm=pl.lit(0))
    cell = cells_of(frame, ("y", "x"), ("y",), ("x", "y"))[(0,)]
    assert set(cell.products) == {("y", "y"), ("x", "y"), ("x", "x")}


def test_doubles_keep_their_digits_at_an_offset():
    rng = np.random.default_rng(6)
    values = rng.standard_normal(40_000)
    frame = pl.DataFrame({"arm": 0, "y": values + 1e8})
    found = moments_of([cells_of(frame, ("y",))[(0,)]], ("y",), (1.0,))
    assert found.m2[0, 0] == pytest.approx(np.var(values + 1e8) * len(values), rel=1e-9)
    assert found.mean[0] == pytest.approx((values + 1e8).mean(), rel=1e-15)


def test_users_of_any_table_are_compared_as_the_report_does():
    rng = np.random.default_rng(7)
    n = 4_000
    before = rng.normal(10, 3, n)
    arm = rng.integers(0, 3, n)
    frame = pl.DataFrame(
        {
            "arm": arm,
            "minutes": before + rng.normal(0.5 * (arm == 1), 1.0, n),
            "before": before,
            "won": (rng.random(n) < 0.3).astype(int),
            "skips": rng.poisson(2, n),
            "starts": rng.poisson(9, n) + 1,
        }
    )
    con = duckdb.connect()
    con.register("users", frame)
    metrics = [
        UserMetric.mean("minutes", "before"),
        UserMetric.proportion("won"),
        UserMetric.ratio("skips", "starts"),
    ]
    found = compare_users(con, "users", metrics, variant="arm", control=0)
    by_name = {(one.metric, one.treatment): one for one in found}
    assert set(by_name) == {(m.name, arm) for m in metrics for arm in (1, 2)}
    one = by_name["minutes", 1]
    sides = [frame.filter(pl.col("arm") == side)["minutes"].to_numpy() for side in (0, 1)]
    assert one.found.raw.estimate[one.place] == pytest.approx(
        sides[1].mean() - sides[0].mean(), rel=1e-12
    )
    assert one.found.variance_left[one.place] < 0.2
    rate = by_name["won", 2]
    assert rate.found.shares.pooled.p[rate.place] == rate.found.raw.p[rate.place]


def test_a_control_that_nobody_has_is_named():
    con = duckdb.connect()
    con.register("users", pl.DataFrame({"arm": ["a", "b"], "y": [1, 2]}))
    with pytest.raises(ConfigError, match="no user has arm = 'c'; there are 'a', 'b'"):
        compare_users(con, "users", [UserMetric.mean("y")], variant="arm", control="c")
