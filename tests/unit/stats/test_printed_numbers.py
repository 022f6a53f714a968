"""Numbers that the reference page prints and no case holds; each from its named source."""

from __future__ import annotations

import numpy as np
import pytest
from support.stat_cases_judges import UNLABELLED

from analytics.stats import confidence_sequence as cs
from analytics.stats import (
    group_sequential,
    mixtures,
    peers,
    power,
    proportions,
    stitching,
)
from analytics.stats.bayes import Prior, posterior
from analytics.stats.drift import population_stability
from analytics.stats.means import welch_interval, z_interval
from analytics.stats.moments import Marginal, Moments
from analytics.stats.noninferiority import noninferior_relative
from analytics.stats.ppi import ppi_clustered_interval, ppi_interval, ppi_mean
from analytics.stats.proportions import Counts, pearson_chi2
from analytics.stats.relative import fieller_interval, relative_delta_interval
from analytics.stats.srm import sequential_srm, srm_chi2
from analytics.stats.surrogate import fit_surrogate, surrogate_effect
from streams.errors import ConfigError

SLEEP_1 = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
SLEEP_2 = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
REVENUE = (
    Marginal.from_sums(3407, 1396.87, 52377.9767),
    Marginal.from_sums(3461, 2422.7, 134698.29),
)


def test_r_s_welch_test_of_the_sleep_data():
    found = welch_interval(Marginal.of(SLEEP_1), Marginal.of(SLEEP_2), alpha=0.05)
    assert float(found.estimate / found.se) == pytest.approx(1.8608134675, abs=1e-9)
    assert float(found.p) == pytest.approx(0.0793941402, abs=1e-9)


def test_one_data_set_two_verdicts_by_the_delta_method_one_by_fieller():
    assert float(z_interval(*REVENUE, alpha=0.05).p) == pytest.approx(0.0201242742, abs=1e-9)
    delta = relative_delta_interval(*REVENUE, alpha=0.05)
    assert float(delta.p) == pytest.approx(0.0619118275, abs=1e-9)
    assert not delta.excludes
    fieller = fieller_interval(*REVENUE, alpha=0.05)
    assert fieller.excludes
    assert float(fieller.low) == pytest.approx(0.0941694631, abs=1e-9)
    assert float(fieller.high) == pytest.approx(1.7084033689, abs=1e-9)


def test_r_s_chi_square_of_two_proportions_without_correction():
    test = pearson_chi2(Counts.of(40, 100), Counts.of(50, 100))
    assert float(test.statistic) == pytest.approx(2.0202020202, abs=1e-9)
    assert float(test.p) == pytest.approx(0.1552184897, abs=1e-9)


def test_kohavi_s_sample_ratio_mismatch():
    test = srm_chi2([821588, 815482], [1, 1])
    assert float(test.statistic) == pytest.approx(22.7743688, abs=1e-6)
    assert float(test.p) == pytest.approx(1.82179287e-6, rel=1e-7)


@pytest.mark.parametrize(
    ("counts", "log_bf"), [((500, 400), 3.859852876), ((5050, 4950), -1.814928850)]
)
def test_lindon_and_malek_s_bayes_factors(counts, log_bf):
    assert float(sequential_srm(counts, [1, 1]).log_bayes_factor[-1]) == pytest.approx(log_bf)


def test_howard_s_boundaries():
    assert float(mixtures.rho_two_sided(100, 0.05)) == pytest.approx(12.600560979, abs=1e-8)
    assert float(mixtures.normal_bound(100, v_opt=100, alpha=0.05)) == pytest.approx(30.352089904)
    gamma = mixtures.bound(mixtures.GammaExponential(100, 2), 100, alpha=0.05)
    assert float(gamma) == pytest.approx(33.020170220, abs=1e-8)
    poly = stitching.poly_stitching_bound(100, alpha=0.05, v_min=10, c=3)
    assert float(poly) == pytest.approx(64.487546659, abs=1e-8)


def test_howard_and_ramdas_s_median_test_at_a_shift_of_85_in_1000():
    values = np.arange(1.0, 1001)
    p = mixtures.quantile_p(values, values + 85, q=0.5, t_opt=100)
    assert p == pytest.approx(0.0838054952, abs=1e-9)
    assert p == mixtures.quantile_p(values + 85, values, q=0.5, t_opt=100)


def test_growthbook_s_posterior_of_a_lift():
    found = posterior(0.7073170731707317, 0.3787943616681428, Prior(0.0, 0.09))
    assert float(found.mean) == pytest.approx(0.2726448837, abs=1e-9)
    assert float(found.sd) == pytest.approx(0.2351771437, abs=1e-9)
    assert float(found.chance_to_win) == pytest.approx(0.8768365225, abs=1e-9)
    assert float(found.loss_if_shipped) == pytest.approx(0.0143333748, abs=1e-9)


def test_users_of_a_mean_and_of_r_s_power_prop_test():
    target = power.Target(0.05, 0.8)
    assert float(power.users_needed((225, 225), 0.6, target).control) == pytest.approx(9811.0997)
    pooled = power.users_needed_pooled((0.1, 0.11), target)
    assert float(pooled.control) == pytest.approx(14750.79047, abs=1e-5)


def test_a_coherent_relative_margin():
    control = Marginal.from_sums(1000, 30000, 1125000)
    found = noninferior_relative(
        control, Marginal.from_sums(1000, 29850, 1118000), 0.05, alpha=0.05
    )
    assert float(found.z) == pytest.approx(2.0576053763, abs=1e-9)
    assert float(found.p) == pytest.approx(0.0198140151, abs=1e-9)
    assert found.non_inferior


