"""`listenback schedule`: `nightly` at the times of a cron expression, until told to end."""

from __future__ import annotations

import datetime as dt
import logging
import signal
import threading
from pathlib import Path
from typing import Annotated

import typer
from croniter import croniter

from listenback import logs
from listenback.commands.nightly import REPORTS, OutDir, make_night
from listenback.commands.report import ConfigDir, exit_code
from listenback.options import setting
from streams.clock import now_us
from streams.errors import ConfigError, ListenbackError
from streams.settings import load_settings

log = logging.getLogger(__name__)
SECOND_US = 1_000_000
LOOK_EVERY_S = 30.0
"""A machine that sleeps or sets its clock is noticed after so long."""

Cron = Annotated[
    str, typer.Argument(help="Minute, hour, day, month, weekday; in UTC.", metavar="CRON")
]
Runs = Annotated[
    int | None, typer.Option("--runs", min=1, help="End after so many nights.", show_default=False)
]


def schedule(
    cron: Cron = "0 3 * * *",
    *,
    config: ConfigDir = None,
    out_dir: OutDir = REPORTS,
    runs: Runs = None,
    data_dir: Annotated[Path | None, setting("data_dir")] = None,
) -> None:
    """Make the night's report at set times, until told to end.

    For machines without cron: each time does what `listenback nightly` does.
    A night that fails is logged and shown as a banner over the last report;
    the next one is tried all the same. SIGTERM and Ctrl-C end it at once
    between nights, and after the night that is being made.

    Examples:
      listenback schedule                     at 03:00 UTC
      listenback schedule "30 4 * * 1-5"      at 04:30 UTC, Monday to Friday
    """
    if not croniter.is_valid(cron):
        raise ConfigError(
            f"'{cron}' is no cron expression.",
            where="CRON",
            todo='Five fields, such as "0 3 * * *": minute, hour, day, month, weekday.',
        )
    settings = load_settings(data_dir=data_dir)
    logs.to_stderr(as_json=settings.log_format == "json", about={"part": "schedule"})
    ended = _ended_by_signals()
    left = runs
    while left is None or left > 0:
        due_us = next_time_us(cron, now_us())
        log.info("the next night begins at %s", _text(due_us))
        if not _wait_until(due_us, ended):
            return
        try:
            found, told = make_night(settings, date=None, config=config, out_dir=out_dir)
            log.info("wrote %s; code %d", told["report"], exit_code(found, "error"))
        except ListenbackError as error:
            log.error("the night failed: %s", error)  # noqa: TRY400 - said in one line
        left = None if left is None else left - 1


def next_time_us(cron: str, after_us: int) -> int:
    """The first time of the expression after a moment, both UTC microseconds."""
    after = dt.datetime.fromtimestamp(after_us / SECOND_US, tz=dt.UTC)
    found: dt.datetime = croniter(cron, after).get_next(dt.datetime)
    return round(found.timestamp()) * SECOND_US


def _wait_until(due_us: int, ended: threading.Event) -> bool:
    """Whether the time came before the end."""
    while (left_us := due_us - now_us()) > 0:
        if ended.wait(min(left_us / SECOND_US, LOOK_EVERY_S)):
            return False
    return not ended.is_set()


def _ended_by_signals() -> threading.Event:
    ended = threading.Event()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.set())
    return ended


def _text(time_us: int) -> str:
    return dt.datetime.fromtimestamp(time_us / SECOND_US, tz=dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
