"""Experiments whose answers are published: the report must print exactly those."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from support.published import (
    Published,
    config_of,
    day_us,
    mean_body,
    metric_yaml,
    ratio_body,
)

from analytics.catalog import load_catalog
from analytics.compare import compare
from analytics.nightly import Request, analyse
from analytics.report.write import to_json
from analytics.stats.confidence_sequence import SequencePlan
from analytics.stats.moments import Moments

CONVERTED = metric_yaml(
    "converted",
    mean_body("plays", "aggregation_threshold: {direction: gte, value: 1}"),
    more="variance_reduction: {enabled: false}",
)
MEAN = metric_yaml("amount", mean_body("starts"), more="variance_reduction: {enabled: false}")
PLAN = """
id: e
control: {control}
variants: {{{control}: 0.5, {treatment}: 0.5}}
metrics: {{primary: metrics/{metric}}}
"""


def report_of(tmp_path, units: pl.DataFrame, metrics, plan="", *, past=()):
    """The JSON of a report on these units' only day, read back."""
    published = Published(tmp_path / "w.duckdb")
    published.unit_days(units.with_columns(exposures_n=pl.lit(1)))
    if len(past):
        published.unit_days(past)
    published.reach(9)
    con = published.open()
    catalog = load_catalog(config_of(tmp_path / "config", metrics, plan))
    report = analyse(con, catalog, Request("w.duckdb", now_us=day_us(10)))
    con.close()
    return json.loads(to_json(report))


def comparison(report, metric: str):
    (found,) = [
        one
        for one in report["experiments"][0]["comparisons"]
        if one["metric"] == f"metrics/{metric}"
    ]
    return found


def of_counts(**arms: tuple[int, int]) -> pl.DataFrame:
    """One unit a row; so many of all have a stream."""
    return pl.concat(
        pl.DataFrame(
            {
                "unit_id": [f"{variant}{index}" for index in range(n)],
                "variant_id": [variant] * n,
                "streams_30s_n": [int(index < hits) for index in range(n)],
            }
        )
        for variant, (hits, n) in arms.items()
    )


def test_two_click_rates_of_ten_thousand_impressions(tmp_path):
    plan = PLAN.format(control="random", treatment="bts", metric="converted")
    units = of_counts(random=(46, 10_000), bts=(69, 10_000))
    found = comparison(report_of(tmp_path, units, [CONVERTED], plan), "converted")
    assert (found["control"]["value"], found["treatment"]["value"]) == (0.0046, 0.0069)
    assert found["raw"]["estimate"] == pytest.approx(0.0023, rel=1e-12)
    assert found["raw"]["p"] == pytest.approx(0.03147983327589232, rel=1e-12)
    assert found["shares"]["p_pooled"] == found["raw"]["p"]
    assert found["shares"]["z_pooled"] == pytest.approx(2.150953966746057, rel=1e-12)
    assert found["shares"]["se_unpooled"] == pytest.approx(0.0010691693037119987, rel=1e-12)
    assert found["shares"]["ci95_unpooled"] == pytest.approx(
        [0.0002044666713487157, 0.004395533328651284], rel=1e-9
    )
    assert found["raw"]["low"] > 0
    assert found["relative"]["estimate"] == pytest.approx(0.5, rel=1e-12)


@pytest.fixture(scope="module")
def cookie_cats(shared, tmp_path_factory):
    """The report on 90,189 players, and what is published of them."""
    folder = shared / "data" / "cookie_cats"
    players = pl.read_csv(folder / "cookie_cats.csv.gz")
    units = players.select(
        unit_id=pl.col("userid").cast(pl.String),
        variant_id="version",
        starts_n="sum_gamerounds",
        streams_30s_n=pl.col("retention_7")
        .cast(pl.String)
        .str.to_lowercase()
        .eq("true")
        .cast(pl.Int64),
    )
    plan = PLAN.format(control="gate_30", treatment="gate_40", metric="converted")
    report = report_of(tmp_path_factory.mktemp("cats"), units, [CONVERTED, MEAN], plan)
    return report, json.loads((folder / "expected.json").read_text())


