"""What judges say: weighted means, epochs apart, agreement with people."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from support.published import Published, config_of, day_us, mean_body, metric_yaml

from analytics.agreement import read_agreement
from analytics.catalog import load_catalog
from analytics.nightly import Request, analyse
from analytics.scores import Instrument, read_instruments


def exposure(unit: str, generation: str, variant: str, *, at: int = 1) -> dict[str, object]:
    return {
        "experiment_id": "e",
        "variant_id": variant,
        "unit_type": "user",
        "unit_id": unit,
        "generation_id": generation,
        "event_time_us": day_us(at),
    }


def score(generation: str, value: float | None, **other: object) -> dict[str, object]:
    defaults = {
        "judge_id": "j",
        "dimension": "d",
        "evaluator_epoch": "e1",
        "sampling_prob": 1.0,
        "errors_n": int(value is None),
    }
    return {"generation_id": generation, "score_value": value} | defaults | other


def views_of(tmp_path, exposures, scores, events=()):
    """The judge views of b against a, by epoch."""
    published = Published(tmp_path / "w.duckdb")
    units = {(one["unit_id"], one["variant_id"]) for one in exposures}
    published.unit_days(
        [
            {"unit_id": unit, "variant_id": variant, "exposures_n": 1}
            for unit, variant in sorted(units)
        ]
    )
    published.insert("exposure", exposures)
    published.insert("generation_score", pl.DataFrame(scores, infer_schema_length=None))
    published.insert("judge_score", list(events))
    published.reach(9)
    con = published.open()
    catalog = load_catalog(config_of(tmp_path / "config", [metric_yaml("m", mean_body("starts"))]))
    report = analyse(con, catalog, Request("w", now_us=day_us(10)))
    con.close()
    return {view.epoch: view for view in report.experiments[0].verdicts[0].judges}


def test_the_mean_weighs_by_the_inverse_sampling_probability_with_units_as_clusters(tmp_path):
    rng = np.random.default_rng(3)
    exposures, scores, rows = [], [], []
    for unit in range(120):
        variant = "ab"[unit % 2]
        for index in range(int(rng.integers(1, 4))):
            generation = f"g{unit}-{index}"
            value, chance = float(rng.normal(5, 1)), float(rng.choice([0.2, 0.5, 1.0]))
            exposures.append(exposure(f"u{unit}", generation, variant))
            scores.append(score(generation, value, sampling_prob=chance))
            rows.append((variant, unit, value, 1 / chance))
    view = views_of(tmp_path, exposures, scores)["e1"]
    for arm in (view.control, view.treatment):
        own = [row for row in rows if row[0] == arm.variant]
        value, weight = (np.array([row[place] for row in own]) for place in (2, 3))
        mean = (value * weight).sum() / weight.sum()
        assert arm.mean == pytest.approx(mean, rel=1e-12)
        units = sorted({row[1] for row in own})
        # Linearised: what each unit adds to sum(w s) - mean * sum(w), over the mean weight.
        part = [
            sum(w * (v - mean) for _, u, v, w in own if u == unit) / (weight.sum() / len(units))
            for unit in units
        ]
        half = (arm.high - arm.low) / 2
        se = np.std(part, ddof=1) / np.sqrt(len(units))
        assert 1.96 * se < half < 2.05 * se
        assert arm.units == len(units)


def test_an_error_is_a_missing_score_and_counted(tmp_path):
    exposures = [exposure(f"u{i}", f"g{i}", "ab"[i % 2]) for i in range(12)]
    scores = [score(f"g{i}", None if i < 2 else 4.0 + i % 3) for i in range(12)]
    view = views_of(tmp_path, exposures, scores)["e1"]
    assert (view.control.errors, view.control.scored, view.control.units) == (1, 5, 5)
    assert view.control.mean > 3.9


def test_epochs_are_never_averaged(tmp_path):
    exposures = [exposure(f"u{i}", f"g{i}", "ab"[i % 2]) for i in range(8)]
    scores = [score(f"g{i}", 1.0 + i / 10) for i in range(8)]
    scores += [score(f"g{i}", 9.0 + i / 10, evaluator_epoch="e2") for i in range(8)]
    views = views_of(tmp_path, exposures, scores)
    assert views["e1"].control.mean < 2
    assert views["e2"].control.mean > 8


def test_a_generation_counts_once_for_the_unit_that_met_it_first(tmp_path):
    exposures = [exposure(f"u{i}", f"g{i}", "ab"[i % 2]) for i in range(8)]
    exposures.append(exposure("u1", "g0", "b", at=3))
    scores = [score(f"g{i}", float(i)) for i in range(8)]
    view = views_of(tmp_path, exposures, scores)["e1"]
    assert (view.control.scored, view.treatment.scored) == (4, 4)


def test_one_scored_unit_has_no_mean(tmp_path):
    exposures = [exposure(f"u{i}", f"g{i}", "ab"[i % 2]) for i in range(8)]
    view = views_of(tmp_path, exposures, [score("g0", 3.0), score("g1", 4.0), score("g3", 4.5)])[
        "e1"
    ]
    assert view.control.mean is None
    assert view.difference is None
    assert view.prefers == ""


def test_a_judge_whose_low_scores_are_good_prefers_the_lower_side(tmp_path):
    exposures = [exposure(f"u{i}", f"g{i}", "ab"[i % 2]) for i in range(40)]
    scores = [score(f"g{i}", (i % 2) * 3 + (i % 5) / 10) for i in range(40)]
    event = {
        "judge_id": "j",
        "dimension": "d",
        "evaluator_epoch": "e1",
        "higher_is_better": False,
        "event_time_us": 1,
        "judge_model": "asked",
        "judge_model_resolved": "answered",
    }
    view = views_of(tmp_path, exposures, scores, [event])["e1"]
    assert view.prefers == "a"
    assert view.model == "answered"


@pytest.fixture
def agreement(tmp_path):
    """Agreement of one judge on given (score a, score b, preference)."""

    def of(pairs, instrument: Instrument | None = None, **label):
        published = Published(tmp_path / "w.duckdb")
        for index, (a, b, preference) in enumerate(pairs):
            names = {"generation_id": f"a{index}", "other_generation_id": f"b{index}"}
            published.insert(
                "human_label", [names | {"preference": preference, "dimension": "d"} | label]
            )
            for side, value in (("a", a), ("b", b)):
                if value is not None:
                    published.insert("generation_score", [score(f"{side}{index}", float(value))])
        con = published.open()
        known = {("j", "d", "e1"): instrument} if instrument else read_instruments(con)
        found = read_agreement(con, known, alpha=0.05)
        con.close()
        return found

    return of


def test_agreement_counts_pairs_where_the_preferred_side_scored_higher(agreement):
    (found,) = agreement([(3, 1, "A"), (3, 1, "B"), (1, 3, "B"), (0, 5, "B")])
    assert (found.agreed, found.total, found.ties, found.unscored) == (3, 4, 0, 0)
    assert found.standing == "not enough data"


def test_undecided_people_are_left_out_and_undecided_judges_counted(agreement):
    (found,) = agreement(
        [(3, 1, "TIE"), (3, 1, "BOTH_BAD"), (2, 2, "A"), (3, None, "A"), (3, 1, "A")]
    )
    assert (found.agreed, found.total, found.ties, found.unscored) == (1, 1, 1, 1)


def test_a_reversed_scale_reverses_agreement(agreement):
    low_is_good = Instrument(model="", higher_is_better=False)
    (found,) = agreement([(3, 1, "A"), (1, 3, "A")] * 3 + [(1, 3, "A")], low_is_good)
    assert (found.agreed, found.total) == (4, 7)


def test_no_pairs_no_statement(agreement):
    assert agreement([]) == ()
