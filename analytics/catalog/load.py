"""Read `metrics/*.yaml` and `experiments/*.yaml`: all that is wrong is said at once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from analytics.catalog.experiment import Experiment
from analytics.catalog.metric import Metric, resolve
from analytics.catalog.shape import (
    NOT_CARRIED,
    FactTable,
    Measurement,
    MetricFile,
    known_keys,
)
from analytics.catalog.yaml_lines import Document, KeyPath, Problem, read_yaml
from streams.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails

Model = TypeVar("Model", bound=BaseModel)


class CatalogError(ConfigError):
    """Definition files are wrong; `problems` holds every wrong, with its file and line."""

    exit_code = 1

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Keep the problems, sorted by place."""
        self.problems = tuple(sorted(problems, key=lambda one: (str(one.file), one.line)))
        first, more = str(self.problems[0]), len(self.problems) - 1
        rest = f" (and {more} more)" if more else ""
        super().__init__(f"{first}{rest}.", done="Nothing was computed.")


@dataclass(frozen=True, slots=True)
class Catalog:
    """Metrics by id and experiments by id, in the order of the files."""

    metrics: Mapping[str, Metric]
    experiments: Mapping[str, Experiment]


class _Placed(NamedTuple):
    """A validated part and where it stands."""

    part: Any
    document: Document
    path: KeyPath


def load_catalog(directory: Path) -> Catalog:
    """Read the definitions under `directory`.

    Raises: CatalogError with every problem; ConfigError where the directory is not there.
    """
    if not directory.is_dir():
        raise ConfigError(
            "there is no such configuration directory",
            where=str(directory),
            todo="Give --config a directory that holds metrics/*.yaml and experiments/*.yaml.",
        )
    problems: list[Problem] = []
    files = _read(sorted((directory / "metrics").glob("*.y*ml")), MetricFile, problems)
    metrics = _metrics(files, problems)
    plans = _read(sorted((directory / "experiments").glob("*.y*ml")), Experiment, problems)
    # A metric file that cannot be read would make every reference to it look wrong.
    experiments = _experiments(plans, None if problems else metrics, problems)
    if problems:
        raise CatalogError(problems)
    return Catalog(metrics, experiments)


def _read(
    files: Sequence[Path], model: type[Model], problems: list[Problem]
) -> list[tuple[Model, Document]]:
    parts = []
    for file in files:
        document, wrong = read_yaml(file)
        problems.extend(wrong)
        if document is None:
            continue
        try:
            parts.append((model.model_validate(document.data), document))
        except ValidationError as error:
            keys = known_keys(model)
            problems.extend(_explained(document, found, keys) for found in error.errors())
    return parts


def _explained(document: Document, found: ErrorDetails, keys: frozenset[str]) -> Problem:
    """Say what pydantic found in words that fit a YAML file."""
    value, kind, message = found["input"], found["type"], found["msg"]
    if kind == "missing":
        message = "is missing"
    elif kind == "extra_forbidden":
        key = str(found["loc"][-1])
        message = NOT_CARRIED.get(key) or f"is no known key. {did_you_mean(key, keys)}".rstrip()
    elif kind == "value_error":
        message = message.removeprefix("Value error, ")
    elif kind == "string_type" and isinstance(value, bool | int | float):
        message = f"{value!r} is no text: put it in quotes"
    elif kind == "literal_error":
        expected = str(found.get("ctx", {}).get("expected", ""))
        hint = did_you_mean(str(value), re.findall("'([^']+)'", expected))
        message = f"must be {expected}, not {value!r}. {hint}".rstrip()
    elif not isinstance(value, dict | list):
        message = f"{message[0].lower()}{message[1:]} (it is {value!r})"
    return document.problem(tuple(found["loc"]), message)


def _metrics(
    files: Sequence[tuple[MetricFile, Document]], problems: list[Problem]
) -> dict[str, Metric]:
    """Check the references between the files, then resolve."""
    tables = _unique(_tables(files), "fact table", problems)
    measurements = _unique(_measurements(files), "measurement", problems)
    for placed in tables.values():
        problems.extend(_twice(placed))
    metrics: dict[str, Metric] = {}
    for placed in measurements.values():
        measurement: Measurement = placed.part
        wrong = list(_dangling(placed, tables))
        problems.extend(wrong)
        for index, nested in enumerate(measurement.metrics):
            if nested.name in metrics:
                path = (*placed.path, "metrics", index, "name")
                message = f"the metric '{nested.name}' stands here a second time"
                problems.append(placed.document.problem(path, message))
            elif not wrong:
                table = tables[measurement.fact_table].part
                metrics[nested.name] = resolve(table, measurement, nested)
    return metrics


