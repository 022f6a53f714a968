"""`listenback import`: histories and tables become events."""

from __future__ import annotations

from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from listenback import console
from listenback.destination import Destination, destination, progress
from listenback.lazy import CONTEXT_SETTINGS
from listenback.options import setting
from streams.clock import now_us
from streams.errors import ConfigError
from streams.events.identity import USER_SECRET_BYTES_MIN, user_key
from streams.events.limits import DAY_US, Limits
from streams.importers.importing import Importer, Tally, Terms
from streams.importers.mapping import read_mapping
from streams.importers.spotify import import_history
from streams.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

FINDINGS = 1
SECOND_US = 1_000_000

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings=CONTEXT_SETTINGS,
    help="""Turn histories and tables into events.

    Ids of users become user keys, by HMAC with LISTENBACK_USER_KEY_SECRET,
    and are written nowhere. Each event is held against its contract first;
    what is refused is counted, with the reason and the first row.

    Examples:
      listenback import spotify-history my_spotify_data.zip --user ada
      listenback import events plays.csv.gz --mapping plays.yaml
    """,
)


class RecordTime(StrEnum):
    """What time the log gives to imported events."""

    EVENT = "event"
    NOW = "now"


Files = Annotated[list[Path], typer.Argument(help="Files to import.", show_default=False)]
User = Annotated[str, typer.Option(help="Whose history it is; only its HMAC is written.")]
MappingPath = Annotated[
    Path, typer.Option("--mapping", "-m", help="YAML that says what becomes of a row.")
]
TopicName = Annotated[
    str | None, typer.Option(help="Only this topic; or the topic of a mapping that names none.")
]
Time = Annotated[
    RecordTime,
    typer.Option(help="Time of the records: that of the event (history is not late), or now."),
]
Strict = Annotated[bool, typer.Option("--strict", help="End with 1 if anything is refused.")]
Out = Annotated[Path | None, typer.Option(help="Write <topic>.jsonl here, nothing to Kafka.")]
Bootstrap = Annotated[str | None, setting("bootstrap")]
TopicPrefix = Annotated[str | None, setting("topic_prefix")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object of counts.")]


@app.command("spotify-history")
def spotify_history(
    files: Files,
    *,
    user: User,
    record_time: Time = RecordTime.EVENT,
    out: Out = None,
    bootstrap: Bootstrap = None,
    topic_prefix: TopicPrefix = None,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Import a person's own Spotify history as organic listens.

    Takes Streaming_History*.json of both exports (account and extended), or
    the .zip that holds them. Address, device and user name are not read.

    Examples:
      listenback import spotify-history my_spotify_data.zip --user ada
      listenback import spotify-history Streaming*.json --user ada --out plays
    """
    settings = load_settings(bootstrap=bootstrap, topic_prefix=topic_prefix)
    secret = _secret(settings)
    place = destination(out, bootstrap, topic_prefix, creates_topics=False)
    terms = Terms(_limits(settings), secret, _record_time_ms(record_time))
    with _importer(terms, place) as importer, progress("importing", None) as advance:
        for path in files:
            for rows_n in import_history(path, user_key(secret, user), importer):
                advance(rows_n)
    _tell(importer.tally, place, strict=strict, as_json=as_json)


@app.command()
def events(
    files: Files,
    *,
    mapping: MappingPath,
    topic: TopicName = None,
    record_time: Time = RecordTime.EVENT,
    out: Out = None,
    bootstrap: Bootstrap = None,
    topic_prefix: TopicPrefix = None,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Import CSV, JSONL (both also .gz) or Parquet as a mapping says.

    config/mappings/ has examples. Files are read some thousand rows at a time.
    The same file imported twice gives the same event ids: nothing is doubled.

    Examples:
      listenback import events plays.csv.gz --mapping plays.yaml
      listenback import events votes.parquet -m votes.yaml --topic human-labels
    """
    settings = load_settings(bootstrap=bootstrap, topic_prefix=topic_prefix)
    table = read_mapping(mapping, topic)
    needs_secret = any(block.users for block in table.blocks)
    place = destination(out, bootstrap, topic_prefix, creates_topics=False)
    terms = Terms(
        _limits(settings),
        _secret(settings) if needs_secret else None,
        _record_time_ms(record_time),
    )
    with _importer(terms, place) as importer, progress("importing", None) as advance:
        for path in files:
            for rows_n in importer.table(path, table):
                advance(rows_n)
    _tell(importer.tally, place, strict=strict, as_json=as_json)


def _secret(settings: Settings) -> bytes:
    """The key of the HMAC, or what to do to have one."""
    secret = settings.user_key_secret
    raw = b"" if secret is None else secret.get_secret_value().encode()
    if len(raw) < USER_SECRET_BYTES_MIN:
        said = "is not set" if not raw else f"has fewer than {USER_SECRET_BYTES_MIN} bytes"
        raise ConfigError(
            f"the secret that user keys are made with {said}.",
            where="LISTENBACK_USER_KEY_SECRET",
            todo="Set it in the environment, and keep it: another one gives other keys. "
            "One way: openssl rand -hex 32",
        )
    return raw


def _limits(settings: Settings) -> Limits:
    return Limits(
        future_max_us=settings.future_max_s * SECOND_US,
        horizon_us=settings.horizon_days * DAY_US,
        message_bytes_max=settings.message_bytes_max,
    )


def _record_time_ms(record_time: RecordTime) -> int | None:
    return now_us() // 1_000 if record_time is RecordTime.NOW else None


@contextmanager
def _importer(terms: Terms, place: Destination) -> Iterator[Importer]:
    """An importer with its writer open; an error says how far it had come."""
    tally = Tally()
    try:
        with place.writer as writer:
            yield Importer(terms, writer, tally)
    except ConfigError as error:
        sent = console.counted(tally.sent_n, "event")
        done = f"{sent} went to {place.name} before." if tally.sent_n else ""
        raise ConfigError(
            error.what, where=error.where, done=error.done or done, todo=error.todo
        ) from error


def _tell(tally: Tally, place: Destination, *, strict: bool, as_json: bool) -> None:
    """What was sent, what was refused and why; ends with 1 where that is a finding."""
    told = tally.told()
    if as_json:
        console.print_json({"destination": place.name, **told})
    else:
        rows = [(str(topic), f"{n:,}") for topic, n in sorted(tally.sent.items())]
        console.print_columns([("topic", "events"), *rows])
        console.err.print(
            f"{console.counted(tally.rows_n, 'row')}: {console.counted(tally.sent_n, 'event')} to "
            f"{place.name}, "
            f"{tally.refused_n:,} refused",
            markup=False,
        )
        for one in told["refused"]:
            console.err.print(
                f"  {one['n']:,} {one['topic'] or 'rows'}: {one['error_class']}/"
                f"{one['error_type']} {one['field'] or ''}: {one['why']} "
                f"(first: {one['first_file']}, row {one['first_row']})",
                markup=False,
            )
    nothing_sent = tally.sent_n == 0 and tally.refused_n > 0
    if nothing_sent or (strict and tally.refused_n > 0):
        raise typer.Exit(FINDINGS)
