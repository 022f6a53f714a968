"""`listenback nightly`: one night's report, once, for whatever keeps the time."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import json
import logging
import urllib.request
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from analytics.changes import kept_of
from analytics.report import latest
from analytics.report.write import to_markdown, write_report
from analytics.revision import verdicts_of
from listenback.commands.report import ConfigDir, FailOnOption, exit_code, look_again
from listenback.console import err, out, print_json
from listenback.days import day
from listenback.definitions import config_dir, definitions
from listenback.options import setting
from listenback.results_file import keep_results
from streams.clock import now_us
from streams.errors import ConfigError, ListenbackError, TransientError
from streams.settings import load_settings
from streams.warehouse import night_outcome, nights
from streams.warehouse.trouble import damage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analytics.report.write import Written
    from analytics.results import Report
    from analytics.revision import Verdicts
    from streams.settings import Settings

log = logging.getLogger(__name__)
DAY_US = 86_400_000_000
POST_WAIT_MAX_S = 20.0
REPORTS = Path("reports")

Date = Annotated[
    str | None, typer.Option("--date", metavar="DATE", help="Which night this is (default: today).")
]
OutDir = Annotated[Path, typer.Option("--out", help="Holds a folder a night, and latest/.")]
AsJson = Annotated[bool, typer.Option("--json", help="What was done, as JSON on stdout.")]


def nightly(
    *,
    date: Date = None,
    config: ConfigDir = None,
    out_dir: OutDir = REPORTS,
    fail_on: FailOnOption = "error",
    as_json: AsJson = False,
    data_dir: Annotated[Path | None, setting("data_dir")] = None,
) -> None:
    """Make the night's report, keep what it was made from, tell those who wait.

    Pins the published warehouse and the definitions under the data dir's
    nights/, writes reports/<date>/, reports/latest/ and the night's rows of
    reports/results.duckdb, and posts the message where LISTENBACK_WEBHOOK_URL
    says. A night that is pinned stays: the same
    command again gives the same bytes. A night that fails leaves the last
    report, with a banner over it. Exit codes: 0 done, 1 a variant harms, 2
    wrong settings, 3 try again, 4 the data cannot be trusted, 5 a file is
    damaged.

    Examples:
      listenback nightly
      listenback nightly --fail-on warn --out /srv/reports
      listenback report --as-of 2026-11-21        the same bytes, later
    """
    settings = load_settings(data_dir=data_dir)
    found, told = make_night(settings, date=date, config=config, out_dir=out_dir)
    if as_json:
        print_json(told)
    else:
        out.print("\n".join(found.headline), markup=False)
        err.print(told["report"], markup=False)
    raise typer.Exit(exit_code(found, fail_on))


def make_night(
    settings: Settings, *, date: str | None, config: Path | None, out_dir: Path
) -> tuple[Report, dict[str, Any]]:
    """Pin, look, write, expire, post; on a failure the banner, then the error.

    Once the report is written and shown the night is made: what fails after that is an error of the
    command, but no banner says over a good report that there is none.
    """
    at_us = now_us()
    wanted = _night_of(date, at_us, settings)
    with contextlib.ExitStack() as held:
        with _banner_if_it_fails(settings, out_dir / "latest", wanted):
            held.enter_context(nights.alone(settings.nights_dir))
            found, told = _made(settings, wanted, at_us, config, out_dir)
        told["results"] = str(_results(settings, found, wanted, out_dir))
        gone = nights.expire(settings.nights_dir, keep_n=settings.nights_keep_n)
        told["expired"] = [one.isoformat() for one in gone]
    _post(settings, found)
    return found, told


@contextlib.contextmanager
def _banner_if_it_fails(settings: Settings, shown: Path, wanted: dt.date) -> Iterator[None]:
    """What fails here leaves the last report as it is, and says so over it."""
    try:
        yield
    except ListenbackError as error:
        if not isinstance(error, TransientError):
            _failed(settings, shown, wanted, str(error))
        raise
    except Exception as error:
        said = damage(error)
        why = str(said or f"{type(error).__name__}: a bug of ours.")
        _failed(settings, shown, wanted, why)
        if said is not None:
            raise said from error
        raise


def _failed(settings: Settings, shown: Path, date: dt.date, why: str) -> None:
    """Say over the last report, and to who watches, that there is none of tonight.

    A night gone by that cannot be made anew is told to who asked for it alone. Where a folder
    cannot be written that is often the same reason, and this fails, too: then it is logged, and why
    the night failed stays the error.
    """
    if night_outcome.is_past(settings.nights_dir, date.isoformat(), at_us=now_us()):
        return
    try:
        latest.mark_failed(shown, date.isoformat(), why)
    except ConfigError as error:
        log.error(  # noqa: TRY400 - said in one line
            "nothing says over the last report that the night of %s failed: %s", date, error
        )
    _note(settings, date, is_made=False, at_us=now_us())


def _note(settings: Settings, date: dt.date, *, is_made: bool, at_us: int) -> None:
    """Tell who watches how it went; where that cannot be kept the night is what it is."""
    try:
        night_outcome.note(settings.nights_dir, date.isoformat(), is_made=is_made, at_us=at_us)
    except ConfigError as error:
        went = "was made" if is_made else "failed"
        log.error("no metric says that the night of %s %s: %s", date, went, error)  # noqa: TRY400


def _night_of(date: str | None, at_us: int, settings: Settings) -> dt.date:
    """Today, or the night that was named: yesterday, or one that is pinned."""
    today = dt.date(1970, 1, 1) + dt.timedelta(at_us // DAY_US)
    wanted = day(date, "--date") if date else today
    if wanted > today:
        raise ConfigError(f"{wanted} has not come yet.", where="--date", done="Nothing was made.")
    if wanted < today - dt.timedelta(1):
        nights.find(settings.nights_dir, wanted)  # a night gone by cannot be pinned any more
    return wanted


def _made(
    settings: Settings, date: dt.date, at_us: int, config: Path | None, out_dir: Path
) -> tuple[Report, dict[str, Any]]:
    definitions(config)  # a mistake in them is told before anything is kept
    command = f"listenback report --as-of {date}"
    night = nights.pin(
        settings.nights_dir,
        nights.Look(date.isoformat(), at_us, command, version("listenback"), *_last(out_dir, date)),
        warehouse=settings.warehouse_file,
        definitions=config_dir(config),
    )
    found = look_again(night)
    written = write_report(found, out_dir / night.look.date)
    newest = nights.dates(settings.nights_dir)[-1]
    if date == newest:
        _show(settings, written, out_dir / "latest", night.look.date)
    _note(settings, date, is_made=True, at_us=at_us)
    return found, {
        "date": night.look.date,
        "was_there": night.look.looked_at_us != at_us,
        "report": str(written.html),
        "warehouse": str(night.warehouse),
        "headline": list(found.headline),
    }


def _show(settings: Settings, written: Written, shown: Path, date: str) -> None:
    """Let `latest/` be this report; that a later night failed before it was pinned stays said."""
    tried = night_outcome.last(settings.nights_dir)
    why = latest.why_failed(shown, tried.date) if tried else None
    latest.show(written, shown, date)
    if (
        tried is not None
        and why is not None
        and night_outcome.is_past(settings.nights_dir, date, at_us=now_us())
    ):
        latest.mark_failed(shown, tried.date, why)


def _results(settings: Settings, found: Report, date: dt.date, out_dir: Path) -> Path:
    """The night's rows of the results file. Who waits is told of the report also where it fails."""
    try:
        return keep_results(dataclasses.replace(found, date=date.isoformat()), out_dir)
    except ListenbackError:
        _post(settings, found)
        raise


