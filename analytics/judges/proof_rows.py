"""Rows of the table of proofs: what is claimed, what is asked, what came, and whether it is met."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analytics.stats.proportions import Counts, wilson_limits

if TYPE_CHECKING:
    from collections.abc import Iterator

ALPHA = 0.05
SEED = 20_261_123
HEAD = (
    "| claim | asked | found | of | 95 % interval | met |",
    "| --- | --- | --- | --- | --- | --- |",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what is claimed, what is asked, how often it happened.

    asked: '>= 93 %', '<= 5 %', or '' where it is only told.
    """

    claim: str
    asked: str
    hits: int
    runs: int

    @property
    def share(self) -> float:
        """Of the runs."""
        return self.hits / self.runs

    @property
    def line(self) -> str:
        """As Markdown, with Wilson's interval."""
        low, high = wilson_limits(Counts.of(self.hits, self.runs), alpha=ALPHA)
        span = f"{float(low):.1%} to {float(high):.1%}"
        word = met(self.asked, 100 * self.share)
        asked = self.asked or "told"
        return f"| {self.claim} | {asked} | {self.share:.1%} | {self.runs:,} | {span} | {word} |"


@dataclass(frozen=True, slots=True)
class Measured:
    """A line that is no share: a value with its interval. runs: what it was counted on."""

    claim: str
    asked: str
    value: float
    low: float
    high: float
    runs: int
    what: str

    @property
    def line(self) -> str:
        """As Markdown."""
        span = f"{self.low:.2f} to {self.high:.2f}"
        asked, word = self.asked or "told", met(self.asked, self.value)
        return (
            f"| {self.claim} | {asked} | {self.value:.2f} | {self.runs:,} {self.what} | {span}"
            f" | {word} |"
        )


def met(asked: str, found: float) -> str:
    """Whether the value found is on the right side of what is asked; '' where nothing is."""
    if not asked:
        return ""
    side, number, *_ = asked.split()
    is_met = found >= float(number) if side == ">=" else found <= float(number)
    return "yes" if is_met else "**no**"


def streams(name: str, runs: int) -> Iterator[np.random.Generator]:
    """Independent generators for the runs of one row."""
    tag = int.from_bytes(name.encode()[:8], "little")
    for seed in np.random.SeedSequence([SEED, tag]).spawn(runs):
        yield np.random.default_rng(seed)
