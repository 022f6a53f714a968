"""What one flush changes: from accepted events and the touched stored rows to changed rows.

The shard law lives here: the result depends on the events and the stored rows alone, so that batch
boundaries, the interleaving of topics, restarts and owners change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from streams.engine import activity, scores, units, watermark, windows
from streams.engine.codes import ORPHAN_PLACE, codes_of
from streams.engine.columns import NO_ACTIVITY, SCORE_KEY
from streams.engine.join import PAIR
from streams.engine.moves import Moves, moves_of
from streams.events.topics import Topic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from streams.engine.join import Meetings
    from streams.engine.rules import Rules

Accepted = dict[Topic, pl.DataFrame]
"""New events by topic (firsts of their ids): SOURCE and contract columns; every topic is there."""


@dataclass(frozen=True, slots=True)
class New:
    """New events as the core counts them.

    exposures: EXPOSURE rows. listens, feedback: of streams.engine.activity. scores: SCORE rows.
    event_times: shard and event_time_us of all events, the labels among them.
    """

    exposures: pl.DataFrame
    listens: pl.DataFrame
    feedback: pl.DataFrame
    scores: pl.DataFrame
    event_times: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Stored:
    """The touched rows as the warehouse holds them before the flush.

    earlier: ACTIVITY rows of the pairs that meet their exposure now, or another one.
    scores: SCORE rows of the newly exposed or scored generations.
    shown: SHOWN rows of the newly scored generations.
    watermarks: watermark.SEEN rows.
    """

    earlier: pl.DataFrame
    scores: pl.DataFrame
    shown: pl.DataFrame
    watermarks: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Changes:
    """What the one transaction writes beside the new facts themselves.

    Whole rows that replace those of the same key: scores, watermarks. Rows to remove: met (pairs
    whose activity no longer waits), removed_firsts, replaced_scores. Rows to append: the others;
    windows, window_scores and unit_days are differences that add up.
    """

    added_firsts: pl.DataFrame
    removed_firsts: pl.DataFrame
    met: pl.DataFrame
    waiting: pl.DataFrame
    replaced_scores: pl.DataFrame
    scores: pl.DataFrame
    watermarks: pl.DataFrame
    windows: pl.DataFrame
    window_scores: pl.DataFrame
    unit_days: pl.DataFrame


def new_of(accepted: Mapping[Topic, pl.DataFrame]) -> New:
    """The accepted events as rows that count."""
    return New(
        exposures=activity.of_exposures(accepted[Topic.EXPOSURES]),
        listens=activity.of_listens(accepted[Topic.LISTENS]),
        feedback=activity.of_feedback(accepted[Topic.FEEDBACK]),
        scores=scores.of_events(accepted[Topic.JUDGE_SCORES]),
        event_times=pl.concat(
            [rows.select("shard", "event_time_us") for rows in accepted.values()]
        ),
    )


def apply(new: New, meetings: Meetings, stored: Stored, rules: Rules) -> Changes:
    """The changes that new events make to what is stored. Pure."""
    codes = codes_of([new.exposures, meetings.after, meetings.removed])
    exposures = codes.coded(new.exposures)
    moves = moves_of(
        codes.coded(_of_pairs(meetings.before, stored.earlier)),
        codes.coded(meetings.after),
        (new.listens, new.feedback),
        stored.earlier,
    )
    old_scores, new_scores = scores.changed(stored.scores, new.scores)
    known_scores = pl.concat([_without(stored.scores, old_scores), new_scores])
    moved = pl.collect_all(
        [
            windows.window_change(exposures, moves, codes, rules=rules),
            units.unit_day_change(exposures, moves, codes),
            scores.window_score_change(
                stored.shown, meetings, (old_scores, new_scores, known_scores), rules=rules
            ),
        ]
    )
    return Changes(
        added_firsts=meetings.added,
        removed_firsts=meetings.removed,
        met=_of_pairs(meetings.met_now(), stored.earlier),
        waiting=_waiting(moves),
        replaced_scores=old_scores,
        scores=new_scores,
        watermarks=watermark.advanced(stored.watermarks, new.event_times),
        windows=moved[0],
        unit_days=moved[1],
        window_scores=moved[2],
    )


def with_erased(changes: Changes, erased: Mapping[Topic, pl.DataFrame]) -> Changes:
    """The changes of a flush, events of erased users among it.

    They leave nothing but the watermark, which must not depend on when the erasure came.
    """
    if not erased:
        return changes
    times = pl.concat([rows.select("shard", "event_time_us") for rows in erased.values()])
    return replace(changes, watermarks=watermark.advanced(changes.watermarks, times))


def _of_pairs(rows: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    return rows.join(pairs, on=list(PAIR), how="semi")


def _without(rows: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    return rows.join(others, on=list(SCORE_KEY), how="anti")


def _waiting(moves: Sequence[Moves]) -> pl.DataFrame:
    """ACTIVITY rows of the new events that name a generation and have not met its exposure."""
    found = [
        activity.as_activity(one.rows.filter(pl.col("place") == ORPHAN_PLACE))
        for one in moves
        if one.events is not None
    ]
    return pl.concat([NO_ACTIVITY, *found])
