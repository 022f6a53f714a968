"""Writes the pages of docs/ that say what the code says, so that they cannot disagree.

`make docs` runs it; tests/unit/test_docs.py fails while a page is not what it would write.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import analytics
import streams
from analytics.catalog import load_catalog
from analytics.report.results_file import TABLES as RESULT_TABLES
from listenback import cli
from listenback.lazy import load
from listenback.options import shown_default
from streams.errors import ListenbackError
from streams.events.columns import Column, columns_of
from streams.events.contracts import CONTRACTS
from streams.events.dead_letter import DeadLetterEnvelope
from streams.events.erasure import Erasure
from streams.events.measures import MEASURE_NAMES, MEASURES
from streams.feed import Progress
from streams.folder_metrics import Folder
from streams.monitor import WorkerCollector
from streams.schemas.tables import READERS, described
from streams.settings import SECRETS, Settings
from streams.settings_sources import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from analytics.catalog import Metric
    from analytics.report.results_file import ResultTable
    from streams.events.contract import Contract
    from streams.events.event import Message
    from streams.schemas.tables import TableWords

DOCS = Path(__file__).parent
MADE = "<!-- Made by `make docs` from {source}; edit that instead. -->"
SETTINGS = """
A flag wins over an environment variable, that over `.env`, that over the nearest `listenback.toml`
upward from where a command runs, that over the default. `.env` stands beside `listenback.toml`;
paths in both are meant from their folder. An empty variable counts as not given. An unknown name is
an error, and so is a secret in `listenback.toml` or in a flag. `listenback config show --origin`
prints each value and the place it comes from; `listenback.example.toml` is a file to copy.
"""
DATA_MODEL = """
Each message is one flat JSON object. Unknown fields are ignored; a missing optional field and null
both mean unknown; types are exact (`1.0` is no whole number, `"1"` is no number). An enum value
that is not listed reads as `other`; the value as sent is kept in `<field>_raw` and counted.
Whatever else is wrong makes the message a dead letter, with its raw bytes and the reason. Times are
RFC 3339 with a zone. `event_id` and the event's own id (`exposure_id`, `playback_id`, ...) stand in
for each other where one is absent. People appear only as `user_key` and `rater_key`: HMAC-SHA256
under a secret of the producer's.
"""
TABLES = """
What stands in `published/warehouse.duckdb`. The same words are in the file itself: `SELECT * FROM
duckdb_columns()`. Times ending in `_us` are microseconds UTC; windows are half-open, `[start,
end)`.
"""
RESULTS = """
What `listenback nightly` adds to `reports/results.duckdb`, and `listenback report` writes beside
its page: the numbers of `report.json` as tables, a night's rows once, in the place of those it had.
Ask it with `listenback query --warehouse reports/results.duckdb "FROM verdict"`, or with DuckDB.
The same words are in the file. No row is about a person.
"""
INSIDE = """
How the writer keeps the above, one row per shard; no promise is made about these.
"""
METRICS = """
The definitions in `config/metrics`, as they come along; a `./config` of yours replaces them.
`listenback metrics validate` checks them, `listenback metrics show NAME` tells all that one rests
on, `listenback plan` how many listeners an effect needs.

A value is formed per unit (the listener, if the experiment deals out listeners), over days since
the unit's first exposure; day 0 is that day. A metric of closed days counts a unit when those days
are over, one *so far* counts every unit with what it has. The effect is treatment less control.
"""
KINDS = """
| kind | per unit | of an arm | interval |
| --- | --- | --- | --- |
| mean | the sum of the measure | the mean over units | Welch's t |
| proportion | 1 where the sum passes the threshold, else 0 | the share of units | score interval |
| ratio | numerator and denominator | sum over sum | delta method, units as clusters, Welch's t |
"""
ROLES = """
An experiment says which metrics decide (`metrics:` in its file); the role here is what is proposed.

| role | a treatment ships only if |
| --- | --- |
| success | one of them is better, and none is worse |
| guardrail | each is shown to stay within its margin of the control |
| deterioration | none is worse |
| secondary | shown, decides nothing |

