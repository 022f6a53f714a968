"""The demo: a broker, simulated events, a worker and a report, all on this machine."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streams.broker import SESSION_TIMEOUT_S, embedded_broker
from streams.kafka_writer import KafkaWriter
from streams.pipeline import Pipeline
from streams.settings import load_settings
from streams.simulate.plan import Plan
from streams.simulate.simulation import simulate
from streams.topics import FOR_EVER, create_topics
from streams.worker import WorkerOptions, WorkerReport, run_worker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from streams.settings import Settings

MARKER = "truth.json"
"""Stands in a folder that a demo made, so that the next demo may clear it."""
IDLE_S = 1.0


@dataclass(frozen=True, slots=True)
class Joined:
    """What the streaming half left: the warehouse, the truth beside it, the worker's counts."""

    warehouse: Path
    truth: dict[str, Any]
    worker: WorkerReport


def clear(folder: Path) -> bool:
    """Remove what an earlier demo left; False where the folder holds something else."""
    if not folder.exists() or not any(folder.iterdir()):
        return True
    if not (folder / MARKER).is_file():
        return False
    shutil.rmtree(folder)
    return True


def stream(
    folder: Path,
    plan: Plan,
    *,
    bootstrap: str | None,
    step: Callable[[str], None],
) -> Joined:
    """Simulate into Kafka, then join until all is read.

    Args:
        folder: an empty or absent folder for the warehouse and the truth.
        plan: what to simulate.
        bootstrap: a Kafka of the caller's; None starts the embedded broker as a child.
        step: told in words what comes next.
    """
    if bootstrap is not None:
        settings = load_settings(bootstrap=bootstrap, data_dir=folder / "data")
        return _streamed(folder, plan, settings, step)
    step("starting a Kafka-compatible broker")
    with embedded_broker() as broker:
        settings = load_settings(
            bootstrap=broker.bootstrap,
            data_dir=folder / "data",
            session_timeout_s=SESSION_TIMEOUT_S,
        )
        return _streamed(folder, plan, settings, step)


def _streamed(folder: Path, plan: Plan, settings: Settings, step: Callable[[str], None]) -> Joined:
    create_topics(settings, retention_ms=FOR_EVER)  # the simulated records lie in the past
    step(f"simulating about {plan.events_n:,} events into five topics")
    simulation = simulate(plan)
    truth = simulation.truth()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).write_text(json.dumps(truth, indent=2), encoding="utf-8")
    with KafkaWriter(settings) as writer:
        for topic, records in simulation.records():
            writer.write(topic, records)
    step(f"joining {simulation.records_n:,} records into DuckDB")
    sink = Pipeline(settings)
    try:
        done = run_worker(
            settings,
            sink,
            WorkerOptions(until_idle_s=IDLE_S),
        )
    finally:
        sink.close()
    if done.ended_by != "idle":  # the worker takes the signal for itself, and ends in order
        raise KeyboardInterrupt
    return Joined(settings.warehouse_file, truth, done)
