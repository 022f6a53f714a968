"""The simulator's log: repeatable, in order, and made of what truth.json says."""

from __future__ import annotations

import base64
import json
from collections import Counter, defaultdict
from dataclasses import replace

import polars as pl
import pytest

from streams.errors import ConfigError
from streams.event_writer import RECORD, JsonlWriter
from streams.events import identity
from streams.events.contracts import CONTRACTS
from streams.events.decode import Batch, Limits, decode
from streams.events.topics import Topic
from streams.simulate.plan import (
    DEFAULT_END_MS,
    MIXES,
    Mix,
    Plan,
    mix_named,
    with_drifting_judge,
    with_sample_ratio_mismatch,
)
from streams.simulate.poison import poisons_of
from streams.simulate.simulation import simulate

HOUR_MS = 3_600_000
DAY_MS = 86_400_000
SMALL = Plan(events_n=4_000, seed=3)


def written(plan: Plan, rows_max: int = 200_000) -> dict[Topic, pl.DataFrame]:
    parts = defaultdict(list)
    for topic, records in simulate(plan).records(rows_max):
        parts[topic].append(records)
    return {topic: pl.concat(frames) for topic, frames in parts.items()}


def decoded(topic: Topic, records: pl.DataFrame):
    batch = Batch(
        topic,
        0,
        range(records.height),
        records["timestamp_ms"].to_list(),
        records["key"].to_list(),
        records["value"].to_list(),
    )
    return decode(batch, CONTRACTS[topic], Limits())


@pytest.fixture(scope="module")
def small() -> dict[Topic, pl.DataFrame]:
    return written(SMALL)


@pytest.fixture(scope="module")
def truth() -> dict:
    return simulate(SMALL).truth()


def test_equal_plans_give_equal_bytes(small, truth):
    again = written(SMALL)
    assert all(small[topic].equals(again[topic]) for topic in Topic)
    assert json.dumps(truth) == json.dumps(simulate(SMALL).truth())


def test_another_seed_gives_other_events(small):
    other = written(replace(SMALL, seed=4))
    mine = set(small[Topic.LISTENS]["value"])
    assert mine.isdisjoint(other[Topic.LISTENS].filter("is_json")["value"])


def test_how_much_is_written_at_once_changes_nothing(small):
    pieces = written(SMALL, rows_max=97)
    assert all(small[topic].equals(pieces[topic]) for topic in Topic)


def test_records_stand_in_the_order_in_which_the_log_took_them(small):
    for records in small.values():
        assert records.schema == RECORD
        assert records["timestamp_ms"].is_sorted()


