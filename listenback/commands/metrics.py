"""`listenback metrics`: the definitions of metrics and experiments, checked and shown."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
import yaml

from analytics.catalog import CatalogError, load_catalog
from analytics.catalog.confidence import SCHEMA, export_confidence
from listenback.console import err, out, print_columns, print_json
from listenback.definitions import config_dir, definitions
from listenback.lazy import CONTEXT_SETTINGS
from streams.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from analytics.catalog import Catalog, Experiment, Metric, Problem

FINDINGS = 1

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings=CONTEXT_SETTINGS,
    help="""Check, list and show the definitions of metrics and experiments.

    They are YAML files under metrics/ and experiments/ of the configuration
    directory: ./config where it holds metrics, else what comes along.

    Examples:
      listenback metrics validate
      listenback metrics list
      listenback metrics show early-skip-rate-d7
      listenback metrics export > confidence.yaml
    """,
)

ConfigArgument = Annotated[
    Path | None, typer.Argument(metavar="DIR", help="Holds metrics/ and experiments/.")
]
ConfigDir = Annotated[
    Path | None,
    typer.Option(
        "--config", help="Holds metrics/ and experiments/ (default: ./config, else built in)."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]


@app.command()
def validate(
    directory: ConfigArgument = None,
    *,
    github: Annotated[
        bool, typer.Option("--github", help="Findings as annotations of a pull request.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check every definition; a finding is a line `file:line: field: message`, exit code 1.

    Needs no warehouse and no broker: made for pull requests.

    Examples:
      listenback metrics validate
      listenback metrics validate config --github
    """
    where = config_dir(directory)
    try:
        catalog = load_catalog(where)
    except CatalogError as error:
        _print_findings(error.problems, as_json=as_json, github=github)
        raise typer.Exit(FINDINGS) from None
    if not catalog.metrics and not catalog.experiments:
        raise ConfigError(
            "there is nothing to check: no metrics/*.yaml and no experiments/*.yaml.",
            where=str(where),
        )
    if as_json:
        print_json([])
    metrics, experiments = len(catalog.metrics), len(catalog.experiments)
    err.print(f"{where}: {metrics} metrics and {experiments} experiments hold.", markup=False)


def _print_findings(problems: tuple[Problem, ...], *, as_json: bool, github: bool) -> None:
    if as_json:
        print_json([dataclasses.asdict(one) for one in problems])
        return
    for one in problems:
        said = f"{one.field}: {one.message}" if one.field else one.message
        line = f"::error file={one.file},line={one.line}::{said}" if github else str(one)
        out.print(line, markup=False)


@app.command("list")
def list_metrics(*, config: ConfigDir = None, as_json: AsJson = False) -> None:
    """Print every metric: what it is, over which days, in which direction, what it decides.

    Examples:
      listenback metrics list
      listenback metrics list --json | jq '.[].id'
    """
    metrics = definitions(config).metrics.values()
    if as_json:
        print_json([_facts(one) for one in metrics])
        return
    head = ("metric", "kind", "role", "better", "days", "title")
    rows = [(m.key, m.kind, m.role, m.direction, m.days.label, m.title) for m in metrics]
    print_columns([head, *rows])


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Of the metric, with or without `metrics/`.")],
    *,
    config: ConfigDir = None,
    as_json: AsJson = False,
) -> None:
    """Print one metric as the statistics use it, and which experiments it decides.

    Examples:
      listenback metrics show minutes-d7
      listenback metrics show metrics/return-d7 --json
    """
    catalog = definitions(config)
    metric = named_metric(catalog, name)
    facts = _facts(metric) | {"used_by": _users(catalog, metric)}
    if as_json:
        print_json(facts)
        return
    print_columns([(key, _text(value)) for key, value in facts.items()])


@app.command()
def export(
    *,
    config: ConfigDir = None,
    form: Annotated[
        Literal["confidence"], typer.Option("--format", help="Whose schema to write.")
    ] = "confidence",
    as_json: AsJson = False,
) -> None:
    """Print the metrics in the schema of Spotify's Confidence; say what it cannot carry.

    Roles, margins, lateness and words have no place in that schema: each is
    named on stderr with its file and line. Experiments are not exported.

    Examples:
      listenback metrics export > metrics.yaml
      listenback metrics export --json | jq .measurements
    """
    exported = export_confidence(config_dir(config))
    if as_json:
        print_json(exported.document)
    else:
        head = f"# Made by `listenback metrics export --format {form}`; schema: {SCHEMA}\n"
        text = yaml.safe_dump(exported.document, sort_keys=False, allow_unicode=True, width=100)
        out.file.write(head + text)
    for one in exported.dropped:
        err.print(f"left out: {one}", markup=False)


def named_metric(catalog: Catalog, name: str) -> Metric:
    """The metric of that id or key; ConfigError with the nearest one."""
    found = catalog.metrics.get(name) or catalog.metrics.get(f"metrics/{name}")
    if found is None:
        known = [metric.key for metric in catalog.metrics.values()]
        raise ConfigError(
            f"there is no metric '{name}'.",
            where="metric",
            todo=did_you_mean(name.removeprefix("metrics/"), known)
            or "`listenback metrics list` names them.",
        )
    return found


def _facts(metric: Metric) -> dict[str, Any]:
    """What a metric is, flat, in words that a person and a program read."""
    return {
        "id": metric.id,
        "title": metric.title,
        "kind": metric.kind,
        "numerator": metric.numerator.text,
        "denominator": metric.denominator.text if metric.denominator else None,
        "threshold": metric.threshold.model_dump() if metric.threshold else None,
        "cap": metric.cap.model_dump(exclude_none=True) if metric.cap else None,
        "activity": metric.activity,
        "entity": metric.entity,
        "days": metric.days.label,
        "direction": metric.direction,
        "role": metric.role,
        "margin": metric.margin,
        "effect_size": metric.effect_size,
        "covariate_days": metric.covariate_days,
        "lateness_days": metric.lateness_days,
        "definition": metric.definition_hash,
        "description": metric.description,
    }


def _users(catalog: Catalog, metric: Metric) -> dict[str, str]:
    """Experiments that name the metric, and what it decides there."""
    return {
        plan.id: _role(plan, metric.id)
        for plan in catalog.experiments.values()
        if metric.id in plan.metrics.named
    }


def _role(plan: Experiment, metric: str) -> str:
    roles = plan.metrics
    if metric in roles.successes:
        return "primary" if metric == roles.primary else "success"
    return "deterioration" if metric in roles.deterioration else "guardrail"


def _text(value: object) -> str:
    if value is None or value == "":
        return "-"
    return json.dumps(value) if isinstance(value, dict) else str(value)