def _last(out_dir: Path, date: dt.date) -> tuple[str, Verdicts, dict[str, Any]]:
    """The newest report before this night and what it said; one that cannot be read is told."""
    dates = sorted(path.parent.name for path in out_dir.glob("????-??-??/report.json"))
    last = max((one for one in dates if one < date.isoformat()), default="")
    if not last:
        return "", {}, {}
    path = out_dir / last / "report.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return last, verdicts_of(document), kept_of(document) | {"date": last}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        err.print(f"{path}: no report ({error}); what it said is not compared.", markup=False)
        return "", {}, {}


def _post(settings: Settings, found: Report) -> None:
    """Post the message as `{"text": ...}`, the form that chat webhooks take.

    Raises:
        ConfigError: the address is no web address.
        TransientError: it was not taken; the report stands.
    """
    if settings.webhook_url is None:
        return
    url = settings.webhook_url.get_secret_value()
    if urlsplit(url).scheme not in {"http", "https"}:
        raise ConfigError(
            "the webhook's address begins with neither https:// nor http://.",
            where="LISTENBACK_WEBHOOK_URL",
            done="The report is written; nothing was posted.",
        )
    body = json.dumps({"text": to_markdown(found)}).encode()
    request = urllib.request.Request(  # noqa: S310 - the scheme was looked at above
        url, data=body, headers={"Content-Type": "application/json"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=POST_WAIT_MAX_S):  # noqa: S310 - see above
            pass
    except OSError as error:
        raise TransientError(
            f"the message was not taken: {error}.",
            where="LISTENBACK_WEBHOOK_URL",  # its text may hold a secret
            done="The report is written.",
            todo="The same command again posts it again.",
        ) from error
