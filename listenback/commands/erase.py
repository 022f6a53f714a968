"""`listenback erase`: forget a user in every file, and prove it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from listenback import console
from listenback.destination import progress
from listenback.options import setting
from streams.clock import now_us
from streams.errors import ConfigError, IntegrityError
from streams.settings import Settings, load_settings

if TYPE_CHECKING:
    from streams.forgetting import FileReport
    from streams.warehouse.erasures import Request

UserKey = Annotated[
    str, typer.Option("--user-key", help="Whom to forget, as the events name the user.")
]
Before = Annotated[
    str | None, typer.Option("--before", metavar="TIME", help="Only what happened before, UTC.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without, only say what would be done.")]
Send = Annotated[
    bool, typer.Option("--send", help="Ask the running workers, by the topic erasures.")
]
AsJson = Annotated[bool, typer.Option("--json", help="The certificate, or what was found.")]


def erase(
    *,
    user_key: UserKey,
    before: Before = None,
    yes: Yes = False,
    send: Send = False,
    as_json: AsJson = False,
    bootstrap: Annotated[str | None, setting("bootstrap", "-b")] = None,
    topic_prefix: Annotated[str | None, setting("topic_prefix")] = None,
    data_dir: Annotated[Path | None, setting("data_dir")] = None,
) -> None:
    """Forget a user in every file of the data directory, and prove it.

    Without --yes it only looks: rows by table and file, and how often the
    key stands in the bytes of any file. With --yes, and no worker running, it
    removes the user from facts, sums, dead letters, published files and
    earlier snapshots, writes each file anew, looks through all bytes again,
    joins the remaining facts anew to see that the sums are theirs, and
    writes a certificate. --send asks running workers instead.

    Examples:
      listenback erase --user-key 5e88...  # a dry run
      listenback erase --user-key 5e88... --yes
      listenback erase --user-key 5e88... --before 2026-01-01T00:00:00Z --yes
      listenback erase --user-key 5e88... --send --yes
    """
    from streams import forgetting  # noqa: PLC0415 - DuckDB and polars take a while

    settings = load_settings(bootstrap=bootstrap, topic_prefix=topic_prefix, data_dir=data_dir)
    request = forgetting.request_of(user_key, _moment_us(before), now_us())
    if not yes:
        with progress("looking", len(forgetting.files(settings))) as advance:
            found = forgetting.look(settings, request, lambda _: advance(1))
        _tell_found(settings, found, as_json=as_json)
        return
    if send:
        _send(settings, request)
        return
    _erase(settings, request, as_json=as_json)


def _erase(settings: Settings, request: Request, *, as_json: bool) -> None:
    from streams import forgetting  # noqa: PLC0415 - DuckDB and polars take a while
    from streams.replay.swap import nobody_writes  # noqa: PLC0415 - DuckDB takes a while

    if not settings.data_dir.is_dir():
        raise ConfigError("there is no data here.", where=str(settings.data_dir))
    files_n = len(forgetting.warehouses(settings))
    with nobody_writes(settings), progress("erasing", files_n) as advance:
        reports = forgetting.erase_files(settings, request, lambda _: advance(1))
    looked_at_n = 0 if request.before_us is not None else len(forgetting.files(settings))
    console.err.print(
        f"wrote {console.counted(len(reports), 'file')} anew; now looking for what is left, and "
        "joining their facts anew",
        markup=False,
    )
    with progress("proving", looked_at_n + len(reports)) as advance:
        proof = forgetting.proof(settings, request, reports, lambda _: advance(1))
    body = forgetting.certificate(settings, request, reports, proof)
    path = forgetting.write_certificate(settings, body)
    if as_json:
        console.print_json(body)
    else:
        _print_reports(settings, reports)
        console.out.print(f"certificate: {path}", markup=False)
    if not body["is_proved"]:
        raise IntegrityError(
            f"still there: {proof['residue']}; sums that are not those of their facts: "
            f"{proof['not_sums_of_facts']}.",
            where=str(settings.data_dir),
            done="What the table lists was removed.",
            todo="Remove the files that are not ours to change (exports, reports), then run this "
            "again; rebuild a warehouse whose sums are wrong: listenback replay.",
        )


def _moment_us(text: str | None) -> int | None:
    """An ISO 8601 moment in microseconds; without an offset it is UTC."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"'{text}' is no date.", where="--before", todo="Write it like 2026-11-01T00:00:00Z."
        ) from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1_000_000)


def _send(settings: Settings, request: Request) -> None:
    """Put the request on the topic that every worker reads."""
    from streams.eraser import send  # noqa: PLC0415 - aiokafka takes a while

    send(settings, request)
    console.err.print(
        "sent: workers forget the user with their next flush. Later see: listenback erase "
        "--user-key ... (a dry run)",
        markup=False,
    )


def _tell_found(settings: Settings, found: list[FileReport], *, as_json: bool) -> None:
    if as_json:
        files = [_as_json(settings, one) for one in found]
        console.print_json({"is_dry_run": True, "files": files})
        return
    _print_reports(settings, found)
    said = "nothing was changed; --yes removes it" if found else "no file holds this user"
    console.err.print(said, markup=False)


def _as_json(settings: Settings, one: FileReport) -> dict[str, Any]:
    name = str(one.path.relative_to(settings.data_dir))
    return {"file": name, "rows": dict(one.rows_n), "hits": one.hits_n}


def _print_reports(settings: Settings, reports: list[FileReport]) -> None:
    rows = [
        (str(one.path.relative_to(settings.data_dir)), table, f"{rows_n:,}", f"{one.hits_n:,}")
        for one in reports
        for table, rows_n in (one.rows_n or {"-": 0}).items()
    ]
    if rows:
        console.print_columns([("file", "table", "rows", "hits"), *rows])
