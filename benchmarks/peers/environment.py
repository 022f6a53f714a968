"""An environment of its own for each peer: pinned, made on demand, kept in the cache."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.child import FailedError, run
from benchmarks.history import cache_dir

if TYPE_CHECKING:
    from benchmarks.peers.java import JavaPeer

INSTALL_WAIT_MAX_S = 300.0
RUN_WAIT_MAX_S = 180.0


@dataclass(frozen=True, slots=True)
class Peer:
    """Another way to do the same. requirements: pinned; script: a module of this package."""

    name: str
    requirements: tuple[str, ...]
    script: str

    def command(self) -> list[Any]:
        """What starts it; installs it the first time. Raises FailedError."""
        return [python_of(self), "-m", f"benchmarks.peers.{self.script}"]


def python_of(peer: Peer) -> Path:
    """The interpreter that has the peer; installs it the first time. Raises FailedError."""
    wish = "\n".join((sys.version, *peer.requirements))
    digest = hashlib.sha256(wish.encode()).hexdigest()[:12]
    home = cache_dir() / "peers" / f"{peer.name}-{digest}"
    ready, python = home / "ready", home / "bin" / "python"
    if not ready.is_file():
        home.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            for command in ([sys.executable, "-m", "venv", home], [*pip, *peer.requirements]):
                status, _, said = run(command, folder=Path(folder), wait_max_s=INSTALL_WAIT_MAX_S)
                if status:
                    shutil.rmtree(home, ignore_errors=True)
                    raise FailedError(f"cannot be installed here: {said[-300:]}")
        ready.touch()
    return python


def peer_result(peer: Peer | JavaPeer, *arguments: object) -> dict[str, Any]:
    """What the peer wrote, and its peak memory. Raises FailedError."""
    start = peer.command()
    with tempfile.TemporaryDirectory(prefix="listenback-bench-") as folder:
        out = Path(folder) / "out.json"
        status, peak_mib, said = run(
            [*start, *arguments, out], folder=Path(folder), wait_max_s=RUN_WAIT_MAX_S
        )
        if status or not out.is_file():
            raise FailedError(f"ended with {status}: {said[-300:]}")
        result: dict[str, Any] = json.loads(out.read_text())
    return {**result, "peak_mib": peak_mib}
