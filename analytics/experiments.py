"""One experiment's night: what was planned beside what was seen, compared and decided."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from analytics.catalog import undeclared
from analytics.cells import Units, read_cells
from analytics.decide import Quality, decide, multiple_exposure, sample_ratio
from analytics.examine import experiment_health
from analytics.fold import UNIT_TABLE
from analytics.health import alarms, mixed_units
from analytics.outcomes import Observed, compare_all, parts_of
from analytics.results import ExperimentResult, MultipleExposure, Verdict
from analytics.scores import judge_views
from analytics.segments import read_segments
from analytics.trajectory import settled_verdicts

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from duckdb import DuckDBPyConnection

    from analytics.catalog import Catalog, Experiment
    from analytics.decide import Settled
    from analytics.examine import Halves
    from analytics.fold import FoldPlan
    from analytics.outcomes import ByClass
    from analytics.read import Seen
    from analytics.results import Comparison, Health, JudgeView, Segment
    from analytics.scores import Instrument, ScoredArm

ALPHA = 0.05
"""Error rate of what judges say; experiments have their own."""


@dataclass(frozen=True, eq=False, slots=True)
class Night:
    """What all experiments share: the open file, folded, and what judges scored."""

    con: DuckDBPyConnection
    catalog: Catalog
    fold: FoldPlan
    as_of: dt.date
    scores: dict[str, dict[tuple[str, str, str], dict[str, ScoredArm]]]
    instruments: dict[tuple[str, str, str], Instrument]
    halves: dict[str, Halves] = field(default_factory=dict)


def experiment_result(night: Night, name: str, seen: Sequence[Seen]) -> ExperimentResult:
    """All there is to say of one experiment tonight."""
    declared = night.catalog.experiments.get(name)
    plan = declared or undeclared(name, {one.variant_id for one in seen}, _unit_type(seen))
    if plan is None:
        return _single(name, seen)
    ours = [one for one in seen if one.unit_type == plan.unit and one.variant_id in plan.variants]
    units = _units(plan, ours)
    observed = Observed(plan, _cells(night, plan), sum(one.with_past for one in ours))
    parts = parts_of(plan, night.catalog.metrics, declared=declared is not None)
    comparisons = compare_all(observed, night.fold.metrics, parts)
    multiple = multiple_exposure(_multiple(plan, seen), single=sum(units.values()))
    looks = _looks(night, plan)
    checks = experiment_health(observed, night.fold.metrics, parts, night.halves, _new_units(looks))
    health = (_mixed(plan, seen), *checks)
    quality = Quality(sample_ratio(plan, list(looks.values())), multiple, alarms(health))
    settled = settled_verdicts(
        night.con, plan, night.fold.metrics, parts, comparisons, as_of=night.as_of
    )
    days_left = _days_left(plan, night.as_of, ours)
    return ExperimentResult(
        id=name,
        title=plan.title or name,
        owner=plan.owner,
        hypothesis=plan.hypothesis,
        declared=declared is not None,
        unit=plan.unit,
        control=plan.control,
        alpha=plan.alpha,
        units=units,
        first_day=min((one.first_day.isoformat() for one in ours), default=None),
        last_day=max((one.last_day.isoformat() for one in ours), default=None),
        days_left=days_left,
        notes=(*_notes(plan, seen, declared=declared is not None), *_findings(health)),
        sample_ratio=quality.sample_ratio,
        multiple=multiple,
        verdicts=_verdicts(night, plan, comparisons, quality, settled, days_left),
        comparisons=comparisons,
        segments=_segments(night, observed),
        health=health,
    )


def _verdicts(  # noqa: PLR0913, PLR0917 - what verdicts stand on
    night: Night,
    plan: Experiment,
    comparisons: Sequence[Comparison],
    quality: Quality,
    settled: Mapping[str, Settled],
    days_left: int | None,
) -> tuple[Verdict, ...]:
    scores = night.scores.get(plan.id, {})
    verdicts = []
    for treatment in plan.treatments:
        ours = [one for one in comparisons if one.treatment.variant == treatment]
        verdict = decide(
            plan,
            ours,
            quality,
            treatment=treatment,
            as_of=night.as_of,
            settled=settled.get(treatment),
            days_left=days_left,
        )
        pair = (plan.control, treatment)
        judges = judge_views(scores, night.instruments, pair=pair, alpha=ALPHA)
        beside = tuple(_beside(view, verdict.listeners_prefer) for view in judges)
        verdicts.append(dataclasses.replace(verdict, judges=beside))
    return tuple(verdicts)


def _beside(view: JudgeView, listeners_prefer: str) -> JudgeView:
    """The judge's preference held against the listeners', where both have one."""
    if not view.prefers or not listeners_prefer:
        return view
    agrees = view.prefers == listeners_prefer
    return dataclasses.replace(view, beside_listeners="agrees" if agrees else "contradicts")


def _units(plan: Experiment, seen: Sequence[Seen]) -> dict[str, int]:
    """Units that count, by variant."""
    return {name: sum(o.units for o in seen if o.variant_id == name) for name in plan.variants}


def _mixed(plan: Experiment, seen: Sequence[Seen]) -> Health:
    """The check of one kind of unit."""
    ours, others = (_met(plan, seen, is_ours=is_ours) for is_ours in (True, False))
    return mixed_units(others, unit=plan.unit, ours=ours)


def _met(plan: Experiment, seen: Sequence[Seen], *, is_ours: bool) -> int:
    """Units of the kind that the experiment randomises by, or of the others."""
    kind = [one for one in seen if (one.unit_type == plan.unit) == is_ours]
    return sum(one.units + one.multiple for one in kind)


def _findings(health: Sequence[Health]) -> tuple[str, ...]:
    """What the checks found, as notes."""
    return tuple(f"{one.check}: {one.finding}." for one in health if one.finding)


def _new_units(looks: Mapping[dt.date, Mapping[str, int]]) -> dict[dt.date, int]:
    """Units by the day of their first exposure."""
    total = 0
    found = {}
    for day, so_far in looks.items():
        found[day] = sum(so_far.values()) - total
        total += found[day]
    return found


def _looks(night: Night, plan: Experiment) -> dict[dt.date, dict[str, int]]:
    """Units by variant up to each day on which some were exposed for the first time."""
    rows = night.con.execute(
        f"""SELECT first_day, variant_id, count(*) FROM {UNIT_TABLE}
        WHERE experiment_id = $experiment AND unit_type = $unit AND NOT is_multiple
        GROUP BY ALL ORDER BY ALL""",
        {"experiment": plan.id, "unit": plan.unit},
    ).fetchall()
    looks: dict[dt.date, dict[str, int]] = {}
    so_far: dict[str, int] = {}
    for day, variant, n in rows:
        so_far[variant] = so_far.get(variant, 0) + n
        looks[day] = dict(so_far)
    return looks


def _cells(night: Night, plan: Experiment) -> dict[str, ByClass]:
    """Moments of all metrics by variant and age class; one scan."""
    units = Units(
        UNIT_TABLE,
        "experiment_id = $experiment AND unit_type = $unit AND NOT is_multiple",
        {"experiment": plan.id, "unit": plan.unit},
    )
    vectors = [columns.names for columns in night.fold.metrics]
    vectors += [
        night.halves[name].names for name in plan.metrics.successes[:1] if name in night.halves
    ]
    cells: dict[str, ByClass] = {}
    found = read_cells(night.con, units, group=("variant_id", "age_class"), vectors=vectors)
    for (variant, age), cell in found.items():
        cells.setdefault(variant, {})[age] = cell
    return cells


def _segments(night: Night, observed: Observed) -> tuple[Segment, ...]:
    primary = next(iter(observed.plan.metrics.successes), None)
    if primary is None or not observed.plan.segments:
        return ()
    columns = next(one for one in night.fold.metrics if one.metric.id == primary)
    return read_segments(night.con, observed, columns)


def _unit_type(seen: Sequence[Seen]) -> str:
    """The unit most of the data is about."""
    sizes: dict[str, int] = {}
    for one in seen:
        sizes[one.unit_type] = sizes.get(one.unit_type, 0) + one.units + one.multiple
    return max(sorted(sizes), key=lambda unit: sizes[unit], default="user")


def _multiple(plan: Experiment, seen: Sequence[Seen]) -> int:
    return sum(one.multiple for one in seen if one.unit_type == plan.unit)


def _days_left(plan: Experiment, as_of: dt.date, seen: Sequence[Seen]) -> int | None:
    """Days until the planned end; None where no end was planned."""
    if plan.end:
        return max(0, (plan.end - as_of).days)
    start = plan.start or min((one.first_day for one in seen), default=None)
    if plan.planned.days is None or start is None:
        return None
    return max(0, plan.planned.days - (as_of - start).days)


def _notes(plan: Experiment, seen: Sequence[Seen], *, declared: bool) -> tuple[str, ...]:
    """What a reader must know before the numbers."""
    notes = []
    if not declared:
        notes.append(
            f"This experiment has no definition: equal allocation and {plan.control} as control"
            " are assumed, and the catalogue says what each metric decides. Write"
            f" config/experiments/{plan.id}.yaml."
        )
    strangers = {one.variant_id: one.units for one in seen if one.variant_id not in plan.variants}
    notes += [
        f"{n:,} units met {variant}, which the definition does not name: left out."
        for variant, n in sorted(strangers.items())
    ]
    others = _met(plan, seen, is_ours=False)
    if others:
        notes.append(f"{others:,} units are no {plan.unit}s: left out.")
    if not seen:
        notes.append("Nobody has been exposed yet.")
    return tuple(notes)


def _single(name: str, seen: Sequence[Seen]) -> ExperimentResult:
    """An experiment without a definition in which only one variant was met."""
    units = {one.variant_id: one.units for one in seen}
    only = next(iter(units), "")
    note = f"Only {only} was met, and there is no definition: there is nothing to compare."
    return ExperimentResult(
        id=name,
        title=name,
        owner="",
        hypothesis="",
        declared=False,
        unit=_unit_type(seen),
        control=only,
        alpha=ALPHA,
        units=units,
        first_day=min((one.first_day.isoformat() for one in seen), default=None),
        last_day=max((one.last_day.isoformat() for one in seen), default=None),
        days_left=None,
        notes=(note,),
        sample_ratio=None,
        multiple=MultipleExposure(0, None, alarm=False),
        verdicts=(),
        comparisons=(),
        segments=(),
    )
