"""A judge beside listeners, experiment by experiment: did what it preferred do better?

Per variant the judge's difference to the control (Hajek means, users as clusters) and the usage
difference (share of plays that were not skipped early, ratio over users). Over all of them: how
often both point one way, and how far usage moves per point of the judge once the sampling error of
the judge's differences is taken out (a naive slope is too small).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analytics.judges.figure import Figure, of_interval
from analytics.judges.people import share
from analytics.judges.sampling import hajek
from analytics.stats.checks import floats
from analytics.stats.means import welch_interval
from analytics.stats.moments import Marginal, Moments
from analytics.stats.ratios import ratio
from analytics.stats.transport import behavioural_validity

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl
    from duckdb import DuckDBPyConnection

_USAGE = """
WITH unit AS (
    SELECT experiment_id, unit_type, unit_id, min(variant_id) AS variant_id,
        sum(starts_n - early_skips_n)::DOUBLE AS y, sum(starts_n)::DOUBLE AS d
    FROM unit_day WHERE experiment_id <> ''
    GROUP BY experiment_id, unit_type, unit_id HAVING min(variant_id) = max(variant_id)
)
SELECT experiment_id, variant_id, count(*)::DOUBLE, sum(y), sum(d), sum(y * y), sum(y * d),
    sum(d * d)
FROM unit GROUP BY ALL ORDER BY ALL
"""
Arms = dict[tuple[str, str], Marginal]


@dataclass(frozen=True, slots=True)
class Effect:
    """One variant beside its control: the judge's difference, and usage's."""

    experiment: str
    variant: str
    control: str
    judge: Figure
    usage: Figure


@dataclass(frozen=True, slots=True)
class OverExperiments:
    """effects: each comparison. same_sign: share in which judge and usage point one way.

    slope: usage per judge point, errors in variables. reliability: share of the judge differences'
    spread that is not sampling error; None where there are too few.
    """

    effects: tuple[Effect, ...]
    same_sign: Figure
    slope: Figure
    reliability: float | None


def read_usage(con: DuckDBPyConnection) -> Arms:
    """Share of plays that were not skipped early, by experiment and variant, over users."""
    arms = {}
    for experiment, variant, n, y, d, yy, yd, dd in con.execute(_USAGE).fetchall():
        moments = Moments.from_sums([n], [[y, d]], [[[yy, yd], [yd, dd]]])
        arms[experiment, variant] = ratio(moments[0])
    return arms


def judge_arms(scored: pl.DataFrame, *, sign: float) -> Arms:
    """Hajek means by experiment and variant.

    Args: scored: unit, experiment_id, variant_id, score, weight.
    """
    arms = {}
    keys = ("experiment_id", "variant_id")
    for (experiment, variant), part in scored.partition_by(keys, as_dict=True).items():
        unit = part["unit"].rank("dense").to_numpy().astype(np.int64)
        values = sign * floats(part["score"].to_numpy())
        arms[str(experiment), str(variant)] = hajek(values, floats(part["weight"].to_numpy()), unit)
    return arms


def effects(
    judge: Arms, usage: Arms, controls: Mapping[str, str], *, alpha: float
) -> tuple[Effect, ...]:
    """Every variant that both know, beside its control; those without an interval are left out."""
    found = []
    for experiment, variant in sorted(set(judge) & set(usage)):
        control = controls.get(experiment)
        base = (experiment, control or "")
        if control in {None, variant} or base not in judge or base not in usage:
            continue
        sides = [
            welch_interval(arms[base], arms[experiment, variant], alpha=alpha)
            for arms in (judge, usage)
        ]
        if all(bool(one.enough) for one in sides):
            figures = [of_interval("difference", one, unit="users") for one in sides]
            found.append(Effect(experiment, variant, str(control), figures[0], figures[1]))
    return tuple(found)


def over_experiments(found: Sequence[Effect], *, alpha: float) -> OverExperiments:
    """Signs and slope over past comparisons. Source: Fuller (1987), section 2.2; Wilson (1927)."""
    x = floats([one.judge.value or 0.0 for one in found])
    y = floats([one.usage.value or 0.0 for one in found])
    errors = [floats([one.se or 0.0 for one in side]) for side in _sides(found)]
    same = share(
        "judge and listeners point one way",
        agreed=float(np.sum(np.sign(x) == np.sign(y))),
        of=len(found),
        alpha=alpha,
        unit="comparisons",
    )
    validity = behavioural_validity((x, errors[0]), (y, errors[1]), alpha=alpha)
    slope = of_interval(
        "usage per point of the judge, over experiments",
        validity.slope,
        unit="comparisons",
        n=len(found),
        reason="fewer than 4 comparisons, or judge effects that spread no more than their errors",
    )
    known = np.isfinite(validity.reliability)
    return OverExperiments(
        tuple(found), same, slope, float(validity.reliability) if known else None
    )


def _sides(found: Sequence[Effect]) -> tuple[list[Figure], list[Figure]]:
    return [one.judge for one in found], [one.usage for one in found]
