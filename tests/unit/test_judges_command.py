"""`listenback judges` on files: what cannot be said is named, never a number that looks fine."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest

from listenback.cli import run


@pytest.fixture
def ask(capsys, tmp_path):
    """Write rows, run a verb on them: exit code, sections (if any), what stderr says."""

    def call(verb: str, rows: pl.DataFrame, *args: str):
        path = tmp_path / "rows.parquet"
        rows.write_parquet(path)
        code = run(["judges", verb, str(path), *args, "--json"])
        said = capsys.readouterr()
        sections = json.loads(said.out)["sections"] if said.out else []
        return code, sections, said.err

    return call


def labels(*raters: list[object]) -> pl.DataFrame:
    rows = [
        {"item": f"i{item}", "rater": f"r{rater}", "value": value}
        for rater, values in enumerate(raters)
        for item, value in enumerate(values)
    ]
    return pl.DataFrame(rows)


LABELS = ("--item", "item", "--rater", "rater", "--value", "value")
OUTCOME = ("--score", "s", "--outcome", "y")


def values(sections) -> list[object]:
    return [one["value"] for section in sections for one in section["figures"]]


def test_one_rater_is_no_agreement(ask):
    code, sections, err = ask("agreement", labels([1, 2, 3, 2, 1]), *LABELS)
    assert code == 4
    assert set(values(sections)) == {None}
    assert "1 rater: agreement needs two" in err


def test_raters_without_a_common_item_do_not_agree_or_disagree(ask):
    rows = labels([1, 2, 3, None, None], [None, None, None, 2, 3])
    code, sections, err = ask("agreement", rows, *LABELS)
    assert code == 4
    assert set(values(sections)) == {None}
    assert "no item has the labels of two raters" in err


def test_labels_that_are_all_equal_have_no_agreement_beyond_chance(ask):
    code, sections, err = ask("agreement", labels([3] * 20, [3] * 20), *LABELS)
    assert code == 4
    assert set(values(sections)) == {None}
    assert "all labels are equal" in err


def test_a_judge_that_says_one_thing_has_no_correlation(ask):
    rows = pl.DataFrame({"s": [2.0] * 30, "y": np.arange(30.0)})
    code, sections, err = ask("outcome", rows, *OUTCOME)
    assert code == 4
    assert set(values(sections)) == {None}
    assert "every score is 2: nothing varies" in err


def test_an_errored_score_is_missing_with_its_type(ask):
    rng = np.random.default_rng(1)
    rows = pl.DataFrame(
        {"s": rng.random(40), "y": rng.random(40), "e": ["timeout"] * 3 + [""] * 37}
    )
    code, sections, _ = ask("outcome", rows, *OUTCOME, "--error", "e")
    assert code == 0
    assert sections[0]["counts"]["errors"] == {"timeout": 3}
    assert sections[0]["figures"][0]["n"] == 37


def test_errors_alone_are_no_score(ask):
    rows = pl.DataFrame({"s": [1.0, 2.0], "y": [0.0, 1.0], "e": ["timeout", "refused"]})
    code, sections, err = ask("outcome", rows, *OUTCOME, "--error", "e")
    assert code == 4
    assert sections[0]["counts"]["errors"] == {"refused": 1, "timeout": 1}
    assert "every row is an error of the judge" in err


@pytest.mark.parametrize("probability", [0.0, 1.5, -0.1, None])
def test_a_sampling_probability_outside_0_to_1_is_named(ask, probability):
    rows = pl.DataFrame({"s": [1.0, 2.0, 3.0], "y": [0.0, 1.0, 1.0], "p": [0.5, probability, 1.0]})
    code, _, err = ask("outcome", rows, *OUTCOME, "--sampling-prob", "p")
    assert code == 2
    assert "1 of 3 sampling probabilities" in err
    assert "row 2" in err


def test_a_score_outside_its_declared_range_is_named(ask):
    rows = pl.DataFrame({"s": [1.0, 7.0, 3.0], "y": [0.0, 1.0, 1.0]})
    code, _, err = ask("outcome", rows, *OUTCOME, "--scale", "1,5")
    assert code == 2
    assert "1 of 3 scores lie outside their declared scale 1 to 5; the first is 7" in err


def test_scores_of_two_epochs_are_refused_with_code_5(ask):
    rows = pl.DataFrame({"s": [1.0, 2.0, 3.0], "y": [0.0, 1.0, 1.0], "e": ["a", "a", "b"]})
    code, sections, err = ask("outcome", rows, *OUTCOME, "--epoch", "e")
    assert code == 5
    assert sections == []
    assert "2 evaluator epochs" in err
    code, *_ = ask("compare", rows, "--value", "s", "--arm", "y", "--epoch", "e")
    assert code == 5


def test_an_unknown_column_gets_a_hint(ask):
    rows = pl.DataFrame({"score": [1.0, 2.0], "y": [0.0, 1.0]})
    code, _, err = ask("outcome", rows, "--score", "scroe", "--outcome", "y")
    assert code == 2
    assert "Did you mean 'score'?" in err


def test_two_labels_of_one_rater_on_one_item_are_refused(ask):
    rows = pl.concat([labels([1, 2, 3], [1, 2, 3]), labels([3, 2, 1])])
    code, _, err = ask("agreement", rows, *LABELS)
    assert code == 2
    assert "several labels" in err


def test_a_word_that_is_no_side_is_refused(ask):
    rows = pl.DataFrame({"p": ["A", "left"], "a": [1.0, 2.0], "b": [2.0, 1.0]})
    args = ("--preference", "p", "--score-a", "a", "--score-b", "b")
    code, _, err = ask("pairwise", rows, *args)
    assert code == 2
    assert "'left'" in err


def test_ties_of_people_are_left_out_and_ties_of_the_judge_counted(ask):
    rows = pl.DataFrame(
        {
            "p": ["A", "B", "TIE", "A", "B"],
            "a": [2.0, 1.0, 3.0, 1.0, None],
            "b": [1.0, 2.0, 1.0, 1.0, 1.0],
        }
    )
    args = ("--preference", "p", "--score-a", "a", "--score-b", "b")
    code, sections, _ = ask("pairwise", rows, *args)
    assert code == 0
    counts, figure = sections[0]["counts"], sections[0]["figures"][0]
    assert (counts["people decided"], counts["ties of the judge"], counts["not scored"]) == (
        4,
        1,
        1,
    )
    assert (figure["value"], figure["n"]) == (1.0, 2)


def test_weights_turn_a_selected_sample_into_the_whole(ask):
    """Low outcomes were graded four times as often: weighted, the slope is the population's."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=20_000)
    y = (rng.random(20_000) < 1 / (1 + np.exp(-x))).astype(float)
    p = np.where(y > 0, 0.2, 0.8)
    kept = rng.random(20_000) < p
    rows = pl.DataFrame({"s": x[kept], "y": y[kept], "p": p[kept]})
    whole = np.polyfit(x, y, 1)[0]
    _, plain, _ = ask("outcome", rows, *OUTCOME)
    _, weighted, _ = ask("outcome", rows, *OUTCOME, "--sampling-prob", "p")
    slopes = [
        next(one for one in found[0]["figures"] if one["name"].startswith("slope"))
        for found in (plain, weighted)
    ]
    assert not slopes[0]["low"] < whole < slopes[0]["high"]
    assert slopes[1]["low"] < whole < slopes[1]["high"]


