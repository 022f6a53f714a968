"""What people would say of two variants: labels, judges and usage in one estimate per variant.

Every judge that may be used on the experiment's surface helps as a control variate, and so do what
listeners kept and saved; a judge that is revoked, or of which nothing is shown, has weight 0 and
is named. Epochs are signals of their own: they are never averaged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from analytics.judges.fusion import FusedDifference, Items, fuse, judge_only, known_or_zero
from analytics.stats.checks import floats
from analytics.stats.confidence_sequence import SequencePlan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from analytics.judges.certificate import Certificate
    from analytics.judges.figure import Figure
    from analytics.judges.rated import Rated
    from analytics.judges.trial import Trial

N_STAR = 1_000.0
USAGE = ("kept", "saved")


@dataclass(frozen=True, slots=True)
class Alone:
    """What one judge alone would have said, on its own scale; shown, never acted on.

    may: whether its certificate lets it help; why: where it may not.
    """

    judge: str
    single: Figure
    always: Figure
    may: bool
    why: str


@dataclass(frozen=True, slots=True)
class Fused:
    """One variant beside its control, in points of the people's scale."""

    experiment: str
    variant: str
    control: str
    surface: str
    dimension: str
    difference: FusedDifference
    judges: tuple[Alone, ...]


def fused_differences(
    rated: Rated, trials: Sequence[Trial], controls: Mapping[str, str], *, alpha: float
) -> tuple[Fused, ...]:
    """Every variant of every experiment with labels, by dimension."""
    found: list[Fused] = []
    dimensions = sorted({one.entry.instrument.dimension for one in trials})
    for dimension in dimensions:
        ours = [one for one in trials if one.entry.instrument.dimension == dimension]
        for key, part in sorted(rated.met.partition_by("experiment_id", as_dict=True).items()):
            experiment = str(key[0])
            if experiment in controls:
                table = _Table.of(rated, part, ours, dimension)
                found += _experiment(experiment, controls[experiment], table, alpha=alpha)
    return tuple(found)


@dataclass(frozen=True, eq=False, slots=True)
class _Table:
    """The items of one experiment: label, a column a judge, usage; who may help."""

    items: pl.DataFrame
    dimension: str
    surface: str
    names: tuple[str, ...]
    may: tuple[str, ...]
    """Per judge: '' where it may help, else why not."""

    @classmethod
    def of(cls, rated: Rated, met: pl.DataFrame, trials: Sequence[Trial], dimension: str) -> _Table:
        surface = str(met["surface"].mode().sort().first())
        by_item = (
            rated.ratings.filter(pl.col("dimension") == dimension)
            .group_by("generation_id")
            .agg(label=pl.col("value").mean())
        )
        items = met.join(by_item, on="generation_id", how="left")
        for nth, trial in enumerate(trials):
            scores = rated.of(trial.entry.instrument).select(
                "generation_id",
                pl.col("score").alias(f"judge{nth}"),
                pl.col("weight").alias(f"weight{nth}"),
            )
            items = items.join(scores, on="generation_id", how="left")
        return cls(
            items.sort("generation_id"),
            dimension,
            surface,
            tuple(one.entry.instrument.words for one in trials),
            tuple(_why_not(one.certificates, surface) for one in trials),
        )


def _why_not(certificates: Sequence[Certificate], surface: str) -> str:
    """'' where the judge may help on the surface."""
    here = [one for one in certificates if one.surface == surface]
    if not here:
        return "never checked on this surface"
    (one,) = here
    return "" if one.weight else f"{one.state.lower().replace('_', ' ')}: {one.reasons[0]}"


def _experiment(experiment: str, control: str, table: _Table, *, alpha: float) -> list[Fused]:
    plan = SequencePlan(N_STAR, alpha)
    variants = [name for name in table.items["variant_id"].unique().sort() if name != control]
    base = table.items.filter(pl.col("variant_id") == control)
    if base.is_empty() or table.items["label"].null_count() == len(table.items):
        return []
    names = (*table.names, *USAGE)
    trusted = (*(why == "" for why in table.may), *(True for _ in USAGE))
    found = []
    for variant in variants:
        side = table.items.filter(pl.col("variant_id") == variant)
        arms = [_arm(part, table) for part in (base, side)]
        difference = fuse(arms[0], arms[1], names, plan=plan, trusted=trusted)
        judges = tuple(
            _alone(nth, name, (base, side), table.may[nth], plan)
            for nth, name in enumerate(table.names)
        )
        ids = (experiment, str(variant), control, table.surface, table.dimension)
        found.append(Fused(*ids, difference, judges))
    return found


def _arm(part: pl.DataFrame, table: _Table) -> Items:
    signals = [
        known_or_zero(_floats(part, f"judge{nth}"), _mean(table.items, f"judge{nth}"))
        for nth in range(len(table.names))
    ]
    signals += [known_or_zero(_floats(part, name), _mean(table.items, name)) for name in USAGE]
    return Items.of(_unit(part), _floats(part, "label"), np.column_stack(signals))


def _alone(
    nth: int, name: str, sides: tuple[pl.DataFrame, pl.DataFrame], why: str, plan: SequencePlan
) -> Alone:
    arms = []
    for part in sides:
        scored = part.drop_nulls(f"judge{nth}")
        arms.append(
            (_floats(scored, f"judge{nth}"), _floats(scored, f"weight{nth}"), _unit(scored))
        )
    single, always = judge_only(arms[0], arms[1], plan=plan)
    return Alone(name, single, always, may=why == "", why=why)


def _floats(part: pl.DataFrame, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return floats(part[name].cast(pl.Float64).fill_null(float("nan")).to_numpy())


def _mean(items: pl.DataFrame, name: str) -> float:
    """Any number near the middle does; the same for both arms."""
    known = items[name].drop_nulls()
    return float(known.cast(pl.Float64).mean() or 0.0) if len(known) else 0.0  # type: ignore[arg-type] # a float column's mean


def _unit(part: pl.DataFrame) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return part["unit"].rank("dense").to_numpy().astype(np.int64)