def test_a_seven_day_retention_has_its_published_difference(cookie_cats):
    report, expected = cookie_cats
    found, truth = comparison(report, "converted"), expected["retention_7"]
    assert found["raw"]["estimate"] == pytest.approx(truth["diff"], rel=1e-12)
    assert found["raw"]["estimate"] == pytest.approx(-0.008201298315205913, rel=1e-12)
    assert found["raw"]["p"] == pytest.approx(0.0015542499756143289, rel=1e-11)
    assert found["shares"]["ci95_unpooled"] == pytest.approx(truth["ci95_unpooled"], rel=1e-9)
    assert found["relative"]["estimate"] == pytest.approx(truth["rel_diff"], rel=1e-12)


def test_a_heavy_tailed_mean_has_its_published_welch_test(cookie_cats):
    report, expected = cookie_cats
    found, truth = comparison(report, "amount")["raw"], expected["sum_gamerounds_welch"]
    assert found["estimate"] == pytest.approx(truth["diff"], rel=1e-12)
    assert found["se"] == pytest.approx(truth["se"], rel=1e-12)
    assert found["p"] == pytest.approx(truth["p"], rel=1e-9)
    assert [found["low"], found["high"]] == pytest.approx(truth["ci95"], rel=1e-9)


def test_a_doubtful_sample_ratio_is_shown_and_not_alarmed(cookie_cats):
    report, _ = cookie_cats
    found = report["experiments"][0]["sample_ratio"]
    assert found["observed"] == {"gate_30": 44_700, "gate_40": 45_489}
    assert found["p"] == pytest.approx(0.008607987810836262, rel=1e-12)
    assert found["alarm"] is False
    assert report["experiments"][0]["verdicts"][0]["state"] != "invalid"


@pytest.fixture(scope="module")
def cases(shared):
    """The reference cases by id."""
    found = json.loads((shared / "cases" / "statistics.json").read_text())
    return {case["id"]: case for case in (found if isinstance(found, list) else found["cases"])}


def arm_of(sums: dict[str, float], *names: str, cross: str) -> Moments:
    """Moments of a case's raw sums, one comparison."""
    total = [sums[f"sum_{name}"] for name in names]
    crossed = {names: sums[cross]}
    crossed |= {(b, a): value for (a, b), value in crossed.items()}
    crossed |= {(name, name): sums[f"sum_{name}{name}"] for name in names}
    products = [[crossed[a, b] for b in names] for a in names]
    return Moments.from_sums([sums["n"]], [total], [products])


def test_a_ratio_has_the_reference_values(cases):
    case = cases["ratio-delta-abs"]
    arms = [
        arm_of(case["inputs"][arm], "y", "d", cross="sum_yd") for arm in ("control", "treatment")
    ]
    found = compare("ratio", *arms, plan=SequencePlan(5_000, 0.05), covariates_n=0)
    numbers = [found.raw.estimate, found.raw.low, found.raw.high, found.raw.p]
    expected = [case["expected"][name] for name in ("diff", "lower", "upper", "p")]
    np.testing.assert_allclose(np.ravel(numbers), expected, atol=case["tolerance"])


def test_an_adjusted_mean_has_the_reference_values(cases):
    case = cases["cuped-mean-abs"]
    arms = [
        arm_of(case["inputs"][arm], "y", "x", cross="sum_xy") for arm in ("control", "treatment")
    ]
    found = compare("mean", *arms, plan=SequencePlan(5_000, 0.05), covariates_n=1).adjusted
    numbers = [found.estimate, found.low, found.high, found.p]
    expected = [case["expected"][name] for name in ("diff", "lower", "upper", "p")]
    np.testing.assert_allclose(np.ravel(numbers), expected, atol=case["tolerance"])


