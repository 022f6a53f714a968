"""`listenback doctor`: what is wrong here, and what to do about it."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from listenback import console
from listenback.options import setting

if TYPE_CHECKING:
    from listenback.finding import Finding

FINDINGS = 1
COLOURS = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def doctor(
    *,
    bootstrap: Annotated[str | None, setting("bootstrap", "-b")] = None,
    group: Annotated[str | None, setting("group")] = None,
    topic_prefix: Annotated[str | None, setting("topic_prefix")] = None,
    data_dir: Annotated[Path | None, setting("data_dir")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON array of findings.")] = False,
) -> None:
    """Find what is wrong here and what to do about it.

    Looks at the packages, the settings, the broker, the topics, the lag, how long
    and how much the topics take (limits), the records' times against this clock,
    the data dir, room for the next snapshot, the clock, the warehouse, its dead
    letters and the nights. Changes nothing. Ends with 1 if something fails; a
    warning alone ends with 0.

    Examples:
      listenback doctor
      listenback doctor --bootstrap kafka:9092 --json
    """
    # This loads the Kafka clients and DuckDB; `--help` needs neither.
    from listenback.findings import findings  # noqa: PLC0415 - see the line above

    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # its failures are our findings
    flags = {
        "bootstrap": bootstrap,
        "group": group,
        "topic_prefix": topic_prefix,
        "data_dir": data_dir,
    }
    found = []
    for finding in findings(flags):
        found.append(finding)
        if not as_json:
            _say(finding)
    if as_json:
        console.print_json([asdict(finding) for finding in found])
    if any(finding.state == "fail" for finding in found):
        raise typer.Exit(FINDINGS)


def _say(finding: Finding) -> None:
    """One line; what to do follows what is wrong."""
    console.out.print(f"[{COLOURS[finding.state]}]{finding.state:<4}[/] ", end="")
    says = f"{finding.says.rstrip('.')}. {finding.todo}" if finding.todo else finding.says
    console.out.print(f"{finding.check:<9}  {says}", markup=False)