def test_nothing_happens_after_the_end_though_it_may_come_later(small):
    late_by_ms = []
    for topic, records in small.items():
        events = decoded(topic, records).accepted
        assert events["event_time_us"].max() < SMALL.end_ms * 1_000
        assert events["event_time_us"].min() >= SMALL.start_ms * 1_000
        late_by_ms.append((events["record_time_us"] - events["event_time_us"]).max() // 1_000)
    assert SMALL.end_ms == DEFAULT_END_MS
    assert DAY_MS < max(late_by_ms) < 30 * DAY_MS


@pytest.mark.parametrize("name", MIXES)
def test_the_topics_have_their_shares(name):
    plan = Plan(events_n=60_000, mix=MIXES[name])
    counts = simulate(plan).truth()["counts"]
    events_n = sum(one["events"] for one in counts.values())
    wanted = {
        "exposures": plan.mix.exposures,
        "listens": plan.mix.listens,
        "feedback": plan.mix.feedback,
        "judge-scores": plan.mix.judge_scores,
        "human-labels": plan.mix.human_labels,
    }
    assert abs(events_n / 60_000 - 1) < 0.05
    for topic, share in wanted.items():
        assert abs(counts[topic]["events"] / events_n - share) < 0.006, topic
    late_n = sum(one["late"] for one in counts.values())
    again_n = sum(one["duplicates"] for one in counts.values())
    assert abs(late_n / events_n - plan.mix.late) < 0.005
    assert abs(again_n / events_n - plan.mix.duplicates) < 0.002


def test_the_bench_mix_has_values_of_about_500_bytes():
    records = written(Plan(events_n=4_000, mix=MIXES["bench"]))
    sizes = pl.concat([one["value"].bin.size() for one in records.values()])
    assert 450 < sizes.mean() < 650


def test_the_counts_in_the_truth_are_those_of_the_files(tmp_path, truth):
    simulation = simulate(SMALL)
    with JsonlWriter(tmp_path / "out") as writer:
        for topic, records in simulation.records(500):
            writer.write(topic, records)
    lines = {
        topic: [
            json.loads(line)
            for line in (tmp_path / "out" / f"{topic}.jsonl").read_bytes().splitlines()
        ]
        for topic in Topic
    }
    for topic, rows in lines.items():
        told = truth["counts"][topic]
        good = [row for row in rows if "value" in row]
        own_id = CONTRACTS[topic].own_id
        first = {row["value"][own_id]: row for row in reversed(good)}
        assert len(rows) == told["records"]
        assert len(first) == told["events"]
        assert len(good) - len(first) == told["duplicates"]
        assert len(rows) - len(good) == told["poison"]
        late = [row for row in first.values() if _late_by_ms(row) >= HOUR_MS]
        assert len(late) == told["late"]
    _check_orphans(lines, truth["counts"]["listens"])


def _late_by_ms(row: dict) -> int:
    happened = pl.Series([row["value"]["event_time"]]).str.to_datetime("%+", time_unit="ms")
    return row["timestamp_ms"] - int(happened.dt.epoch("ms")[0])


def _check_orphans(lines: dict, told: dict) -> None:
    met = set()
    for row in lines[Topic.EXPOSURES]:
        if "value" in row:
            met.add((row["value"]["generation_id"], row["value"]["user_key"]))
    shown = {generation for generation, _ in met}
    plays = {
        row["value"]["playback_id"]: row["value"] for row in lines[Topic.LISTENS] if "value" in row
    }
    kinds = Counter()
    for play in plays.values():
        generation = play.get("generation_id")
        if generation is None:
            kinds["organic"] += 1
        elif generation not in shown:
            kinds["orphans_unknown_generation"] += 1
        elif (generation, play["user_key"]) not in met:
            kinds["orphans_unexposed_user"] += 1
        else:
            kinds["attributed"] += 1
        kinds["incognito"] += play["incognito"]
        kinds["offline"] += play["offline"]
    assert kinds == Counter({name: told[name] for name in kinds})


@pytest.mark.parametrize("topic", Topic)
def test_the_decoder_refuses_each_poison_with_its_class_and_nothing_else(topic):
    plan = replace(SMALL, mix=replace(SMALL.mix, poison=0.5))
    simulation = simulate(plan)
    rejected = decoded(topic, written(plan)[topic]).rejected
    told = simulation.truth()["counts"][topic]
    assert set(told["poison_by_name"]) == {one.name for one in poisons_of(topic)}
    assert dict(Counter(rejected["error_class"])) == told["poison_by_error_class"]


def test_what_is_not_poison_is_accepted_as_it_stands(small, truth):
    for topic, records in small.items():
        accepted = decoded(topic, records).accepted
        told = truth["counts"][topic]
        assert accepted.height == told["events"] + told["duplicates"]
        raw = [name for name in accepted.columns if name.endswith("_raw")]
        assert accepted.select(pl.col(raw).is_not_null().any()).row(0) == (False,) * len(raw)


def test_a_record_that_comes_twice_comes_with_the_same_bytes(small):
    events = decoded(Topic.FEEDBACK, small[Topic.FEEDBACK]).accepted
    twice = events.filter(pl.col("event_id").is_duplicated())
    assert twice.height > 0
    values = small[Topic.FEEDBACK]["value"].gather(twice["offset"])
    assert values.n_unique() == twice["event_id"].n_unique()


def test_ids_are_those_that_others_compute_alike(small):
    scores = decoded(Topic.JUDGE_SCORES, small[Topic.JUDGE_SCORES]).accepted
    for row in scores.head(50).to_dicts():
        assert row["score_id"] == identity.score_id(
            row["generation_id"], row["evaluator_epoch"], row["dimension"], row["repeat_idx"]
        )
        assert row["evaluator_epoch"] == identity.evaluator_epoch(
            row["rubric_hash"],
            row["judge_prompt_version"],
            row["judge_provider"],
            row["judge_model_resolved"],
        )
    plays = decoded(Topic.LISTENS, small[Topic.LISTENS]).accepted
    assert plays["playback_id"].str.contains(r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab]").all()


def test_reactions_name_the_play_and_the_exposure_they_follow(small):
    plays = decoded(Topic.LISTENS, small[Topic.LISTENS]).accepted.unique("playback_id")
    shown = decoded(Topic.EXPOSURES, small[Topic.EXPOSURES]).accepted.unique("exposure_id")
    reactions = decoded(Topic.FEEDBACK, small[Topic.FEEDBACK]).accepted.unique("feedback_id")
    exposed = reactions.join(shown, on=["exposure_id", "generation_id", "user_key"])
    assert exposed.height == reactions.height
    during = reactions.filter(pl.col("playback_id").is_not_null())
    played = during.join(plays, on=["playback_id", "generation_id", "user_key"])
    assert played.height == during.height > 0


def test_nobody_takes_back_more_than_was_given(small):
    actions = Counter(
        decoded(Topic.FEEDBACK, small[Topic.FEEDBACK]).accepted.unique("event_id")["action"]
    )
    assert 0 < actions["unsave"] < actions["save"]
    assert 0 < actions["unlike"] < actions["like"]


@pytest.mark.parametrize("events_n", [1, 2, 17, 300])
def test_small_worlds_hold_together(events_n):
    plan = Plan(events_n=events_n, pre_days=0, test_days=1)
    for topic, records in written(plan).items():
        assert decoded(topic, records).rejected.is_empty()
    assert simulate(plan).truth()["users_n"] >= 1


def test_the_planted_mismatch_moves_the_sample_ratio_and_nothing_else():
    plan = Plan(events_n=200_000)
    fair, spoilt = (
        simulate(one).truth()["experiments"] for one in (plan, with_sample_ratio_mismatch(plan))
    )
    assert _chi2(_users(fair, "home-shelf")) < 11 < _chi2(_users(spoilt, "home-shelf"))
    assert spoilt["home-shelf"]["sample_ratio_mismatch"] is True
    assert fair["home-shelf"]["sample_ratio_mismatch"] is False
    for name in ("dj-voice", "prompted-playlist", "cover-art"):
        assert _users(fair, name) == _users(spoilt, name)


def _users(experiments: dict, name: str) -> list[int]:
    return [arm["realised"]["users_n"] for arm in experiments[name]["variants"].values()]


def _chi2(users: list[int]) -> float:
    half = sum(users) / 2
    return sum((one - half) ** 2 / half for one in users)


def test_one_more_judge_leaves_listeners_as_they_were():
    with_it = with_drifting_judge(SMALL)
    assert written(with_it)[Topic.LISTENS].equals(written(SMALL)[Topic.LISTENS])
    assert simulate(with_it).truth()["judges"]["drifter"]["correlation_with_quality"] == {
        "start": 0.75,
        "end": 0.0,
    }


def test_a_jsonl_line_gives_back_the_bytes_of_its_record(tmp_path, small):
    with JsonlWriter(tmp_path) as writer:
        writer.write(Topic.LISTENS, small[Topic.LISTENS])
        writer.write(Topic.FEEDBACK, small[Topic.FEEDBACK].clear())
    lines = (tmp_path / "listens.jsonl").read_bytes().splitlines()
    for line, record in zip(lines, small[Topic.LISTENS].to_dicts(), strict=True):
        row = json.loads(line)
        assert row["timestamp_ms"] == record["timestamp_ms"]
        assert row["key"].encode() == record["key"]
        if "value" in row:
            assert row["value"] == json.loads(record["value"])
            assert record["value"] in line
        elif row["value_b64"] is None:
            assert record["value"] is None
        else:
            assert base64.b64decode(row["value_b64"]) == record["value"]
    assert (tmp_path / "feedback.jsonl").read_bytes() == b""


def test_files_that_are_there_are_not_mixed_with_new_ones(tmp_path):
    (tmp_path / "feedback.jsonl").write_text("")
    with pytest.raises(ConfigError, match=r"'feedback\.jsonl' is there already"):
        JsonlWriter(tmp_path).__enter__()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"events_n": 0}, "--events"),
        ({"pre_days": -1}, "--pre-days"),
        ({"test_days": 0}, "--days"),
        ({"end_ms": DAY_MS}, "before 1970"),
    ],
)
def test_what_cannot_be_simulated_is_said(change, why):
    with pytest.raises(ConfigError, match=why):
        Plan(**change)


def test_shares_must_sum_to_one():
    with pytest.raises(ConfigError, match=r"sum to 1, these sum to 1\.1"):
        Mix(0.2, 0.6, 0.15, 0.14, 0.01)


def test_a_misspelt_mix_is_corrected():
    with pytest.raises(ConfigError, match="Did you mean 'bench'"):
        mix_named("benhc")
