"""`listenback demo`: everything once, on this machine, with a truth to hold it against."""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from listenback import console
from streams.clock import monotonic_ms, now_us
from streams.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from analytics.report.write import Written
    from analytics.results import Planted
    from listenback.demo import Joined

EventsN = Annotated[
    int, typer.Option("--events", "-n", min=1_000, help="About so many simulated events.")
]
Seed = Annotated[int, typer.Option(min=0, help="Equal seeds give equal events.")]
Out = Annotated[Path, typer.Option(help="Folder for the warehouse, the truth and the report.")]
Bootstrap = Annotated[
    str | None,
    typer.Option(
        help="Address of a Kafka of yours with no listenback topics yet; "
        "without it an embedded broker is started.",
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of words.")]


def demo(
    *,
    events_n: EventsN = 200_000,
    seed: Seed = 1,
    out: Out = Path("demo"),
    bootstrap: Bootstrap = None,
    as_json: AsJson = False,
) -> None:
    """Simulate, stream, join and report, on this machine.

    Starts a Kafka-compatible broker as a child process, simulates listeners
    and judges whose truth is known, joins their events in DuckDB, and writes
    the report, with every interval beside the planted value.

    Examples:
      listenback demo
      listenback demo --events 1000000 --seed 7 --out big-demo
      listenback query --data-dir demo/data "FROM window_aggregate LIMIT 5"
    """
    # What this loads (Kafka clients, DuckDB) takes two seconds; `--help` needs none of it.
    from listenback.demo import clear, stream  # noqa: PLC0415 - see the line above
    from streams.simulate.plan import Plan  # noqa: PLC0415 - see the line above

    started_ms = monotonic_ms()
    if not clear(out):
        raise ConfigError(
            "the folder holds something that no demo made.",
            where=str(out),
            done="Nothing was touched.",
            todo="Name an empty folder with --out.",
        )
    with _steps() as step:
        joined = stream(out, Plan(seed=seed, events_n=events_n), bootstrap=bootstrap, step=step)
        step("comparing the variants")
        planted, written = _report(joined, out)
    took_s = (monotonic_ms() - started_ms) / 1_000
    if as_json:
        console.print_json(_told(joined, planted, written, took_s))
    else:
        _say(out, joined, planted, written, took_s)


@contextmanager
def _steps() -> Iterator[Callable[[str], None]]:
    """A spinner that says what goes on, and how long each step took; plain lines elsewhere."""
    with console.err.status("", spinner="dots") as status:
        began_ms, doing = monotonic_ms(), ""

        def step(words: str) -> None:
            nonlocal began_ms, doing
            if doing:
                took_s = (monotonic_ms() - began_ms) / 1_000
                console.err.print(f"  {took_s:5.1f} s  {doing}", markup=False)
            began_ms, doing = monotonic_ms(), words
            status.update(words)

        yield step
        step("")


def _report(joined: Joined, out: Path) -> tuple[tuple[Planted, ...], Written]:
    """The night's report on the warehouse, with the planted truth in it."""
    from analytics.nightly import Request  # noqa: PLC0415 - heavy, see `demo`
    from analytics.report.write import write_report  # noqa: PLC0415 - heavy, see `demo`
    from listenback.commands.report import analysed  # noqa: PLC0415 - heavy, see `demo`
    from listenback.definitions import definitions  # noqa: PLC0415 - heavy, see `demo`
    from listenback.planted import against_truth  # noqa: PLC0415 - heavy, see `demo`
    from streams.warehouse.reading import open_warehouse  # noqa: PLC0415 - heavy, see `demo`

    con = open_warehouse(joined.warehouse)
    try:
        request = Request(
            warehouse=str(joined.warehouse),
            now_us=now_us(),
            command=f"listenback report --warehouse {joined.warehouse}",
        )
        report = analysed(con, definitions(None), request)
    finally:
        con.close()
    planted = against_truth(report, joined.truth)
    return planted, write_report(replace(report, planted=planted), out / "report")


def _say(
    out: Path, joined: Joined, planted: tuple[Planted, ...], written: Written, took_s: float
) -> None:
    counts = joined.worker.progress
    fixed_n = sum(one.fixed_holds for one in planted)
    always_n = sum(one.always_holds for one in planted)
    console.out.print(
        f"read {counts.read_n:,} = accepted {counts.accepted_n:,} + duplicate "
        f"{counts.duplicate_n:,} + dead-lettered {counts.dead_lettered_n:,}\n"
        f"planted truth inside the verdict's interval: {always_n} of {len(planted)}; inside the "
        f"single-look 95 % interval: {fixed_n} of {len(planted)} "
        f"(expected: {0.95 * len(planted):.0f})\n"
        f"warehouse  {joined.warehouse}\n"
        f"report     {written.html}\n"
        f"took       {took_s:.0f} s\n\n"
        "Next, to look around:",
        markup=False,
    )
    for command in next_commands(out):
        console.out.print(f"  {command}", markup=False)


def next_commands(out: Path) -> tuple[str, ...]:
    """What to type next, as a shell takes it."""
    data, report = shlex.quote(str(out / "data")), shlex.quote(str(out / "report-again"))
    return (
        f"listenback query --data-dir {data} --tables",
        f"listenback query --data-dir {data} 'FROM pipeline_health'",
        f"listenback report --data-dir {data} --out {report}",
        f"listenback trust --data-dir {data}",
        f"listenback serve --data-dir {data}",
    )


def _told(
    joined: Joined, planted: tuple[Planted, ...], written: Written, took_s: float
) -> dict[str, Any]:
    counts = joined.worker.progress
    return {
        "read_n": counts.read_n,
        "accepted_n": counts.accepted_n,
        "duplicate_n": counts.duplicate_n,
        "dead_lettered_n": counts.dead_lettered_n,
        "comparisons_n": len(planted),
        "fixed_intervals_holding_n": sum(one.fixed_holds for one in planted),
        "always_valid_intervals_holding_n": sum(one.always_holds for one in planted),
        "warehouse": str(joined.warehouse),
        "report": str(written.html),
        "took_s": round(took_s, 1),
    }
