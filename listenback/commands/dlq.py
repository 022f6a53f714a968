"""`listenback dlq`: look at dead letters, send them again, or set them aside."""

from __future__ import annotations

import getpass
import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from listenback import console
from listenback.destination import progress
from listenback.lazy import CONTEXT_SETTINGS
from listenback.letters import described, lines, place, print_counts, print_list, tell_redrive
from listenback.options import setting
from streams import decisions, letters, redrive
from streams.clock import now_us
from streams.errors import ConfigError, did_you_mean
from streams.events.dead_letter import ErrorClass
from streams.events.topics import JOINED_TOPICS
from streams.original_records import originals
from streams.settings import Settings, load_settings

if TYPE_CHECKING:
    pass

LISTED = 100
app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings=CONTEXT_SETTINGS,
    help="""Look at dead letters, send them again, or set them aside.

    A dead letter is a message that broke its contract, with its raw bytes and the
    reason. What you decide is written beside the warehouse, so that nothing is
    sent twice unasked and nothing vanishes.

    Examples:
      listenback dlq list --count
      listenback dlq show 1f0c
      listenback dlq redrive --error-class semantic --yes
      listenback dlq discard --error-class decode --why "test producer" --yes
    """,
)


class Source(StrEnum):
    """Where the letters are read."""

    WAREHOUSE = "warehouse"
    KAFKA = "kafka"


Ids = Annotated[
    list[str] | None, typer.Argument(metavar="[ID]...", help="Letters; a beginning will do.")
]
TopicName = Annotated[str | None, typer.Option("--topic", help="Only of this input topic.")]
ClassName = Annotated[
    ErrorClass | None, typer.Option("--error-class", help="Only of this class of error.")
]
TypeName = Annotated[
    str | None,
    typer.Option("--error-type", help="Only of this kind of error, such as invalid_json."),
]
Since = Annotated[
    str | None, typer.Option("--since", help="Only from this moment of the log on, ISO 8601, UTC.")
]
From = Annotated[
    Source, typer.Option("--from", help="The published warehouse, or the topics <topic>.dlq.")
]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without, say what would be done.")]
By = Annotated[str | None, typer.Option("--by", help="Who decides (default: the user's name).")]
Bootstrap = Annotated[str | None, setting("bootstrap", "-b")]
Prefix = Annotated[str | None, setting("topic_prefix")]
DataDir = Annotated[Path | None, setting("data_dir")]


@app.command("list")
def list_letters(
    *,
    topic: TopicName = None,
    error_class: ClassName = None,
    error_type: TypeName = None,
    since: Since = None,
    state: Annotated[
        str | None, typer.Option(help="Only open, redriven or discarded ones.")
    ] = None,
    count: Annotated[bool, typer.Option("--count", help="Count them by topic and kind.")] = False,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=0, help="Letters to list, newest first; 0: all.")
    ] = LISTED,
    source: From = Source.WAREHOUSE,
    as_json: AsJson = False,
    bootstrap: Bootstrap = None,
    topic_prefix: Prefix = None,
    data_dir: DataDir = None,
) -> None:
    """List dead letters, newest first, or count them.

    In a flood (see docs/dead-letters.md) refused_n counts what has no row.

    Examples:
      listenback dlq list --topic listens --error-class schema
      listenback dlq list --count --json
      listenback dlq list --since 2026-11-01 --from kafka
    """
    settings = load_settings(bootstrap=bootstrap, topic_prefix=topic_prefix, data_dir=data_dir)
    wanted = _wanted(topic, error_class, error_type, since, state)
    with letters.opened(settings, is_from_kafka=source is Source.KAFKA) as con:
        if count:
            is_all = source is Source.WAREHOUSE and since is None
            print_counts(letters.counted(con, wanted, has_refused=is_all), as_json=as_json)
            return
        rows = letters.newest(con, wanted, limit + 1 if limit else None)
    is_cut = bool(limit) and len(rows) > limit
    print_list(rows[:limit] if is_cut else rows, as_json=as_json)
    if is_cut:
        console.err.print(f"the newest {limit:,}; --limit 0 lists all", markup=False)


@app.command()
def show(
    dlq_id: Annotated[str, typer.Argument(metavar="ID", help="A letter; a beginning will do.")],
    *,
    raw: Annotated[bool, typer.Option("--raw", help="Only the value, byte for byte.")] = False,
    source: From = Source.WAREHOUSE,
    as_json: AsJson = False,
    bootstrap: Bootstrap = None,
    topic_prefix: Prefix = None,
    data_dir: DataDir = None,
) -> None:
    """Show one dead letter: where it came from, why, its bytes, what to do.

    Examples:
      listenback dlq show 1f0c2a77
      listenback dlq show 1f0c2a77 --raw > message.bin
    """
    settings = load_settings(bootstrap=bootstrap, topic_prefix=topic_prefix, data_dir=data_dir)
    with letters.opened(settings, is_from_kafka=source is Source.KAFKA) as con:
        letter = letters.one_letter(con, dlq_id)
    if raw:
        sys.stdout.buffer.write(_raw_value(settings, letter))
    elif as_json:
        console.print_json(described(letter))
    else:
        console.print_columns(lines(letter))


