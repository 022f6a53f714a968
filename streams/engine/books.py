"""The balance: per topic and shard, read = accepted + duplicate + dead-lettered, always."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.events.topics import Topic

KEY = ("topic", "shard")
COUNTED = (
    "read_n",
    "accepted_n",
    "duplicate_n",
    "dead_lettered_n",
    "late_n",
    "unknown_enum_n",
    "erased_n",
)
BOOKS = pl.Schema(
    {
        "topic": pl.String,
        "shard": pl.Int32,
        "next_offset": pl.Int64,
        **dict.fromkeys(COUNTED, pl.Int64),
        "record_time_us_max": pl.Int64,
    }
)
"""One row per topic and shard."""
NO_BOOKS = pl.DataFrame(schema=BOOKS)
READ = pl.Schema(
    {
        "topic": pl.String,
        "shard": pl.Int32,
        "next_offset": pl.Int64,
        "read_n": pl.Int64,
        "record_time_us_max": pl.Int64,
    }
)
"""One row a batch: what was read, whatever became of it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the messages of a flush, by topic.

    valid: events that kept their contract, duplicates among them.
    firsts: those of `valid` that are new.
    rejected: messages that broke their contract.
    erased: those of `firsts` whose user has been erased; they count as accepted, and leave no row.
    """

    valid: Mapping[Topic, pl.DataFrame]
    firsts: Mapping[Topic, pl.DataFrame]
    rejected: Mapping[Topic, pl.DataFrame]
    erased: Mapping[Topic, pl.DataFrame] = field(default_factory=dict)


def booked(
    before: pl.DataFrame, read: pl.DataFrame, outcome: Outcome, *, out_of_orderness_us: int
) -> pl.DataFrame:
    """BOOKS rows after a flush, for the topics and shards that were read.

    Args:
        before: BOOKS rows as stored.
        read: READ rows of the batches.
        outcome: what became of the messages.
        out_of_orderness_us: an event is late from this distance to its record's time on.
    """
    parts = [before, _padded(read)]
    for topic, valid in outcome.valid.items():
        accepted, dead = outcome.firsts[topic], outcome.rejected[topic]
        late = pl.col("record_time_us") - pl.col("event_time_us") > out_of_orderness_us
        parts += [
            _count(topic, valid, duplicate_n=pl.len()),
            _count(
                topic,
                accepted,
                accepted_n=pl.len(),
                duplicate_n=-pl.len().cast(pl.Int64),
                late_n=late.sum(),
                unknown_enum_n=_unknown(accepted).sum(),
            ),
            _count(topic, dead, dead_lettered_n=pl.len()),
        ]
    parts += [_count(topic, rows, erased_n=pl.len()) for topic, rows in outcome.erased.items()]
    rows = pl.concat(parts).group_by(KEY).agg(_totals())
    touched = read.select("topic", "shard").unique()
    return rows.join(touched, on=list(KEY), how="semi").select(BOOKS.names()).sort(KEY)


def erased_later(before: pl.DataFrame, erased: Mapping[Topic, pl.DataFrame]) -> pl.DataFrame:
    """BOOKS rows of the topics and shards of events that were accepted, and are now erased."""
    counts = [_count(topic, rows, erased_n=pl.len()) for topic, rows in erased.items()]
    both = pl.concat([before, *counts]).group_by(KEY).agg(_totals())
    touched = pl.concat(counts).select(KEY).unique()
    return both.join(touched, on=list(KEY), how="semi").select(BOOKS.names()).sort(KEY)


def _totals() -> list[pl.Expr]:
    return [
        pl.col(COUNTED).sum(),
        pl.col("next_offset").max(),
        pl.col("record_time_us_max").max(),
    ]


def _unknown(rows: pl.DataFrame) -> pl.Expr:
    raws = [pl.col(name).is_not_null() for name in rows.columns if name.endswith("_raw")]
    return pl.any_horizontal(raws) if raws else pl.lit(value=False)


def _count(topic: Topic, rows: pl.DataFrame, **counts: pl.Expr) -> pl.DataFrame:
    if rows.is_empty():
        return NO_BOOKS
    typed = {name: expression.cast(pl.Int64) for name, expression in counts.items()}
    sums = rows.group_by("shard").agg(**typed)
    return _padded(sums.with_columns(pl.lit(topic.value).alias("topic")))


def _padded(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(_absent(frozenset(rows.columns))).select(BOOKS.names()).cast(BOOKS)


@cache
def _absent(present: frozenset[str]) -> list[pl.Expr]:
    """What a count leaves open; kept, for a flush asks for it a dozen times."""
    return [
        pl.lit(0 if name in COUNTED else None, dtype).alias(name)
        for name, dtype in BOOKS.items()
        if name not in present
    ]
