"""Calibrated scores, audits per variant, judges' biases, slopes over past experiments."""

from __future__ import annotations

import numpy as np
import pytest

from analytics.stats.calibration import cross_fitted, fit_rising
from analytics.stats.confidence_sequence import SequencePlan, mean_sequence
from analytics.stats.means import mean_interval
from analytics.stats.moments import Marginal, Moments
from analytics.stats.ppi import ppi_interval, ppi_mean
from analytics.stats.transport import behavioural_validity, bias_slopes, transport_audit
from streams.errors import ConfigError


def test_a_rising_map_rises_keeps_the_mean_and_is_least_squares():
    rng = np.random.default_rng(1)
    score = np.round(rng.normal(size=200), 1)
    outcome = np.sin(score) + rng.normal(size=200)
    fitted = fit_rising(score, outcome)
    mapped = fitted.at(score)
    assert (np.diff(fitted.outcome) >= -1e-12).all()
    assert mapped.mean() == pytest.approx(outcome.mean(), abs=1e-12)
    error = np.sum((outcome - mapped) ** 2)
    for _ in range(300):  # no other rising map is nearer
        other = np.sort(fitted.outcome + 0.05 * rng.normal(size=len(fitted.outcome)))
        nearby = np.interp(score, fitted.score, other)
        assert np.sum((outcome - nearby) ** 2) >= error - 1e-9
    assert fitted.at([-99.0, 99.0]).tolist() == [fitted.outcome[0], fitted.outcome[-1]]


def test_scores_that_fall_with_the_outcome_become_one_level():
    assert len(set(fit_rising([1, 2, 3], [3, 2, 1]).outcome.tolist())) == 1
    with pytest.raises(ConfigError, match="no labelled items"):
        fit_rising([], [])
    with pytest.raises(ConfigError, match="fold"):
        cross_fitted([1, 2], [1, 2], [0, 0], [1])


def test_a_bent_judge_helps_more_once_calibrated_and_stays_unbiased():
    rng = np.random.default_rng(2)
    truth = rng.normal(size=4000)
    score = np.exp(2 * truth)  # right order, useless scale
    human = truth[:300] + 0.5 * rng.normal(size=300)
    calibrated = cross_fitted(score[:300], human, np.arange(300) % 5, score[300:])
    plain = ppi_mean(Moments.of(np.column_stack([human, score[:300]])), Marginal.of(score[300:]))
    better = ppi_mean(
        Moments.of(np.column_stack([human, calibrated.labelled])), Marginal.of(calibrated.everyone)
    )
    assert float(better.mean.se2) < 0.6 * float(plain.mean.se2)
    found = ppi_interval(better, alpha=0.001)
    assert found.low < 0.0 < found.high


def test_an_audit_passes_fails_or_admits_not_to_know():
    n = np.array([400.0, 400, 400, 15, 0])
    mean = np.array([0.01, 0.5, 0.1, 0.0, 0.0])
    residual = mean_interval(Marginal.from_var(n, mean, np.full(5, 0.25)), alpha=0.05)
    said = transport_audit(residual, 0.1).tolist()
    assert said == ["PASS", "FAIL", "INCONCLUSIVE", "INCONCLUSIVE", "NOT_CHECKED"]
    nightly = mean_sequence(Marginal.from_var(n, mean, np.full(5, 0.25)), SequencePlan(400, 0.05))
    assert transport_audit(nightly, 0.2).tolist()[:2] == ["PASS", "FAIL"]
    with pytest.raises(ConfigError, match="delta"):
        transport_audit(residual, 0.0)


def test_the_length_a_judge_loves_is_found_and_what_never_varies_is_not_enough():
    rng = np.random.default_rng(3)
    song = np.repeat(np.arange(150.0), 3)
    length, position = rng.normal(size=450), rng.integers(0, 2, 450).astype(float)
    error = 0.4 * length + np.repeat(rng.normal(size=150), 3) + rng.normal(size=450)
    features = np.column_stack([length, position, np.ones(450)])
    found = bias_slopes(error, features, song, alpha=0.01)
    assert found.excludes.tolist() == [True, False, False]
    assert found.enough.tolist() == [True, True, False]
    assert abs(float(found.estimate[0]) - 0.4) < 4 * float(found.se[0])
    assert not bias_slopes(error[:3], features[:3], song[:3], alpha=0.05).enough.any()


def test_slopes_clustered_cover_and_equal_the_sandwich_by_hand():
    rng = np.random.default_rng(4)
    missed = 0
    for _ in range(400):
        song = np.repeat(np.arange(60.0), 4)
        loved = np.repeat(rng.normal(size=60), 4)
        error = np.repeat(rng.normal(size=60), 4) + rng.normal(size=240)
        missed += bool(bias_slopes(error, loved[:, None], song, alpha=0.05).excludes[0])
    assert missed < 40


def test_a_slope_over_noisy_experiments_is_corrected_for_their_noise():
    rng = np.random.default_rng(5)
    k = 400
    true = 0.1 * rng.normal(size=k)
    judge = true + 0.1 * rng.normal(size=k)
    usage = 2.0 * true + 0.05 * rng.normal(size=k)
    found = behavioural_validity((judge, np.full(k, 0.1)), (usage, np.full(k, 0.05)), alpha=0.05)
    assert found.naive == pytest.approx(1.0, abs=0.2)
    assert found.slope.low < 2.0 < found.slope.high
    assert found.reliability == pytest.approx(0.5, abs=0.1)
    assert found.same_sign > 0.65


def test_effects_that_are_all_noise_carry_no_slope():
    rng = np.random.default_rng(6)
    x = 0.05 * rng.normal(size=10)
    found = behavioural_validity((x, np.full(10, 0.2)), (x, np.full(10, 0.1)), alpha=0.05)
    assert not found.slope.enough
    assert found.reliability == 0.0
    few = behavioural_validity(([1.0, 2], [0.1, 0.1]), ([1.0, 2], [0.1, 0.1]), alpha=0.05)
    assert not few.slope.enough
    with pytest.raises(ConfigError, match="negative"):
        behavioural_validity(([1.0] * 4, [-1.0] * 4), ([1.0] * 4, [1.0] * 4), alpha=0.05)