@app.command("redrive")
def redrive_letters(
    ids: Ids = None,
    *,
    topic: TopicName = None,
    error_class: ClassName = None,
    error_type: TypeName = None,
    since: Since = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also what was sent again or discarded before.")
    ] = False,
    rate: Annotated[
        float, typer.Option("--rate", min=0.1, help="Messages a second, at most.")
    ] = 500.0,
    yes: Yes = False,
    by: By = None,
    why: Annotated[str | None, typer.Option("--why", help="Kept with the decision.")] = None,
    source: From = Source.WAREHOUSE,
    as_json: AsJson = False,
    bootstrap: Bootstrap = None,
    topic_prefix: Prefix = None,
    data_dir: DataDir = None,
) -> None:
    """Send dead letters again, unchanged, to the topic they came from.

    An event keeps its id: accepted twice is counted once. A dry run unless --yes.
    Resumable: what was sent is recorded and left out the next time. What its own
    bytes forbid for ever is left out, too, unless its ID is given.

    Examples:
      listenback dlq redrive --error-class semantic
      listenback dlq redrive --error-class semantic --yes --rate 100
    """
    settings = load_settings(bootstrap=bootstrap, topic_prefix=topic_prefix, data_dir=data_dir)
    wanted = _wanted(topic, error_class, error_type, since, None)
    with letters.opened(settings, is_from_kafka=source is Source.KAFKA) as con:
        found = letters.chosen(con, ids, wanted)
        plan = redrive.planned(found, is_again=again, is_named=bool(ids))
        sent = None
        if yes and plan.to_send:
            act = redrive.Act(decided_by=_who(by), why=why, rate_max=rate)
            with progress("redriving", len(plan.to_send)) as advance:
                sent = redrive.redrive(
                    settings, plan.to_send, lambda part: letters.whole(con, part), act, advance
                )
    tell_redrive(plan, sent, is_dry=not yes, as_json=as_json)


@app.command()
def discard(
    ids: Ids = None,
    *,
    why: Annotated[str, typer.Option("--why", help="The reason, kept with the decision.")],
    topic: TopicName = None,
    error_class: ClassName = None,
    error_type: TypeName = None,
    since: Since = None,
    yes: Yes = False,
    by: By = None,
    source: From = Source.WAREHOUSE,
    as_json: AsJson = False,
    bootstrap: Bootstrap = None,
    topic_prefix: Prefix = None,
    data_dir: DataDir = None,
) -> None:
    """Mark dead letters as not worth sending: with who, when and why.

    Nothing is removed and the counts stay as they are. A dry run unless --yes.

    Examples:
      listenback dlq discard 1f0c2a77 --why "seen, producer fixed" --yes
      listenback dlq discard --error-class decode --why "load test" --yes
    """
    settings = load_settings(bootstrap=bootstrap, topic_prefix=topic_prefix, data_dir=data_dir)
    wanted = _wanted(topic, error_class, error_type, since, None)
    with letters.opened(settings, is_from_kafka=source is Source.KAFKA) as con:
        open_ids = [
            one["dlq_id"] for one in letters.chosen(con, ids, wanted) if one["state"] == "open"
        ]
    if yes and open_ids:
        made = decisions.Decision(
            decision="discarded",
            decided_at_us=now_us(),
            decided_by=_who(by),
            why=why,
            dlq_ids=tuple(open_ids),
        )
        decisions.decide(decisions.path_of(settings), made)
    if as_json:
        console.print_json({"discarded_n": len(open_ids), "is_dry_run": not yes})
        return
    said = "discarded" if yes else "would be discarded (nothing was done; --yes does it)"
    console.out.print(f"{console.counted(len(open_ids), 'dead letter')} {said}", markup=False)


def _wanted(
    topic: str | None,
    error_class: ErrorClass | None,
    error_type: str | None,
    since: str | None,
    state: str | None,
) -> letters.Wanted:
    """The filters, each held against what there can be."""
    for name, value, known in (
        ("--topic", topic, JOINED_TOPICS),
        ("--state", state, letters.STATES),
    ):
        if value is not None and value not in known:
            todo = f"{did_you_mean(value, known)} There are: {', '.join(known)}.".strip()
            raise ConfigError(f"there is no '{value}'.", where=name, todo=todo)
    return letters.Wanted(
        topic=topic,
        error_class=error_class,
        error_type=error_type,
        state=state,
        since_us=None if since is None else _moment_us(since),
    )


def _moment_us(text: str) -> int:
    """An ISO 8601 moment in microseconds; without an offset it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"'{text}' is no date.", where="--since", todo="Write it like 2026-11-01T00:00:00Z."
        ) from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1_000_000)


def _raw_value(settings: Settings, letter: dict[str, Any]) -> bytes:
    if letter["is_whole"]:
        return letter["value"] or b""
    at = (letter["topic"], letter["shard"], letter["offset"])
    found = originals(settings, [at]).get(at)
    if found is None:
        raise ConfigError("Kafka no longer has this record.", where=place(letter))
    return found.value or b""


def _who(by: str | None) -> str:
    return by or getpass.getuser()
