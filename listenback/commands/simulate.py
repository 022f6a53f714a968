"""`listenback simulate`: events with planted truth, to Kafka or into files."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from listenback import console
from listenback.destination import Destination, destination, progress
from listenback.options import setting
from streams.by_rename import or_config_error, write_whole
from streams.errors import ConfigError
from streams.simulate import plan as plans
from streams.simulate.simulation import Simulation
from streams.simulate.simulation import simulate as simulated

if TYPE_CHECKING:
    from collections.abc import Mapping

TRUTH_FILE = "truth.json"
DEFAULT_END = datetime.fromtimestamp(plans.DEFAULT_END_MS / 1_000, tz=UTC).isoformat()

EventsN = Annotated[
    int, typer.Option("--events", "-n", help="About so many events; duplicates come on top.")
]
Seed = Annotated[int, typer.Option(min=0, help="Equal seeds give equal bytes.")]
MixName = Annotated[str, typer.Option(help=f"Shares of the topics: {' or '.join(plans.MIXES)}.")]
End = Annotated[
    str, typer.Option(help="Nothing happens after this moment, UTC. Fixed, so that runs repeat.")
]
PreDays = Annotated[int, typer.Option(help="Days of listening before the experiments.")]
Days = Annotated[int, typer.Option(help="Days with exposures; 3 more days follow.")]
Srm = Annotated[bool, typer.Option("--srm", help="Lose some treatment users of home-shelf.")]
Drifting = Annotated[
    bool, typer.Option("--drifting-judge", help="Add a judge that is good at first only.")
]
Out = Annotated[
    Path | None, typer.Option(help="Write <topic>.jsonl and truth.json here, nothing to Kafka.")
]
TruthPath = Annotated[Path | None, typer.Option(help="Write the truth to this file.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object of counts.")]


def simulate(
    *,
    events_n: EventsN = plans.DEFAULT_EVENTS_N,
    seed: Seed = 1,
    mix: MixName = "demo",
    end: End = DEFAULT_END,
    pre_days: PreDays = 14,
    days: Days = 14,
    srm: Srm = False,
    drifting_judge: Drifting = False,
    out: Out = None,
    truth: TruthPath = None,
    bootstrap: Annotated[str | None, setting("bootstrap")] = None,
    topic_prefix: Annotated[str | None, setting("topic_prefix")] = None,
    as_json: AsJson = False,
) -> None:
    """Make events whose truth is known.

    Four experiments, among them a better arm, a worse one and an A/A; a good
    judge of two epochs, one that is noise, one that flatters the worse arm;
    late plays, orphans, duplicates and poison. truth.json holds the exact
    expectation of each metric, so that a report can be held against it.

    Examples:
      listenback simulate --out demo-data
      listenback simulate -n 1000000 --mix bench --bootstrap localhost:9092
      listenback simulate --seed 7 --srm --drifting-judge --truth truth.json
    """
    plan = plans.Plan(
        seed=seed,
        events_n=events_n,
        end_ms=_moment_ms(end),
        pre_days=pre_days,
        test_days=days,
        mix=plans.mix_named(mix),
    )
    plan = plans.with_sample_ratio_mismatch(plan) if srm else plan
    plan = plans.with_drifting_judge(plan) if drifting_judge else plan
    place = destination(out, bootstrap, topic_prefix, creates_topics=True)
    simulation = simulated(plan)
    _send(simulation, place)
    known = simulation.truth()
    truth_file = truth or (out / TRUTH_FILE if out else None)
    if truth_file:
        _write(truth_file, known)
    _tell(known, place, truth_file, as_json=as_json)


def _moment_ms(text: str) -> int:
    """An ISO 8601 moment as milliseconds; without an offset it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"'{text}' is no date.", where="--end", todo="Write it like 2026-11-01T00:00:00Z."
        ) from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1_000)


def _send(simulation: Simulation, place: Destination) -> None:
    """Write all records, in log order."""
    with place.writer as writer, progress("simulating", simulation.records_n) as advance:
        for topic, records in simulation.records():
            writer.write(topic, records)
            advance(len(records))


def _write(path: Path, truth: Mapping[str, Any]) -> None:
    """The truth as a file."""
    with or_config_error(
        "the truth cannot be written",
        where=path,
        done="The events were written.",
        todo="Run again with a --truth that can be written; equal seeds give equal truth.",
    ):
        write_whole({path: (json.dumps(truth, indent=1, sort_keys=True) + "\n").encode()})


def _tell(
    truth: Mapping[str, Any], place: Destination, truth_file: Path | None, *, as_json: bool
) -> None:
    """What was made and where it is."""
    counts: Mapping[str, Mapping[str, Any]] = truth["counts"]
    if as_json:
        console.print_json(
            {
                "destination": place.name,
                "truth": None if truth_file is None else str(truth_file),
                "seed": truth["seed"],
                "users_n": truth["users_n"],
                "records_n": truth["records_n"],
                "counts": counts,
            }
        )
        return
    names = ("events", "duplicates", "poison", "late", "records")
    rows = [(topic, *(f"{one[name]:,}" for name in names)) for topic, one in counts.items()]
    console.print_columns([("topic", *names), *rows])
    said = f"; the truth is in {truth_file}" if truth_file else ""
    console.err.print(f"{truth['records_n']:,} records to {place.name}{said}", markup=False)
