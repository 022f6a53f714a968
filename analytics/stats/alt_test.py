"""The alternative annotator test: may an LLM judge stand in for the human raters?

Each human in turn is held against the others: on how many items is the judge at least as near to
them as that human is? Source: Calderon, Reichart and Dror (2025), ACL, arXiv 2501.10970.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from analytics.stats import tails
from analytics.stats.checks import bad, check_alpha, check_one_of, floats
from analytics.stats.multiplicity import rejected

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from analytics.stats.checks import BoolArray, FloatArray

Scoring = Literal["accuracy", "neg_rmse"]
ITEMS_MIN = 30  # below, the t-test of wins is not trusted (the paper's advice)


@dataclass(frozen=True, eq=False)
class Wins:
    """Per human: items compared, and on how many the judge / the human was at least as near."""

    items: FloatArray
    judge_only: FloatArray
    human_only: FloatArray
    both: FloatArray


@dataclass(frozen=True, eq=False)
class AltTest:
    """The verdict.

    p: per human, of "the human is better by epsilon or more"; NaN where the human has too few
    items. rejected: per human, after Benjamini-Yekutieli. winning_rate: share of humans rejected.
    advantage: chance that the judge is at least as near as a human. passed: winning_rate >= 0.5.
    enough: at least two humans have enough items, else rates are NaN and passed is False.
    """

    p: FloatArray
    rejected: BoolArray
    winning_rate: float
    advantage: float
    passed: bool
    enough: bool


@dataclass(frozen=True)
class AltRule:
    """What the test asks for.

    epsilon: how much worse a judge may be for being cheaper: 0.2 beside experts, 0.15 beside
    skilled raters, 0.1 beside crowds. items_min: items a human needs to count. fdr: the share of
    false rejections over humans.
    """

    epsilon: float
    items_min: int = ITEMS_MIN
    fdr: float = 0.05

    def __post_init__(self) -> None:
        check_alpha(self.fdr, "fdr")
        if not 0 <= self.epsilon <= 1:
            raise bad(f"epsilon is {self.epsilon!r}, not between 0 and 1.")


def alt_test(
    humans: ArrayLike, judge: ArrayLike, rule: AltRule, *, scoring: Scoring = "accuracy"
) -> AltTest:
    """The test from labels.

    Args: humans: (humans, items), labels as numbers, NaN where none was given; judge: (items,),
        NaN where it gave none. scoring: share of the others that agree, or minus the root mean
        squared distance to them.
    Cases alt-test-synthetic, alt-test-lgbteen.
    """
    return judge_wins(count_wins(humans, judge, scoring=scoring), rule)


def count_wins(humans: ArrayLike, judge: ArrayLike, *, scoring: Scoring = "accuracy") -> Wins:
    """Who is at least as near to the other humans, item by item.

    Items count for a human where that human, the judge and at least one other human gave a label.
    """
    check_one_of(scoring, ("accuracy", "neg_rmse"), "scoring")
    labels, said = floats(humans), floats(judge)
    if labels.ndim != 2 or said.shape != labels.shape[1:]:
        raise bad(f"humans {labels.shape} must be humans by items, judge {said.shape} by items.")
    known = ~np.isnan(labels)
    rows = []
    for j in range(len(labels)):
        others = known.copy()
        others[j] = False
        item = known[j] & ~np.isnan(said) & others.any(axis=0)
        rest, shown = labels[:, item], others[:, item]
        ours = _nearness(said[item], rest, shown, scoring)
        theirs = _nearness(labels[j, item], rest, shown, scoring)
        counts = ((ours > theirs).sum(), (theirs > ours).sum(), (ours == theirs).sum())
        rows.append((item.sum(), *counts))
    table = floats(rows).reshape(len(labels), 4)
    return Wins(*table.T)


def _nearness(
    label: FloatArray, rest: FloatArray, shown: BoolArray, scoring: Scoring
) -> FloatArray:
    """How near each label is to the others on its item."""
    of = shown.sum(axis=0)
    if scoring == "accuracy":
        return floats(np.sum((rest == label) & shown, axis=0) / of)
    square = np.where(shown, np.square(np.where(shown, rest, 0.0) - label), 0.0)
    return floats(-np.sqrt(square.sum(axis=0) / of))


def judge_wins(wins: Wins, rule: AltRule) -> AltTest:
    """The verdict from counted wins; they are all the test needs of the labels."""
    n = np.where(wins.items >= max(rule.items_min, 2), wins.items, np.nan)
    lead = (wins.human_only - wins.judge_only) / n
    square = (wins.human_only + wins.judge_only) / n
    variance = np.maximum(square - np.square(lead), 0.0) * n / (n - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = (lead - rule.epsilon) / np.sqrt(variance / n)
    known = ~np.isnan(lead)
    sure = known & (variance <= 0)  # every item alike: the mean is what it is
    p = np.where(sure, np.where(lead < rule.epsilon, 0.0, 1.0), np.nan)
    some = known & ~sure
    p[some] = tails.t_upper(-t[some], n[some] - 1)
    won = rejected(p, "by", alpha=rule.fdr)
    if known.sum() < 2:
        return AltTest(p, won, float("nan"), float("nan"), passed=False, enough=False)
    rate = float(won[known].mean())
    advantage = float(np.mean(((wins.judge_only + wins.both) / n)[known]))
    return AltTest(p, won, rate, advantage, passed=rate >= 0.5, enough=True)
