"""The report as files: whole or not at all, so that a failed night leaves the last good ones."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from analytics import words
from analytics.report import bars
from analytics.report.numbers import Numbers, bare, tagged
from streams.by_rename import or_config_error, write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from analytics.results import Report

MARKS = {
    "ship": "\N{CHECK MARK}",
    "do not ship": "\N{MULTIPLICATION X}",
    "iterate": "\N{ANTICLOCKWISE OPEN CIRCLE ARROW}",
    "keep running": "\N{HORIZONTAL ELLIPSIS}",
    "not enough data": "?",
    "invalid": "!",
}
"""A sign beside the word: colour is never the only one."""


@dataclass(frozen=True, slots=True)
class Written:
    """Where the three forms are."""

    html: Path
    markdown: Path
    json: Path


def to_json(report: Report) -> str:
    """Every number of the page, with all its digits."""
    return json.dumps(dataclasses.asdict(report), indent=2, ensure_ascii=False, allow_nan=False)


def to_html(report: Report) -> str:
    """One page that needs nothing else: style and drawings are inside."""
    return _environment(Numbers(tagged)).get_template("page.html.j2").render(report=report)


def to_markdown(report: Report) -> str:
    """The size of a chat message."""
    return _environment(Numbers(bare)).get_template("message.md.j2").render(report=report)


def write_report(report: Report, directory: Path) -> Written:
    """Put report.html, report.md and report.json into the directory, each by rename.

    Raises: ConfigError where the directory cannot be written.
    """
    written = Written(*(directory / f"report.{kind}" for kind in ("html", "md", "json")))
    texts = {
        written.html: to_html(report),
        written.markdown: to_markdown(report),
        written.json: to_json(report) + "\n",
    }
    with or_config_error(
        "the report cannot be written",
        where=directory,
        done="The last report is as it was.",
        todo="Name a writable folder with --out.",
    ):
        write_whole({path: text.encode() for path, text in texts.items()})
    return written


def _environment(numbers: Numbers) -> Environment:
    environment = Environment(
        loader=PackageLoader("analytics.report"),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        n=numbers,
        axis_of=bars.axis_of,
        bar=bars.bar,
        agreement_bar=bars.agreement_bar,
        marks=MARKS,
        dash=words.NONE,
    )
    environment.filters["minute"] = _minute
    environment.filters["anchor"] = _anchor
    return environment


def _anchor(query: str) -> str:
    """Where a query stands on the page: `sql-metrics-minutes-d7`."""
    return f"sql-{query.replace('/', '-')}"


def _minute(moment: str) -> str:
    """`2026-10-31T23:44:42Z` as `2026-10-31 23:44 UTC`, in one line."""
    day, _, time = moment.partition("T")
    return f"{day}\N{NO-BREAK SPACE}{time[:5]}\N{NO-BREAK SPACE}UTC"
