"""What `listenback doctor` looks at: each check says what it found and what to do."""

from __future__ import annotations

import os
import shutil
import tempfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
from packaging.requirements import Requirement

from listenback import broker_findings, file_findings
from listenback.console import counted
from listenback.dead_letter_finding import WHAT_NEXT, said_of_dead_letters
from listenback.file_findings import nearest_folder
from listenback.finding import Finding
from streams import topics
from streams.clock import now_us
from streams.errors import ListenbackError
from streams.settings import Settings, load_settings
from streams.warehouse.connect import first_row, open_readable
from streams.warehouse.migrate import check_version, newest_version, version_of
from streams.warehouse.publish import WORKER_GLOB
from streams.warehouse.reading import open_for_questions
from streams.warehouse.trouble import damage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SHOWN = ("faust-streaming", "aiokafka", "kafka-python", "polars", "duckdb", "pydantic")
FREE_BYTES_MIN = 1 << 30
CLOCK_APART_MAX_S = 5.0
PUBLISHED_AGE_MAX_S = 3_600.0
SNAPSHOT_BEHIND_MAX_S = 120.0
SECOND_US = 1_000_000


def findings(flags: Mapping[str, object]) -> Iterator[Finding]:
    """Every check in turn; what rests on a failed one is left out."""
    yield _packages()
    try:
        settings = load_settings(**flags)
    except ListenbackError as error:
        yield _failed("settings", error)
        return
    yield Finding("settings", "ok", f"group {settings.group}, worker {settings.worker_id}")
    broker = _careful("broker", _broker, settings)
    yield broker
    if broker.state == "ok":
        found = _careful("topics", _topics, settings)
        yield found
        yield _careful("lag", _lag, settings)
        if found.state == "ok":
            yield _careful("limits", broker_findings.limits, settings)
            yield _careful("times", broker_findings.times, settings)
    yield _careful("data dir", _data_dir, settings)
    yield _careful("room", file_findings.room, settings)
    yield _careful("clock", _clock, settings)
    yield _careful("warehouse", _warehouse, settings)
    if settings.warehouse_file.exists():
        yield _careful("dlq", _dead_letters, settings)
    yield _careful("nights", file_findings.nights, settings)


def _careful(check: str, look: Callable[[Settings], Finding], settings: Settings) -> Finding:
    """What the look finds; an error is a finding, too."""
    try:
        return look(settings)
    except (ListenbackError, OSError) as error:
        return _failed(check, error)
    except duckdb.Error as error:
        if damaged := damage(error):
            return _failed(check, damaged)
        raise


def _failed(check: str, error: ListenbackError | OSError) -> Finding:
    if isinstance(error, OSError):
        return Finding(check, "fail", str(error), "Put it right, or name another place.")
    where = f"{error.where}: " if error.where else ""
    return Finding(check, "fail", f"{where}{error.what}", error.todo)


def _packages() -> Finding:
    """Whether what is installed is what we were tested with."""
    wanted = [Requirement(text) for text in metadata.requires("listenback") or ()]
    wrong = [
        f"{one.name} {_version(one.name) or 'is missing'}, wanted {one.specifier}"
        for one in wanted
        if (one.marker is None or one.marker.evaluate())
        and not one.specifier.contains(_version(one.name) or "0", prereleases=True)
    ]
    if wrong:
        todo = "Install listenback again: pip install --force-reinstall listenback"
        return Finding("packages", "fail", "; ".join(wrong), todo)
    shown = ", ".join(f"{name} {_version(name)}" for name in SHOWN)
    return Finding("packages", "ok", f"listenback {_version('listenback')}; {shown}")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _broker(settings: Settings) -> Finding:
    with topics.admin(settings) as client:
        brokers_n = len(client.describe_cluster()["brokers"])
    return Finding("broker", "ok", f"{settings.bootstrap} answers; {brokers_n} in the cluster")


def _topics(settings: Settings) -> Finding:
    partitions_n = topics.check_topics(settings)
    return Finding(
        "topics", "ok", f"{len(topics.all_names(settings))}, {counted(partitions_n, 'partition')}"
    )


def _lag(settings: Settings) -> Finding:
    joined = topics.joined_names(settings)
    states = [state for state in topics.partition_states(settings) if state.topic in joined]
    records_n = sum(state.end_offset - state.begin_offset for state in states)
    lag_n = sum(state.lag_n for state in states)
    if records_n and all(state.group_offset is None for state in states):
        return Finding(
            "lag",
            "warn",
            f"{counted(records_n, 'record')}, and no worker of group {settings.group} has read any",
            "Start one: listenback worker",
        )
    return Finding("lag", "ok", f"{lag_n:,} of {records_n:,} records are not yet read")


