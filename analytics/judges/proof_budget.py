"""What a planned draw of items to score gains over uniform sampling at equal cost.

A world has 6,000 items of two arms; on three tenths of them scores spread four times as wide and
cost half as much again; one in twelve is rated, most are kept. The design sees another day's world.
A width is the spread of an estimate over draws; its interval takes worlds as they come (t).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analytics.judges.budget import KINDS, History, design, drawn
from analytics.judges.proof_rows import ALPHA, Measured, streams
from analytics.stats import tails

if TYPE_CHECKING:
    from analytics.stats.checks import FloatArray, IntArray

ITEMS_N, CELLS_N, CAP = 6_000, 8, 400.0
WIDE, DEAR = 0.3, 1.5
DRAWS_N = 150
NARROWER = "<= 0.75"


def budget(runs: int) -> list[Measured]:
    """Width beside uniform sampling: all kinds together, each, and each if nothing else counted."""
    worlds = [_widths(rng) for rng in streams("budget", runs)]
    together, alone = (np.log(np.array(part)) for part in zip(*worlds, strict=True))
    words = "judge budget, width beside uniform sampling"
    rows = [_row(f"{words}: all three kinds together", NARROWER, together.mean(axis=1))]
    for kind, name in enumerate(KINDS):
        rows.append(_row(f"{words}: {name}", NARROWER, together[:, kind]))
    for kind, name in enumerate(KINDS):
        only = f"{words}: {name}, were it the only aim"
        rows.append(_row(only, "", alone[:, kind]))
    return rows


def _row(claim: str, asked: str, logs: FloatArray) -> Measured:
    """Geometric mean over worlds, with t over them."""
    n = len(logs)
    reach = float(tails.t_upper_quantile(ALPHA / 2, n - 1)) * logs.std(ddof=1) / np.sqrt(n)
    low, middle, high = np.exp([logs.mean() - reach, logs.mean(), logs.mean() + reach])
    return Measured(claim, asked, float(middle), float(low), float(high), n, "worlds")


def _widths(rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """(kinds,) twice: width over uniform width by the plan for all, and for the kind alone."""
    history, today = population(rng), population(rng)
    cost = np.where(today.cell >= CELLS_N // 2, DEAR, 1.0)
    cell_cost = np.where(np.arange(CELLS_N) >= CELLS_N // 2, DEAR, 1.0)
    items = np.bincount(today.cell, minlength=CELLS_N).astype(np.float64)
    made = design(history, items, cell_cost, CAP)
    flat = _spread(today, np.full(ITEMS_N, made.uniform), cost, rng)
    all_three = _spread(today, made.probability[today.cell], cost, rng) / flat
    alone = np.empty(len(KINDS))
    for kind, only in enumerate(np.eye(len(KINDS))):
        plan = design(history, items, cell_cost, CAP, importance=only)
        alone[kind] = _spread(today, plan.probability[today.cell], cost, rng)[kind] / flat[kind]
    return all_three, alone


def population(rng: np.random.Generator) -> History:
    """One day. Cells: wide or not, kept or not, rated or not."""
    arm = rng.integers(0, 2, ITEMS_N)
    is_wide = rng.random(ITEMS_N) < WIDE
    quality = rng.normal(size=ITEMS_N)
    score = 5 + 0.3 * arm + np.where(is_wide, 1.6, 0.4) * quality
    kept = (rng.random(ITEMS_N) < 1 / (1 + np.exp(-1.5 - 0.5 * quality))).astype(np.float64)
    is_rated = rng.random(ITEMS_N) < 1 / 12
    rating = np.where(is_rated, 3 + 0.5 * quality + 0.5 * rng.normal(size=ITEMS_N), np.nan)
    cell = 4 * is_wide + 2 * (kept > 0) + is_rated
    return History(score, np.ones(ITEMS_N), arm, cell.astype(np.int64), kept, rating)


def _spread(
    today: History, probability: FloatArray, cost: FloatArray, rng: np.random.Generator
) -> FloatArray:
    """Standard deviation of each kind's estimate over draws."""
    found = [estimates(today, drawn(probability, cost, rng), probability) for _ in range(DRAWS_N)]
    return np.asarray(np.std(found, axis=0))


def estimates(today: History, chosen: IntArray, probability: FloatArray) -> FloatArray:
    """Difference of the arms' means, slope of kept plays, slope of ratings, from what was drawn."""
    score, arm = today.score[chosen], today.arm[chosen]
    weight = 1 / probability[chosen]
    total = np.bincount(arm, weight, 2)
    mean = np.bincount(arm, weight * score, 2) / total
    centred = score - mean[arm]
    slopes = []
    for outcome in (today.kept[chosen], today.rating[chosen]):
        known = np.isfinite(outcome)
        x, v = centred[known], weight[known]
        x = x - np.average(x, weights=v)
        slopes.append(float(v @ (x * outcome[known]) / (v @ x**2)))
    return np.array([mean[1] - mean[0], *slopes])
