"""`listenback plan`: units, smallest effect or power, before the first listener is exposed."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from analytics import plan as planning
from analytics.baseline import read_baselines
from analytics.plan import DESIGNS, Baseline, Rule, check_shares
from listenback.commands.metrics import named_metric
from listenback.console import err, out, print_columns, print_json
from listenback.definitions import definitions
from listenback.options import setting
from streams.errors import ConfigError, did_you_mean
from streams.settings import load_settings
from streams.warehouse.reading import open_warehouse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.catalog import Catalog, Experiment, Metric
    from analytics.plan import Design, Row

SCHEMA = "listenback.plan/1"
DesignOption = Literal["all", "once", "group-sequential", "always"]

Metrics = Annotated[
    list[str] | None, typer.Option("--metric", "-m", help="Of the catalogue; may be repeated.")
]
OneExperiment = Annotated[
    str | None,
    typer.Option("--experiment", "-e", help="Its metrics, roles, allocation, alpha and looks."),
]
FromWarehouse = Annotated[
    bool, typer.Option("--from-warehouse", help="Means and variances of a control, with CUPED.")
]
Rate = Annotated[float | None, typer.Option("--rate", help="A proportion's rate in the control.")]
Mean = Annotated[float | None, typer.Option("--mean", help="The metric's mean per unit.")]
Sd = Annotated[float | None, typer.Option("--sd", help="The metric's spread over units.")]
Effect = Annotated[
    float | None, typer.Option("--effect", help="Relative effect to see, 0.02 for 2 %.")
]
Margin = Annotated[
    float | None, typer.Option("--margin", help="A guardrail: relative loss to exclude instead.")
]
Users = Annotated[
    int | None, typer.Option("--users", min=4, help="Units of all variants: asks what they see.")
]
Alpha = Annotated[float | None, typer.Option("--alpha", help="Error rate (default 0.05).")]
Power = Annotated[float, typer.Option("--power", help="Chance that the whole rule says ship.")]
Shares = Annotated[
    str | None, typer.Option("--shares", help="Allocation, the control first: 1/2,1/4,1/4.")
]
Successes = Annotated[
    int | None, typer.Option("--successes", min=0, help="Success metrics that share alpha.")
]
Guardrails = Annotated[
    int | None, typer.Option("--guardrails", min=0, help="Guardrails that share the power.")
]
AlphaQuality = Annotated[
    float, typer.Option("--alpha-quality", help="Of deterioration and quality tests together.")
]
VarianceLeft = Annotated[
    float, typer.Option("--variance-left", help="Share of the variance that CUPED leaves.")
]
Looks = Annotated[int | None, typer.Option("--looks", min=1, help="Nights (default 28).")]
DesignChoice = Annotated[
    DesignOption, typer.Option("--design", help="How often it is looked at, and by what right.")
]
PerDay = Annotated[
    float | None, typer.Option("--per-day", help="New units a day: says how many days.")
]
WarehouseFile = Annotated[
    Path | None, typer.Option("--warehouse", help="A published file (default: the data dir's).")
]
ConfigDir = Annotated[
    Path | None,
    typer.Option(
        "--config", help="Holds metrics/ and experiments/ (default: ./config, else built in)."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object with every number.")]


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """A metric to plan for: what is known of it, its role, and the effect to see, if any."""

    baseline: Baseline
    role: str
    effect: float | None
    window_days: int = 0


def plan(
    *,
    metric: Metrics = None,
    experiment: OneExperiment = None,
    from_warehouse: FromWarehouse = False,
    rate: Rate = None,
    mean: Mean = None,
    sd: Sd = None,
    effect: Effect = None,
    margin: Margin = None,
    users: Users = None,
    alpha: Alpha = None,
    power: Power = 0.8,
    shares: Shares = None,
    successes: Successes = None,
    guardrails: Guardrails = None,
    alpha_quality: AlphaQuality = 0.0,
    variance_left: VarianceLeft = 1.0,
    looks: Looks = None,
    design: DesignChoice = "all",
    per_day: PerDay = None,
    warehouse: WarehouseFile = None,
    config: ConfigDir = None,
    as_json: AsJson = False,
    data_dir: Annotated[Path | None, setting("data_dir")] = None,
) -> None:
    """Say how many units a decision needs, what effect they see, or with what power.

    With --effect: units; with --users: the smallest effect; with both: the
    power. As in the report, successes and treatments share alpha, and
    guardrails (a --margin each) the power.

    Examples:
      listenback plan --rate 0.3 --effect 0.02
      listenback plan --mean 5 --sd 15 --effect 0.02 --successes 2 --guardrails 1
      listenback plan --rate 0.8 --margin 0.02 --guardrails 1 --per-day 4000
      listenback plan --metric minutes-d7 --from-warehouse --users 50000
      listenback plan --experiment dj-voice --from-warehouse --json
    """
    typed = Typed(rate, mean, sd, effect, margin, variance_left)
    path = warehouse or load_settings(data_dir=data_dir).warehouse_file
    source = path if from_warehouse else None
    catalog = definitions(config) if experiment or metric else None
    declared = _experiment(catalog, experiment) if catalog else None
    asked, seen_per_day = _asked_for(catalog, declared, metric or [], typed, source)
    counts = _count(asked, "success", successes), _count(asked, "guardrail", guardrails)
    level, nights = _habits(declared)
    split = _shares(shares, declared)
    rule = Rule(alpha or level, power, split, *counts, alpha_quality, looks or nights)
    designs = DESIGNS if design == "all" else (design,)
    rows = [_row(one, users, rule, how) for one in asked for how in designs]
    _print(rows, asked, rule, per_day or seen_per_day, as_json=as_json)


def _habits(declared: Experiment | None) -> tuple[float, int]:
    """Error rate and looks where none are given."""
    if declared is None:
        return 0.05, 28
    return declared.alpha, declared.planned.looks or 28


def _asked_for(
    catalog: Catalog | None,
    declared: Experiment | None,
    names: Sequence[str],
    typed: Typed,
    source: Path | None,
) -> tuple[list[Asked], float | None]:
    """What to plan for, and how many new units a day were seen."""
    if catalog is None:
        return [_of_numbers(typed, source)], None
    return _of_catalogue(catalog, declared, names, typed, source)


@dataclasses.dataclass(frozen=True, slots=True)
class Typed:
    """What was given as numbers."""

    rate: float | None
    mean: float | None
    sd: float | None
    effect: float | None
    margin: float | None
    variance_left: float

    @property
    def is_empty(self) -> bool:
        """Whether no baseline was given."""
        return self.rate is None and self.mean is None and self.sd is None

    def baseline(self, name: str, *, higher_is_better: bool = True) -> Baseline:
        """The baseline, or ConfigError for what makes none."""
        if not 0 < self.variance_left <= 1:
            raise _usage(f"--variance-left is {self.variance_left:g}, not from 0 to 1.")
        told = (higher_is_better, self.variance_left)
        if self.rate is not None and self.mean is None and self.sd is None:
            if not 0 < self.rate < 1:
                raise _usage(f"--rate is {self.rate:g}, not between 0 and 1.")
            variance = self.rate * (1 - self.rate)
            return Baseline(name, "proportion", self.rate, variance, *told)
        if self.rate is None and self.mean and self.sd and self.sd > 0:
            return Baseline(name, "mean", self.mean, self.sd**2, *told)
        raise _usage("a baseline is --rate, or --mean (not 0) and --sd (above 0).")


def _usage(what: str) -> ConfigError:
    return ConfigError(
        what, where="listenback plan", todo="Try: listenback plan --rate 0.3 --effect 0.02"
    )


def _of_numbers(typed: Typed, source: Path | None) -> Asked:
    """The one metric that numbers describe."""
    if source is not None:
        raise _usage("--from-warehouse needs --metric or --experiment.")
    if typed.effect is not None and typed.margin is not None:
        raise _usage("--effect and --margin exclude each other.")
    role = "guardrail" if typed.margin is not None else "success"
    return Asked(typed.baseline("metric"), role, _positive(typed.margin or typed.effect))


def _of_catalogue(
    catalog: Catalog,
    declared: Experiment | None,
    names: Sequence[str],
    typed: Typed,
    source: Path | None,
) -> tuple[list[Asked], float | None]:
    """The metrics named (else the experiment's), with the effect or margin that each is about."""
    chosen = [named_metric(catalog, name) for name in names]
    if declared and not chosen:
        ids = dict.fromkeys(
            (*declared.metrics.successes, *(one.metric for one in declared.metrics.guardrail))
        )
        chosen = [catalog.metrics[name] for name in ids]
    if not chosen:
        raise _usage("the experiment names no success metric and no guardrail.")
    per_day = None
    if source is not None and typed.is_empty:
        con = open_warehouse(source)
        try:
            experiment = declared.id if declared else None
            known = read_baselines(con, catalog, chosen, experiment=experiment, where=source.name)
        finally:
            con.close()
        baselines, per_day = known.baselines, known.units_per_day
    else:
        baselines = {
            one.id: typed.baseline(one.key, higher_is_better=one.higher_is_better) for one in chosen
        }
    return [_asked(one, baselines[one.id], declared, typed) for one in chosen], per_day


def _asked(metric: Metric, baseline: Baseline, declared: Experiment | None, typed: Typed) -> Asked:
    """Role and effect: as given, as the experiment plans, as the catalogue says."""
    margins = {one.metric: one.margin for one in declared.metrics.guardrail} if declared else {}
    is_guardrail = metric.id in margins if declared else metric.role == "guardrail"
    if typed.margin is not None and not declared:
        is_guardrail = True
    days = (metric.days.end or 0) if metric.days.waits else 0
    if is_guardrail:
        margin = typed.margin or margins.get(metric.id) or metric.margin
        return Asked(baseline, "guardrail", _positive(margin), days)
    return Asked(baseline, "success", _positive(typed.effect or metric.effect_size), days)


def _positive(effect: float | None) -> float | None:
    if effect is not None and not effect > 0:
        raise _usage(f"an effect or margin is above 0, not {effect:g}; its direction is known.")
    return effect


def _experiment(catalog: Catalog, name: str | None) -> Experiment | None:
    if name is None:
        return None
    if name not in catalog.experiments:
        raise ConfigError(
            f"there is no definition of an experiment '{name}'.",
            where="--experiment",
            todo=did_you_mean(name, catalog.experiments) or "Write config/experiments/*.yaml.",
        )
    return catalog.experiments[name]


def _count(asked: Sequence[Asked], role: str, given: int | None) -> int:
    """How many metrics of that role decide; at least those that are planned for."""
    here = sum(one.role == role for one in asked)
    if given is not None and given < here:
        raise _usage(f"{given} is fewer than the {here} {role} metrics that are planned for.")
    return here if given is None else given


def _shares(text: str | None, declared: Experiment | None) -> tuple[float, ...]:
    """The allocation, the control first."""
    if text is None and declared:
        order = [declared.control, *declared.treatments]
        return tuple(declared.variants[name] for name in order)
    try:
        parts = [Fraction(part.strip()) for part in (text or "1/2,1/2").split(",")]
    except (ValueError, ZeroDivisionError):
        raise _usage(f"--shares {text!r} is no list of shares.") from None
    return check_shares([float(part) for part in parts])


def _row(one: Asked, users: int | None, rule: Rule, design: Design) -> Row:
    """The answer to what is left open: units, effect or power."""
    if one.effect is None and users is None:
        raise _usage(
            f"what effect of {one.baseline.metric}? Give --effect, --margin or --users"
            " (the catalogue has no default_effect_size for it)."
        )
    if users is None:
        assert one.effect is not None
        return planning.size(one.baseline, one.role, one.effect, rule, design)
    if one.effect is None:
        return planning.smallest(one.baseline, one.role, users, rule, design)
    return planning.powered(one.baseline, one.role, one.effect, users, rule, design)


def _days(total: int, per_day: float | None, window_days: int) -> int | None:
    """Until so many units have come and the last one's window is over."""
    return math.ceil(total / per_day) + window_days if per_day else None


def _print(
    rows: Sequence[Row], asked: Sequence[Asked], rule: Rule, per_day: float | None, *, as_json: bool
) -> None:
    windows = {one.baseline.metric: one.window_days for one in asked}
    days = [_days(row.total, per_day, windows[row.metric]) for row in rows]
    needed = {how: max((r.total for r in rows if r.design == how), default=0) for how in DESIGNS}
    if not as_json:
        _print_table(rows, days, asked, rule)
        for how, n in needed.items():
            if n:
                said = f"{how}: {planning.METHODS[how]}; {n:,} units serve every metric here"
                err.print(said, markup=False)
        return
    told = [dataclasses.asdict(row) | {"days": n} for row, n in zip(rows, days, strict=True)]
    baselines = [dataclasses.asdict(one.baseline) for one in asked]
    whole = {how: n for how, n in needed.items() if n}
    head = {"schema": SCHEMA, "rule": dataclasses.asdict(rule), "units_per_day": per_day}
    print_json(head | {"baselines": baselines, "rows": told, "units": whole})


def _print_table(
    rows: Sequence[Row], days: Sequence[int | None], asked: Sequence[Asked], rule: Rule
) -> None:
    for one in asked:
        out.print(_about(one.baseline), markup=False)
    head = ("metric", "role", "looks", "effect", "alpha", "power", "units", "a variant", "days")
    lines = [
        (
            row.metric,
            row.role,
            "1" if row.design == "once" else f"{rule.looks}, {row.design}",
            f"{row.effect:.3%} ({row.effect_absolute:.4g})",
            f"{row.alpha:.3g} {'two-sided' if row.alternative == 'two-sided' else 'one-sided'}",
            f"{row.power:.1%}",
            f"{row.total:,}",
            " + ".join(f"{n:,}" for n in row.units),
            "-" if n is None else f"{n:,}",
        )
        for row, n in zip(rows, days, strict=True)
    ]
    print_columns([head, *lines])


def _about(baseline: Baseline) -> str:
    """The numbers that a plan stands on."""
    spread = math.sqrt(baseline.variance)
    n = "" if baseline.n is None else f", n {baseline.n:,}"
    left = baseline.variance_left
    cuped = "" if left == 1 else f", CUPED leaves {left:.0%} of the variance"
    kind = f"{baseline.metric} ({baseline.kind})"
    return f"{kind}: mean {baseline.mean:.4g}, sd {spread:.4g}{n}{cuped} ({baseline.source})"
