"""A judge beside people on the warehouse's items: what it hears, beside what people hear.

Ranks are compared within variants only; the judge's grade is held against single raters, as raters
are held against each other: that is the fair ceiling.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from analytics.judges import pairs as decided_pairs
from analytics.judges.association import Together, spearman
from analytics.judges.figure import Figure, nothing
from analytics.judges.labels import Labels, pairs_with
from analytics.judges.people import Rows, alphas, categorical
from analytics.judges.resample import How, jackknifed
from analytics.stats.alt_test import AltRule, AltTest, alt_test
from analytics.stats.checks import floats

if TYPE_CHECKING:
    from analytics.stats.checks import FloatArray, IntArray

ROWS_MIN = 30
ALT_EPSILON = 0.2
"""Beside experts (the paper's advice); 0.15 beside skilled raters, 0.1 beside crowds."""
RANK = "rank agreement with a person, within variants"
CEILING = "rank agreement of two people, within variants"


@dataclass(frozen=True, eq=False, slots=True)
class Heard:
    """What the comparison with people gives. rank and ceiling: Spearman with single raters.

    counted: kappa, weighted kappa, AC1 and the share of equal labels on the people's scale; empty
    where scales are not declared. alpha: Krippendorff's, of the people. pairs: pairwise agreement.
    """

    rank: Figure
    ceiling: Figure
    counted: tuple[Figure, ...]
    alpha: tuple[Figure, ...]
    pairs: Figure
    leaning: tuple[Figure, ...]
    alt: AltTest | None


def ranks_with_people(
    items: pl.DataFrame, ratings: pl.DataFrame, *, sign: float, alpha: float
) -> tuple[Figure, Figure]:
    """Spearman of judge and person, and of person and person: strata variant, clusters unit.

    Args: items: as rated.items_of. ratings: generation_id, rater, value. sign: -1 where a low
        score is good. Weighted by 1 / sampling probability on the judge's side.
    """
    where = items.select(
        "generation_id",
        "unit",
        "score",
        "weight",
        stratum=pl.struct("experiment_id", "variant_id").rank("dense"),
    )
    rows = ratings.select("generation_id", "rater", "value").join(where, on="generation_id")
    rows = rows.sort("generation_id", "rater")
    ours = rows.drop_nulls("score")
    both = rows.join(rows.select("generation_id", "rater", "value"), on="generation_id")
    both = both.filter(pl.col("rater") != pl.col("rater_right"))
    both = both.sort("generation_id", "rater", "rater_right")
    return (
        _rank(
            RANK,
            (sign * ours["score"].to_numpy(), ours["value"].to_numpy()),
            ours,
            floats(ours["weight"].to_numpy()),
            alpha=alpha,
        ),
        _rank(
            CEILING,
            (both["value"].to_numpy(), both["value_right"].to_numpy()),
            both,
            np.ones(len(both)),
            alpha=alpha,
        ),
    )


def _rank(
    name: str,
    values: tuple[FloatArray, FloatArray],
    rows: pl.DataFrame,
    weight: FloatArray,
    *,
    alpha: float,
) -> Figure:
    if len(rows) < ROWS_MIN:
        why = f"{len(rows)} ratings stand beside another; {ROWS_MIN} are needed"
        return nothing(name, why, n=len(rows), unit="ratings")
    if any(np.all(part == part[0]) for part in values):
        return nothing(name, "one side says the same of everything", n=len(rows), unit="ratings")
    together = Together.of(*values, rows["stratum"].to_numpy())
    how = How(alpha, "fisher", "listeners")
    return jackknifed(name, lambda w: spearman(together, w), weight, rows["unit"].to_numpy(), how)


def on_their_scale(
    score: FloatArray, judge: tuple[float, float], people: tuple[float, float], *, sign: float
) -> FloatArray:
    """Grades on the people's scale by the declared ranges: lowest to lowest, highest to highest."""
    share = (score - judge[0]) / (judge[1] - judge[0])
    share = share if sign > 0 else 1 - share
    return people[0] + share * (people[1] - people[0])


def table_of(items: pl.DataFrame, ratings: pl.DataFrame) -> tuple[Labels, FloatArray, FloatArray]:
    """Ratings as raters by items, beside the items' scores and weights, NaN where none."""
    known = ratings.join(items.select("generation_id"), on="generation_id", how="semi")
    names = known["generation_id"].unique().sort()
    raters = known["rater"].unique().sort()
    values = np.full((len(raters), len(names)), np.nan)
    row, column = (
        np.searchsorted(of.to_numpy().astype(object), known[name].to_numpy().astype(object))
        for of, name in ((raters, "rater"), (names, "generation_id"))
    )
    values[row, column] = known["value"].to_numpy()
    said = pl.DataFrame({"generation_id": names}).join(
        items.select("generation_id", "score", "weight"),
        on="generation_id",
        how="left",
        maintain_order="left",
    )
    score, weight = (
        floats(said[name].cast(pl.Float64).fill_null(float("nan")).to_numpy())
        for name in ("score", "weight")
    )
    labels = Labels(tuple(raters.to_list()), tuple(names.to_list()), values)
    return labels, score, np.where(np.isnan(weight), 1.0, weight)


def counted_with_people(
    labels: Labels,
    grades: FloatArray,
    weight: FloatArray,
    *,
    alpha: float,
) -> tuple[tuple[Figure, ...], tuple[Figure, ...], AltTest | None]:
    """Kappa and its kin on the people's scale (grades rounded), their alpha, the alt-test.

    Args: grades: on the people's scale, one an item, NaN where there is none.
    """
    of_people = alphas(labels, ("ordinal", "interval"), alpha=alpha) if labels.raters else ()
    if not labels.raters or np.all(np.isnan(grades)):
        return (), of_people, None
    rows = Rows.of(pairs_with(np.round(grades), labels.values)).weighed(weight)
    found = categorical(rows, alpha=alpha, is_ordered=True)
    test = alt_test(labels.values, grades, AltRule(ALT_EPSILON), scoring="neg_rmse")
    return found, of_people, test


def pairs_with_people(
    scores: pl.DataFrame, preferences: pl.DataFrame, *, sign: float, alpha: float
) -> tuple[Figure, tuple[Figure, ...]]:
    """Pairwise agreement, and whether judge or people lean to what was shown first.

    Args: scores: generation_id, score, weight. preferences: a, b, human, rater, first_shown.
        Raters are the clusters; a pair weighs the product of both sides' weights.
    """
    sides = [scores.rename({"generation_id": side}) for side in ("a", "b")]
    rows = preferences.join(sides[0], on="a", how="inner").join(
        sides[1], on="b", how="inner", suffix="_b"
    )
    rows = rows.sort("a", "b", "rater")
    name = "pairwise agreement"
    if rows.is_empty():
        return nothing(name, "no pair that a person saw has both scores", unit="pairs"), ()
    cluster: IntArray = rows["rater"].rank("dense").to_numpy().astype(np.int64)
    found = decided_pairs.decided(
        floats(rows["human"].to_numpy()),
        sign * floats(rows["score"].to_numpy()),
        sign * floats(rows["score_b"].to_numpy()),
        cluster=cluster,
        weight=floats((rows["weight"] * rows["weight_b"]).to_numpy()),
    )
    figure = decided_pairs.accuracy(found, alpha=alpha, name=name)
    shown = floats(rows["first_shown"].cast(pl.Float64).fill_null(float("nan")).to_numpy())
    if np.all(np.isnan(shown)):
        return figure, ()
    return figure, decided_pairs.lean(found, shown, alpha=alpha, name="what was shown first")
