"""Real experiments and peers' test vectors: the published answers come out of our functions."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json

import numpy as np
import polars as pl
import pytest
from support.stat_answer import off

from analytics.stats import multiplicity
from analytics.stats.confidence_sequence import SequencePlan, difference_sequence
from analytics.stats.cuped import cuped
from analytics.stats.group_sequential import classical_bounds, spending_bounds
from analytics.stats.krippendorff import krippendorff_alpha
from analytics.stats.means import mean_difference, pooled_t_interval, welch_interval, z_interval
from analytics.stats.moments import Marginal, Moments
from analytics.stats.ppi import ppi_interval, ppi_mean
from analytics.stats.proportions import Counts, pooled_z_test, unpooled_interval
from analytics.stats.ratios import ratio
from analytics.stats.relative import relative_delta_interval, relative_log_interval
from analytics.stats.srm import srm_chi2
from analytics.stats.tails import chi2_upper


def vectors(shared, name):
    return json.loads((shared / "data" / "vectors_statistics" / name).read_text("utf-8"))


@pytest.fixture(scope="module")
def asos(shared):
    return pl.read_parquet(shared / "data" / "asos_experiments" / "asos_experiments.parquet")


@pytest.fixture(scope="module")
def asos_expected(shared):
    return json.loads((shared / "data" / "asos_experiments" / "expected.json").read_text("utf-8"))


def arms_of(frame: pl.DataFrame) -> tuple[Marginal, Marginal]:
    def arm(letter: str) -> Marginal:
        columns = (frame[f"{name}_{letter}"].to_numpy() for name in ("count", "mean", "variance"))
        return Marginal.from_var(*columns)

    return arm("c"), arm("t")


SERIES = ["experiment_id", "variant_id", "metric_id"]


def final(asos: pl.DataFrame) -> pl.DataFrame:
    known = asos.drop_nulls(["variance_c", "variance_t"])
    known = known.filter(pl.col("variance_c").is_finite() & pl.col("variance_t").is_finite())
    return known.sort("time_since_start").group_by(SERIES, maintain_order=True).last()


def test_asos_differences_are_the_published_ones_at_the_last_checkpoint(asos, shared):
    path = shared / "data" / "asos_experiments" / "expected_final.csv"
    told = pl.read_csv(path, schema_overrides={"experiment_id": pl.String}).drop_nulls("p")
    both = final(asos).join(told, on=SERIES, how="inner", suffix="_told")
    interval = welch_interval(*arms_of(both), alpha=0.05)
    assert len(both) == 224
    assert interval.enough.all()
    assert np.allclose(interval.estimate, both["diff"], rtol=1e-9, atol=1e-15)
    assert np.allclose(interval.se, both["se"], rtol=1e-9)
    assert np.allclose(interval.p, both["p"], rtol=1e-6, atol=1e-300)


def test_asos_59_are_significant_at_the_end_and_128_were_ever(asos, asos_expected):
    end = welch_interval(*arms_of(final(asos)), alpha=0.05)
    assert int(end.excludes.sum()) == asos_expected["final_p_below_005"] == 59
    # The published count needs both arms to vary; we ask it of one (one checkpoint differs).
    varying = asos.filter(pl.col("variance_c") > 0, pl.col("variance_t") > 0)
    each = welch_interval(*arms_of(varying), alpha=0.05)
    ever = varying.with_columns(seen=each.excludes).group_by(SERIES).agg(pl.col("seen").any())
    assert int(ever["seen"].sum()) == asos_expected["ever_p_below_005"] == 128


def test_asos_after_multiplicity_33_and_22_remain(asos, asos_expected):
    p = welch_interval(*arms_of(final(asos)), alpha=0.05).p
    assert int(multiplicity.rejected(p, "bh", alpha=0.05).sum()) == 33
    assert asos_expected["bh_rejections_q05_all_series"] == 33
    holm = int(multiplicity.rejected(p, "holm", alpha=0.05).sum())
    assert holm == asos_expected["holm_rejections_alpha05_all_series"]


def test_asos_an_always_valid_verdict_never_un_happens_and_is_rarer_than_peeking(asos):
    ordered = asos.fill_null(float("nan")).sort([*SERIES, "time_since_start"])
    found = difference_sequence(*arms_of(ordered), SequencePlan(1e6, 0.05))
    ever = ordered.with_columns(seen=found.excludes).group_by(SERIES).agg(pl.col("seen").any())
    assert 20 < int(ever["seen"].sum()) < 128  # 128 by peeking at every checkpoint
    for _, rows in ordered.with_row_index().group_by(SERIES):
        at = rows["index"].to_numpy()
        series = difference_sequence(*arms_of(rows), SequencePlan(1e6, 0.05))
        held = series.intersected(axis=0).excludes
        assert np.all(np.diff(held.astype(int)) >= 0), at


def test_asos_sample_ratios_flag_the_published_nine_arms(asos, asos_expected):
    rows = final(asos).filter(metric_id=1)
    counts = rows.select("count_c", "count_t").to_numpy()
    flagged = srm_chi2(counts, [1, 1]).p < 0.001
    assert int(flagged.sum()) == asos_expected["srm_p_below_0001_metric1"]


def test_growthbook_s_sequences_and_relative_effects_on_asos_come_out(asos, shared):
    told = vectors(shared, "growthbook_on_asos.json")["cases"]
    assert len(told) == 60
    frame = final(asos)
    for case in told:
        key = {name: case[name] for name in SERIES}
        control, treatment = arms_of(frame.filter(**key))
        nightly = difference_sequence(control, treatment, SequencePlan(5000, 0.05))
        relative = relative_delta_interval(control, treatment, alpha=0.05)
        said = case["sequential_absolute"]
        assert off((nightly.low, nightly.high), said["ci"]) < 1e-9, key
        assert off(nightly.p, said["p"]) < 1e-9, key
        assert off((relative.low, relative.high), case["relative"]["ci"]) < 1e-9, key
        assert off(relative.p, case["relative"]["p"]) < 1e-9, key


def upworthy(shared):
    folder = shared / "data" / "upworthy_tests"
    with gzip.open(folder / "upworthy_tests.csv.gz", "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    told = json.loads((folder / "expected.json").read_text("utf-8"))
    tests: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        counts = (float(row["impressions"]), float(row["clicks"]))
        tests.setdefault(row["test_id"], []).append(counts)
    return tests, told


def test_upworthy_1164_headline_tests_shrink_to_902_537_290_284(shared):
    tests, told = upworthy(shared)
    p = []
    for packages in tests.values():
        shown, clicked = np.array(packages).T
        if len(shown) < 2 or clicked.sum() == 0:
            continue
        table = np.stack([clicked, shown - clicked])
        expected = table.sum(axis=1, keepdims=True) * shown / shown.sum()
        p.append(float(chi2_upper(np.sum((table - expected) ** 2 / expected), len(shown) - 1)))
    assert len(p) == told["tests_with_2plus_packages_and_a_click"]
    assert int(np.sum(np.array(p) < 0.05)) == told["p_below_005"]
    kinds = {"bh": "bh_q05", "by": "by_q05", "holm": "holm_05", "bonferroni": "bonferroni_05"}
    for method, key in kinds.items():
        found = int(multiplicity.rejected(p, method, alpha=0.05).sum())
        assert found == told[key], method
    assert (told["bh_q05"], told["holm_05"]) == (902, 290)


@pytest.fixture(scope="module")
def cats(shared):
    path = shared / "data" / "cookie_cats" / "cookie_cats.csv.gz"
    frame = pl.read_csv(path, null_values=["NA"])
    truth = {"TRUE": 1.0, "FALSE": 0.0}
    flags = [
        pl.col(name).cast(pl.String).str.to_uppercase().replace_strict(truth)
        for name in ("retention_1", "retention_7")
    ]
    return frame.with_columns(*flags)


def cat_arms(cats, *columns):
    return tuple(
        Moments.of(cats.filter(version=arm).select(columns).to_numpy().astype(float))
        for arm in ("gate_30", "gate_40")
    )


def counts_of(arm: Marginal) -> Counts:
    return Counts.of(np.round(arm.n * arm.mean), arm.n)


def test_cookie_cats_day_7_is_significant_and_day_1_is_not(cats, shared):
    path = shared / "data" / "cookie_cats" / "expected.json"
    told = json.loads(path.read_text("utf-8"))
    for name in ("retention_1", "retention_7"):
        control, treatment = (counts_of(arm.at(0)) for arm in cat_arms(cats, name))
        interval = unpooled_interval(control, treatment, alpha=0.05)
        assert off((interval.low, interval.high), told[name]["ci95_unpooled"]) < 1e-12
        test = pooled_z_test(control, treatment)
        assert off(test.statistic, told[name]["z_pooled"]) < 1e-9
        assert off(test.p, told[name]["p_pooled"]) < 1e-12


def test_cookie_cats_rounds_hang_on_one_player(cats, shared):
    path = shared / "data" / "cookie_cats" / "expected.json"
    told = json.loads(path.read_text("utf-8"))
    without = cats.filter(pl.col("sum_gamerounds") < 49_854)
    for frame, key in (
        (cats, "sum_gamerounds_welch"),
        (without, "sum_gamerounds_welch_without_the_one_outlier_49854"),
    ):
        found = welch_interval(*(m.at(0) for m in cat_arms(frame, "sum_gamerounds")), alpha=0.05)
        assert off(found.estimate, told[key]["diff"]) < 1e-9
        assert off(found.se, told[key]["se"]) < 1e-9
        assert off(found.p, told[key]["p"]) < 1e-9
        assert off((found.low, found.high), told[key]["ci95"]) < 1e-9


def same(interval, told: dict) -> None:
    assert off(interval.estimate, told["effect_size"]) < 1e-9
    ends = (told["effect_size_ci_lower"], told["effect_size_ci_upper"])
    assert off((interval.low, interval.high), ends) < 1e-9
    assert off(interval.p, told["pvalue"]) < 1e-9


def test_tea_tasting_s_numbers_on_cookie_cats_come_out(cats, shared):
    told = vectors(shared, "tea_tasting_on_cookie_cats.json")["results"]
    rounds = tuple(m.at(0) for m in cat_arms(cats, "sum_gamerounds"))
    same(welch_interval(*rounds, alpha=0.05), told["gamerounds"])
    same(pooled_t_interval(*rounds, alpha=0.05), told["gamerounds_equal_variance"])
    for name in ("retention_1", "retention_7"):
        both = tuple(m.at(0) for m in cat_arms(cats, name))
        same(welch_interval(*both, alpha=0.05), told[name])
        relative = relative_log_interval(*both, alpha=0.05, distribution="t")
        ends = (told[name]["rel_effect_size_ci_lower"], told[name]["rel_effect_size_ci_upper"])
        assert off((relative.low, relative.high), ends) < 1e-6
    after = cuped(*cat_arms(cats, "sum_gamerounds", "retention_1")).arms
    same(welch_interval(*after, alpha=0.05), told["gamerounds_cuped_by_retention_1"])
    per_day = tuple(ratio(m) for m in cat_arms(cats, "sum_gamerounds", "retention_1"))
    same(welch_interval(*per_day, alpha=0.05), told["rounds_a_day1_returner"])


def test_growthbook_s_own_tests_come_out(shared):
    for case in vectors(shared, "growthbook_frequentist.json")["cases"]:
        if case["control"]["kind"] == "proportion":
            arms = tuple(counts_of_sum(case[arm]) for arm in ("control", "treatment"))
        else:
            arms = tuple(sums_of(case[arm]) for arm in ("control", "treatment"))
        said, side = case["expected"], case.get("alternative", "two-sided")
        if "sequential_tuning_parameter" in case:
            continue  # relative by the delta method: incoherent; absolute sequences are above
        if case["difference"] == "relative":
            found = relative_delta_interval(*arms, alpha=0.05, alternative=side)
        else:
            found = mean_difference(*arms, alpha=0.05, alternative=side)
        high = np.inf if said["ci"][1] is None else said["ci"][1]
        assert abs(float(found.estimate) - said["effect"]) < 6e-6, case["name"]
        assert abs(float(found.low) - said["ci"][0]) < 6e-6, case["name"]
        assert found.high == high or abs(float(found.high) - high) < 6e-6, case["name"]
        assert abs(float(found.p) - said["p"]) < 6e-6, case["name"]


def sums_of(arm):
    return Marginal.from_sums(arm["n"], arm["sum"], arm["sum_squares"])


def counts_of_sum(arm):
    """GrowthBook takes p (1 - p) as the variance of a conversion, divisor n."""
    rate = arm["sum"] / arm["n"]
    return Marginal.from_var(arm["n"], rate, rate * (1 - rate))


def test_spotify_confidence_s_proportions_come_out(shared):
    told = vectors(shared, "spotify_confidence_proportions.json")
    groups = {name: Counts.of(*pair) for name, pair in told["groups"].items()}
    for name, ends in told["summary_ci"].items():
        rate = groups[name].rate
        se = np.sqrt(rate * (1 - rate) / groups[name].n)
        arm = z_interval(Marginal(*np.zeros((3, 1))), groups[name].marginal, alpha=0.05)
        assert not arm.enough.all()  # an empty arm has no interval
        assert off((rate - 1.959963984540054 * se, rate + 1.959963984540054 * se), ends) < 1e-6
    us = told["difference_us_control_to_us_test"]
    found = unpooled_interval(groups["us_control"], groups["us_test"], alpha=0.05)
    assert off(found.estimate, us["diff"]) < 1e-6
    assert off((found.low, found.high), us["ci"]) < 1e-6
    assert off(pooled_z_test(groups["us_control"], groups["us_test"]).p, us["p"]) < 1e-6


def test_tea_tasting_s_multiplicity_comes_out(shared):
    names = {
        "Benjamini-Hochberg": "bh",
        "Benjamini-Yekutieli": "by",
        "Hochberg step-up with Sidak": "hochberg-sidak",
        "Holm step-down with Sidak": "holm-sidak",
        "Hochberg step-up with Bonferroni": "hochberg",
        "Holm step-down with Bonferroni": "holm",
    }
    for case in vectors(shared, "tea_tasting_multiple_testing.json")["cases"]:
        method = names[case["method"]]
        assert off(multiplicity.adjusted_p(case["p"], method), case["p_adjusted"]) < 1e-12
        found = multiplicity.rejected(case["p"], method, alpha=0.05)
        assert found.astype(int).tolist() == case["rejected"]


def test_group_sequential_tables_come_out(shared):
    told = vectors(shared, "group_sequential_bounds.json")
    for case in told["cases"]:
        if "looks" in case:
            shape = 0.5 if "Pocock" in case["design"] else 0.0
            found = classical_bounds(case["looks"], alpha=case["alpha"], shape=shape)
            assert off(found[-1], case["constant"]) < 1e-8
            continue
        kind = "obrien-fleming" if "O'Brien" in case["design"] else "pocock"
        found = spending_bounds(
            case["information"], alpha=case["alpha"], spending=kind, sides=case["sides"]
        )
        assert off(found, case["z_bounds"]) < 1e-8
    for name, table in told["published_checks"].items():
        if name.startswith("classical"):
            shape = 0.5 if "Pocock" in name else 0.0
            for looks, constant in table.items():
                found = classical_bounds(int(looks), alpha=0.05, shape=shape)
                assert round(float(found[-1]), 3) == constant, (name, looks)


def test_krippendorff_s_published_alphas_come_out(shared):
    for case in vectors(shared, "krippendorff_alpha.json")["cases"]:
        data = np.array(case["data"], dtype=float)
        for level, value in case["computed"].items():
            assert off(krippendorff_alpha(data, level=level).estimate, value) < 1e-12
        for level, value in case["published"].items():
            assert round(float(krippendorff_alpha(data, level=level).estimate), 3) == value


def drawn(name: str, share: int) -> bool:
    return int(hashlib.sha256(name.encode()).hexdigest(), 16) % share == 0


def check_ppi(human, judge, chosen, told):
    near = Moments.of(np.column_stack([human, judge])[chosen])
    far = Marginal.of(judge[~chosen])
    assert (int(near.n), int(far.n)) == (told["n_labelled"], told["n_unlabelled"])
    for key, lam in (("lambda_1", 1.0), ("lambda_tuned", None), ("labelled_only", 0.0)):
        found = ppi_interval(ppi_mean(near, far, lam=lam, divisor="n"), alpha=0.05)
        tolerance = 1e-9 if key != "labelled_only" else 2e-3  # that one has divisor n - 1, t
        assert off(found.estimate, told[key]["estimate"]) < 1e-9, key
        assert off((found.low, found.high), told[key]["ci"]) < tolerance, key


def test_ppi_py_s_means_on_musicality_ratings_come_out(shared):
    told = vectors(shared, "ppi_on_real_data.json")["pam_musicality"]
    clips = pl.read_csv(shared / "data" / "pam_musicality" / "clips.csv.gz")
    human = clips["musicality_mos"]
    judge = 2.6 + 0.8 * clips["tj_a"].to_numpy()
    chosen = np.array([drawn(path, 5) for path in clips["audio_path"]])
    check_ppi(human.to_numpy(), judge, chosen, told)


def test_ppi_py_s_means_on_summaries_come_out(shared):
    told = vectors(shared, "ppi_on_real_data.json")["summeval_gpt4o"]
    folder = shared / "data" / "alt_test"
    number = pl.col("label").cast(pl.Float64, strict=False)
    human = pl.read_parquet(folder / "human_labels.parquet").filter(dataset="summeval")
    judge = pl.read_parquet(folder / "judge_labels.parquet").filter(
        dataset="summeval", judge="gpt-4o"
    )
    both = human.group_by("item").agg(human=number.mean())
    both = both.join(judge.select("item", judge=number), on="item").drop_nulls().sort("item")
    chosen = np.array([drawn(item, 20) for item in both["item"]])
    check_ppi(both["human"].to_numpy(), both["judge"].to_numpy(), chosen, told)
