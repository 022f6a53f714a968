"""Where a judge and the people who listened disagree, item by item, beyond accident.

An item is a generation with its distinct listeners: those with a play that was neither private nor
ended by an error. A listener *skipped* it who skipped every play of it within 30 s, and *liked* it
who saved it or kept playing it at least twice. What is usual for an item is the share in its
stratum (surface, place in the list, intent, quarter of popularity), without the item itself, drawn
to that of all items by PRIOR_LISTENERS. A judge's score stands by its weighted rank among the items
of its surface and intent.

Source: exact binomial tail over listeners; Benjamini and Hochberg (1995) over the candidates of one
judge and kind, so that about `fdr` of what is told is accident.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from analytics.stats import tails
from analytics.stats.checks import floats
from analytics.stats.multiplicity import rejected

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from numpy.typing import NDArray

    from analytics.judges.identity import Instrument

HIGH_SKIPPED: Final = "judge_high_and_skipped"
LOW_LIKED: Final = "judge_low_and_saved"
AGAINST_PEOPLE: Final = "judge_against_people"
KINDS: Final = (HIGH_SKIPPED, LOW_LIKED, AGAINST_PEOPLE)
PRIOR_LISTENERS: Final = 50
GAP_MIN: Final = 0.1
"""Least distance from what is usual: with many listeners a trifle is certain, yet a trifle."""
RANKED_MIN: Final = 20
"""Scored items of a surface and intent below which the ranks are those of the surface."""
RATERS_MIN: Final = 2
STRATUM: Final = ("surface", "place", "intent", "popularity")
CONSENTED: Final = ("opted_in", "not_applicable")
_ITEMS = """
WITH shown AS (
    SELECT generation_id,
        bool_and(coalesce(artist_consent IN ('opted_in', 'not_applicable'), false)) AS is_consented,
        arg_min(coalesce(surface, ''), (event_time_us, source, event_id)) AS surface,
        arg_min(coalesce(position, -1), (event_time_us, source, event_id)) AS position,
        arg_min(coalesce(taxonomy, '{}'), (event_time_us, source, event_id)) AS taxonomy,
        arg_min(coalesce(artist_ids, []), (event_time_us, source, event_id)) AS artist_ids,
        arg_min(coalesce(model_id, ''), (event_time_us, source, event_id)) AS model_id,
        arg_min(coalesce(model_version, ''), (event_time_us, source, event_id)) AS model_version,
        arg_min(coalesce(prompt_template_version, ''), (event_time_us, source, event_id))
            AS prompt_template_version
    FROM exposure GROUP BY generation_id
), play AS (
    SELECT generation_id, user_key, count(*) FILTER (is_early) AS early_n, count(*) AS plays_n
    FROM (SELECT generation_id, user_key,
            coalesce(reason_end IN ('fwdbtn', 'backbtn') AND ms_played < 30000, false) AS is_early
        FROM listen
        WHERE generation_id IS NOT NULL AND user_key IS NOT NULL AND NOT coalesce(incognito, false)
            AND coalesce(reason_end, '') NOT IN
                ('trackerror', 'unexpected_exit', 'unexpected_exit_while_paused'))
    GROUP BY ALL
), save AS (
    SELECT generation_id, user_key,
        count(*) FILTER (action = 'save') > count(*) FILTER (action = 'unsave') AS is_saved
    FROM feedback WHERE action IN ('save', 'unsave') GROUP BY ALL
), heard AS (
    SELECT generation_id, count(*)::BIGINT AS listeners,
        count(*) FILTER (early_n = plays_n)::BIGINT AS skipped,
        count(*) FILTER (coalesce(is_saved, false) OR plays_n - early_n > 1)::BIGINT AS liked
    FROM play LEFT JOIN save USING (generation_id, user_key) GROUP BY generation_id
)
SELECT s.*, h.listeners, h.skipped, h.liked,
    CASE WHEN s.position < 0 THEN 'unknown' WHEN s.position = 0 THEN 'first'
        WHEN s.position < 3 THEN 'near the top' ELSE 'below' END AS place,
    coalesce(json_extract_string(s.taxonomy, '$.intent'), '') AS intent,
    ntile(4) OVER (PARTITION BY s.surface ORDER BY h.listeners, s.generation_id)::VARCHAR
        AS popularity