def units_with_past(n: int):
    """Units whose plays hang on their past; rows of the experiment, rows of the past, arrays."""
    rng = np.random.default_rng(11)
    before = rng.poisson(20, n)
    starts = rng.poisson(5, n) + 1
    arm = np.arange(n) % 2
    skips = rng.binomial(starts, np.clip(0.2 + 0.01 * (before - 20) + 0.05 * arm, 0.01, 0.99))
    ids = [f"u{index}" for index in range(n)]
    rows = pl.DataFrame(
        {"unit_id": ids, "variant_id": ["ab"[one] for one in arm], "day": 3}
        | {"starts_n": starts, "early_skips_n": skips}
    )
    past = pl.DataFrame(
        {"unit_id": ids, "experiment_id": "", "variant_id": "", "day": 1, "starts_n": before}
    )
    return rows, past, (before, starts, skips, arm)


def test_means_and_ratios_from_rows_equal_numpy_over_units(tmp_path):
    rows, past, (before, starts, skips, arm) = units_with_past(3_000)
    rate = metric_yaml("rate", ratio_body("early_skips", "starts"), direction="decrease")
    amount = metric_yaml("amount", mean_body("starts"))
    report = report_of(tmp_path, rows, [rate, amount], past=past)

    found = comparison(report, "rate")
    sides = [(skips[arm == side], starts[arm == side]) for side in (0, 1)]
    ratios = [y.sum() / d.sum() for y, d in sides]
    se2 = [
        np.var((y - r * d) / d.mean(), ddof=1) / len(y)
        for (y, d), r in zip(sides, ratios, strict=True)
    ]
    assert found["raw"]["estimate"] == pytest.approx(ratios[1] - ratios[0], rel=1e-12)
    assert found["raw"]["se"] == pytest.approx(np.sqrt(sum(se2)), rel=1e-10)

    adjusted = comparison(report, "amount")["adjusted"]
    theta = np.cov(starts, before)[0, 1] / np.var(before, ddof=1)
    after = starts - theta * (before - before.mean())
    assert adjusted["estimate"] == pytest.approx(
        after[arm == 1].mean() - after[arm == 0].mean(), rel=1e-9
    )


def test_judges_agree_with_votes_as_published(shared, tmp_path):
    folder = shared / "data" / "music_arena_votes"
    votes = pl.read_csv(folder / "votes.csv.gz").with_row_index("i")
    published = Published(tmp_path / "w.duckdb")
    published.insert(
        "human_label",
        votes.select(
            label_id=pl.col("battle_id"),
            generation_id=pl.format("{}-a", "i"),
            other_generation_id=pl.format("{}-b", "i"),
            preference="preference",
            dimension=pl.lit("overall"),
        ),
    )
    for side in ("a", "b"):
        score = {
            "generation_id": pl.format(f"{{}}-{side}", "i"),
            "score_value": pl.col(f"tj_{side}"),
            "dimension": pl.lit("preference"),
            "evaluator_epoch": pl.lit("epoch"),
            "judge_id": pl.lit("tunejury"),
        }
        published.insert("generation_score", votes.select(**score))
        event = score | {"judge_model_resolved": pl.lit("tj-1"), "event_time_us": pl.lit(1)}
        published.insert("judge_score", votes.select(**event))
    published.reach(9)
    con = published.open()
    catalog = load_catalog(config_of(tmp_path / "config", [CONVERTED]))
    report = analyse(con, catalog, Request("w.duckdb", now_us=day_us(10)))
    (found,) = report.agreement
    expected = json.loads((folder / "expected.json").read_text())["decisive"]
    assert (found.agreed, found.total, found.ties) == (429, 799, 0)
    assert found.share == pytest.approx(expected["agreement"], rel=1e-12)
    assert [found.low, found.high] == pytest.approx(expected["wilson95"], rel=1e-12)
    assert (found.judge, found.model, found.standing) == ("tunejury", "tj-1", "better than a coin")
