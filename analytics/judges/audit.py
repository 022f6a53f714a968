"""Is a judge fair to each variant? Its difference to the control, beside the people's.

A judge is noisy, so what people would say given its score is pulled to the middle; two variants
that people hear 0.6 apart then look 0.3 apart, although the judge favours nobody. So scores are
brought to the people's scale by the *structural* slope: how far people move per point of what the
judge truly hears, with its noise taken out,

    slope = cov(rater 1, rater 2) / cov(judge, rater)        within variants.

Without a second rater, the ratio of the standard deviations stands in (both sides are then taken
as equally noisy). The excess of the judge for a variant is

    excess = slope * (judge_variant - judge_control) - (people_variant - people_control),

Hajek means of all scored and all rated items; its error, with that of the slope, by the jackknife
over groups of users; its interval is a confidence sequence, so it may be looked at every night.

Source: errors in variables with replicate measurements, Fuller (1987), section 1.3 and 2.4;
equivalence as in CJE (arXiv 2512.11150), stats.transport.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from analytics.judges.figure import Figure, nothing, of_interval
from analytics.judges.resample import groups_of
from analytics.stats.checks import floats
from analytics.stats.confidence_sequence import SequencePlan, mean_sequence
from analytics.stats.moments import Marginal
from analytics.stats.transport import transport_audit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analytics.stats.checks import FloatArray, IntArray
    from analytics.stats.transport import Status

LABELS_MIN = 50
"""Rated items a variant below which nothing is said."""
N_STAR = 1_000.0
"""Rated items of both variants at which the sequence is tightest."""
SLOPE_Z_MIN = 3.0
"""The judge must follow people this clearly (in standard errors), or there is no common scale."""


@dataclass(frozen=True, slots=True)
class Ask:
    """margin: in points of the people's scale. sign: -1 where a low score is good."""

    margin: float
    sign: float
    alpha: float


@dataclass(frozen=True, slots=True)
class Audit:
    """excess: points of the people's scale that the judge adds to a variant beside its control.

    margin: the largest excess that does not matter. status: PASS inside, FAIL wholly outside,
    INCONCLUSIVE between, NOT_CHECKED without enough labels. judge: the judge's difference on its
    own scale, people: theirs on theirs (estimates, for the words).
    """

    experiment: str
    variant: str
    control: str
    excess: Figure
    margin: float
    status: Status
    judge: float | None = None
    people: float | None = None


@dataclass(frozen=True, eq=False)
class _Table:
    """Items of one experiment as arrays; cell: 0 control, 1, 2, ... the others."""

    cell: IntArray
    score: FloatArray
    weight: FloatArray
    first: FloatArray
    second: FloatArray
    rating: FloatArray


def audits(
    items: pl.DataFrame,
    controls: Mapping[str, str],
    ask: Ask,
) -> tuple[Audit, ...]:
    """Every variant of every experiment beside its control.

    Args: items: as rated.items_of, of one instrument and surface. controls: by experiment.
    """
    found: list[Audit] = []
    for key, part in sorted(items.partition_by("experiment_id", as_dict=True).items()):
        experiment = str(key[0])
        if experiment in controls:
            found += _experiment(experiment, controls[experiment], part, ask)
    return tuple(found)


def _experiment(experiment: str, control: str, part: pl.DataFrame, ask: Ask) -> list[Audit]:
    variants = [name for name in sorted(part["variant_id"].unique().to_list()) if name != control]
    names = [control, *variants]
    table = _table(part, names, ask.sign)
    group = groups_of(part["unit"].to_numpy())[0]
    replicates = int(group.max(initial=-1)) + 1
    whole = _excess(table, np.ones(len(part)), len(names))
    left = [_excess(table, floats(group != g), len(names)) for g in range(replicates)]
    follows = _follows(whole[1], floats([one[1] for one in left]))
    counts = [_counts(table, cell) for cell in range(len(names))]
    return [
        _audit(
            (experiment, name, control),
            (whole[0][:, cell], floats([one[0][:, cell] for one in left])),
            (*counts[0], *counts[cell]),
            follows=follows,
            ask=ask,
        )
        for cell, name in enumerate(names)
        if cell > 0
    ]


def _table(part: pl.DataFrame, names: list[str], sign: float) -> _Table:
    columns = [
        floats(part[name].cast(pl.Float64).fill_null(float("nan")).to_numpy())
        for name in ("score", "weight", "first", "second", "rating")
    ]
    cell = part["variant_id"].replace_strict(names, np.arange(len(names)), default=-1).to_numpy()
    return _Table(cell.astype(np.int64), sign * columns[0], *columns[1:])


