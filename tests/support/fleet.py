"""Workers as processes, started as people start them, and what a fault does to a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.settings import Settings

LISTENBACK = Path(sys.executable).with_name("listenback")
ODD = Path(__file__).with_name("odd_worker.py")
WAIT_MAX_S = 120.0
READING = "reading shards"
OWN_DEADLINE = "winding up took longer"
"""Said by a worker that ended with code 3 because its end took more than 10 s: listenback.ending"""


@dataclass
class Worker:
    """One `listenback worker` and what it said."""

    process: subprocess.Popen[bytes]
    output: Path

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def said(self) -> str:
        return self.output.read_text("utf-8", "replace")

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(WAIT_MAX_S)

    def ended(self, wait_max_s: float = WAIT_MAX_S) -> int:
        """Its exit code."""
        return self.process.wait(wait_max_s)


@dataclass
class Fleet:
    """Workers of one group; what still runs at the end is killed."""

    settings: Settings
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        given = self.settings.model_dump(
            include={
                *("bootstrap", "topic_prefix", "group", "data_dir", "partitions_n"),
                *("session_timeout_s", "rebalance_timeout_s", "flush_rows_max"),
                *("flush_age_max_ms", "publish_interval_s", "publish_share_max"),
            }
        )
        named = {f"LISTENBACK_{name.upper()}": str(value) for name, value in given.items()}
        return os.environ | named | self.variables

    def start(self, worker_id: str, *args: str, **variables: str) -> Worker:
        is_odd = any(name.startswith("ODD_") for name in variables)
        program = [sys.executable, ODD] if is_odd else [LISTENBACK]
        output = self.folder / f"{len(self.workers):03}-{worker_id}.txt"
        with output.open("wb") as file:
            process = subprocess.Popen(
                [*program, "worker", "--worker-id", worker_id, *args],
                env=self.environment | variables,
                stdout=file,
                stderr=file,
                cwd=self.folder,
            )
        self.workers.append(Worker(process, output))
        return self.workers[-1]

    def run(self, *args: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Another command of ours, until it ends."""
        return subprocess.run(
            [LISTENBACK, *args],
            env=self.environment | variables,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=WAIT_MAX_S,
        )

    def finish(self, *worker_ids: str) -> None:
        """Read all that is there with these workers at once, then merge what they published."""
        last = [self.start(worker_id, "--until-idle", "2") for worker_id in worker_ids]
        for worker in last:
            assert worker.ended(WAIT_MAX_S * 2) == 0, worker.said()[-4000:]
        merged = self.run("publish")
        assert merged.returncode == 0, merged.stderr

    def until(self, condition: Callable[[], object], wait_max_s: float = WAIT_MAX_S) -> None:
        """Wait for something; in vain is an error that shows what the workers said."""
        give_up_at = time.monotonic() + wait_max_s
        while not condition():
            assert time.monotonic() < give_up_at, [w.said()[-2000:] for w in self.workers[-4:]]
            time.sleep(0.05)

    def end(self) -> None:
        for worker in self.workers:
            if worker.is_running:
                worker.signal(signal.SIGCONT)
                worker.kill()
