"""The identifiers of a world: what its numbers are called on the wire."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from streams.digests import joined, sha256
from streams.events.identity import evaluator_epoch
from streams.simulate import ids

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streams.simulate.plan import Epoch, Judge
    from streams.simulate.world import World

    Ints = NDArray[np.int64]

DIMENSION = "musicality"
RUBRIC_ID = "musicality"
RUBRIC_VERSION = "2"
RUBRIC_HASH = "sha256:6f1c0d57"
GENERATION_PREFIX = "gen_"


def epoch_of(judge: Judge, epoch: Epoch) -> str:
    """The evaluator epoch of a stretch of a judge."""
    return evaluator_epoch(RUBRIC_HASH, epoch.prompt_version, judge.provider, epoch.model)


@dataclass(frozen=True, slots=True)
class Names:
    """Identifiers by index. users: user keys, strangers (who were never exposed) after users."""

    world: World
    seed: int
    users: pl.Series
    raters: pl.Series

    def generation(self, index: Ints) -> pl.Series:
        """Generation ids; every index has one, those that nobody knows too."""
        return ids.prefixed(GENERATION_PREFIX, index, ids.salt(self.seed, "generation id"))

    def exposure(self, row: Ints) -> pl.Series:
        """Exposure ids; null where the row is negative."""
        return self._event("exposure id", self.world.exposures.time_ms, row)

    def playback(self, row: Ints) -> pl.Series:
        """Playback ids; null where the row is negative."""
        return self._event("playback id", self.world.listens.stopped_ms, row)

    def feedback(self, row: Ints) -> pl.Series:
        """Feedback ids."""
        return self._event("feedback id", self.world.feedback.time_ms, row)

    def label(self, row: Ints) -> pl.Series:
        """Label ids."""
        return self._event("label id", self.world.labels.time_ms, row)

    def epochs(self) -> pl.Series:
        """Evaluator epochs, those of a judge after each other."""
        judges = self.world.plan.judges
        return pl.Series([epoch_of(one, epoch) for one in judges for epoch in one.epochs])

    def _event(self, part: str, time_ms: Ints, row: Ints) -> pl.Series:
        if len(time_ms) == 0:
            return pl.Series([None] * len(row), dtype=pl.String)
        names = ids.uuid7(time_ms[row], row, ids.salt(self.seed, part))
        absent = pl.Series(row < 0)
        return names.set(absent, None) if absent.any() else names


def name(world: World) -> Names:
    """Name a world."""
    seed = world.plan.seed
    people_n = int(world.listens.user.max(initial=world.population.users_n - 1)) + 1
    return Names(
        world=world,
        seed=seed,
        users=ids.keys64(np.arange(people_n), ids.salt(seed, "user key")),
        raters=ids.keys64(np.arange(64), ids.salt(seed, "rater key")),
    )


def score_ids(frame: pl.DataFrame) -> pl.Series:
    """`identity.score_id` of columns generation_id, evaluator_epoch and repeat_idx."""
    parts = (
        pl.lit("score_id"),
        pl.col("generation_id"),
        pl.col("evaluator_epoch"),
        pl.lit(DIMENSION),
        pl.col("repeat_idx"),
    )
    return sha256(frame.select(joined(parts).alias("parts"))["parts"])
