"""`listenback replay`: rebuild the warehouse beside the live one, compare, and swap."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from listenback import console
from listenback.destination import progress
from listenback.options import setting
from streams.clock import monotonic_ms
from streams.errors import ConfigError, IntegrityError
from streams.settings import Settings, load_settings

if TYPE_CHECKING:
    from streams.replay.rebuild import Live, Rebuilt
    from streams.replay.source import Source

VERDICT = "verdict.json"
"""Stands beside a rebuilt warehouse: what the comparison said, for a swap that comes later."""


class From(StrEnum):
    """Where the events come from."""

    KAFKA = "kafka"
    JSONL = "jsonl"
    PARQUET = "parquet"


class Until(StrEnum):
    """Where the replay ends."""

    LIVE = "live"
    END = "end"


Origin = Annotated[
    From | None,
    typer.Option(
        "--from",
        help="The topics, files that simulate has written, or the published facts and archive.",
    ),
]
Folder = Annotated[
    Path | None, typer.Option("--input", metavar="DIR", help="Where the files are (jsonl).")
]
Stop = Annotated[
    Until,
    typer.Option("--until", help="The live warehouse's offsets (then compare), or the log's end."),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the rebuilt file that is there.")
]
Swap = Annotated[
    bool, typer.Option("--swap", help="Put the rebuilt warehouse in place; workers must be down.")
]
Accept = Annotated[
    bool,
    typer.Option("--accept-difference", help="Swap, though the content is not the live one's."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]


def replay(
    *,
    origin: Origin = None,
    folder: Folder = None,
    until: Stop = Until.LIVE,
    resume: Resume = False,
    swap: Swap = False,
    accept_difference: Accept = False,
    as_json: AsJson = False,
    bootstrap: Annotated[str | None, setting("bootstrap", "-b")] = None,
    topic_prefix: Annotated[str | None, setting("topic_prefix")] = None,
    partitions_n: Annotated[int | None, setting("partitions_n")] = None,
    data_dir: Annotated[Path | None, setting("data_dir")] = None,
    worker_id: Annotated[str | None, setting("worker_id")] = None,
) -> None:
    """Rebuild the warehouse from its log or its facts, beside the live one, and compare.

    Workers go on meanwhile: the replay reads outside their group and writes
    into DATA_DIR/replay. It stops at the offsets that the published warehouse
    has, where the content hashes must be equal; if not, it names the tables
    and ends with 5. --swap puts the rebuilt files in place when no worker
    runs, and keeps the old ones in DATA_DIR/replaced-...; without --from it
    swaps what was rebuilt before. Workers then read on where it ends. Rules
    (windows, horizon) come from the settings: other rules are not compared.
    --from parquet needs no log: the published facts and the archive are
    joined anew; counters, dead letters and ids are copied as they stand.

    Examples:
      listenback replay --from kafka
      listenback replay --from jsonl --input demo-data --until end
      listenback replay --from parquet
      listenback replay --swap
    """
    settings = load_settings(
        bootstrap=bootstrap,
        topic_prefix=topic_prefix,
        partitions_n=partitions_n,
        data_dir=data_dir,
        worker_id=worker_id,
    )
    if origin is None and not swap:
        raise ConfigError("say what to replay.", where="--from", todo="--from kafka, or --swap.")
    verdict = _verdict(settings) if origin is None else None
    if verdict is None:
        if origin is From.PARQUET:
            verdict = _joined_anew(settings, until, resumes=resume)
        else:
            source = _source(settings, origin or From.KAFKA, folder)
            verdict = _rebuilt(settings, source, until, resumes=resume)
    is_refused = swap and bool(verdict["differing"]) and not accept_difference
    if swap and not is_refused:
        from streams.replay.swap import swap as swapped  # noqa: PLC0415 - DuckDB takes a while

        verdict["kept"] = str(swapped(settings))
    _tell(verdict, as_json=as_json)
    if verdict["differing"] and (is_refused or not accept_difference):
        raise _differing(verdict)


def _differing(verdict: dict[str, Any]) -> IntegrityError:
    return IntegrityError(
        f"the rebuilt content is not the live one's: {', '.join(verdict['differing'])}.",
        where=verdict["warehouse"],
        done="Nothing was swapped.",
        todo="Compare `listenback hash --shards` of both; to put the rebuilt one in place: "
        "listenback replay --swap --accept-difference",
    )


def _source(settings: Settings, origin: From, folder: Path | None) -> Source:
    if origin is From.JSONL:
        from streams.replay.jsonl import JsonlSource  # noqa: PLC0415 - polars takes a while

        if folder is None:
            raise ConfigError("no folder was named.", where="--input", todo="--input demo-data")
        return JsonlSource(folder, partitions_n=settings.partitions_n)
    from streams.replay.kafka import KafkaSource  # noqa: PLC0415 - aiokafka takes a while

    return KafkaSource(settings)


def _rebuilt(settings: Settings, source: Source, until: Until, *, resumes: bool) -> dict[str, Any]:
    """Rebuild, compare, and remember what came of it."""
    from streams.replay import rebuild as replays  # noqa: PLC0415 - DuckDB takes a while

    if not resumes:
        replays.clear(settings)
    has_live = settings.warehouse_file.is_file()
    if until is Until.LIVE and not has_live:
        raise ConfigError(
            "there is no live warehouse to stop at.",
            where=str(settings.warehouse_file),
            todo="Read to the end of the log: --until end",
        )
    live = replays.Live(settings.warehouse_file) if has_live else None
    try:
        end = live.offsets() if live is not None and until is Until.LIVE else None
        started_ms = monotonic_ms()
        with progress("replaying", None if end is None else sum(end.values())) as advance:
            path = None if live is None else live.path
            rebuilt = replays.rebuild(settings, source, end, advance, live=path)
        took_s = (monotonic_ms() - started_ms) / 1_000
        verdict = _compared(rebuilt, live if end is not None else None) | {"took_s": took_s}
    finally:
        if live is not None:
            live.close()
    return _remembered(settings, verdict)


def _joined_anew(settings: Settings, until: Until, *, resumes: bool) -> dict[str, Any]:
    """Rebuild from facts, compare, and remember what came of it."""
    from streams.replay import facts  # noqa: PLC0415 - DuckDB takes a while
    from streams.replay import rebuild as replays  # noqa: PLC0415 - the same

    if resumes or until is Until.END:
        raise ConfigError(
            "facts are joined from first to last, as far as the published warehouse has come.",
            where="--from parquet",
            todo="Leave out --resume and --until.",
        )
    replays.clear(settings)
    live = replays.Live(settings.warehouse_file)
    try:
        started_ms = monotonic_ms()
        with progress("joining", None) as advance:
            rebuilt = facts.rebuild(settings, live.path, advance)
        took_s = (monotonic_ms() - started_ms) / 1_000
        return _remembered(settings, _compared(rebuilt, live) | {"took_s": took_s})
    finally:
        live.close()


def _remembered(settings: Settings, verdict: dict[str, Any]) -> dict[str, Any]:
    """The verdict, which stands beside what was rebuilt from now on."""
    from streams.replay.rebuild import shadow_settings  # noqa: PLC0415 - DuckDB takes a while

    (shadow_settings(settings).data_dir / VERDICT).write_text(json.dumps(verdict), "utf-8")
    return verdict


def _compared(rebuilt: Rebuilt, live: Live | None) -> dict[str, Any]:
    content = None if live is None else live.content()
    has_same_rules = content is not None and content.rules == rebuilt.content.rules
    differing = (
        sorted({table for table, _ in content.differences(rebuilt.content)})
        if content is not None and has_same_rules
        else []
    )
    return {
        "warehouse": str(rebuilt.warehouse),
        "read_n": rebuilt.read_n,
        "hash": rebuilt.content.hash,
        "live_hash": None if content is None else content.hash,
        "is_compared": has_same_rules,
        "differing": differing,
    }


def _verdict(settings: Settings) -> dict[str, Any]:
    """What an earlier replay said of the rebuilt warehouse that is to be swapped in."""
    from streams.replay.rebuild import shadow_settings  # noqa: PLC0415 - DuckDB takes a while

    path = shadow_settings(settings).data_dir / VERDICT
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            "no replay was finished here.",
            where=str(path.parent),
            todo="Rebuild first: listenback replay --from kafka",
        ) from error
    return found


def _tell(verdict: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        console.print_json(verdict)
        return
    console.err.print(
        f"{verdict['read_n']:,} records in {verdict['took_s']:.1f} s: {verdict['warehouse']}",
        markup=False,
    )
    if verdict["differing"]:
        compared = "differs from the live one"
    elif verdict["is_compared"]:
        compared = "equal to the live one"
    elif verdict["live_hash"] is None:
        compared = "not compared: read to the end of the log"
    else:
        compared = "not compared: the live one was made under other rules"
    console.out.print(f"{verdict['hash']}  {compared}", markup=False)
    if "kept" in verdict:
        console.err.print(f"in place; the old files are in {verdict['kept']}", markup=False)
