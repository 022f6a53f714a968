"""Logs on stderr, for people who run a worker: what we say, and little of what others say.

Kafka clients repeat themselves 40 times a second while a broker is away. What they say is shown
once, then at most every SPARSE_S seconds with the number of times it was left out. `-v` shows all.
"""

from __future__ import annotations

import logging
import time

from listenback import console
from streams.clock import monotonic_ms

FORMAT = "%(asctime)sZ %(levelname)s %(name)s: %(message)s"
OURS = ("streams", "listenback", "analytics")
SILENT = ("faust", "mode", "kafka")
"""What makes them fail is raised to us, and said by us in one line."""
SPARSE_S = 30.0


class Sparse(logging.Filter):
    """Lets a message of others through once in a while; ours always."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        super().__init__()
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to show it; counts what it hides."""
        if record.name.partition(".")[0] in OURS:
            return True
        key = (record.name, str(record.msg))
        last_ms, hidden_n = self._said.get(key, (float("-inf"), 0))
        if monotonic_ms() - last_ms < SPARSE_S * 1_000:
            self._said[key] = (last_ms, hidden_n + 1)
            return False
        self._said[key] = (monotonic_ms(), 0)
        if hidden_n:
            record.msg = f"{record.getMessage()} ({hidden_n} more of the kind)"
            record.args = ()
        return True


def to_stderr() -> None:
    """Send what is logged to stderr, as much of it as -q and -v ask for."""
    level = console.log_level()
    handler = logging.StreamHandler()
    formatter = logging.Formatter(FORMAT, datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    if level <= logging.DEBUG:
        root.setLevel(logging.INFO)
        return
    handler.addFilter(Sparse())
    root.setLevel(logging.WARNING)
    for name in OURS:
        logging.getLogger(name).setLevel(level)
    for name in SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
