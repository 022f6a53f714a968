"""Truth about judges and about the log: planted quality, and how many of what were sent."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from streams.events.topics import Topic
from streams.simulate.behaviour import ending_chances, starts_mean
from streams.simulate.judging import SCORE_MID, SCORE_SD, favours
from streams.simulate.labelling import RATER_CORRELATION
from streams.simulate.names import DIMENSION, epoch_of
from streams.simulate.plan import NO_TEST
from streams.simulate.poison import poisons_of
from streams.simulate.truth import normal_nodes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.simulate.delivery import Delivery
    from streams.simulate.names import Names
    from streams.simulate.plan import Judge
    from streams.simulate.world import World


def auc_against_early_skips(correlation: float) -> float:
    """Chance that a play that was not skipped early had the better score than one that was.

    For plays of one arm without a shift. Scores are normal around correlation * quality.
    """
    nodes, weights = normal_nodes()
    taste = nodes[:, None]
    early = ending_chances(taste, nodes[None, :], 0.0)[0]
    starts = starts_mean(taste, 1.0)
    skipped = weights * (weights @ (starts * early))
    kept = weights * (weights @ (starts * (1 - early)))
    apart = correlation * (nodes[:, None] - nodes[None, :])
    spread = 2 * math.sqrt(1 - correlation**2)
    better = np.vectorize(math.erfc)(-apart / spread) / 2
    return float(kept @ better @ skipped / (kept.sum() * skipped.sum()))


def judge_truth(world: World, index: int) -> dict[str, Any]:
    """What was planted in one judge. Scores expected of a judge that grades every generation."""
    judge = world.plan.judges[index]
    scores = world.scores
    mine = scores.judge == index
    end = judge.correlation if judge.correlation_end is None else judge.correlation_end
    return {
        "planted": judge.planted,
        "dimension": DIMENSION,
        "correlation_with_quality": {"start": judge.correlation, "end": end},
        "spearman_with_quality": {
            "start": _spearman(judge.correlation),
            "end": _spearman(end),
        },
        "auc_against_early_skips": {
            "start": auc_against_early_skips(judge.correlation),
            "end": auc_against_early_skips(end),
        },
        "error_share": judge.error_share,
        "scores_n": int(mine.sum()),
        "errors_n": int((mine & (scores.error >= 0)).sum()),
        "anchor_scores_n": int((mine & (scores.generation >= len(world.generations))).sum()),
        "epochs": [_epoch_truth(world, judge, nth) for nth in range(len(judge.epochs))],
    }


def _spearman(correlation: float) -> float:
    """Rank correlation of two normals. Source: Pearson (1907)."""
    return 6 / math.pi * math.asin(correlation / 2)


def _epoch_truth(world: World, judge: Judge, nth: int) -> dict[str, Any]:
    epoch = judge.epochs[nth]
    favour = favours(judge, world.plan)
    steady = judge.correlation_end is None
    expected = {
        experiment.name: {
            variant.name: SCORE_MID
            + SCORE_SD * judge.correlation * variant.quality_shift
            + float(favour[row, column])
            + epoch.shift
            for column, variant in enumerate(experiment.variants)
        }
        for row, experiment in enumerate(world.plan.experiments)
        if experiment.rides_on is None
    }
    return {
        "evaluator_epoch": epoch_of(judge, epoch),
        "model": epoch.model,
        "starts_at_share_of_test": epoch.starts_at,
        "shift": epoch.shift,
        "expected_score": expected if steady else None,
    }


def shelf_truth(world: World, names: Names) -> dict[str, Any]:
    """What stood on the shelf, and which of it listeners and quality disagree on: generations."""
    generations = world.generations
    public = generations.experiment == NO_TEST
    disputed = {
        "misplaced": np.flatnonzero(public & (generations.appeal < 0)),
        "hidden_gems": np.flatnonzero(public & (generations.appeal > 0)),
    }
    return {
        "surface": world.plan.shelf.surface if world.plan.shelf else None,
        "generations_n": int(public.sum()),
        "exposures_n": int((world.exposures.experiment == NO_TEST).sum()),
        **{name: names.generation(items).to_list() for name, items in disputed.items()},
    }


def rater_truth() -> dict[str, Any]:
    """What was planted in the human raters."""
    return {
        "correlation_with_quality": RATER_CORRELATION,
        "correlation_between_raters": RATER_CORRELATION**2,
        "note": "of impressions; ratings are impressions rounded to whole points",
    }


def topic_counts(world: World, delivery: Delivery) -> dict[str, Any]:
    """How many records of what a topic got: records = events + duplicates + poison."""
    ways = poisons_of(delivery.topic)
    names = Counter(ways[nth % len(ways)].name for nth in range(delivery.poison_n))
    classes = Counter(str(ways[nth % len(ways)].error_class) for nth in range(delivery.poison_n))
    duplicates_n = int(delivery.resent.sum())
    return {
        "records": len(delivery.row),
        "events": delivery.events_n,
        "duplicates": duplicates_n,
        "poison": delivery.poison_n,
        "poison_by_name": dict(sorted(names.items())),
        "poison_by_error_class": dict(sorted(classes.items())),
        "late": int(delivery.late.sum()),
        "offline": int(delivery.offline.sum()),
        **(_listen_counts(world) if delivery.topic is Topic.LISTENS else {}),
    }


def _listen_counts(world: World) -> Mapping[str, int]:
    listens = world.listens
    orphans = slice(listens.attributed_n, listens.attributed_n + listens.orphans_n)
    unknown_n = int((listens.generation[orphans] < -1).sum())
    return {
        "attributed": listens.attributed_n,
        "organic": len(listens) - listens.attributed_n - listens.orphans_n,
        "orphans_unknown_generation": unknown_n,
        "orphans_unexposed_user": listens.orphans_n - unknown_n,
        "incognito": int(listens.incognito.sum()),
    }
