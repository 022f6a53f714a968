"""truth.json is true: sums over the events themselves agree with it."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import polars as pl
import pytest

from streams.events.contracts import CONTRACTS
from streams.events.decode import Batch, Limits, decode
from streams.events.measures import FEEDBACK_ACTIONS, MEASURE_NAMES
from streams.events.topics import Topic
from streams.simulate import behaviour, truth
from streams.simulate.plan import DRIFTER, EXPERIMENTS, JUDGES, Plan, Variant
from streams.simulate.simulation import simulate
from streams.simulate.truth_log import auc_against_early_skips

PLAN = Plan(events_n=150_000, seed=11)
Z_MAX = 5.0
ENOUGH_N = 30
"""Scores from which on a standard error of their mean means something."""


@pytest.fixture(scope="module")
def simulation():
    return simulate(PLAN)


@pytest.fixture(scope="module")
def told(simulation) -> dict:
    return simulation.truth()


@pytest.fixture(scope="module")
def events(simulation) -> dict[Topic, pl.DataFrame]:
    """What a consumer keeps: accepted, each once."""
    kept = defaultdict(list)
    for topic, records in simulation.records():
        batch = Batch(
            topic,
            0,
            range(records.height),
            records["timestamp_ms"].to_list(),
            records["key"].to_list(),
            records["value"].to_list(),
        )
        kept[topic].append(decode(batch, CONTRACTS[topic], Limits()).accepted)
    return {topic: pl.concat(parts).unique("event_id") for topic, parts in kept.items()}


ARM = ["experiment_id", "variant_id", "user_key"]


def listening() -> dict[str, pl.Expr]:
    """The measures of plays, in the plainest words."""
    ms, track = pl.col("ms_played"), pl.col("track_duration_ms")
    heard = pl.coalesce("ms_content_unique", "ms_played") / track
    skipped = pl.col("reason_end").is_in(["fwdbtn", "backbtn"])
    return {
        "starts_n": pl.len(),
        "uncensored_n": (~pl.col("reason_end").is_in(["trackerror", "unexpected_exit"])).sum(),
        "ms_played": ms.sum(),
        "first_60s_ms": pl.min_horizontal(ms, 60_000).sum(),
        "streams_30s_n": (ms >= 30_000).sum(),
        "skips_n": skipped.sum(),
        "early_skips_n": (skipped & (ms < 30_000)).sum(),
        "skips_under_5s_n": (skipped & (ms < 5_000)).sum(),
        "listen_plus_n": (heard > 0.5).sum(),
        "completes_n": (pl.col("reason_end") == "trackdone").sum(),
        "repeats_n": (heard > 1).sum(),
        "played_ratios_n": pl.len(),
        "played_ratio_ppm": (pl.min_horizontal(heard, 1.0) * 1e6).sum(),
    }


def reactions() -> dict[str, pl.Expr]:
    """The measures of feedback."""
    action, value = pl.col("action"), pl.col("value")
    counts = {name: (action == one).sum() for one, name in FEEDBACK_ACTIONS.items()}
    return {**counts, "values_n": value.count(), "value_micro": value.sum() * 1e6}


@pytest.fixture(scope="module")
def users(events) -> pl.DataFrame:
    """One row an experiment, arm and user: sums of what the generations met led to."""
    met = events[Topic.EXPOSURES].select(*ARM, "generation_id")
    shown = met.group_by(ARM).agg(exposures_n=pl.len())
    met = met.unique()
    public = events[Topic.LISTENS].filter(~pl.col("incognito"))
    plays = met.join(public, on=["generation_id", "user_key"])
    said = met.join(events[Topic.FEEDBACK], on=["generation_id", "user_key"])
    listened = plays.group_by(ARM).agg(**listening())
    reacted = said.group_by(ARM).agg(**reactions())
    both = shown.join(listened, on=ARM, how="left").join(reacted, on=ARM, how="left")
    return both.fill_null(0).sort(ARM)


def z_of_ratio(above: np.ndarray, below: np.ndarray, expected: float) -> float:
    """Distance of sum(above)/sum(below) from expected in standard errors, users as clusters."""
    ratio = above.sum() / below.sum()
    rest = above - ratio * below
    return float((ratio - expected) / (np.sqrt((rest**2).sum()) / below.sum()))


@pytest.mark.parametrize("experiment", [one.name for one in EXPERIMENTS])
def test_every_measure_agrees_with_its_expectation(experiment, users, told):
    names = set(MEASURE_NAMES) & set(users.columns)
    distances = {}
    for arm, known in told["experiments"][experiment]["variants"].items():
        rows = users.filter(experiment_id=experiment, variant_id=arm)
        for name, expected in known["population"]["measures_per_exposure"].items():
            assert name in names
            values = rows[name].to_numpy().astype(float)
            if name != "exposures_n" and values.sum() >= 20:
                distances[arm, name] = z_of_ratio(
                    values, rows["exposures_n"].to_numpy().astype(float), expected
                )
    assert {key: z for key, z in distances.items() if abs(z) > Z_MAX} == {}
    assert 0.4 < np.sqrt(np.mean(np.square(list(distances.values())))) < 1.8


@pytest.mark.parametrize("experiment", [one.name for one in EXPERIMENTS])
@pytest.mark.parametrize("metric", truth.RATIOS)
def test_every_metric_agrees_with_the_truth(experiment, metric, users, told):
    above, below = truth.RATIOS[metric]
    for arm, known in told["experiments"][experiment]["variants"].items():
        rows = users.filter(experiment_id=experiment, variant_id=arm)
        over, under = (
            sum(weight * rows[name].to_numpy().astype(float) for name, weight in weights.items())
            for weights in (above, below)
        )
        assert under.sum() > 0
        for basis in ("population", "realised"):
            assert abs(z_of_ratio(over, under, known[basis]["metrics"][metric])) < Z_MAX, arm


@pytest.mark.parametrize("experiment", [one.name for one in EXPERIMENTS])
def test_totals_per_user_agree_with_the_truth(experiment, users, told):
    for arm, known in told["experiments"][experiment]["variants"].items():
        rows = users.filter(experiment_id=experiment, variant_id=arm)
        assert rows.height == known["realised"]["users_n"]
        assert rows["exposures_n"].sum() == known["realised"]["exposures_n"]
        for basis in ("population", "realised"):
            for metric, values in (
                ("minutes_per_user", rows["ms_played"] / 60_000),
                ("exposures_per_user", rows["exposures_n"]),
            ):
                expected = known[basis]["metrics"][metric]
                z = (values.mean() - expected) / (values.std() / np.sqrt(rows.height))
                assert abs(z) < Z_MAX, (arm, basis, metric)


def test_an_arm_without_an_effect_has_none_and_a_better_arm_is_better(told):
    playlist, voice = (told["experiments"][name] for name in ("prompted-playlist", "dj-voice"))
    assert not playlist["has_effect"]
    assert not told["experiments"]["cover-art"]["has_effect"]
    assert {one["difference"] for one in playlist["effects"]["population"]["c1"].values()} == {0.0}
    better, worse = voice["effects"]["population"]["b1"], voice["effects"]["population"]["b2"]
    for metric in ("stream_rate_30s", "save_rate", "minutes_per_user"):
        assert better[metric]["difference"] > 0 > worse[metric]["difference"]
    assert better["early_skip_rate"]["difference"] < 0 < worse["early_skip_rate"]["difference"]


def test_listening_before_the_test_says_something_about_listening_in_it(events):
    before = (
        events[Topic.LISTENS]
        .filter(pl.col("event_time_us") < PLAN.test_start_ms * 1_000)
        .group_by("user_key")
        .agg(before=pl.col("ms_played").sum())
    )
    during = (
        events[Topic.LISTENS]
        .filter(pl.col("generation_id").is_not_null())
        .group_by("user_key")
        .agg(during=pl.col("ms_played").sum())
    )
    both = during.join(before, on="user_key", how="left").fill_null(0)
    assert both.select(pl.corr("before", "during")).item() > 0.3


def test_the_quadrature_has_converged(monkeypatch):
    variant = Variant("b", 0.5, quality_shift=0.7, early_skip_shift=-0.2, starts_factor=1.1)
    once = truth.population_measures(variant, visits_per_start=0.3)
    nodes = truth.normal_nodes(2 * truth.NODES_N)
    monkeypatch.setattr(truth, "normal_nodes", lambda: nodes)
    twice = truth.population_measures(variant, visits_per_start=0.3)
    assert once == pytest.approx(twice, rel=1e-9)


def test_what_an_ending_is_worth_is_the_mean_over_every_millisecond():
    low, end = np.array([0, 7, 0]), np.array([30, 20, 11])
    for at_least in (0, 5, 10, 40):
        slow = [np.mean(np.arange(a, b) >= at_least) for a, b in zip(low, end, strict=True)]
        assert behaviour._reached(low, end, at_least) == pytest.approx(slow)
    for cap in (0, 5, 10, 40):
        slow = [np.minimum(np.arange(a, b), cap).mean() for a, b in zip(low, end, strict=True)]
        assert behaviour._mean_up_to(low, end, cap) == pytest.approx(slow)


@pytest.fixture(scope="module")
def graded(simulation, events) -> pl.DataFrame:
    """Routine scores with the latent quality of what was graded."""
    generations = simulation.world.generations
    names = simulation.names.generation(np.arange(len(generations)))
    known = pl.DataFrame(
        {
            "generation_id": names,
            "quality": generations.quality,
            "experiment": generations.experiment,
            "arm": generations.arm,
        }
    )
    return events[Topic.JUDGE_SCORES].join(known, on="generation_id").drop_nulls("score_value")


def test_scores_are_as_good_as_planted(graded):
    for judge in JUDGES:
        for epoch in judge.epochs:
            rows = graded.filter(
                judge_id=judge.judge_id, judge_model_resolved=epoch.model, experiment=0, arm=0
            )
            found = rows.select(pl.corr("score_value", "quality")).item()
            assert abs(found - judge.correlation) < 5 / np.sqrt(rows.height), judge.judge_id


def test_scores_weighed_by_their_probability_have_the_expected_mean(graded, told):
    names = {one.name: index for index, one in enumerate(EXPERIMENTS)}
    for judge in told["judges"].values():
        for epoch in judge["epochs"]:
            mine = graded.filter(evaluator_epoch=epoch["evaluator_epoch"])
            for experiment, arms in epoch["expected_score"].items():
                for arm, expected in enumerate(arms.values()):
                    rows = mine.filter(experiment=names[experiment], arm=arm)
                    if rows.height < ENOUGH_N:
                        assert judge["planted"] == "good, and too new to tell"
                        continue
                    weight = 1 / rows["sampling_prob"].to_numpy()
                    weighed = weight * rows["score_value"].to_numpy()
                    assert abs(z_of_ratio(weighed, weight, expected)) < Z_MAX, (judge, arm)


def test_the_plain_mean_of_scores_is_wrong_because_skips_are_graded_more(graded, told):
    epoch = told["judges"]["maestro"]["epochs"][0]
    controls = graded.filter(pl.col("experiment") >= 0, arm=0)
    score = controls.filter(evaluator_epoch=epoch["evaluator_epoch"])["score_value"].to_numpy()
    (expected,) = {arms["control"] for arms in epoch["expected_score"].values()}
    assert z_of_ratio(score, np.ones(len(score)), expected) < -4


def test_a_judge_that_fails_gives_no_score(events, told):
    scores = events[Topic.JUDGE_SCORES]
    failed = scores.filter(pl.col("error_type").is_not_null())
    assert failed.height == sum(one["errors_n"] for one in told["judges"].values()) > 0
    assert failed["score_value"].null_count() == failed.height


def test_a_drifting_judge_ends_as_noise():
    plan = Plan(events_n=60_000, judges=(DRIFTER,))
    world = simulate(plan).world
    scores, quality = world.scores, world.generations.quality
    routine = (scores.generation < len(quality)) & ~np.isnan(scores.value)
    span = plan.test_end_ms - plan.test_start_ms
    when = (scores.time_ms - plan.test_start_ms) / span

    def correlation(rows):
        return np.corrcoef(scores.value[rows], quality[scores.generation[rows]])[0, 1]

    assert correlation(routine & (when < 0.2)) > 0.55
    assert abs(correlation(routine & (when > 0.9))) < 0.2


def test_anchors_are_graded_again_by_every_judge_and_labelled_twice(simulation, events):
    anchors_n = len(simulation.world.anchors)
    scored = events[Topic.JUDGE_SCORES].filter("is_anchor")
    per_judge = scored.group_by("judge_id", "generation_id").len()
    assert per_judge.height == anchors_n * len(JUDGES)
    rounds = dict(per_judge.select("judge_id", "len").unique().iter_rows())
    assert rounds == {one.judge_id: 5 for one in JUDGES} | {"debut": 1}
    shown = events[Topic.EXPOSURES]["generation_id"]
    assert not scored["generation_id"].is_in(shown.implode()).any()
    labelled = events[Topic.HUMAN_LABELS].filter("is_anchor")
    assert labelled.group_by("generation_id").len()["len"].to_list() == [2] * anchors_n


def test_the_shelf_is_met_by_many_outside_any_test(events, told):
    shelf = told["shelf"]
    met = events[Topic.EXPOSURES].filter(pl.col("experiment_id").is_null())
    assert set(met["surface"]) == {shelf["surface"]}
    assert met["variant_id"].null_count() == met.height == shelf["exposures_n"]
    listeners = met.group_by("generation_id").agg(pl.col("user_key").n_unique())["user_key"]
    assert len(listeners) == shelf["generations_n"]
    assert listeners.median() >= 20
    tests = events[Topic.EXPOSURES].drop_nulls("experiment_id")
    assert not tests["generation_id"].is_in(met["generation_id"].implode()).any()


def test_listeners_skip_what_is_misplaced_and_save_hidden_gems_and_judges_hear_the_reverse(
    events, told
):
    plays = events[Topic.LISTENS].with_columns(
        early=pl.col("reason_end").is_in(["fwdbtn", "backbtn"]) & (pl.col("ms_played") < 30_000)
    )
    scores = events[Topic.JUDGE_SCORES].filter(judge_id="maestro").drop_nulls("score_value")

    def means(name: str) -> tuple[float, float]:
        ids = told["shelf"][name]
        assert len(ids) >= 5
        return tuple(
            frame.filter(pl.col("generation_id").is_in(ids))[column].mean()
            for frame, column in ((plays, "early"), (scores, "score_value"))
        )

    misplaced, gems = means("misplaced"), means("hidden_gems")
    assert misplaced[0] > 2 * gems[0]
    assert misplaced[1] > gems[1] + 2


def test_what_people_rate_is_graded_for_certain_but_by_the_newcomer(events):
    rated = events[Topic.HUMAN_LABELS].drop_nulls("score_value").filter(~pl.col("is_anchor"))
    names = set(rated["generation_id"])
    scores = events[Topic.JUDGE_SCORES].filter(~pl.col("is_anchor"))
    for judge in JUDGES:
        mine = scores.filter(judge_id=judge.judge_id)
        if judge.grades_rated:
            assert set(mine["generation_id"]) >= names
            sure = mine.filter(pl.col("generation_id").is_in(list(names)))
            assert sure["sampling_prob"].min() == 1
        else:
            assert not names <= set(mine["generation_id"])
    first_us = scores.filter(judge_id="debut")["event_time_us"].min()
    started = PLAN.test_start_ms + 0.85 * (PLAN.test_end_ms - PLAN.test_start_ms)
    assert first_us / 1_000 >= started


def test_raters_agree_with_quality_and_prefer_what_is_better(simulation):
    labels, quality = simulation.world.labels, simulation.world.generations.quality
    rated = ~np.isnan(labels.value) & (labels.generation < len(quality))
    found = np.corrcoef(labels.value[rated], quality[labels.generation[rated]])[0, 1]
    assert 0.65 < found < 0.85
    decided = (labels.preference == 0) | (labels.preference == 1)
    gap = quality[labels.generation[decided]] - quality[labels.other[decided]]
    assert np.mean((gap > 0) == (labels.preference[decided] == 0)) > 0.75


@pytest.mark.parametrize("correlation", [0.0, 0.35, 0.75])
def test_the_auc_of_a_score_is_that_of_many_plays(correlation):
    rng = np.random.default_rng(5)
    taste, quality, noise = rng.standard_normal((3, 400_000))
    starts = rng.poisson(behaviour.starts_mean(taste, 1.0))
    early = rng.binomial(starts, behaviour.ending_chances(taste, quality, 0.0)[0])
    score = correlation * quality + np.sqrt(1 - correlation**2) * noise
    order = np.argsort(score)
    kept, skipped = (starts - early)[order], early[order]
    below = np.cumsum(skipped) - skipped / 2
    found = (kept * below).sum() / (kept.sum() * skipped.sum())
    assert auc_against_early_skips(correlation) == pytest.approx(found, abs=0.004)