def test_rows_of_one_user_widen_the_interval(ask):
    rng = np.random.default_rng(3)
    taste = np.repeat(rng.normal(size=60), 20)
    rows = pl.DataFrame(
        {
            "s": taste + 0.1 * rng.normal(size=1_200),
            "y": taste + rng.normal(size=1_200) + np.repeat(rng.normal(size=60), 20),
            "u": np.repeat(np.arange(60), 20),
        }
    )
    _, alone, _ = ask("outcome", rows, *OUTCOME)
    _, clustered, _ = ask("outcome", rows, *OUTCOME, "--cluster", "u")
    wide, narrow = (found[0]["figures"][0] for found in (clustered, alone))
    assert wide["n"] == 60
    assert wide["high"] - wide["low"] > 2 * (narrow["high"] - narrow["low"])


def test_strata_leave_out_what_a_judge_merely_knows_of_the_variant(ask):
    """The judge knows which variant is liked and nothing else: within variants it knows nothing."""
    rng = np.random.default_rng(5)
    variant = rng.integers(0, 2, 2_000)
    rows = pl.DataFrame(
        {
            "s": variant * 3 + rng.normal(size=2_000),
            "y": variant * 3 + rng.normal(size=2_000),
            "v": variant,
        }
    )
    _, pooled, _ = ask("outcome", rows, *OUTCOME)
    _, within, _ = ask("outcome", rows, *OUTCOME, "--stratum", "v")
    assert pooled[0]["figures"][0]["value"] > 0.5
    assert within[0]["figures"][0]["low"] < 0 < within[0]["figures"][0]["high"]


def test_fused_estimates_stand_beside_labels_and_judge_with_the_saving(ask):
    rng = np.random.default_rng(12)
    n = 8_000
    arm = rng.integers(0, 2, n)
    truth = rng.normal(size=n) + 0.2 * arm
    judge = 0.8 * truth + 0.6 * rng.normal(size=n) + 0.5 * arm  # flatters the second arm
    human = np.where(rng.random(n) < 0.2, truth + 0.5 * rng.normal(size=n), np.nan)
    rows = pl.DataFrame({"h": human, "j": judge, "arm": np.where(arm, "b", "a")}).with_columns(
        pl.col("h").fill_nan(None)
    )
    args = ("--human", "h", "--judge", "j", "--arm", "arm", "--control", "a")
    code, sections, _ = ask("ppi", rows, *args)
    found = {one["name"]: one for one in sections[0]["figures"]}
    assert code == 0
    assert found["fused"]["low"] < 0.2 < found["fused"]["high"]
    assert found["j only"]["low"] > 0.4
    assert found["fused"]["se"] < 0.9 * found["human only"]["se"]
    assert 0.1 < sections[0]["counts"]["label saving"] < 0.8
