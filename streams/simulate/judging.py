"""Judges at work: whom they grade, with what probability, how well, and when they fail."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streams.simulate.behaviour import ENDINGS
from streams.simulate.ids import generator
from streams.simulate.plan import DAY_MS, HOUR_MS, MINUTE_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.simulate.exposures import Generations
    from streams.simulate.labelling import Labels
    from streams.simulate.listens import Listens
    from streams.simulate.plan import Judge, Plan

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SCORE_MIN, SCORE_MID, SCORE_MAX = 0.0, 5.0, 10.0
SCORE_SD = 1.2
ERRORS = ("timeout", "rate_limited", "content_filter", "unparseable")
SKIPPED_FACTOR = 2.4
OTHERS_FACTOR = 0.4
"""Generations that somebody skipped early are graded more often: a plain mean is then wrong."""
REPEAT_SHARE = 0.01
PROBABILITY_MIN = 1e-6
ANCHORS_MAX = 60
ANCHOR_EVERY_DAYS = 3
"""Reference items, never exposed, that every judge grades again every few days."""
DELAY_MEAN_MS = 20 * MINUTE_MS
DELAY_MAX_MS = 12 * HOUR_MS
NONE = -1


@dataclass(frozen=True, slots=True)
class Scores:
    """One element a grade. epoch: index into the judge's epochs; error: index or NONE.

    generation: from len(generations) on it is an anchor. value is NaN beside an error.
    """

    judge: Ints
    epoch: Ints
    generation: Ints
    time_ms: Ints
    value: Floats
    error: Ints
    sampling_prob: Floats
    repeat: Ints
    latency_ms: Ints
    tokens: Ints

    def __len__(self) -> int:
        """How many."""
        return len(self.judge)


@dataclass(frozen=True, slots=True)
class Anchors:
    """The frozen reference items: their latent quality."""

    quality: Floats

    def __len__(self) -> int:
        """How many."""
        return len(self.quality)


def anchored(plan: Plan) -> Anchors:
    """Draw the reference items: few where few scores are wanted."""
    wanted = plan.events_n * plan.mix.judge_scores
    anchors_n = int(np.clip(wanted / 400, 2, ANCHORS_MAX))
    return Anchors(generator(plan.seed, "anchors").standard_normal(anchors_n))


def judge(
    plan: Plan, generations: Generations, listens: Listens, labels: Labels, anchors: Anchors
) -> Scores:
    """Draw every grade. Sampling is scaled so that the mix has its share of judge scores."""
    wanted = plan.events_n * plan.mix.judge_scores
    wanted -= sum(len(anchors) * len(_rounds(plan, one)) for one in plan.judges)
    weight, is_rated = _weights(generations, listens), _rated(generations, labels)
    certain = [is_rated & one.grades_rated for one in plan.judges]
    wanted -= sum(int(one.sum()) for one in certain)
    shares = [
        one.judged_share * weight * ~sure for one, sure in zip(plan.judges, certain, strict=True)
    ]
    scale = _scale(shares, max(0.0, wanted))
    parts = []
    for index, (one, sure) in enumerate(zip(plan.judges, certain, strict=True)):
        rng = generator(plan.seed, f"judge:{one.judge_id}")
        chance = np.clip(scale * one.judged_share * weight, PROBABILITY_MIN, 1.0)
        chance = np.where(sure, 1.0, chance)
        parts.append(_routine(rng, plan, index, generations, chance))
        parts.append(_reference(rng, plan, index, anchors, len(generations)))
    return _joined(parts)


def _weights(generations: Generations, listens: Listens) -> Floats:
    """Relative chance of being graded: an observable outcome moves it."""
    attributed = slice(0, listens.attributed_n)
    early = listens.ending[attributed] == ENDINGS.index("early_skip")
    skipped = np.bincount(listens.generation[attributed][early], minlength=len(generations)) > 0
    return np.where(skipped, SKIPPED_FACTOR, OTHERS_FACTOR)


def _rated(generations: Generations, labels: Labels) -> NDArray[np.bool_]:
    """What people rate: drawn without a look at its outcome, so grading all of it bends nothing."""
    rated = labels.generation[~np.isnan(labels.value)]
    out = np.zeros(len(generations), dtype=np.bool_)
    out[rated[rated < len(generations)]] = True
    return out


def _start_ms(plan: Plan, one: Judge) -> int:
    """Before this moment the judge did not exist."""
    return plan.test_start_ms + round(
        one.epochs[0].starts_at * (plan.test_end_ms - plan.test_start_ms)
    )


def _rounds(plan: Plan, one: Judge) -> Ints:
    """When it grades the anchors: days of the test."""
    day = np.arange(0, plan.test_days, ANCHOR_EVERY_DAYS)
    return day[plan.test_start_ms + day * DAY_MS >= _start_ms(plan, one)]


def _scale(chances: Sequence[Floats], wanted: float) -> float:
    """What to multiply the chances with, capped at 1, to expect so many grades."""
    low, high = 0.0, 1e6
    for _ in range(60):
        middle = (low + high) / 2
        expected = sum(float(np.minimum(1.0, middle * one).sum()) for one in chances)
        low, high = (middle, high) if expected < wanted else (low, middle)
    return low


def score_mean(
    judge: Judge, quality: Floats, when: Floats, favour: Floats, shift: Floats
) -> Floats:
    """Expected grade. when: share of the test period that has passed."""
    return np.asarray(SCORE_MID + SCORE_SD * correlation_at(judge, when) * quality + favour + shift)


def correlation_at(judge: Judge, when: Floats) -> Floats:
    """Correlation of grade and quality inside an arm, at a share of the test period."""
    end = judge.correlation if judge.correlation_end is None else judge.correlation_end
    return np.asarray(judge.correlation + (end - judge.correlation) * np.clip(when, 0, 1))


def favours(judge: Judge, plan: Plan) -> NDArray[np.float64]:
    """Points that the judge adds: one row an experiment, one column an arm."""
    arms_max = max(len(one.variants) for one in plan.experiments)
    out = np.zeros((len(plan.experiments) + 1, arms_max))  # the last row: outside any test
    for row, experiment in enumerate(plan.experiments):
        for column, variant in enumerate(experiment.variants):
            out[row, column] = judge.favours.get((experiment.name, variant.name), 0.0)
    return out


def _routine(
    rng: np.random.Generator, plan: Plan, index: int, generations: Generations, chance: Floats
) -> Scores:
    """Grades of what was shown, soon after; some twice."""
    is_there = generations.shown_ms >= _start_ms(plan, plan.judges[index])
    taken = np.flatnonzero((rng.random(len(chance)) < chance) & is_there)
    again = taken[rng.random(len(taken)) < REPEAT_SHARE]
    row = np.concatenate([taken, again])
    delay = np.minimum(rng.exponential(DELAY_MEAN_MS, len(row)), DELAY_MAX_MS).astype(np.int64)
    favour = favours(plan.judges[index], plan)
    return _graded(
        rng,
        plan,
        index,
        _Task(
            generation=row,
            time_ms=generations.shown_ms[row] + MINUTE_MS + delay,
            quality=generations.quality[row],
            favour=favour[generations.experiment[row], generations.arm[row]],
            sampling_prob=chance[row],
            repeat=np.repeat([0, 1], [len(taken), len(again)]),
        ),
    )


def _reference(
    rng: np.random.Generator, plan: Plan, index: int, anchors: Anchors, first: int
) -> Scores:
    """Grades of the anchors, every few days."""
    rounds = _rounds(plan, plan.judges[index])
    item = np.tile(np.arange(len(anchors)), len(rounds))
    nth = np.repeat(np.arange(len(rounds)), len(anchors))
    start_ms = plan.test_start_ms + np.repeat(rounds, len(anchors)) * DAY_MS
    return _graded(
        rng,
        plan,
        index,
        _Task(
            generation=first + item,
            time_ms=start_ms + rng.integers(0, HOUR_MS, len(item)),
            quality=anchors.quality[item],
            favour=np.zeros(len(item)),
            sampling_prob=np.ones(len(item)),
            repeat=nth,
        ),
    )


@dataclass(frozen=True, slots=True)
class _Task:
    generation: Ints
    time_ms: Ints
    quality: Floats
    favour: Floats
    sampling_prob: Floats
    repeat: Ints


def _graded(rng: np.random.Generator, plan: Plan, index: int, task: _Task) -> Scores:
    one = plan.judges[index]
    rows_n = len(task.generation)
    when = (task.time_ms - plan.test_start_ms) / (plan.test_end_ms - plan.test_start_ms)
    epoch = np.searchsorted([epoch.starts_at for epoch in one.epochs], when, side="right") - 1
    shift = np.array([epoch.shift for epoch in one.epochs])[epoch]
    noise = np.sqrt(1 - correlation_at(one, when) ** 2) * rng.standard_normal(rows_n)
    value = score_mean(one, task.quality, when, task.favour, shift) + SCORE_SD * noise
    failed = rng.random(rows_n) < one.error_share
    return Scores(
        judge=np.full(rows_n, index),
        epoch=epoch,
        generation=task.generation,
        time_ms=task.time_ms,
        value=np.where(failed, np.nan, np.clip(value, SCORE_MIN, SCORE_MAX).round(2)),
        error=np.where(failed, rng.integers(0, len(ERRORS), rows_n), NONE),
        sampling_prob=task.sampling_prob,
        repeat=task.repeat,
        latency_ms=rng.integers(400, 6_000, rows_n),
        tokens=rng.integers(600, 2_400, rows_n),
    )


def _joined(parts: Sequence[Scores]) -> Scores:
    names = [one.name for one in fields(Scores)]
    return Scores(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