def _data_dir(settings: Settings) -> Finding:
    """Whether a worker could write here, and for how long."""
    there = nearest_folder(settings.data_dir)
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Finding(
            "data dir",
            "fail",
            f"{there} is not a folder that we may write to",
            "Name another with --data-dir, or change its owner.",
        )
    free_bytes = shutil.disk_usage(there).free
    free = f"{settings.data_dir}, {free_bytes / (1 << 30):,.1f} GiB free"
    if free_bytes < FREE_BYTES_MIN:
        return Finding("data dir", "warn", free, "Make room: a full disk stops the worker.")
    return Finding("data dir", "ok", free)


def _clock(settings: Settings) -> Finding:
    """Our clock against that of the file system, which other workers share, and our own past."""
    there = nearest_folder(settings.data_dir)
    with tempfile.TemporaryFile(dir=there if os.access(there, os.W_OK) else None) as probe:
        apart_s = os.fstat(probe.fileno()).st_mtime - now_us() / SECOND_US
    built_us = Path(__file__).stat().st_mtime_ns // 1_000
    if abs(apart_s) > CLOCK_APART_MAX_S or now_us() < built_us:
        return Finding(
            "clock",
            "warn",
            f"the file system is {apart_s:+,.0f} s from our clock, or our clock is in the past",
            "Start a time service; events from the future are refused.",
        )
    return Finding("clock", "ok", f"within {CLOCK_APART_MAX_S:.0f} s of the file system's")


def _dead_letters(settings: Settings) -> Finding:
    """How much was refused lately, and whether more than is kept."""
    with open_for_questions(settings.warehouse_file)[0] as con:
        is_well, says = said_of_dead_letters(con)
    return Finding("dlq", "ok", says) if is_well else Finding("dlq", "warn", says, WHAT_NEXT)


def _warehouse(settings: Settings) -> Finding:
    """Whether readers find a file they can read, and how old it is."""
    path = settings.warehouse_file
    if not path.exists():
        todo = "It comes with the first worker's first snapshot: listenback worker"
        return Finding("warehouse", "warn", f"{path} is not there yet", todo)
    age_s = now_us() / SECOND_US - path.stat().st_mtime
    with open_readable(path) as con:
        version = version_of(con)
        check_version(version, str(path))
        row = first_row(con, "SELECT sum(read_n), bool_and(is_balanced) FROM pipeline_health")
    read_n, is_balanced = row or (None, None)
    if is_balanced is False:
        todo = "This is a bug: stop the worker, keep its file, report it."
        return Finding("warehouse", "fail", f"{path}: messages were read and are nowhere", todo)
    says = f"{path}: schema {version}, {read_n or 0:,} messages, {age_s:,.0f} s old"
    if version < newest_version():
        return Finding("warehouse", "warn", says, "Restart the worker: it brings the schema up.")
    if behind := _behind(settings, path.stat().st_mtime):
        return Finding("warehouse", "warn", f"{says}; {behind[0]}", behind[1])
    if age_s > PUBLISHED_AGE_MAX_S:
        return Finding("warehouse", "warn", says, "If events come in, see that a worker runs.")
    return Finding("warehouse", "ok", says)


def _behind(settings: Settings, merged_at_s: float) -> tuple[str, str] | None:
    """What readers do not see though it is there, and what to do; None: they see all.

    merged_at_s: when the warehouse was made, seconds since 1970.
    """
    for file in sorted(settings.worker_file.parent.glob(WORKER_GLOB)):
        copy = settings.published_dir / file.name
        wal = file.with_name(f"{file.name}.wal")
        wrote_at_s = max(one.stat().st_mtime for one in (file, wal) if one.exists())
        late_s = wrote_at_s - (copy.stat().st_mtime if copy.exists() else 0.0)
        if late_s > SNAPSHOT_BEHIND_MAX_S:
            what = f"{file.name} has rows that it has not published"
            return what, "Start or look at that worker; its log says what keeps it."
    published = [file.stat().st_mtime for file in settings.published_dir.glob(WORKER_GLOB)]
    behind_s = max(published, default=0.0) - merged_at_s
    if behind_s > SNAPSHOT_BEHIND_MAX_S:
        what = f"{len(published)} workers publish, it is {behind_s:,.0f} s behind the newest"
        return what, "Merge what they publish: listenback publish --every 10"
    return None
