"""`latest/`: the last good report, and over it a banner while a later night has failed."""

from __future__ import annotations

import contextlib
import html
import json
import os
import re
import shutil
from typing import TYPE_CHECKING

from streams.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from analytics.report.write import Written

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
        latest.mkdir(parents=True, exist_ok=True)
        for path in (written.html, written.markdown, written.json):
            coming = latest / f".{path.name}.coming"
            shutil.copyfile(path, coming)
            coming.replace(latest / path.name)
        _status(latest, {"state": "ok", "date": date, "report_of": date})


def mark_failed(latest: Path, date: str, why: str) -> None:
    """Say over the last good report that a later night has failed, and why.

    Raises: ConfigError where the folder cannot be written.
    """
    with _said(latest):
        latest.mkdir(parents=True, exist_ok=True)
        report_of = _report_of(latest)
        page, message = latest / "report.html", latest / "report.md"
        if page.is_file():
            text = _without_banner(page.read_text(encoding="utf-8"))
            banner = BANNER.format(begin=BEGIN, end=END, date=date, why=html.escape(why))
            _replace(page, text.replace("<body>", f"<body>\n{banner}", 1))
        if message.is_file():
            text = _without_banner(message.read_text(encoding="utf-8"))
            said = f"{BEGIN}\n**The night of {date} failed:** {why}\n{END}\n\n"
            _replace(message, said + text.lstrip("\n"))
        status = {"state": "failed", "date": date, "why": why, "report_of": report_of}
        _status(latest, status)


def _report_of(latest: Path) -> str | None:
    try:
        found = json.loads((latest / STATUS).read_text(encoding="utf-8"))["report_of"]
    except (OSError, ValueError, KeyError):
        return None
    return None if found is None else str(found)


def _without_banner(text: str) -> str:
    return re.sub(rf"\n?{BEGIN}.*?{END}", "", text, flags=re.DOTALL)


def _status(latest: Path, status: dict[str, str | None]) -> None:
    _replace(latest / STATUS, json.dumps(status, indent=2) + "\n")


def _replace(path: Path, text: str) -> None:
    coming = path.with_name(f".{path.name}.coming")
    with coming.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    coming.replace(path)


@contextlib.contextmanager
def _said(latest: Path) -> Iterator[None]:
    """Turn the file system's refusals into what a person can act on."""
    try:
        yield
    except OSError as error:
        raise ConfigError(
            f"the last report cannot be renewed: {error.strerror}.",
            where=str(latest),
            todo="Make the folder writable, or name another with --out.",
        ) from error
