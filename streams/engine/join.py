"""Which exposure a listen or a piece of feedback belongs to.

Activity meets exposures on (generation_id, user_key), so that a generation shared by many listeners
credits each with his own. Within one experiment the first exposure of the pair counts; a pair in
several experiments counts once in each.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from streams.engine.codes import ORGANIC_PLACE, ORPHAN_PLACE
from streams.engine.columns import FIRST

PAIR = ("shard", "generation_id", "user_key")
"""Of one shard: a key that a producer put into the wrong partition must not make shards depend on
each other."""
FIRST_KEY = (*PAIR, "experiment_id")
FIRST_ORDER = ("event_time_us", "source", "event_id")


@dataclass(frozen=True, slots=True)
class Meetings:
    """FIRST rows of the touched pairs: what new exposures make of the stored ones.

    before, after: all of them, as stored and as they will be.
    added, removed: the difference. A pair of `added` may see its earlier activity move.
    """

    before: pl.DataFrame
    after: pl.DataFrame
    added: pl.DataFrame
    removed: pl.DataFrame

    def met_anew(self) -> pl.DataFrame:
        """PAIR of those that had an exposure before and now belong elsewhere, or there too."""
        return self.added.join(self.before, on=list(PAIR), how="semi").select(PAIR).unique()

    def met_now(self) -> pl.DataFrame:
        """PAIR of those whose first exposure has come: their activity waited."""
        return self.added.join(self.before, on=list(PAIR), how="anti").select(PAIR).unique()


def meetings(before: pl.DataFrame, exposures: pl.DataFrame) -> Meetings:
    """The first exposure per pair and experiment, by event time, then source and id.

    Args:
        before: FIRST rows of the pairs in `exposures` and of others, as stored.
        exposures: new EXPOSURE rows.
    """
    new = exposures.select(FIRST.names()).with_columns(is_new=pl.lit(value=True))
    key = list(FIRST_KEY)
    contested = before.join(new, on=key, how="semi")
    firsts = (
        pl.concat([contested.with_columns(is_new=pl.lit(value=False)), new])
        .sort(FIRST_ORDER)
        .unique(key, keep="first")
    )
    added = firsts.filter("is_new").drop("is_new")
    removed = contested.join(added, on=key, how="semi")
    kept = before.join(added, on=key, how="anti")
    return Meetings(before, pl.concat([kept, added]), added, removed)


def joined(firsts: pl.DataFrame, activity: pl.DataFrame) -> pl.DataFrame:
    """Activity beside the exposures it belongs to: one row per event and experiment.

    Args:
        firsts: coded FIRST rows (streams.engine.codes) of the pairs in `activity`, and of others.
        activity: rows with PAIR; generation_id is null for organic listens.

    Returns: the activity's columns, `place`, `unit` (null: in no experiment) and exposed_at_us,
        which is null where no exposure has come.
    """
    met = firsts.select(*PAIR, "place", "unit", exposed_at_us="event_time_us")
    waiting = pl.when(pl.col("generation_id").is_null()).then(ORGANIC_PLACE).otherwise(ORPHAN_PLACE)
    rows = activity.join(met, on=list(PAIR), how="left")
    return rows.with_columns(place=pl.coalesce("place", waiting.cast(pl.Int32)))
