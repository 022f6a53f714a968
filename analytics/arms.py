"""Any two variants of an experiment side by side: the report's numbers, without its verdict."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analytics.catalog import Catalog, undeclared
from analytics.experiments import Night, experiment_result
from analytics.fold import UNIT_DAYS, UNIT_TABLE, fold_units, plan_fold
from analytics.read import check_warehouse, data_day, seen_experiments
from analytics.scores import judge_views, read_instruments, read_scores
from streams.errors import ConfigError, IntegrityError, did_you_mean

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

    from analytics.catalog import Experiment, Metric
    from analytics.read import Seen
    from analytics.results import Comparison, JudgeView, MultipleExposure, SampleRatio
    from analytics.scores import ScoredArm

SCHEMA = "listenback.compare/1"


@dataclass(frozen=True, slots=True)
class Pair:
    """What is asked. metrics: ids, none for all. as_of: a UTC day, None for the data's own.

    epochs: evaluator epochs whose scores are wanted, none for those that both variants have.
    """

    experiment: str
    a: str
    b: str
    metrics: tuple[str, ...] = ()
    epochs: tuple[str, ...] = ()
    as_of: dt.date | None = None
    with_scores: bool = False


@dataclass(frozen=True, slots=True)
class PairResult:
    """Differences are b - a. Judges decide nothing; each epoch is an instrument of its own."""

    schema: str
    experiment: str
    a: str
    b: str
    as_of: str | None
    unit: str
    alpha: float
    sample_ratio: SampleRatio | None
    multiple: MultipleExposure
    comparisons: tuple[Comparison, ...]
    judges: tuple[JudgeView, ...]
    notes: tuple[str, ...]


def compare_arms(
    con: DuckDBPyConnection, catalog: Catalog, pair: Pair, *, where: str
) -> PairResult:
    """Compare b with a, as of a day.

    Args: con: a published warehouse, read-only; where: what it is called in errors.
    Raises: ConfigError for an experiment or variant that is neither defined nor in the data;
        IntegrityError where judge scores of two epochs would have to be held against each other.
    """
    check_warehouse(con, where)
    as_of = pair.as_of or data_day(con)
    if as_of is None:
        raise ConfigError("the warehouse holds no events.", where=where)
    fold = plan_fold(_asked(catalog, pair.metrics).values())
    fold_units(con, fold, as_of=as_of, source=UNIT_DAYS)
    seen = seen_experiments(con, UNIT_TABLE)
    plan = _plan(catalog, pair, seen)
    narrowed = Catalog(catalog.metrics, {plan.id: plan})
    ours = [one for one in seen if one.experiment_id == plan.id]
    night = Night(con, narrowed, fold, as_of, {}, {})
    result = experiment_result(night, plan.id, ours)
    views = _judges(con, plan, pair) if pair.with_scores else ()
    return PairResult(
        schema=SCHEMA,
        experiment=plan.id,
        a=pair.a,
        b=pair.b,
        as_of=as_of.isoformat(),
        unit=plan.unit,
        alpha=plan.alpha,
        sample_ratio=result.sample_ratio,
        multiple=result.multiple,
        comparisons=result.comparisons,
        judges=views,
        notes=_notes(result.notes),
    )


def _asked(catalog: Catalog, names: Sequence[str]) -> dict[str, Metric]:
    return {name: catalog.metrics[name] for name in names} if names else dict(catalog.metrics)


def _notes(notes: Sequence[str]) -> tuple[str, ...]:
    """Without those on variants that were left out on purpose."""
    return tuple(note for note in notes if "which the definition does not name" not in note)


def _plan(catalog: Catalog, pair: Pair, seen: Sequence[Seen]) -> Experiment:
    """The experiment's plan, narrowed to the two variants with a as the control."""
    known = sorted({*catalog.experiments, *(one.experiment_id for one in seen)})
    if pair.experiment not in known:
        raise ConfigError(
            f"there is no experiment '{pair.experiment}', neither defined nor in the data.",
            where="--experiment",
            todo=did_you_mean(pair.experiment, known) or f"There are: {', '.join(known)}.",
        )
    ours = [one for one in seen if one.experiment_id == pair.experiment]
    unit = max(ours, key=lambda one: one.units, default=None)
    met = {one.variant_id for one in ours}
    plan = catalog.experiments.get(pair.experiment) or undeclared(
        pair.experiment, met | {pair.a, pair.b}, unit.unit_type if unit else "user"
    )
    assert plan is not None, "two variants are named"
    variants = list(dict.fromkeys([*plan.variants, *sorted(met)]))
    if pair.experiment not in catalog.experiments:
        variants = sorted(met)
    for name in (pair.a, pair.b):
        if name not in variants:
            raise ConfigError(
                f"experiment '{pair.experiment}' has no variant '{name}' (it has"
                f" {', '.join(variants) or 'none'}).",
                where="compare",
                todo=did_you_mean(name, variants),
            )
    if pair.a == pair.b:
        raise ConfigError(f"'{pair.a}' cannot be compared with itself.", where="compare")
    shares = [plan.variants.get(name, 0.0) or 1 / len(variants) for name in (pair.a, pair.b)]
    allocation = {
        name: share / sum(shares) for name, share in zip((pair.a, pair.b), shares, strict=True)
    }
    return plan.model_copy(update={"control": pair.a, "variants": allocation, "segments": ()})


def _judges(con: DuckDBPyConnection, plan: Experiment, pair: Pair) -> tuple[JudgeView, ...]:
    """One view a judge, dimension and epoch that scored both variants."""
    arms = read_scores(con, units=UNIT_TABLE, alpha=plan.alpha).get(plan.id, {})
    check_epochs(arms, pair)
    held = {
        key: by_variant
        for key, by_variant in arms.items()
        if {pair.a, pair.b} <= by_variant.keys() and (not pair.epochs or key[2] in pair.epochs)
    }
    views = judge_views(held, read_instruments(con), pair=(pair.a, pair.b), alpha=plan.alpha)
    return tuple(dataclasses.replace(view, beside_listeners="") for view in views)


def check_epochs(arms: dict[tuple[str, str, str], dict[str, ScoredArm]], pair: Pair) -> None:
    """IntegrityError where a judge scored the two variants in different epochs only."""
    if len(set(pair.epochs)) > 1:
        raise _apart("these", pair.epochs[:1], pair.epochs[1:])
    scored: dict[tuple[str, str], dict[str, set[str]]] = {}
    for (judge, dimension, epoch), by_variant in arms.items():
        if pair.epochs and epoch not in pair.epochs:
            continue
        for variant in {pair.a, pair.b} & by_variant.keys():
            places = scored.setdefault((judge, dimension), {})
            places.setdefault(variant, set()).add(epoch)
    for (judge, dimension), by_variant_epochs in scored.items():
        first, second = (by_variant_epochs.get(name, set()) for name in (pair.a, pair.b))
        if first and second and not first & second:
            raise _apart(f"{judge} ({dimension})", sorted(first), sorted(second))


def _apart(whose: str, first: Sequence[str], second: Sequence[str]) -> IntegrityError:
    return IntegrityError(
        f"scores of {whose} epochs are of different instruments: {', '.join(first)} beside"
        f" {', '.join(second)}.",
        where="compare --scores",
        done="Nothing was compared.",
        todo="Score both variants in one epoch (the same judge, prompt and rubric).",
    )
