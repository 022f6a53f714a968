"""Raters at work: ratings by one or two of them, and preferences between two arms."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streams.simulate.ids import generator
from streams.simulate.plan import DAY_MS, HOUR_MS, MINUTE_MS, NO_TEST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.simulate.exposures import Generations
    from streams.simulate.judging import Anchors
    from streams.simulate.plan import Plan

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

RATER_CORRELATION = 0.8
"""Correlation of a rater's impression with latent quality, inside an arm."""
RATING_MIN, RATING_MID, RATING_MAX = 1.0, 3.0, 5.0
RATING_SD = 0.9
RATERS_N = 24
PREFERENCES = ("A", "B", "TIE", "BOTH_BAD")
TIE_WITHIN = 0.3
BAD_BELOW = -1.2
LABELS_PER_PICK = 1.3
"""Of ten picked generations four get one rating, three get two, three a preference."""
DELAY_MAX_MS = 60 * HOUR_MS
NONE = -1


@dataclass(frozen=True, slots=True)
class Labels:
    """One element a label. other, preference: NONE in a rating; value: NaN in a preference."""

    generation: Ints
    other: Ints
    preference: Ints
    value: Floats
    rater: Ints
    time_ms: Ints
    ms_listened: Ints

    def __len__(self) -> int:
        """How many."""
        return len(self.generation)


def label(plan: Plan, generations: Generations, anchors: Anchors) -> Labels:
    """Draw every label: the anchors and the shelf by two raters each, then a sample of the tests.

    Where few labels are wanted, anchors and shelf have a quarter of them each.
    """
    rng = generator(plan.seed, "labels")
    wanted = plan.events_n * plan.mix.human_labels
    anchor = np.repeat(np.arange(len(anchors)), 2)[: int(wanted / 4)]
    parts = [
        _rated(
            rng,
            len(generations) + anchor,
            anchors.quality[anchor],
            np.full(len(anchor), plan.test_start_ms),
        )
    ]
    in_test = generations.experiment != NO_TEST
    public = np.repeat(np.flatnonzero(~in_test), 2)[: int(wanted / 4)]
    parts.append(_rated(rng, public, generations.quality[public], generations.shown_ms[public]))
    tested = np.flatnonzero(in_test)
    picks_n = min(len(tested), round((wanted - len(anchor) - len(public)) / LABELS_PER_PICK))
    picked = np.sort(rng.choice(tested, picks_n, replace=False))
    kind = np.arange(picks_n) % 10
    once = np.concatenate([picked[kind < 4], np.repeat(picked[(kind >= 4) & (kind < 7)], 2)])
    parts.append(_rated(rng, once, generations.quality[once], generations.shown_ms[once]))
    parts.append(_compared(rng, picked[kind >= 7], generations))
    names = [one.name for one in fields(Labels)]
    return Labels(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def impression(rng: np.random.Generator, quality: Floats) -> Floats:
    """What a rater hears: quality and noise of the rater's own."""
    noise = rng.standard_normal(len(quality))
    own_share = np.sqrt(1 - RATER_CORRELATION**2)
    return np.asarray(RATER_CORRELATION * quality + own_share * noise)


def _rated(rng: np.random.Generator, generation: Ints, quality: Floats, shown_ms: Ints) -> Labels:
    rows_n = len(generation)
    value = np.round(RATING_MID + RATING_SD * impression(rng, quality))
    return Labels(
        generation=generation,
        other=np.full(rows_n, NONE),
        preference=np.full(rows_n, NONE),
        value=np.clip(value, RATING_MIN, RATING_MAX),
        rater=_raters(rng, rows_n),
        time_ms=shown_ms + _delay(rng, rows_n),
        ms_listened=rng.integers(5_000, 60_000, rows_n),
    )


def _compared(rng: np.random.Generator, a: Ints, generations: Generations) -> Labels:
    """Preferences of each pick over a generation of another arm of its experiment."""
    rows_n = len(a)
    b = _rivals(rng, a, generations)
    heard_a = impression(rng, generations.quality[a])
    heard_b = impression(rng, generations.quality[b])
    preference = np.select(
        [
            np.maximum(heard_a, heard_b) < BAD_BELOW,
            np.abs(heard_a - heard_b) < TIE_WITHIN,
            heard_a > heard_b,
        ],
        [PREFERENCES.index(name) for name in ("BOTH_BAD", "TIE", "A")],
        PREFERENCES.index("B"),
    )
    later = np.maximum(generations.shown_ms[a], generations.shown_ms[b])
    made = Labels(
        generation=a,
        other=b,
        preference=preference,
        value=np.full(rows_n, np.nan),
        rater=_raters(rng, rows_n),
        time_ms=later + _delay(rng, rows_n),
        ms_listened=rng.integers(5_000, 60_000, rows_n),
    )
    has_rival = b != a
    return Labels(*(getattr(made, one.name)[has_rival] for one in fields(made)))


def _rivals(rng: np.random.Generator, a: Ints, generations: Generations) -> Ints:
    """For each a generation of the same experiment and another arm; itself where there is none."""
    rival = a.copy()
    draw = rng.random(len(a))
    experiment, arm = generations.experiment, generations.arm
    for key in _pairs(experiment[a], arm[a]):
        rows = np.flatnonzero((experiment[a] == key[0]) & (arm[a] == key[1]))
        pool = np.flatnonzero((experiment == key[0]) & (arm != key[1]))
        if len(pool):
            rival[rows] = pool[(draw[rows] * len(pool)).astype(np.int64)]
    return rival


def _pairs(experiment: Ints, arm: Ints) -> Sequence[tuple[int, int]]:
    return sorted(set(zip(experiment.tolist(), arm.tolist(), strict=True)))


def _raters(rng: np.random.Generator, rows_n: int) -> Ints:
    """Neighbouring labels have different raters."""
    return (np.arange(rows_n) + rng.integers(0, RATERS_N)) % RATERS_N


def _delay(rng: np.random.Generator, rows_n: int) -> Ints:
    later = np.minimum(rng.exponential(DAY_MS / 2, rows_n), DELAY_MAX_MS)
    return MINUTE_MS + later.astype(np.int64)
