"""Real votes, ratings and listens: the known answers come out of the public commands."""

from __future__ import annotations

import hashlib
import json

import polars as pl
import pytest

from listenback.cli import run


@pytest.fixture
def judges(capsys, shared):
    """`listenback judges ... --json` on a file of the shared data: its sections."""

    def call(verb: str, file: str, *args: str) -> list[dict]:
        path = file if file.startswith("/") else str(shared / "data" / file)
        code = run(["judges", verb, path, *args, "--json"])
        said = capsys.readouterr()
        assert code == 0, said.err
        return json.loads(said.out)["sections"]

    return call


def told(shared, name: str) -> dict:
    return json.loads((shared / "data" / name).read_text("utf-8"))


def figures(section: dict) -> dict[str, dict]:
    return {one["name"]: one for one in section["figures"]}


def near(figure: dict, value: float, tolerance: float = 1e-9) -> None:
    assert figure["value"] == pytest.approx(value, abs=tolerance, rel=tolerance)


VOTES = ("music_arena_votes/votes.csv.gz", "--preference", "preference")
SCORES = ("--score-a", "tj_a", "--score-b", "tj_b")


def same_agreement(figure: dict, expected: dict) -> None:
    assert figure["n"] == expected["n"]
    assert round(figure["value"] * figure["n"]) == expected["agree"]
    near(figure, expected["agreement"], 1e-12)
    assert (figure["low"], figure["high"]) == pytest.approx(expected["wilson95"], abs=1e-9)
    assert figure["p"] == pytest.approx(expected["binom_p_two_sided_v_half"], rel=1e-9)


def test_a_reward_model_agrees_with_429_of_799_music_votes(judges, shared):
    expected = told(shared, "music_arena_votes/expected.json")
    (section,) = judges("pairwise", *VOTES, *SCORES, "--margins", "0.5,1.2")
    found = figures(section)
    same_agreement(found["pairwise agreement"], expected["decisive"])
    for words, key in (
        ("0 to 0.5", "below_0.5"),
        ("0.5 to 1.2", "0.5_to_1.2"),
        ("from 1.2", "above_1.2"),
    ):
        figure = found[f"pairwise agreement, scores apart {words}"]
        same_agreement(figure, expected["all_by_margin"][key])


def test_win_rates_of_systems_come_out_and_so_does_their_order(judges, shared):
    expected = told(shared, "music_arena_votes/expected.json")
    systems = ("--system-a", "system_a", "--system-b", "system_b")
    sections = judges("pairwise", *VOTES, *SCORES, *systems, "--where", "feb_mar_2026_slice=true")
    found = figures(sections[0])
    same_agreement(found["pairwise agreement"], expected["feb_mar_slice_decisive"])
    order = expected["system_level_spearman_judge_v_human_win_rate"]
    near(found["Spearman of win rates over systems"], order)
    by_system = expected["feb_mar_by_system"]
    assert {one["by"]["system"] for one in sections[1:]} == set(by_system)
    for one in sections[1:]:
        rates = by_system[one["by"]["system"]]
        near(figures(one)["win rate, people"], rates["human_win_rate"])
        near(figures(one)["win rate, judge"], rates["judge_win_rate"])


@pytest.mark.parametrize("judge", ["tj_ta", "tj_a"])
def test_correlations_with_opinion_scores_of_music_come_out(judges, shared, judge):
    expected = told(shared, "pam_musicality/expected.json")["judges"][judge]
    args = ("--score", judge, "--outcome", "musicality_mos")
    (section,) = judges("outcome", "pam_musicality/clips.csv.gz", *args)
    found = figures(section)
    near(found["Spearman"], expected["spearman"])
    near(found["Pearson"], expected["pearson"])
    near(found["Kendall tau-b"], expected["kendall_tau_b"])
    for one in found.values():
        assert one["low"] < one["value"] < one["high"]


def test_generators_compare_as_published_unpaired_paired_and_by_ranks(judges, shared):
    expected = told(shared, "pam_musicality/expected.json")
    sections = judges(
        "compare",
        "pam_musicality/clips.csv.gz",
        *("--value", "musicality_mos", "--arm", "system"),
        *("--control", "musicgen_melody", "--pair", "prompt"),
    )
    for system, one in expected["by_system"].items():
        near(figures(sections[0])[f"mean, {system}"], one["mos_mean"])
        assert figures(sections[0])[f"mean, {system}"]["se"] == pytest.approx(one["mos_sd"] / 10)
    pair = next(s for s in sections if s["by"].get("arm") == "musicgen_large - musicgen_melody")
    welch = expected["welch_mos_musicgen_large_minus_melody"]
    paired = expected["paired_by_prompt_musicgen_large_minus_melody"]
    found = figures(pair)
    near(found["difference, unpaired"], welch["diff"])
    assert found["difference, unpaired"]["p"] == pytest.approx(welch["p"], rel=1e-9)
    assert found["difference, paired"]["p"] == pytest.approx(paired["p"], rel=1e-9)
    assert found["Wilcoxon signed ranks"]["p"] == pytest.approx(paired["wilcoxon_p"], rel=1e-6)


