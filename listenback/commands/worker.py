"""`listenback worker`: from Kafka into the warehouse, for months."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from listenback import console, ending, logs
from listenback.options import setting
from streams.settings import Settings, load_settings

if TYPE_CHECKING:
    from streams.worker import WorkerReport

INTERRUPTED = 130
ENDED = "ended by %s: read %s = accepted %s + duplicate %s + dead-lettered %s"
COUNTED = ("read_n", "accepted_n", "duplicate_n", "dead_lettered_n")
log = logging.getLogger(__name__)

UntilIdle = Annotated[
    float | None,
    typer.Option(
        metavar="SECONDS",
        min=0.0,
        help="End when everything is read and nothing came for so long.",
        show_default=False,
    ),
]
AcceptLoss = Annotated[
    bool,
    typer.Option("--accept-loss", help="Go on where Kafka deleted records before they were read."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object when it ends.")]


def worker(
    *,
    bootstrap: Annotated[str | None, setting("bootstrap", "-b")] = None,
    group: Annotated[str | None, setting("group")] = None,
    topic_prefix: Annotated[str | None, setting("topic_prefix")] = None,
    data_dir: Annotated[Path | None, setting("data_dir")] = None,
    worker_id: Annotated[str | None, setting("worker_id")] = None,
    flush_rows_max: Annotated[int | None, setting("flush_rows_max")] = None,
    flush_age_max_ms: Annotated[int | None, setting("flush_age_max_ms")] = None,
    publish_interval_s: Annotated[float | None, setting("publish_interval_s")] = None,
    until_idle: UntilIdle = None,
    session_timeout_s: Annotated[float | None, setting("session_timeout_s")] = None,
    rebalance_timeout_s: Annotated[float | None, setting("rebalance_timeout_s")] = None,
    monitor_port: Annotated[int | None, setting("monitor_port")] = None,
    log_format: Annotated[str | None, setting("log_format")] = None,
    accept_loss: AcceptLoss = False,
    as_json: AsJson = False,
) -> None:
    """Read the five topics into the warehouse until told to end.

    SIGTERM and Ctrl-C flush, commit, publish and leave the group; a second
    one ends at once, and nothing is lost either way: the next start reads on
    at the offsets that stand in the file beside the rows. Start as many
    workers as there are partitions, each with its own --worker-id. All other
    settings come from the environment or listenback.toml: `listenback config
    show`.

    Examples:
      listenback worker --bootstrap kafka:9092
      listenback worker --worker-id b --data-dir /data
      listenback worker --monitor-port 9100 --log-format json
      listenback worker --until-idle 5 --json
    """
    settings = load_settings(
        bootstrap=bootstrap,
        group=group,
        topic_prefix=topic_prefix,
        data_dir=data_dir,
        worker_id=worker_id,
        flush_rows_max=flush_rows_max,
        flush_age_max_ms=flush_age_max_ms,
        publish_interval_s=publish_interval_s,
        session_timeout_s=session_timeout_s,
        rebalance_timeout_s=rebalance_timeout_s,
        monitor_port=monitor_port,
        log_format=log_format,
    )
    with ending.early_sigterm():
        report = _run(settings, until_idle_s=until_idle, accept_loss=accept_loss)
    _tell(report, as_json=as_json, is_logged=settings.log_format == "json")
    if report.ended_by == "SIGINT":
        raise typer.Exit(INTERRUPTED)


def _run(settings: Settings, *, until_idle_s: float | None, accept_loss: bool) -> WorkerReport:
    """Open the warehouse file, work, close it."""
    logs.to_stderr(
        as_json=settings.log_format == "json",
        about={"worker_id": settings.worker_id, "group": settings.group},
    )
    # Faust and DuckDB take most of a second to load; `--help` needs neither.
    from streams.pipeline import Pipeline  # noqa: PLC0415 - see the line above
    from streams.topics import check_topics  # noqa: PLC0415 - see the line above
    from streams.worker import WorkerOptions, run_worker  # noqa: PLC0415 - see the line above

    check_topics(settings)  # before a file is opened or made
    sink = Pipeline(settings)
    deadline = ending.Deadline()
    try:
        report = run_worker(
            settings, sink, WorkerOptions(until_idle_s, accept_loss, deadline.start)
        )
    except BaseException:
        with suppress(Exception):  # the file may be sick; what ended us is what counts
            sink.close()
        raise
    sink.close()
    deadline.cancel()
    return report


def _tell(report: WorkerReport, *, as_json: bool, is_logged: bool) -> None:
    """How it went: read = accepted + duplicates + dead letters."""
    counts: dict[str, Any] = asdict(report.progress)
    if as_json:
        ended = {"ended_by": report.ended_by, "forwarded_n": report.forwarded_n}
        console.print_json({**ended, **counts})
        return
    said = tuple(f"{counts[name]:,}" for name in COUNTED)
    if is_logged:
        log.info(ENDED, report.ended_by, *said)
    else:
        console.err.print(ENDED % (report.ended_by, *said), markup=False)
