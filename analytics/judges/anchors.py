"""The frozen reference items: does a judge still give them what it gave them?

Within one epoch nothing may change: the same items, graded again, must get the same grades but for
noise. How far they have moved is held against a margin; drift alarms over time are in their own
module.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from analytics.judges.figure import Figure, nothing, of_interval
from analytics.judges.watch import UNWATCHED, Watch, watched
from analytics.stats.checks import floats
from analytics.stats.confidence_sequence import SequencePlan, mean_sequence
from analytics.stats.moments import Marginal
from analytics.stats.transport import transport_audit

if TYPE_CHECKING:
    from analytics.stats.transport import Status

ITEMS_MIN = 20
N_STAR = 60.0


@dataclass(frozen=True, slots=True)
class AnchorCheck:
    """moved: mean over items of (later grades - first grade), points of the judge's scale.

    watch: whether it still grades them as it used to, round by round.
    """

    moved: Figure
    margin: float | None
    status: Status
    watch: Watch = UNWATCHED


def anchor_check(anchors: pl.DataFrame, *, margin: float | None, alpha: float) -> AnchorCheck:
    """Whether the anchors stayed.

    Args: anchors: generation_id, event_time_us, score, of one instrument. margin: the largest
        move that does not matter; None where the scale is not declared: then NOT_CHECKED.
    """
    return replace(_moved(anchors, margin, alpha), watch=watched(anchors, alpha=alpha))


def _moved(anchors: pl.DataFrame, margin: float | None, alpha: float) -> AnchorCheck:
    title = "move of the anchors"
    ordered = anchors.sort("generation_id", "event_time_us")
    by_item = ordered.group_by("generation_id", maintain_order=True).agg(
        first=pl.col("score").first(), later=pl.col("score").slice(1).mean(), n=pl.len()
    )
    apart = by_item.filter(pl.col("n") > 1)
    moved = floats((apart["later"] - apart["first"]).to_numpy())
    if len(moved) < ITEMS_MIN or margin is None:
        why = f"{len(moved)} anchors were graded again; {ITEMS_MIN} are needed"
        if margin is None:
            why = "the judge declares no scale: no margin is known"
        return AnchorCheck(nothing(title, why, n=len(moved), unit="anchors"), margin, "NOT_CHECKED")
    found = mean_sequence(Marginal.of(moved), SequencePlan(N_STAR, alpha, burn_in=ITEMS_MIN))
    figure = of_interval(title, found, unit="anchors", reason="no anchor moved at all")
    if not figure.known:
        return AnchorCheck(figure, margin, "PASS" if np.all(moved == 0) else "NOT_CHECKED")
    status: Status = "INCONCLUSIVE"
    word = str(transport_audit(found, margin))
    if word in {"PASS", "FAIL"}:
        status = "PASS" if word == "PASS" else "FAIL"
    return AnchorCheck(figure, margin, status)