def _counts(table: _Table, cell: int) -> tuple[int, int]:
    """Scored and rated items of a variant."""
    mine = table.cell == cell
    scored, rated = mine & ~np.isnan(table.score), mine & ~np.isnan(table.rating)
    return int(scored.sum()), int(rated.sum())


def _excess(table: _Table, keep: FloatArray, cells_n: int) -> tuple[FloatArray, float]:
    """(excess, judge's difference, people's difference) by cell, and cov(judge, person)."""
    weight = np.where(np.isnan(table.score), 0.0, table.weight) * keep
    said = _means(table.score, weight, table.cell, cells_n)
    rated = np.where(np.isnan(table.rating), 0.0, 1.0) * keep
    heard = _means(table.rating, rated, table.cell, cells_n)
    slope, follows = _slope(table, weight, keep, cells_n)
    judge, people = said - said[0], heard - heard[0]
    return np.stack([slope * judge - people, judge, people]), follows


def _means(value: FloatArray, weight: FloatArray, cell: IntArray, cells_n: int) -> FloatArray:
    total = np.bincount(cell, weight, cells_n)
    known = np.where(np.isnan(value), 0.0, value)
    with np.errstate(divide="ignore", invalid="ignore"):
        return floats(np.bincount(cell, weight * known, cells_n) / total)


def _slope(
    table: _Table, weight: FloatArray, keep: FloatArray, cells_n: int
) -> tuple[float, float]:
    """People's points per judge's point, structural; and cov(judge, person) within variants."""
    both = weight * ~np.isnan(table.rating)
    with_people = _covariance(table.score, table.rating, both, table.cell, cells_n)
    pair = keep * ~np.isnan(table.second)
    between = _covariance(table.first, table.second, pair, table.cell, cells_n)
    if np.sum(pair) >= LABELS_MIN and between > 0:
        return (between / with_people if with_people > 0 else float("nan")), with_people
    spread_h = _covariance(table.rating, table.rating, both, table.cell, cells_n)
    spread_s = _covariance(table.score, table.score, both, table.cell, cells_n)
    ratio = np.sqrt(spread_h / spread_s) if spread_s > 0 else float("nan")
    return float(ratio if with_people > 0 else np.nan), with_people


def _covariance(
    x: FloatArray, y: FloatArray, weight: FloatArray, cell: IntArray, cells_n: int
) -> float:
    """Weighted, within cells."""
    near_x = np.where(weight > 0, x - _means(x, weight, cell, cells_n)[cell], 0.0)
    near_y = np.where(weight > 0, y - _means(y, weight, cell, cells_n)[cell], 0.0)
    total = float(np.sum(weight))
    return float(np.sum(weight * near_x * near_y)) / total if total > 0 else float("nan")


def _follows(whole: float, left: FloatArray) -> bool:
    """Whether the judge goes with people clearly enough for a common scale."""
    n = len(left)
    se = float(np.sqrt((n - 1) / n * np.sum(np.square(left - left.mean())))) if n > 1 else np.nan
    return bool(se > 0 and whole > SLOPE_Z_MIN * se)


def _audit(
    names: tuple[str, str, str],
    values: tuple[FloatArray, FloatArray],
    counts: tuple[int, int, int, int],
    *,
    follows: bool,
    ask: Ask,
) -> Audit:
    whole, left = values
    title, rated = f"excess for {names[1]}", counts[1] + counts[3]
    if min(counts[1], counts[3]) < LABELS_MIN or min(counts[0], counts[2]) < LABELS_MIN:
        why = f"{min(counts)} items scored or rated in a variant; {LABELS_MIN} are needed"
        none = nothing(title, why, n=rated, unit="rated items")
        return Audit(*names, none, ask.margin, "NOT_CHECKED")
    if not follows or not np.all(np.isfinite(left[:, 0])):
        why = "the judge does not follow people clearly enough to share a scale with them"
        none = nothing(title, why, n=rated, unit="rated items")
        return Audit(*names, none, ask.margin, "NOT_CHECKED", float(whole[1]), float(whole[2]))
    n = len(left)
    spread = np.square(left[:, 0] - left[:, 0].mean())
    se = np.sqrt((n - 1) / n * np.sum(spread))
    sample = Marginal.from_se(floats(rated), floats(whole[0]), floats(se))
    found = mean_sequence(sample, SequencePlan(N_STAR, ask.alpha, burn_in=2 * LABELS_MIN))
    status = str(transport_audit(found, ask.margin))
    figure = of_interval(title, found, unit="rated items")
    return Audit(*names, figure, ask.margin, _status(status), float(whole[1]), float(whole[2]))


def _status(word: str) -> Status:
    known: dict[str, Status] = {
        "PASS": "PASS",
        "FAIL": "FAIL",
        "INCONCLUSIVE": "INCONCLUSIVE",
        "NOT_CHECKED": "NOT_CHECKED",
    }
    return known[word]