def test_a_judge_s_score_goes_with_listens_at_spearman_2803(judges, shared):
    expected = told(shared, "fma_listens_judge/expected.json")
    file, score = "fma_listens_judge/tracks.parquet", ("--score", "judge_score")
    (section,) = judges("outcome", file, *score, "--outcome", "listens", "--top", "0.1")
    found = figures(section)
    near(found["Spearman"], expected["spearman"])
    near(found["Kendall tau-b"], expected["kendall_tau_b"])
    near(found["Pearson"], expected["pearson_raw"])
    auc = expected["auc_judge_for_listens_above_90th_percentile"]
    near(found["AUC for the top 0.1 of outcomes"], auc)
    (section,) = judges("outcome", file, *score, "--outcome", "log1p(listens)")
    found = figures(section)
    near(found["Pearson"], expected["pearson_log1p_listens"])
    line = expected["ols_log1p_listens_on_judge"]
    slope = found["slope of outcome on score"]
    near(slope, line["slope"])
    half = (slope["high"] - slope["low"]) / 2 / 1.984  # t with 99 degrees of freedom
    assert half == pytest.approx(line["se_slope"], rel=0.25)  # theirs: one residual variance


def test_every_judge_prompt_and_subset_of_llmbar_comes_out(judges, shared):
    expected = pl.read_csv(shared / "data/llmbar_judges/expected.csv")
    columns = ("--first", "winner_order1", "--second", "winner_order2", "--truth", "human_label")
    by = ("--by", "subset", "--by", "judge", "--by", "prompt")
    sections = judges("orders", "llmbar_judges/judgments.parquet", *columns, *by)
    found = {tuple(one["by"].values()): one for one in sections}
    names = ("correct_order1", "correct_order2", "correct_both", "same_verdict")
    checked = 0
    for row in expected.iter_rows(named=True):
        section = found[row["subset"], row["judge"], row["prompt"]]
        assert section["counts"]["n"] == row["n"]
        assert {name: section["counts"][name] for name in names} == {n: row[n] for n in names}
        kappa = figures(section)["Cohen's kappa between orders"]["value"]
        if section["counts"]["missing"] == 0 and kappa is not None:
            assert kappa == pytest.approx(row["origin_kappa_agreement"], abs=1e-9)
            checked += 1
    assert checked > 50


LABELS = ("--item", "item", "--rater", "annotator", "--value", "label", "--judge-rater", "judge")


@pytest.mark.parametrize("dataset", ["summeval", "mtbench", "10k_prompts"])
def test_the_alternative_annotator_test_comes_out_beside_alpha_and_the_judges(
    judges, shared, dataset
):
    expected = told(shared, "alt_test/expected.json")[dataset]
    level = "nominal" if expected["metric"] == "accuracy" else "interval"
    sections = judges(
        *("agreement", "alt_test/human_labels.parquet", *LABELS, "--level", level),
        *("--judge-file", str(shared / "data/alt_test/judge_labels.parquet")),
        *("--where", f"dataset={dataset}", "--epsilon", str(expected["epsilon"])),
    )
    alpha = figures(sections[0])[f"Krippendorff's alpha, {level}"]
    near(alpha, expected["krippendorff_alpha_humans"])
    assert alpha["low"] < alpha["value"] < alpha["high"]
    assert {one["by"]["judge"] for one in sections[1:]} == set(expected["recomputed_alt_test"])
    for one in sections[1:]:
        name, test = one["by"]["judge"], one["counts"]["alt_test"]
        recomputed = expected["recomputed_alt_test"][name]
        assert test["winning_rate"] == recomputed["winning_rate"]
        near({"value": test["advantage"]}, recomputed["advantage_probability"])
        p = sorted(value for value in test["p"] if value is not None)
        assert p == pytest.approx(recomputed["p_values_sorted"], abs=1e-9)
        verdict = expected["published_alt_test"][name]["verdict"]
        assert test["passed"] == (verdict == "PASSED")
        _beside_people(figures(one), expected, name)


def _beside_people(found: dict, expected: dict, name: str) -> None:
    if "judge_v_majority" in expected:
        majority = expected["judge_v_majority"][name]
        near(found["share equal to the majority"], majority["accuracy"])
        assert found["share equal to the majority"]["n"] == majority["n"]
        return
    mean = expected["judge_v_mean_human"][name]
    near(found["Spearman, with the mean of people"], mean["spearman"])
    near(found["Pearson, with the mean of people"], mean["pearson"])
    near(found["Kendall tau-b, with the mean of people"], mean["kendall_tau_b"])
    near(found["mean difference, with the mean of people"], mean["mean_bias"])


