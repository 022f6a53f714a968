"""Logs on stderr, for people who run a worker: what we say, and little of what others say.

Kafka clients repeat themselves 40 times a second while a broker is away. What they say is shown
once, then at most every SPARSE_S seconds with the number of times it was left out. `-v` shows all.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from pythonjsonlogger.json import JsonFormatter

from listenback import console
from streams.clock import monotonic_ms

if TYPE_CHECKING:
    from collections.abc import Mapping

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


class Lines(JsonFormatter):
    """One JSON object a line; `event` is the message before its numbers: the same at each saying.

    Nothing else of the record is written, so that a value that names a listener has no way in.
    """

    def __init__(self, about: Mapping[str, str]) -> None:
        """Put `about` (such as worker_id) into every line."""
        super().__init__()
        self._about = about

    def add_fields(
        self,
        log_data: dict[str, Any],
        record: logging.LogRecord,
        message_dict: dict[str, Any],
    ) -> None:
        """What a line says, in this order."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        log_data |= {
            "time": f"{moment}.{int(record.msecs):03}Z",
            "level": record.levelname,
            "logger": record.name,
            "event": str(record.msg),
            "message": record.getMessage(),
            **self._about,
        }
        if message_dict.get("exc_info"):
            log_data["traceback"] = message_dict["exc_info"]


def to_stderr(*, as_json: bool = False, about: Mapping[str, str] | None = None) -> None:
    """Send what is logged to stderr, as much of it as -q and -v ask for.

    Args:
        as_json: one JSON object a line, for log collectors.
        about: what every such line says beside.
    """
    level = console.log_level()
    handler = logging.StreamHandler()
    handler.setFormatter(Lines(about or {}) if as_json else _for_people())
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


def _for_people() -> logging.Formatter:
    formatter = logging.Formatter(FORMAT, datefmt="%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    return formatter
