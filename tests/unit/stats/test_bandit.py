"""Bandit shares and weighted means, against closed forms, draws and row-by-row oracles."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from analytics.stats.bandit import BanditPlan, allocation, best_chances, inverse_propensity
from analytics.stats.bayes import Prior
from analytics.stats.moments import Marginal
from streams.errors import ConfigError


def arms(means, *, n: float = 1_000.0, variance: float = 4.0) -> Marginal:
    mean = np.asarray(means, dtype=float)
    return Marginal.from_var(np.full(mean.shape, n), mean, np.full(mean.shape, variance))


@pytest.mark.parametrize("sds", [(1.0, 1.0), (1.0, 1e-3), (1e6, 1e-6), (0.2, 3.0)])
@pytest.mark.parametrize("gap", [0.0, 0.3, 2.0, 7.0])
def test_of_two_variants_the_chance_is_the_closed_form(sds, gap):
    found = best_chances([1e3, 1e3 + gap], sds)
    exact = special.ndtr(gap / np.hypot(*sds))
    assert found[1] == pytest.approx(exact, abs=1e-10)
    assert found.sum() == pytest.approx(1.0, abs=1e-14)


def test_of_several_variants_the_chances_are_those_of_draws():
    mean, sd = np.array([0.0, 0.4, 0.1, -3.0, 0.3]), np.array([1.0, 0.2, 2.0, 0.01, 0.5])
    draws = np.random.default_rng(1).normal(mean, sd, size=(400_000, 5)).argmax(axis=1)
    seen = np.bincount(draws, minlength=5) / len(draws)
    assert best_chances(mean, sd) == pytest.approx(seen, abs=4 * np.sqrt(0.25 / len(draws)))


def test_alike_variants_share_alike_and_many_rows_are_many_calls():
    assert best_chances(np.ones(6), np.full(6, 2.0)) == pytest.approx(np.full(6, 1 / 6), abs=1e-12)
    rng = np.random.default_rng(2)
    mean, sd = rng.normal(size=(3, 4, 3)), rng.gamma(2, size=(3, 4, 3))
    whole = best_chances(mean, sd)
    for place in np.ndindex(3, 4):
        assert whole[place] == pytest.approx(best_chances(mean[place], sd[place]), abs=1e-12)


def test_shares_follow_the_chances_above_the_floor():
    found = allocation(arms([1.0, 1.1, 1.3]), BanditPlan(0.05))
    assert found.share == pytest.approx(0.05 + 0.85 * found.chance_best, abs=1e-14)
    assert found.share.argmax() == 2
    fewer = allocation(arms([1.0, 1.1, 1.3]), BanditPlan(0.05, preferred="decrease"))
    assert fewer.share.argmax() == 0


def test_top_two_gives_half_to_the_runner_up():
    sure = allocation(arms([0.0, 1.0, 9.0]), BanditPlan(0.01, rule="top-two"))
    assert sure.share == pytest.approx([0.01, 0.495, 0.495], abs=1e-9)
    chances = allocation(arms([1.0, 1.05, 1.1]), BanditPlan(0.01)).chance_best
    found = allocation(arms([1.0, 1.05, 1.1]), BanditPlan(0.01, rule="top-two"))
    rng = np.random.default_rng(3)
    first = rng.choice(3, p=chances, size=200_000)
    second = rng.choice(3, p=chances, size=200_000)
    while (same := second == first).any():
        second[same] = rng.choice(3, p=chances, size=int(same.sum()))
    half = (np.bincount(first, minlength=3) + np.bincount(second, minlength=3)) / 400_000
    assert found.share == pytest.approx(0.01 + 0.97 * half, abs=0.005)


def test_a_prior_draws_the_shares_together():
    flat, told = (
        allocation(arms([1.0, 1.2]), BanditPlan(0.05, prior=prior))
        for prior in (None, Prior(1.1, 1e-4))
    )
    assert 0.5 < told.share[1] < flat.share[1]


@pytest.mark.parametrize(
    "few", [arms([1.0, 5.0], n=150.0), arms([1.0, 5.0], variance=0.0), arms([1.0, np.nan])]
)
def test_without_enough_data_shares_are_equal(few):
    found = allocation(few, BanditPlan(0.1))
    assert found.share.tolist() == [0.5, 0.5]
    assert not found.enough
    assert np.isnan(found.chance_best).all()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: allocation(arms([1.0, 2.0, 3.0]), BanditPlan(0.4)), "floor of 0.4"),
        (lambda: allocation(arms([1.0]), BanditPlan(0.1)), "1 variants"),
        (lambda: BanditPlan(0.0), "floor"),
        (lambda: BanditPlan(0.1, rule="ucb"), "thompson, top-two"),
        (lambda: allocation(arms([1.0, 2.0]), BanditPlan(0.1, prior=Prior(0, 0))), "variance"),
        (lambda: best_chances([0.0, 1.0], [1.0, 0.0]), "sd"),
        (lambda: inverse_propensity(arms([1.0, 2.0]), [0.5, 1.5]), "largest 1.5"),
        (lambda: inverse_propensity(arms([1.0, 2.0]), [0.5]), "shape"),
    ],
)
def test_an_impossible_call_says_what_to_give(call, says):
    with pytest.raises(ConfigError, match=says):
        call()


def test_weighted_means_are_those_of_weighted_rows():
    rng = np.random.default_rng(4)
    shares = np.array([0.5, 0.2, 0.9, 0.3])
    nights = [rng.gamma(2, 3, size) + 1e6 for size in (40, 0, 90, 30)]
    cells = [Marginal.of(rows) for rows in nights]
    stacked = Marginal(
        *(np.array([float(getattr(c, k)) for c in cells]) for k in ("n", "mean", "m2"))
    )
    found = inverse_propensity(stacked, shares)
    for night in range(4):
        y = np.concatenate(nights[: night + 1])
        w = np.concatenate(
            [np.full(len(rows), 1 / p) for rows, p in zip(nights, shares, strict=True)][: night + 1]
        )
        mean = np.average(y, weights=w)
        spread = (w**2 * (y - mean) ** 2).sum() * (len(y) / w.sum()) ** 2
        assert found.mean[night] == pytest.approx(mean, rel=1e-13)
        assert found.m2[night] == pytest.approx(spread, rel=1e-9)


def test_at_constant_shares_the_weighted_mean_is_the_plain_one():
    parts = arms([1.0, 2.0, 4.0])
    found = inverse_propensity(parts, np.full(3, 0.25))
    plain = Marginal(*(x[0] for x in (parts.n, parts.mean, parts.m2)))
    for night in (1, 2):
        plain = plain.merge(Marginal(parts.n[night], parts.mean[night], parts.m2[night]))
    assert (found.n[-1], found.mean[-1]) == (3_000, pytest.approx(7 / 3))
    assert found.m2[-1] == pytest.approx(plain.m2, rel=1e-12)