FROM shown s JOIN heard h USING (generation_id) ORDER BY s.generation_id
"""


@dataclass(frozen=True, slots=True)
class Terms:
    """What counts as a disagreement that may leave.

    k: distinct listeners an item needs. top: share of the ranks that is high, and likewise low.
    fdr: share of accidents that is accepted among what is told.
    """

    k: int = 5
    top: float = 0.2
    fdr: float = 0.1


@dataclass(frozen=True, eq=False, slots=True)
class Said:
    """What one instrument said, and people in its dimension.

    scores: generation_id, score, low, high, weight. ratings: generation_id, rater, value.
    """

    instrument: Instrument
    scores: pl.DataFrame
    ratings: pl.DataFrame
    higher_is_better: bool


@dataclass(frozen=True, eq=False, slots=True)
class Heard:
    """items: one row each, see `read_heard`. all_n, without_consent, below_k: before anything."""

    items: pl.DataFrame
    all_n: int
    without_consent: int
    below_k: int


def read_heard(con: DuckDBPyConnection, *, k: int) -> Heard:
    """Items that may leave, with what is usual for their like, which counts all items.

    Columns: generation_id, surface, place, intent, popularity, taxonomy, artist_ids, model_id,
    model_version, prompt_template_version; listeners, skipped, liked (counts of people);
    usual_skipped, usual_liked (shares).
    """
    every = with_usual(con.sql(_ITEMS).pl())
    consented = every.filter("is_consented")
    kept = consented.filter(pl.col("listeners") >= k)
    return Heard(
        kept.drop("is_consented", "position"),
        every.height,
        every.height - consented.height,
        consented.height - kept.height,
    )


def with_usual(items: pl.DataFrame) -> pl.DataFrame:
    """usual_skipped, usual_liked added: shares of people among the other items of the stratum."""
    n = pl.col("listeners")

    def usual(name: str) -> pl.Expr:
        x = pl.col(name)
        everywhere = x.sum() / n.sum()
        around = x.sum().over(STRATUM) - x + PRIOR_LISTENERS * everywhere
        return (around / (n.sum().over(STRATUM) - n + PRIOR_LISTENERS)).alias(f"usual_{name}")

    return items.with_columns(usual("skipped"), usual("liked"))


def disagreements(items: pl.DataFrame, said: Said, terms: Terms) -> pl.DataFrame:
    """One row per item and kind on which the instrument and people disagree.

    Args: items: of `read_heard`.
    Returns: the items' columns and kind, judge_id, dimension, evaluator_epoch, score, score_min,
        score_max, judge_rank, people_rank (0 to 1), p, margin (a share, or a distance of ranks).
    """
    ranked = _ranked(
        items.join(said.scores, on="generation_id"), higher_is_better=said.higher_is_better
    )
    ranked = ranked.join(_people(items, said.ratings), on="generation_id", how="left")
    high = ranked.filter(pl.col("judge_rank") >= 1 - terms.top)
    low = ranked.filter(pl.col("judge_rank") <= terms.top)
    found = pl.concat(
        [
            _told(high, "skipped", HIGH_SKIPPED, terms),
            _told(low, "liked", LOW_LIKED, terms),
            _against_people(high, low, terms),
        ]
    )
    return found.with_columns(
        judge_id=pl.lit(said.instrument.judge),
        dimension=pl.lit(said.instrument.dimension),
        evaluator_epoch=pl.lit(said.instrument.epoch),
    ).rename({"low": "score_min", "high": "score_max"})


def _told(candidates: pl.DataFrame, name: str, kind: str, terms: Terms) -> pl.DataFrame:
    """Candidates that people treat otherwise than usual, and not by accident."""
    x, n = (candidates[one].to_numpy() for one in (name, "listeners"))
    usual = candidates[f"usual_{name}"].to_numpy()
    p = tails.binomial_lower(n - x, n, 1 - usual)  # P(X >= x)
    gap = x / np.maximum(n, 1) - usual
    told = rejected(p, "bh", alpha=terms.fdr) if len(p) else p > 1
    return candidates.with_columns(
        kind=pl.lit(kind), p=pl.Series(p, dtype=pl.Float64), margin=pl.Series(gap, dtype=pl.Float64)
    ).filter(pl.Series(told & (gap >= GAP_MIN), dtype=pl.Boolean))


def _against_people(high: pl.DataFrame, low: pl.DataFrame, terms: Terms) -> pl.DataFrame:
    """Items at one end of the judge's ranks and at the other of the raters'."""
    both = pl.concat(
        [
            high.filter(pl.col("people_rank") <= terms.top),
            low.filter(pl.col("people_rank") >= 1 - terms.top),
        ]
    )
    return both.with_columns(
        kind=pl.lit(AGAINST_PEOPLE),
        p=pl.lit(None, dtype=pl.Float64),
        margin=(pl.col("judge_rank") - pl.col("people_rank")).abs(),
    )


def _ranked(scored: pl.DataFrame, *, higher_is_better: bool) -> pl.DataFrame:
    """judge_rank added: the share of the weight below, half of that at the same score."""
    is_many = pl.len().over("surface", "intent") >= RANKED_MIN
    near = scored.with_columns(
        _among=pl.concat_str(
            "surface",
            pl.when(is_many).then(pl.col("intent")).otherwise(pl.lit("\0")),
            separator="\1",
        )
    )
    sign = 1.0 if higher_is_better else -1.0
    parts = [
        part.with_columns(
            judge_rank=pl.Series(
                ranks(sign * part["score"].to_numpy(), part["weight"].to_numpy()), dtype=pl.Float64
            )
        )
        for part in near.partition_by("_among", maintain_order=True)
    ]
    empty = near.clear().with_columns(judge_rank=pl.lit(None, dtype=pl.Float64))
    return pl.concat([empty, *parts]).drop("_among")


def _people(items: pl.DataFrame, ratings: pl.DataFrame) -> pl.DataFrame:
    """generation_id and people_rank of the items that enough people rated."""
    means = (
        ratings.filter(pl.col("generation_id").is_in(items["generation_id"].implode()))
        .group_by("generation_id")
        .agg(mean=pl.col("value").mean(), raters=pl.col("rater").n_unique())
        .filter(pl.col("raters") >= RATERS_MIN)
        .sort("generation_id")
    )
    rank = ranks(means["mean"].to_numpy(), np.ones(means.height))
    return means.select("generation_id", people_rank=pl.Series(rank, dtype=pl.Float64))


def ranks(value: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted mid-ranks from 0 to 1: the share of weight below, and half of that of its equals."""
    _, place = np.unique(value, return_inverse=True)
    at = np.bincount(place, weight)
    below = np.cumsum(at) - at
    return floats(((below + at / 2) / max(at.sum(), 1e-300))[place])
