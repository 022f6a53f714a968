"""Who scored: a judge, in one dimension and one evaluator epoch. Epochs do not mix.

An epoch is the hash of rubric, prompt, provider and the model that answered
(streams.events.identity.evaluator_epoch). Another epoch is another instrument: its scores are never
averaged or compared with another's, unless a bridge tells what the same items got in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analytics.judges.figure import Figure, of_interval
from analytics.stats.means import mean_interval
from analytics.stats.moments import Marginal
from streams.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike

SHOWN = 8
"""Digits of an epoch that a person is shown; all of them stand in JSON."""
BRIDGE_MIN = 10
"""Items scored in both epochs below which there is no bridge."""


@dataclass(frozen=True, slots=True, order=True)
class Instrument:
    """A judge in one dimension and one evaluator epoch."""

    judge: str
    dimension: str
    epoch: str

    @property
    def words(self) -> str:
        """As a person reads it."""
        return f"{self.judge}, {self.dimension}, epoch {self.epoch[:SHOWN]}"


def one_epoch(epochs: Iterable[str], *, where: str, todo: str) -> str:
    """The only epoch, or IntegrityError (exit code 5). An empty set gives ''."""
    known = sorted(set(epochs))
    if len(known) > 1:
        shown = ", ".join(epoch[:SHOWN] for epoch in known)
        raise IntegrityError(
            f"these scores come from {len(known)} evaluator epochs ({shown}).",
            where=where,
            done="Nothing was averaged: another rubric, prompt or model is another instrument.",
            todo=todo,
        )
    return known[0] if known else ""


@dataclass(frozen=True, slots=True)
class Bridge:
    """What the same items got in two epochs.

    shift: mean of (second - first) over the items that both scored, in points of the scale.
    """

    first: str
    second: str
    shift: Figure


def bridge(first: str, second: str, pairs: tuple[ArrayLike, ArrayLike], *, alpha: float) -> Bridge:
    """The shift between two epochs, from the items that both scored.

    Args: pairs: (score in first, score in second), one element an item.
    Raises: IntegrityError where fewer than 10 items were scored by both: there is no bridge.
    Source: the paired t interval (Student 1908).
    """
    a, b = (np.asarray(part, dtype=np.float64) for part in pairs)
    if len(a) < BRIDGE_MIN:
        raise IntegrityError(
            f"epochs {first[:SHOWN]} and {second[:SHOWN]} share {len(a)} scored items;"
            f" a bridge needs {BRIDGE_MIN}.",
            where="bridge",
            done="Nothing was compared.",
            todo="Let the new epoch score the frozen anchors that the old one scored.",
        )
    apart = Marginal.of(b - a)
    if not apart.m2 > 0:
        shift = Figure(
            "shift between epochs",
            float(apart.mean),
            None,
            None,
            len(a),
            "items",
            "paired t",
            reason="all items moved alike: the shift is constant, an interval says nothing",
        )
        return Bridge(first, second, shift)
    interval = mean_interval(apart, alpha=alpha)
    return Bridge(first, second, of_interval("shift between epochs", interval, unit="items"))
