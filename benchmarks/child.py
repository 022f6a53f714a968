"""Each measurement in a process of its own: its memory is its own, and a crash is a row.

`measured("benchmarks.decoding:decode_rate", ...)` runs `python -m benchmarks.child`, which imports
the function, calls it and writes what it returns.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LINES_KEPT = 5
RUN_WAIT_MAX_S = 1_800.0


class FailedError(Exception):
    """A measurement that ended otherwise than with a result; says why in one line."""


def measured(function: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """What the function returns, with `peak_mib` of its process unless it tells its own.

    Raises FailedError.

    With LISTENBACK_BENCH_INLINE set it runs in this process: for the test of the bench, which would
    otherwise spend its time on imports. `peak_mib` is then of no use.
    """
    if os.environ.get("LISTENBACK_BENCH_INLINE"):
        return {**_called(function, arguments), "peak_mib": 1.0}
    with tempfile.TemporaryDirectory(prefix="listenback-bench-") as folder:
        out = Path(folder) / "out.json"
        command = [sys.executable, "-m", "benchmarks.child", function, json.dumps(arguments), out]
        status, peak_mib, said = run(command, folder=Path(folder))
        if status or not out.is_file():
            raise FailedError(f"{function} ended with {status}: {said}")
        result: dict[str, Any] = json.loads(out.read_text())
    return {"peak_mib": peak_mib, **result}


def run(
    command: list[Any], *, folder: Path, wait_max_s: float = RUN_WAIT_MAX_S
) -> tuple[int, float, str]:
    """(exit status, peak resident memory in MiB, the last lines it said). Raises FailedError."""
    log = folder / "said.txt"
    with log.open("wb") as said:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
    status, peak_mib = _waited(process, wait_max_s)
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return status, peak_mib, " | ".join(lines[-LINES_KEPT:])


def _waited(process: subprocess.Popen[bytes], wait_max_s: float) -> tuple[int, float]:
    """Wait for the end; wait4 is the one call that tells a single child's peak."""
    give_up_at = time.monotonic() + wait_max_s
    while True:
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, usage.ru_maxrss / 1_024
        if time.monotonic() > give_up_at:
            process.kill()
            os.wait4(process.pid, 0)
            process.returncode = -9
            raise FailedError(f"took longer than {wait_max_s:.0f} s: {process.args}")
        time.sleep(0.05)


def _called(function: str, arguments: dict[str, Any]) -> dict[str, Any]:
    module, _, name = function.partition(":")
    result: dict[str, Any] = getattr(importlib.import_module(module), name)(**arguments)
    return result


def _main(function: str, arguments: str, out: str) -> None:
    Path(out).write_text(json.dumps(_called(function, json.loads(arguments))))


if __name__ == "__main__":
    _main(*sys.argv[1:])
