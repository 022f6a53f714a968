"""`latest/`: the last good report, and over it a banner while a later night has failed."""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING, TypeAlias

from streams.by_rename import or_config_error, write_whole

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

    from analytics.report.write import Written

Status: TypeAlias = dict[str, str | None]
STATUS = "status.json"
BEGIN, END = "<!-- failed night -->", "<!-- /failed night -->"
BANNER = (
    '{begin}<div role="alert" style="margin:0;padding:.75rem 1rem;background:#7a1f1f;color:#fff;'
    'font:600 1rem/1.4 system-ui,sans-serif">The night of {date} failed: {why} '
    "What follows is the last good report.</div>{end}"
)


def show(written: Written, latest: Path, date: str) -> None:
    """Let `latest/` hold copies of this report.

    Raises: ConfigError where the folder cannot be written.
    """
    with _said(latest):
        made = (written.html, written.markdown, written.json)
        status: Status = {"state": "ok", "date": date, "report_of": date}
        _write(latest, {path.name: path.read_text("utf-8") for path in made}, status)


def mark_failed(latest: Path, date: str, why: str) -> None:
    """Say over the last good report that a later night has failed, and why.

    Raises: ConfigError where the folder cannot be written.
    """
    with _said(latest):
        page, message = latest / "report.html", latest / "report.md"
        texts = {}
        if page.is_file():
            text = _without_banner(page.read_text(encoding="utf-8"))
            banner = BANNER.format(begin=BEGIN, end=END, date=date, why=html.escape(why))
            texts[page.name] = text.replace("<body>", f"<body>\n{banner}", 1)
        if message.is_file():
            text = _without_banner(message.read_text(encoding="utf-8"))
            said = f"{BEGIN}\n**The night of {date} failed:** {why}\n{END}\n\n"
            texts[message.name] = said + text.lstrip("\n")
        report_of = _status(latest).get("report_of")
        status: Status = {"state": "failed", "date": date, "why": why, "report_of": report_of}
        _write(latest, texts, status)


def why_failed(latest: Path, date: str) -> str | None:
    """Why the night of that date has no report, as `latest/` says; None where it does not."""
    status = _status(latest)
    is_said = status.get("state") == "failed" and status.get("date") == date
    return status.get("why") if is_said else None


def _status(latest: Path) -> Status:
    """What `latest/` says of itself; empty where that is nothing."""
    try:
        found = json.loads((latest / STATUS).read_text(encoding="utf-8"))
        return {key: None if value is None else str(value) for key, value in found.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _without_banner(text: str) -> str:
    return re.sub(rf"\n?{BEGIN}.*?{END}", "", text, flags=re.DOTALL)


def _write(latest: Path, texts: dict[str, str], status: Status) -> None:
    said = texts | {STATUS: json.dumps(status, indent=2) + "\n"}
    write_whole({latest / name: text.encode() for name, text in said.items()})


def _said(latest: Path) -> AbstractContextManager[None]:
    return or_config_error(
        "the last report cannot be renewed",
        where=latest,
        todo="Make the folder writable, or name another with --out.",
    )