Where a metric has a *past*, CUPED adjusts it by the same sums of that many days before the first
exposure. [Statistics](statistics.md) has the formulas.
"""
WATCHED = """
What a worker tells on `/metrics` where `monitor_port` is set; the
[alarms](runbook.md#an-alarm-rings) stand on these. The last six are of the data dir, not of the
worker: each worker that shares it tells the same, so ask for their `max`.
"""
COMMANDS = """
Data goes to stdout, everything else to stderr. Exit codes: 0 done, 1 findings (a validation, a
guardrail), 2 usage or settings, 3 something outside did not answer (safe to try again), 4 the data
does not carry the answer, 5 two things that must agree do not, 70 a bug of ours, 130 interrupted,
141 the reader of stdout went away.
"""
ERRORS = """
One line on stderr: what happened, where, what was done about it, what to do next. What a message
can be refused for stands in [dead letters](dead-letters.md#what-each-type-means).
"""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def settings_page() -> str:
    """Every setting: its variable, default, what it may be, what it means."""
    schema = Settings.model_json_schema()["properties"]
    rows = [
        (
            f"`{name}`",
            f"`{PREFIX}{name.upper()}`" + (" (only)" if name in SECRETS else ""),
            f"`{shown_default(name)}`" if shown_default(name) else "",
            _allowed(schema[name]),
            str(field.description),
        )
        for name, field in Settings.model_fields.items()
    ]
    return "\n\n".join(
        [
            "# Settings",
            MADE.format(source="streams/settings.py"),
            SETTINGS.strip(),
            table(("setting", "variable", "default", "allowed", "meaning"), rows),
        ]
    )


def _allowed(schema: dict[str, Any]) -> str:
    """The limits of a setting in a few words."""
    options = [option for option in schema.get("anyOf", [schema]) if option.get("type") != "null"]
    one = options[0]
    if "enum" in one:
        return ", ".join(f"`{value}`" for value in one["enum"])
    bounds = [
        f"{sign} {one[key]}"
        for key, sign in (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"))
        if key in one
    ]
    kinds = {
        "integer": "whole number",
        "number": "number",
        "array": "whole numbers, commas between",
    }
    return ", ".join(
        [kinds.get(one["type"], {"path": "path"}.get(one.get("format", ""), "text")), *bounds]
    )


def data_model_page() -> str:
    """Every event: its topic, key, fields, rules and an example."""
    letters = _message("Dead letter", "`<topic>.dlq`", DeadLetterEnvelope)
    erasure = _message("Erasure", "`erasures`", Erasure)
    return "\n\n".join(
        [
            "# Data model",
            MADE.format(source="streams/events"),
            DATA_MODEL.strip(),
            *(_contract(contract) for contract in CONTRACTS.values()),
            letters,
            erasure,
        ]
    )


def _contract(contract: Contract) -> str:
    key = " or, where that is null, ".join(f"`{name}`" for name in contract.key_fields)
    rules = [(f"`{rule.name}`", str(rule.error_class), rule.reason) for rule in contract.rules]
    example = json.dumps(contract.example, indent=2, ensure_ascii=False)
    parts = [
        f"## {contract.name}",
        f"Topic `{contract.topic}`, key {key}. {_prose(contract.model)}",
        _fields(contract.columns),
        *([table(("rule", "error class", "what must hold"), rules)] if rules else []),
        f"<details><summary>Example</summary>\n\n```json\n{example}\n```\n\n</details>",
    ]
    return "\n\n".join(parts)


def _message(title: str, topic: str, model: type[Message]) -> str:
    return "\n\n".join(
        [f"## {title}", f"Topic {topic}. {_prose(model)}", _fields(columns_of(model))]
    )


def _prose(model: type[Message]) -> str:
    """The docstring as one paragraph."""
    return " ".join((model.__doc__ or "").split())


def _fields(columns: Iterable[Column]) -> str:
    rows = [
        (
            f"`{column.wire}`",
            column.kind,
            "yes" if column.required else "",
            _limits(column),
            column.description,
        )
        for column in columns
    ]
    return table(("field", "kind", "required", "limits", "meaning"), rows)


def _limits(column: Column) -> str:
    """The values of an enum, or the range of the rest."""
    if column.values:
        return ", ".join(f"`{value}`" for value in column.values)
    bounds = []
    if column.low is not None:
        bounds.append(f"{'>' if column.low_open else '≥'} {_number(column.low)}")
    if column.high is not None:
        bounds.append(f"≤ {_number(column.high)}")
    if column.pattern is not None:
        bounds.append(f"`{column.pattern}`")
    elif column.chars_max is not None:
        unit = "items" if column.kind == "texts" else "characters"
        bounds.append(f"≤ {column.chars_max:,} {unit}")
    return ", ".join(bounds)


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else str(value)


def tables_page() -> str:
    """Every table and view of a warehouse file, with the comments that stand in the file itself."""
    tables = described()
    inside = [one for name, one in tables.items() if name not in READERS]
    measures = [(f"`{one.name}`", one.origin, one.meaning) for one in MEASURES]
    return "\n\n".join(
        [
            "# Tables",
            MADE.format(source="streams/warehouse and the comments it puts into the file"),
            TABLES.strip(),
            *(_table_section(tables[name]) for name in READERS),
            "## Measures\n\nWhole numbers that add over events, shards and windows.",
            table(("measure", "from", "meaning"), measures),
            f"## Results\n\n{RESULTS.strip()}",
            *(_results_section(one) for one in RESULT_TABLES),
            f"## Inside\n\n{INSIDE.strip()}",
            table(("table", "what"), [(f"`{one.name}`", one.comment) for one in inside]),
        ]
    )


def _table_section(one: TableWords) -> str:
    sums = [column.name for column in one.columns if column.name in MEASURE_NAMES]
    rows = [
        (f"`{column.name}`", column.kind, column.meaning)
        for column in one.columns
        if column.name not in sums
    ]
    if sums:
        names = f"`{sums[0]}` … `{sums[-1]}`"
        rows.append((names, "BIGINT", f"{len(sums)} [measures](#measures)"))
    return f"## {one.name}\n\n{one.comment}\n\n" + table(("column", "type", "meaning"), rows)


def _results_section(one: ResultTable) -> str:
    rows = [(f"`{name}`", kind, words) for name, (kind, words) in one.columns.items()]
    return f"### {one.name}\n\n{one.comment}\n\n" + table(("column", "type", "meaning"), rows)


def metrics_page() -> str:
    """Every metric of the catalogue, and every metric that a worker has about itself."""
    catalog = load_catalog(DOCS.parent / "config")
    rows = [_metric(one) for one in catalog.metrics.values()]
    head = ("metric", "what", "kind", "of", "days", "better", "role", "margin", "past")
    ends = {"counter": "_total", "summary": "_sum`, `_count", "info": "_info"}
    idle = SimpleNamespace(progress=Progress(), failure=None, positions=None, turned_at_ms=0.0)
    asked = (WorkerCollector(Settings(), idle, SimpleNamespace()), Folder(Settings()))
    watched = [one for collector in asked for one in collector.collect()]
    about = [(f"`{o.name}{ends.get(o.type, '')}`", o.type, o.documentation) for o in watched]
    return "\n\n".join(
        [
            "# Metrics",
            MADE.format(source="config/metrics, streams/monitor.py and folder_metrics.py"),
            METRICS.strip(),
            f"## Kinds\n\n{KINDS.strip()}",
            f"## Roles\n\n{ROLES.strip()}",
            "## The catalogue",
            table(head, rows),
            f"## Of a worker\n\n{WATCHED.strip()}",
            table(("metric", "kind", "what"), about),
        ]
    )


def _metric(one: Metric) -> tuple[str, ...]:
    """One metric as a row."""
    parts = [part.text for part in (one.numerator, one.denominator) if part]
    if len(parts) > 1:
        parts = [f"({part})" if " " in part else part for part in parts]
    signs = {"gt": ">", "gte": "≥", "lt": "<", "lte": "≤", "eq": "="}
    if one.threshold:
        parts[-1] += f" {signs[one.threshold.direction]} {one.threshold.value:g}"
    margin = "" if one.margin is None else f"{one.margin:.0%}"
    past = f"{one.covariate_days} days" if one.covariate_days else ""
    better = "more" if one.higher_is_better else "less"
    terms = (f"`{' / '.join(parts)}`", one.days.label, better, one.role, margin, past)
    return (f"`{one.key}`", one.title, one.kind, *terms)


def commands_page() -> str:
    """Every command, as `--help` says it."""
    kinds = (ListenbackError, *_below(ListenbackError))
    errors = [(f"`{one.__name__}`", str(one.exit_code), _first_line(one)) for one in kinds]
    parts = [
        "# Commands",
        MADE.format(source="the commands' own help"),
        COMMANDS.strip(),
        f"## Errors\n\n{ERRORS.strip()}",
        table(("error", "exit code", "when"), errors),
    ]
    for name, entry in cli.COMMANDS.items():
        command: Any = load(name, entry.target)
        parts.append(_command(name, command))
        below = getattr(command, "commands", {})
        parts += [_command(f"{name} {verb}", one) for verb, one in below.items()]
    return "\n\n".join(parts)


def _below(kind: type[ListenbackError]) -> Iterable[type[ListenbackError]]:
    """All errors of ours that derive from it, whoever was imported before."""
    for package in (streams, analytics):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(found.name)
    yield from _derived(kind)


def _derived(kind: type[ListenbackError]) -> Iterable[type[ListenbackError]]:
    for one in sorted(kind.__subclasses__(), key=lambda one: (one.exit_code, one.__name__)):
        if one.__module__.partition(".")[0] in {"streams", "analytics"}:
            yield one
            yield from _derived(one)


def _first_line(kind: type) -> str:
    return (kind.__doc__ or "").partition("\n")[0]


def _command(path: str, command: Any) -> str:  # noqa: ANN401 - typer's private click
    text = f"## {path}\n\n```text\n{(command.help or '').strip()}\n```"
    rows = [
        (" ".join(f"`{opt}`" for opt in (*one.opts, *one.secondary_opts)), one.help or "")
        for one in command.params
    ]
    return text + "\n\n" + table(("option", "meaning"), rows) if rows else text


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "data-model.md": data_model_page,
    "tables.md": tables_page,
    "commands.md": commands_page,
    "metrics.md": metrics_page,
}


def main() -> None:
    """Write the pages that are not current."""
    for name, page in PAGES.items():
        path = DOCS / name
        text = page() + "\n"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
            sys.stderr.write(f"wrote docs/{name}\n")


if __name__ == "__main__":
    main()
