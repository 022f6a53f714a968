"""What one flush changes: from accepted events and the touched stored rows to changed rows.

The shard law lives here: the result depends on the events and the stored rows alone, so that batch
boundaries, the interleaving of topics, restarts and owners change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from streams.engine import activity, generations, join, scores, units, watermark, windows
from streams.engine.columns import SCORE_KEY
from streams.events.topics import Topic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.engine.rules import Rules

Accepted = dict[Topic, pl.DataFrame]
"""New events by topic (firsts of their ids): SOURCE and contract columns; every topic is there."""


@dataclass(frozen=True, slots=True)
class Touched:
    """Which stored rows a flush needs: ids only, so the edge knows what to read."""

    generation_ids: pl.DataFrame
    newly_exposed: pl.DataFrame
    newly_scored: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Stored:
    """The touched rows as the warehouse holds them before the flush.

    exposures: EXPOSURE rows of all touched generations.
    activity: ACTIVITY rows of the newly exposed generations (others cancel).
    scores: SCORE rows of the newly exposed or scored generations.
    generations: GENERATION rows of all touched generations.
    watermarks: watermark.SEEN rows.
    """

    exposures: pl.DataFrame
    activity: pl.DataFrame
    scores: pl.DataFrame
    generations: pl.DataFrame
    watermarks: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Changes:
    """What the one transaction writes beside the new facts themselves.

    Whole rows that replace those of the same key: generations, scores, watermarks. Differences to
    be added to the row of the same key: windows, window_scores, unit_days.
    """

    generations: pl.DataFrame
    scores: pl.DataFrame
    watermarks: pl.DataFrame
    windows: pl.DataFrame
    window_scores: pl.DataFrame
    unit_days: pl.DataFrame


def touched(accepted: Mapping[Topic, pl.DataFrame]) -> Touched:
    """Ids (shard, generation_id) that the new events touch, each once."""
    key = ["shard", "generation_id"]
    ids = {
        topic: rows.select(key).drop_nulls("generation_id").unique()
        for topic, rows in accepted.items()
    }
    return Touched(
        generation_ids=pl.concat(list(ids.values())).unique(),
        newly_exposed=ids[Topic.EXPOSURES],
        newly_scored=pl.concat([ids[Topic.EXPOSURES], ids[Topic.JUDGE_SCORES]]).unique(),
    )


def apply(accepted: Mapping[Topic, pl.DataFrame], stored: Stored, rules: Rules) -> Changes:
    """The changes that new events make to what is stored. Pure."""
    new_exposures = activity.of_exposures(accepted[Topic.EXPOSURES])
    new_activity = pl.concat(
        [
            activity.of_listens(accepted[Topic.LISTENS]),
            activity.of_feedback(accepted[Topic.FEEDBACK]),
        ]
    )
    new_scores = scores.of_events(accepted[Topic.JUDGE_SCORES])
    exposures = pl.concat([stored.exposures, new_exposures])
    before = (
        stored.exposures,
        join.joined(stored.exposures, stored.activity),
    )
    after = (
        exposures,
        join.joined(exposures, pl.concat([stored.activity, new_activity])),
    )
    merged_scores = scores.merged(stored.scores, new_scores)
    return Changes(
        generations=generations.merged(
            stored.generations,
            generations.contributions(
                exposures=accepted[Topic.EXPOSURES],
                exposure_rows=new_exposures,
                activity=new_activity,
                scores=new_scores,
                labels=accepted[Topic.HUMAN_LABELS],
            ),
        ),
        scores=merged_scores.join(new_scores, on=list(SCORE_KEY), how="semi"),
        watermarks=_watermarks(accepted, stored),
        windows=_windows(before, after, (new_exposures, new_activity), rules),
        window_scores=scores.window_score_change(
            (stored.exposures, stored.scores),
            (exposures, merged_scores),
            rules=rules,
        ),
        unit_days=units.unit_day_change(before, after, new_activity),
    )


def with_erased(changes: Changes, erased: Mapping[Topic, pl.DataFrame]) -> Changes:
    """The changes of a flush, events of erased users among it.

    They leave nothing but the watermark, which must not depend on when the erasure came.
    """
    if not erased:
        return changes
    times = pl.concat([rows.select("shard", "event_time_us") for rows in erased.values()])
    return replace(changes, watermarks=watermark.advanced(changes.watermarks, times))


def _watermarks(accepted: Mapping[Topic, pl.DataFrame], stored: Stored) -> pl.DataFrame:
    events = pl.concat([rows.select("shard", "event_time_us") for rows in accepted.values()])
    return watermark.advanced(stored.watermarks, events)


def _windows(
    before: tuple[pl.DataFrame, pl.DataFrame],
    after: tuple[pl.DataFrame, pl.DataFrame],
    new: tuple[pl.DataFrame, pl.DataFrame],
    rules: Rules,
) -> pl.DataFrame:
    by_variant = windows.window_change(before, after, rules=rules)
    of_everything = windows.everything_change(*new, rules=rules)
    return pl.concat([by_variant, of_everything])