def test_win_rates_of_23_models_come_out_with_their_errors(judges, shared):
    expected = pl.read_csv(shared / "data/alpaca_eval_judge/expected_win_rates.csv")
    args = ("--value", "judge_preference_for_model", "--arm", "model")
    (section,) = judges("compare", "alpaca_eval_judge/judge_preferences.parquet", *args)
    for row in expected.iter_rows(named=True):
        figure = figures(section)[f"mean, {row['model']}"]
        near({"value": 100 * figure["value"]}, row["win_rate"])
        assert 100 * figure["se"] == pytest.approx(row["se"], rel=1e-9)


def test_models_compare_prompt_by_prompt_as_published(judges, shared):
    args = ("--value", "judge_preference_for_model", "--arm", "model", "--pair", "prompt")
    for one in told(shared, "alpaca_eval_judge/expected_pairs.json")[:4]:
        sections = judges(
            *("compare", "alpaca_eval_judge/judge_preferences.parquet", *args),
            *("--control", one["a"]),
        )
        wanted = f"{one['b']} - {one['a']}"
        found = figures(next(s for s in sections if s["by"].get("arm") == wanted))
        paired = found["difference, paired"]
        assert paired["n"] == one["n"]
        near(paired, one["mean_diff_b_minus_a"])
        assert paired["se"] == pytest.approx(one["paired_se"], rel=1e-9)
        assert paired["p"] == pytest.approx(one["paired_p"], rel=1e-8)
        assert found["difference, unpaired"]["p"] == pytest.approx(
            one["unpaired_welch_p"], rel=1e-8
        )
        signs = found["share of pairs the second wins"]
        assert round(signs["value"] * signs["n"]) == one["sign_b_better"]
        assert signs["n"] == one["sign_b_better"] + one["sign_a_better"]


def test_krippendorff_s_examples_come_out_on_every_level(judges, shared, tmp_path):
    for nth, case in enumerate(told(shared, "vectors_statistics/krippendorff_alpha.json")["cases"]):
        rows = [
            {"unit": unit, "coder": coder, "label": label}
            for coder, labels in enumerate(case["data"])
            for unit, label in enumerate(labels)
        ]
        path = tmp_path / f"{nth}.csv"
        pl.DataFrame(rows).write_csv(path)
        names = ("--item", "unit", "--rater", "coder", "--value", "label")
        (section,) = judges("agreement", str(path), *names)
        for level, value in case["computed"].items():
            near(figures(section)[f"Krippendorff's alpha, {level}"], value, 1e-12)


def _ppi(judges, shared, frame: pl.DataFrame, path, key: str) -> None:
    """Labelled, unlabelled, estimate and interval at both weights, as ppi_py gives them."""
    expected = told(shared, "vectors_statistics/ppi_on_real_data.json")[key]
    frame.write_parquet(path)
    args = (str(path), "--human", "human", "--judge", "judge", "--divisor", "n")
    for name, more in (("lambda_1", ("--lambda", "1")), ("lambda_tuned", ())):
        (section,) = judges("ppi", *args, *more)
        fused = figures(section)["fused"]
        near(fused, expected[name]["estimate"])
        assert (fused["low"], fused["high"]) == pytest.approx(expected[name]["ci"], abs=1e-9)
        assert section["counts"]["labelled"] == expected["n_labelled"]
        assert section["counts"]["unlabelled"] == expected["n_unlabelled"]
    near(figures(section)["human only"], expected["labelled_only"]["estimate"])


def drawn(share: int):
    def is_drawn(name: str) -> bool:
        return int(hashlib.sha256(name.encode()).hexdigest(), 16) % share == 0

    return is_drawn


def test_prediction_powered_means_of_music_ratings_come_out(judges, shared, tmp_path):
    clips = pl.read_csv(shared / "data/pam_musicality/clips.csv.gz")
    chosen = pl.Series([drawn(5)(path) for path in clips["audio_path"]])
    frame = clips.select(
        human=pl.when(chosen).then(pl.col("musicality_mos")), judge=2.6 + 0.8 * pl.col("tj_a")
    )
    _ppi(judges, shared, frame, tmp_path / "f.parquet", "pam_musicality")


def test_prediction_powered_means_of_summaries_come_out(judges, shared, tmp_path):
    number = pl.col("label").cast(pl.Float64, strict=False)
    human = pl.read_parquet(shared / "data/alt_test/human_labels.parquet")
    said = pl.read_parquet(shared / "data/alt_test/judge_labels.parquet")
    mean = human.filter(dataset="summeval").group_by("item").agg(human=number.mean())
    both = mean.join(
        said.filter(dataset="summeval", judge="gpt-4o").select("item", judge=number), on="item"
    ).drop_nulls()
    chosen = pl.Series([drawn(20)(item) for item in both["item"]])
    frame = both.select(human=pl.when(chosen).then(pl.col("human")), judge=pl.col("judge"))
    _ppi(judges, shared, frame, tmp_path / "f.parquet", "summeval_gpt4o")