def _tables(files: Sequence[tuple[MetricFile, Document]]) -> Iterator[_Placed]:
    for file, document in files:
        for index, table in enumerate(file.fact_tables):
            yield _Placed(table, document, ("fact_tables", index))


def _measurements(files: Sequence[tuple[MetricFile, Document]]) -> Iterator[_Placed]:
    for file, document in files:
        for index, measurement in enumerate(file.measurements):
            yield _Placed(measurement, document, ("measurements", index))


def _unique(parts: Iterator[_Placed], what: str, problems: list[Problem]) -> dict[str, _Placed]:
    first: dict[str, _Placed] = {}
    for placed in parts:
        known = first.setdefault(placed.part.name, placed)
        if known is not placed:
            place = f"{known.document.file}:{known.document.line((*known.path, 'name'))}"
            message = f"the {what} '{placed.part.name}' stands at {place} already"
            problems.append(placed.document.problem((*placed.path, "name"), message))
    return first


def _twice(placed: _Placed) -> Iterator[Problem]:
    table: FactTable = placed.part
    seen: set[str] = set()
    for index, measure in enumerate(table.measures):
        if measure.name in seen:
            path = (*placed.path, "measures", index)
            yield placed.document.problem(path, f"the measure '{measure.name}' stands twice")
        seen.add(measure.name)


def _dangling(placed: _Placed, tables: Mapping[str, _Placed]) -> Iterator[Problem]:
    """References of a measurement that lead nowhere."""
    measurement: Measurement = placed.part
    document = placed.document
    if measurement.fact_table not in tables:
        hint = did_you_mean(measurement.fact_table, tables)
        message = f"there is no '{measurement.fact_table}'. {hint}".rstrip()
        yield document.problem((*placed.path, "fact_table"), message)
        return
    table: FactTable = tables[measurement.fact_table].part
    entities = [entry.entity for entry in table.entities]
    if measurement.entity not in entities:
        message = f"'{measurement.entity}' is no entity of {table.name} ({', '.join(entities)})"
        yield document.problem((*placed.path, "entity"), message)
    names = [measure.name for measure in table.measures]
    for part in ("numerator", "denominator"):
        aggregation = getattr(measurement, part)
        if aggregation and aggregation.measure not in names:
            path = (*placed.path, part, "measure")
            yield document.problem(path, _no_measure(aggregation.measure, table, names))
    if measurement.measure and measurement.measure not in names:
        path = (*placed.path, "measure")
        yield document.problem(path, _no_measure(measurement.measure, table, names))


def _no_measure(name: str, table: FactTable, names: Sequence[str]) -> str:
    return f"{table.name} has no measure '{name}'. {did_you_mean(name, names)}".rstrip()


def _experiments(
    plans: Sequence[tuple[Experiment, Document]],
    metrics: Mapping[str, Metric] | None,
    problems: list[Problem],
) -> dict[str, Experiment]:
    experiments: dict[str, Experiment] = {}
    for plan, document in plans:
        if plan.id in experiments:
            message = f"the experiment '{plan.id}' is defined in another file already"
            problems.append(document.problem(("id",), message))
        experiments[plan.id] = plan
        if metrics is not None:
            problems.extend(_unknown_metrics(plan, document, metrics))
    return experiments


def _unknown_metrics(
    plan: Experiment, document: Document, metrics: Mapping[str, Metric]
) -> Iterator[Problem]:
    roles = plan.metrics
    named: list[tuple[KeyPath, str]] = []
    if roles.primary:
        named.append((("metrics", "primary"), roles.primary))
    for part in ("success", "deterioration"):
        ids: tuple[str, ...] = getattr(roles, part)
        named += [(("metrics", part, index), name) for index, name in enumerate(ids)]
    for index, guardrail in enumerate(roles.guardrail):
        path = ("metrics", "guardrail", index)
        named.append((path, guardrail.metric))
        metric = metrics.get(guardrail.metric)
        if metric and guardrail.margin is None and metric.margin is None:
            yield document.problem(path, f"the guardrail '{metric.id}' needs a margin here")
    for place, name in named:
        if name not in metrics:
            hint = did_you_mean(name, metrics)
            yield document.problem(place, f"there is no metric '{name}'. {hint}".rstrip())