def test_ppi_pp_on_continuous_scores_whose_unlabelled_part_was_recovered():
    human = [3.1, 4.0, 2.2, 5.1, 3.7, 4.4, 2.9, 3.3, 4.8, 2.5, 3.9, 4.1, 3.0, 2.7, 4.6]
    judge = [3.0, 4.2, 2.5, 4.7, 3.5, 4.1, 3.1, 3.2, 4.5, 2.9, 3.6, 4.3, 3.3, 2.6, 4.4]
    rest = Marginal.of(UNLABELLED["as ppi-pp-continuous"])
    tuned = ppi_mean(Moments.of(np.column_stack([human, judge])), rest, divisor="n")
    found = ppi_interval(tuned, alpha=0.05)
    assert float(found.estimate) == pytest.approx(3.565098100, abs=1e-8)
    assert float(found.low) == pytest.approx(3.338617723, abs=1e-8)
    assert float(found.high) == pytest.approx(3.791578476, abs=1e-8)


def test_clustered_ppi_of_60_verdicts_in_pairs():
    bits = "110100110010011011101101111100111110110111011001001100101100"
    judge = np.array([float(bit) for bit in bits])
    gold = np.array([float(bit) for bit in "11011011001101101100"])
    pairs = np.arange(60.0) // 2
    found = ppi_clustered_interval(
        (gold, judge[:20], pairs[:20]), (judge[20:], pairs[20:]), alpha=0.05
    )
    assert float(found.estimate) == pytest.approx(0.634826389, abs=1e-9)
    assert float(found.se) == pytest.approx(0.101755862, abs=1e-9)
    assert int(found.n_treatment) == 10


def test_the_model_part_of_a_surrogate_index():
    history = [
        [1.2, 3],
        [0.8, 1],
        [2.5, 4],
        [1.9, 4],
        [0.4, 1],
        [3.1, 6],
        [2.2, 5],
        [1, 2],
        [1.6, 3],
    ]
    outcome = [10.5, 7.1, 15.8, 14.0, 5.2, 20.9, 16.4, 8.8, 12.1, 18.0]
    model = fit_surrogate([*history, [2.8, 5]], outcome)
    control = [[1.5, 3], [1.1, 2], [2, 4], [0.9, 2], [1.8, 3]]
    treatment = [[1.9, 4], [1.4, 2], [2.3, 5], [1.2, 3], [2.1, 4]]
    found = surrogate_effect(model, control, treatment, alpha=0.05)
    assert found.se_model == pytest.approx(0.0532351029, abs=1e-9)
    assert float(found.interval.se) == pytest.approx(np.hypot(found.se_model, found.se_sampling))


def test_the_stability_index_is_symmetric_and_zero_for_equal_shares():
    before, after = [10, 20, 30], [12, 18, 30]
    assert population_stability(before, before) == 0.0
    assert population_stability(before, after) == pytest.approx(population_stability(after, before))
    share = np.array(after) / 60 - np.array(before) / 60
    by_hand = float(np.sum(share * np.log(np.array(after) / np.array(before))))
    assert population_stability(before, after) == pytest.approx(by_hand)


def test_calling_every_further_night_the_last_one_errs_as_simulated():
    said = {(14, 14): 0.050, (14, 21): 0.076, (14, 28): 0.092, (7, 28): 0.128}
    for (planned, looks), rate in said.items():
        found = peers.last_look_forever_type_one(planned, looks)
        assert found == pytest.approx(rate, abs=1.5e-3)


def test_the_sequence_is_the_reference_s_at_its_tuning():
    plan = cs.SequencePlan(5000, 0.05)
    assert plan.rho == pytest.approx(0.0398400668, abs=1e-9)
    assert float(cs.half_width(1000, 4.0, plan)) == pytest.approx(0.2127509401, abs=1e-9)


@pytest.mark.parametrize(
    ("interval", "low", "high"),
    [
        (proportions.mee_interval, 0.0533, 0.3377),
        (proportions.miettinen_nurminen_interval, 0.0528, 0.3382),
        (proportions.newcombe_interval, 0.0524, 0.3339),
    ],
)
def test_score_intervals_are_those_of_newcombe_1998_table_ii(interval, low, high):
    found = interval(proportions.Counts.of(48, 80), proportions.Counts.of(56, 70), alpha=0.05)
    assert [round(float(found.low), 4), round(float(found.high), 4)] == [low, high]


@pytest.mark.parametrize("numerics", ["exact", "ldbounds"])
@pytest.mark.parametrize(
    ("looks", "pocock", "obrien"),
    [(2, 2.178, 1.977), (3, 2.289, 2.004), (5, 2.413, 2.040), (10, 2.555, 2.087)],
)
def test_classical_constants_are_those_of_jennison_and_turnbull(looks, pocock, obrien, numerics):
    told = {"alpha": 0.05, "numerics": numerics}
    constant = group_sequential.classical_bounds(looks, shape=0.5, **told)
    assert np.ptp(constant) == 0
    assert constant[0] == pytest.approx(pocock, abs=6e-4)
    last = group_sequential.classical_bounds(looks, **told)[-1]
    assert last == pytest.approx(obrien, abs=7e-4)


def test_ldbounds_knows_no_boundary_between_its_two():
    with pytest.raises(ConfigError, match="shape"):
        group_sequential.classical_bounds(5, alpha=0.05, shape=0.25, numerics="ldbounds")
