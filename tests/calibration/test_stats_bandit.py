"""Bandits of 28 nights: plain means are biased, weighted ones are not, chances come true."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from support.stat_paths import NIGHTS, PATHS, about, at_most

from analytics.stats.bandit import BanditPlan, allocation, best_chances, inverse_propensity
from analytics.stats.confidence_sequence import SequencePlan, difference_sequence
from analytics.stats.moments import Marginal

pytestmark = pytest.mark.calibration

PER_NIGHT = 600


@cache
def bandit(seed: int, truth: tuple[float, ...], rule: str) -> tuple[Marginal, np.ndarray]:
    """New units by night and the shares they came at, (paths, variants, nights)."""
    rng = np.random.default_rng(seed)
    variants, plan = len(truth), BanditPlan(0.05, rule)
    share = np.full((PATHS, variants), 1 / variants)
    cells, shares = [], []
    for _ in range(NIGHTS):
        n = rng.multinomial(PER_NIGHT, share).astype(float)
        noise = rng.standard_normal(n.shape) / np.sqrt(np.maximum(n, 1.0))
        m2 = np.where(n > 1, rng.chisquare(np.maximum(n - 1, 1.0)), 0.0)
        cells.append((n, np.where(n > 0, np.asarray(truth) + noise, 0.0), m2))
        shares.append(share)
        weighted = inverse_propensity(stacked(cells), np.stack(shares, axis=-1))
        share = allocation(last(weighted), plan).share
    return stacked(cells), np.stack(shares, axis=-1)


def stacked(cells) -> Marginal:
    return Marginal(*(np.stack(part, axis=-1) for part in zip(*cells, strict=True)))


def last(nights: Marginal) -> Marginal:
    return Marginal(nights.n[..., -1], nights.mean[..., -1], nights.m2[..., -1])


def one(arms: Marginal, variant: int) -> Marginal:
    return Marginal(arms.n[:, variant], arms.mean[:, variant], arms.m2[:, variant])


@pytest.mark.parametrize(("variants", "rule"), [(2, "thompson"), (3, "top-two")])
def test_without_an_effect_weighted_means_are_unbiased_and_their_sequence_keeps_alpha(
    variants, rule
):
    cells, shares = bandit(1, (0.0,) * variants, rule)
    arms = inverse_propensity(cells, shares)
    ends = last(arms).mean
    assert (np.abs(ends.mean(axis=0)) <= 4 * ends.std(axis=0) / np.sqrt(PATHS)).all()
    plan = SequencePlan(2.0 * NIGHTS * PER_NIGHT / variants, 0.05)
    found = difference_sequence(one(arms, 0), one(arms, 1), plan)
    assert at_most(int(found.excludes.any(axis=1).sum()), 0.05)


def test_plain_means_of_a_bandit_are_biased_low():
    cells, _ = bandit(1, (0.0, 0.0), "thompson")
    plain = (cells.n * cells.mean).sum(axis=-1) / cells.n.sum(axis=-1)
    assert (plain.mean(axis=0) < -6 * plain.std(axis=0) / np.sqrt(PATHS)).all()


def test_the_sequence_covers_a_real_difference_at_every_night_and_units_go_to_the_better():
    cells, shares = bandit(2, (0.0, 0.15), "thompson")
    arms = inverse_propensity(cells, shares)
    plan = SequencePlan(1.0 * NIGHTS * PER_NIGHT, 0.05)
    found = difference_sequence(one(arms, 0), one(arms, 1), plan)
    missed = found.enough & ((found.low > 0.15) | (found.high < 0.15))
    assert at_most(int(missed.any(axis=1).sum()), 0.05)
    assert cells.n[:, 1].sum(axis=-1).mean() > 0.8 * NIGHTS * PER_NIGHT
    assert shares.min() >= 0.05 - 1e-12


def test_a_chance_to_be_best_comes_true_as_often_as_it_says():
    rng = np.random.default_rng(3)
    truth = rng.normal(size=(4_000, 4))
    sd = rng.uniform(0.3, 2.0, size=truth.shape)
    seen = truth + sd * rng.standard_normal(truth.shape)
    weight = 1 / (1 + sd**2)  # the prior of the truths is a standard normal
    chances = best_chances(weight * seen, np.sqrt(weight) * sd)
    is_best = truth.argmax(axis=1)[:, None] == np.arange(4)
    for low in (0.0, 0.2, 0.4, 0.6, 0.8):
        told = (chances >= low) & (chances < low + 0.2)
        assert about(int(is_best[told].sum()), float(chances[told].mean()), int(told.sum()))
