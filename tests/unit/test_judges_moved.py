"""A change of a mean is told apart: the judge, the system, or the traffic."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.judged import judged
from support.published import DAY_0, day_us

from analytics.judges.moved import ANCHORS_MIN, Change, moved, split
from listenback.cli import run
from listenback.commands import judge_moved
from streams.errors import IntegrityError, UntrustworthyError

LEVEL = np.array([4.0, 5.0, 6.5])
SHARES = ((0.5, 0.3, 0.2), (0.3, 0.3, 0.4))
ITEMS_N, ANCHORS_N, WORLDS_N = 1_500, 60, 40


def world(seed: int, *, judge: float = 0, system: float = 0, traffic: bool = False) -> Change:
    """Two periods with planted causes; users have tastes, judged with known probabilities."""
    rng = np.random.default_rng(seed)
    parts = []
    taste = rng.normal(0, 0.4, 300)
    for after in (0, 1):
        stratum = rng.choice(3, ITEMS_N, p=SHARES[after if traffic else 0])
        user = rng.integers(0, 300, ITEMS_N)
        score = LEVEL[stratum] + taste[user] + rng.normal(0, 1, ITEMS_N) + after * (judge + system)
        probability = np.where(score > 5, 0.9, 0.5)
        drawn = rng.random(ITEMS_N) < probability
        parts.append(
            (
                *(score[drawn], 1 / probability[drawn], np.full(drawn.sum(), after)),
                *(stratum[drawn], user[drawn]),
            )
        )
    true = rng.normal(5, 1, ANCHORS_N)
    grades = [true + rng.normal(0, 0.3, ANCHORS_N) + after * judge for after in (0, 1)]
    columns = [np.concatenate(both) for both in zip(*parts, strict=True)]
    return Change(*columns, (grades[0], grades[1]))


@pytest.mark.parametrize(
    ("cause", "planted"),
    [("judge", {"judge": 0.5}), ("system", {"system": 0.5}), ("traffic", {"traffic": True})],
)
def test_each_single_cause_is_named_in_nine_of_ten_worlds(cause, planted):
    named = [moved(world(seed, **planted), alpha=0.05).cause for seed in range(WORLDS_N)]
    assert named.count(cause) / WORLDS_N >= 0.9


def test_where_nothing_moved_nothing_is_blamed_and_no_alarm_is_raised():
    found = [moved(world(seed), alpha=0.05) for seed in range(WORLDS_N)]
    assert sum(one.cause == "none" for one in found) / WORLDS_N >= 0.9
    assert sum(one.alarm.is_raised for one in found) / WORLDS_N <= 0.1


def test_the_parts_hold_their_truth_and_add_up_when_all_three_move():
    truth = {"judge": 0.4, "system": -0.3, "traffic": float(LEVEL @ np.subtract(*SHARES[::-1]))}
    held = dict.fromkeys(truth, 0)
    for seed in range(WORLDS_N):
        found = moved(world(seed, judge=0.4, system=-0.3, traffic=True), alpha=0.05)
        assert sum(one.value for one in found.parts) == pytest.approx(found.total.value)
        for name, value in truth.items():
            figure = getattr(found, name)
            held[name] += figure.low <= value <= figure.high
    assert min(held.values()) / WORLDS_N >= 0.9


def test_a_judge_that_left_its_anchors_raises_the_alarm():
    alarm = moved(world(1, judge=0.5), alpha=0.05).alarm
    assert alarm.is_raised
    assert alarm.moved.low <= 0.5 <= alarm.moved.high
    assert 0 < alarm.ks <= 1
    assert alarm.psi > 0


def test_without_anchors_judge_and_system_are_not_told_apart():
    bare = world(2, judge=0.5)
    found = moved(
        Change(
            bare.score,
            bare.weight,
            bare.is_after,
            bare.stratum,
            bare.cluster,
            (np.zeros(3), np.zeros(3)),
        ),
        alpha=0.05,
    )
    assert found.judge.value is None
    assert f"{ANCHORS_MIN} are needed" in found.judge.reason
    assert found.system.name == "judge and system together"
    assert found.cause == "none"


def test_a_period_without_scores_is_a_named_answer():
    only = world(3)
    first = only.is_after == 0
    half = Change(
        *(
            part[first]
            for part in (only.score, only.weight, only.is_after, only.stratum, only.cluster)
        ),
        only.anchors,
    )
    with pytest.raises(UntrustworthyError, match="no item was scored"):
        moved(half, alpha=0.05)


@given(st.integers(0, 2**32 - 1), st.integers(2, 60))
def test_the_split_adds_up_and_equals_a_sum_over_strata_written_out(seed, n):
    rng = np.random.default_rng(seed)
    after = np.r_[0, 1, rng.integers(0, 2, n)]
    score, weight = rng.normal(size=n + 2), rng.random(n + 2) + 0.1
    stratum = rng.integers(0, 4, n + 2)
    total, within, between = split(Change(score, weight, after, stratum, after, (score, score)))
    slow = 0.0
    sums = [weight[after == t].sum() for t in (0, 1)]
    for s in range(4):
        inside = [(after == t) & (stratum == s) for t in (0, 1)]
        if not all(one.any() for one in inside):
            continue  # only one period has it: traffic alone
        shares = [weight[one].sum() / sums[t] for t, one in enumerate(inside)]
        means = [np.average(score[one], weights=weight[one]) for one in inside]
        slow += (shares[0] + shares[1]) / 2 * (means[1] - means[0])
    means = [np.average(score[after == t], weights=weight[after == t]) for t in (0, 1)]
    assert total == pytest.approx(means[1] - means[0], abs=1e-9)
    assert within == pytest.approx(slow, abs=1e-9)
    assert within + between == pytest.approx(total, abs=1e-9)


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    """`judged`, where a second epoch of `ear` scores from day 4 on, and grades no anchors."""
    path = tmp_path_factory.mktemp("moved") / "warehouse.duckdb"
    published = judged(path)
    ids = [f"g{i}" for i in range(200)]
    frame = pl.DataFrame({"generation_id": ids}).with_columns(
        judge_id=pl.lit("ear"),
        dimension=pl.lit("musicality"),
        evaluator_epoch=pl.lit("epoch-new"),
        score_value=pl.Series(np.linspace(1, 9, 200)),
        event_time_us=pl.lit(day_us(9)),
    )
    published.insert("generation_score", frame)
    published.insert("judge_score", frame)
    published.close()
    return path


def asked(warehouse, before: tuple[int, int], after: tuple[int, int], *options: str) -> int:
    spans = [
        "..".join(str(DAY_0.fromordinal(DAY_0.toordinal() + d)) for d in days)
        for days in (before, after)
    ]
    return run(
        [
            *("judges", "moved", "--dimension", "musicality", "--from", spans[0]),
            *("--to", spans[1], "--warehouse", str(warehouse), *options),
        ]
    )


def test_the_command_tells_every_part_with_its_interval(warehouse, capsys):
    assert asked(warehouse, (0, 0), (1, 7), "--judge", "ear", "--json") == 0
    told = json.loads(capsys.readouterr().out)["judges"]["ear"]
    assert told["cause"] == "none"
    assert told["judge"]["n"] == 40
    assert sum(told[name]["value"] for name in ("judge", "system", "traffic")) == pytest.approx(
        told["total"]["value"]
    )
    assert told["alarm"]["is_raised"] is False
    assert asked(warehouse, (0, 0), (1, 7), "--judge", "coin") == 0
    assert "judge and system together" in capsys.readouterr().out


def test_a_judge_without_scores_in_a_period_is_left_out_and_the_others_are_told(
    warehouse, capsys, monkeypatch
):
    whole, asked_n = judge_moved.moved, iter(range(99))

    def but_the_first(change, *, alpha):
        if next(asked_n) == 0:
            raise UntrustworthyError("no item was scored in this period.", where="--to")
        return whole(change, alpha=alpha)

    monkeypatch.setattr(judge_moved, "moved", but_the_first)
    assert asked(warehouse, (0, 0), (1, 7), "--json") == 0
    said = capsys.readouterr()
    judges = list(json.loads(said.out)["judges"])
    assert "ear" in judges
    assert "coin" not in judges
    assert "Left out: coin: --to: no item was scored" in said.err
    asked_n = iter((0,))
    assert asked(warehouse, (0, 0), (1, 7), "--judge", "ear") == UntrustworthyError.exit_code


def test_epochs_without_common_anchors_are_not_compared(warehouse, capsys):
    assert asked(warehouse, (0, 7), (9, 9), "--judge", "ear") == IntegrityError.exit_code == 5
    assert "share 0 anchors" in capsys.readouterr().err


def test_days_that_overlap_or_are_none_are_refused(warehouse, capsys):
    assert asked(warehouse, (0, 4), (4, 7)) == 2
    assert "begins before" in capsys.readouterr().err
    assert asked(warehouse, (4, 0), (6, 7)) == 2
    assert "ends before it begins" in capsys.readouterr().err
