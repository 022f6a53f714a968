"""`listenback compare`: two variants side by side, every number with its interval and method."""

from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analytics import words
from analytics.adhoc import Columns, compare_file
from analytics.arms import SCHEMA, Pair, compare_arms
from analytics.outcomes import estimate_of
from listenback.commands.metrics import named_metric
from listenback.console import err, out, print_json
from listenback.definitions import definitions
from listenback.options import setting
from streams.errors import ConfigError
from streams.settings import load_settings
from streams.warehouse.reading import open_warehouse

if TYPE_CHECKING:
    from analytics.adhoc import Adhoc
    from analytics.arms import PairResult
    from analytics.catalog import Catalog
    from analytics.results import Comparison, Estimate, JudgeView

Experiment = Annotated[
    str | None, typer.Option("--experiment", "-e", help="Whose variants A and B are.")
]
Metrics = Annotated[
    list[str] | None, typer.Option("--metric", "-m", help="Only this metric; may be repeated.")
]
AsOf = Annotated[
    str | None, typer.Option("--as-of", help="As the data stood on this UTC day, YYYY-MM-DD.")
]
Scores = Annotated[
    bool, typer.Option("--scores", help="Judge scores too, every evaluator epoch for itself.")
]
Epochs = Annotated[
    list[str] | None, typer.Option("--epoch", help="Only scores of this evaluator epoch.")
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
AnyFile = Annotated[
    Path | None, typer.Option("--file", help="Instead: any Parquet, CSV, JSON or DuckDB file.")
]
Table = Annotated[str, typer.Option("--table", help="The table, in a DuckDB --file.")]
Variant = Annotated[str, typer.Option("--variant", help="The column of A and B, in --file.")]
Value = Annotated[str, typer.Option("--value", help="The column to compare, in --file.")]
Unit = Annotated[
    str, typer.Option("--unit", help="The column of the unit: its rows are added up, in --file.")
]
Denominator = Annotated[
    str, typer.Option("--denominator", help="Makes it a ratio: value over this, in --file.")
]
Covariate = Annotated[
    str, typer.Option("--covariate", help="Known before the experiment (CUPED), in --file.")
]
Alpha = Annotated[float, typer.Option("--alpha", help="Error rate, with --file.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object with every number.")]


def compare(
    a: Annotated[str, typer.Argument(help="The variant to compare with: the control.")],
    b: Annotated[str, typer.Argument(help="The variant that is compared.")],
    *,
    experiment: Experiment = None,
    metric: Metrics = None,
    as_of: AsOf = None,
    scores: Scores = False,
    epoch: Epochs = None,
    warehouse: WarehouseFile = None,
    config: ConfigDir = None,
    file: AnyFile = None,
    table: Table = "",
    variant: Variant = "variant",
    value: Value = "value",
    unit: Unit = "",
    denominator: Denominator = "",
    covariate: Covariate = "",
    alpha: Alpha = 0.05,
    as_json: AsJson = False,
    data_dir: Annotated[Path | None, setting("data_dir")] = None,
) -> None:
    """Compare two variants: differences with intervals, n, method and maturity.

    "every look" holds however often it is read; "one look" only at a size
    fixed before. Differences are B - A. Scores of different evaluator epochs
    are never held against each other: exit code 5.

    Examples:
      listenback compare control b1 --experiment dj-voice
      listenback compare b1 b2 -e dj-voice -m minutes-d7 --as-of 2026-10-28
      listenback compare control b1 -e dj-voice --scores --json
      listenback compare a b --file users.parquet --unit user_id --value minutes
    """
    if file is not None and experiment is None:
        columns = Columns(variant, value, unit, denominator, covariate)
        _print_file(compare_file(file, table, (a, b), columns, alpha=alpha), a, b, as_json=as_json)
        return
    if experiment is None or file is not None:
        raise ConfigError(
            "give either --experiment or --file.",
            where="listenback compare",
            todo="Try: listenback compare control b1 --experiment dj-voice",
        )
    catalog = definitions(config)
    names = tuple(named_metric(catalog, name).id for name in metric or ())
    pair = Pair(experiment, a, b, names, tuple(epoch or ()), _day(as_of), scores or bool(epoch))
    found = _compared(warehouse or load_settings(data_dir=data_dir).warehouse_file, catalog, pair)
    if as_json:
        print_json(dataclasses.asdict(found))
    else:
        _print_pair(found)


def _compared(path: Path, catalog: Catalog, pair: Pair) -> PairResult:
    con = open_warehouse(path)
    try:
        return compare_arms(con, catalog, pair, where=path.name)
    finally:
        con.close()


def _day(text: str | None) -> dt.date | None:
    """A day, or ConfigError."""
    try:
        return None if text is None else dt.date.fromisoformat(text)
    except ValueError:
        raise ConfigError(
            f"'{text}' is no day.", where="--as-of", todo="Write it as 2026-10-31."
        ) from None


def _print_pair(found: PairResult) -> None:
    say = out.print
    say(f"{found.experiment}: {found.b} against {found.a}, as of {found.as_of}", markup=False)
    for note in found.notes:
        err.print(note, markup=False)
    ratio = found.sample_ratio
    if ratio is not None:
        sizes = ", ".join(f"{name} {n:,}" for name, n in ratio.observed.items())
        state = "NOT as planned: do not read the rest" if ratio.alarm else "as planned"
        said = f"{found.unit}s: {sizes} ({state}, SRM p {words.p_value(ratio.p_every_look)}"
        say(f"{said}; {found.multiple.n:,} in several variants left out)", markup=False)
    for one in found.comparisons:
        say("", *_lines(one), sep="\n", markup=False)
    for view in found.judges:
        say("", *_judge_lines(view), sep="\n", markup=False)


def _lines(one: Comparison) -> list[str]:
    """One metric in three or four lines."""
    head = f"{one.metric.removeprefix('metrics/')}  {one.title} ({one.days}; {one.role})"
    if one.reason:
        return [f"{head}: not enough data: {one.reason}"]
    arms = ", ".join(
        f"{arm.variant} {_number(arm.value)} (n {arm.n:,})" for arm in (one.control, one.treatment)
    )
    share = one.maturity.share
    ripe = "" if share is None else f"; {share:.0%} mature"
    mark = ", provisional" if one.maturity.provisional else ""
    left = "" if one.variance_left is None else f", CUPED leaves {one.variance_left:.0%} variance"
    early = "  every look  not before 200 units a variant"
    return [
        f"{head}: {one.standing}",
        f"  {arms}{ripe}{mark}",
        _interval("every look", one.always_valid, one.always_valid_relative, left)
        if one.always_valid
        else early,
        _interval("one look  ", one.raw, one.relative, ""),
        *_margin(one),
    ]


def _interval(name: str, one: Estimate | None, relative: Estimate | None, more: str) -> str:
    """Difference and relative difference with their intervals, p and method."""
    if one is None:
        return f"  {name}  not enough data"
    part = ""
    if relative is not None and relative.estimate is not None:
        ends = f"{_percent(relative.low)} to {_percent(relative.high)}"
        part = f", {_percent(relative.estimate)} [{ends}]"
    digits = words.decimals(None if None in (one.low, one.high) else (one.high - one.low) / 2)  # type: ignore[operator] # neither is None here
    ends = f"{words.signed(one.low, digits)} to {words.signed(one.high, digits)}"
    head = f"  {name}  {words.signed(one.estimate, digits)} [{ends}]{part}"
    return f"{head}, p {words.p_value(one.p)} ({words.level(one.level)} {one.method}{more})"


def _margin(one: Comparison) -> list[str]:
    if one.margin is None:
        return []
    bound = _percent(one.margin.bound)
    p = words.p_value(one.margin.p)
    return [f"  margin      {one.margin.margin:.3g}: worst still possible {bound}, p {p}"]


def _judge_lines(view: JudgeView) -> list[str]:
    head = f"judge {view.judge}, {view.dimension}, epoch {view.epoch}: {view.model or 'no model'}"
    arms = ", ".join(
        f"{arm.variant} {_number(arm.mean)} ({arm.scored:,} scores of {arm.units:,} units,"
        f" {arm.errors:,} errors)"
        for arm in (view.control, view.treatment)
    )
    return [head, f"  {arms}", _interval("one look  ", view.difference, None, "")]


def _print_file(found: Adhoc, a: str, b: str, *, as_json: bool) -> None:
    numbers, place = found.found.found, found.found.place
    estimates = {
        "every_look": estimate_of(numbers.always_valid, place),
        "every_look_relative": estimate_of(numbers.always_valid_relative, place),
        "one_look": estimate_of(numbers.raw, place),
        "one_look_relative": estimate_of(numbers.relative, place),
    }
    arms = {
        name: {"n": int(arm.n[place]), "value": float(arm.mean[place])}
        for name, arm in ((a, numbers.arms.control), (b, numbers.arms.treatment))
    }
    if as_json:
        told: dict[str, Any] = {
            name: one and dataclasses.asdict(one) for name, one in estimates.items()
        }
        head = {"schema": SCHEMA, "a": a, "b": b, "metric": found.found.metric, "kind": found.kind}
        print_json(head | {"arms": arms, "units_in_both": found.in_both, **told})
        return
    sizes = ", ".join(
        f"{name} {_number(arm['value'])} (n {arm['n']:,})" for name, arm in arms.items()
    )
    out.print(f"{found.found.metric} ({found.kind}): {b} against {a}", markup=False)
    out.print(f"  {sizes}; {found.in_both:,} units in both left out", markup=False)
    every, one = estimates["every_look"], estimates["one_look"]
    if every is None:
        out.print("  every look  not before 200 units a variant", markup=False)
    else:
        line = _interval("every look", every, estimates["every_look_relative"], "")
        out.print(line, markup=False)
    out.print(_interval("one look  ", one, estimates["one_look_relative"], ""), markup=False)


def _number(value: float | None) -> str:
    return words.NONE if value is None else f"{value:,.4g}"


def _percent(value: float | None) -> str:
    if value is None:
        return "unbounded"
    return f"{words.signed(value * 100, 1)} %"
