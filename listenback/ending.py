"""How a worker process ends when it is told to: at once while it starts, in time when it works."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from typing import TYPE_CHECKING, NoReturn

from streams.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

log = logging.getLogger(__name__)

END_WAIT_MAX_S = 9.5
"""Service managers kill after 10 s; ending ourselves leaves word of it."""


@contextlib.contextmanager
def early_sigterm() -> Iterator[None]:
    """Until the worker listens itself, SIGTERM is an orderly end: nothing was taken yet."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _end_early)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end_early(_number: int, _frame: FrameType | None) -> NoReturn:
    """End here and now: an exception raised in a finalizer or a callback would be swallowed.

    As safe as a Deadline's end: nothing was read, and no group was joined.
    """
    log.info("ended by SIGTERM before anything was read")
    logging.shutdown()
    os._exit(0)


class Deadline:
    """Ends the process when winding up takes too long, a hung disk for instance.

    That is safe at any moment: what is not committed was not acknowledged, and DuckDB rolls back
    what was under way.
    """

    def __init__(self) -> None:
        """Not yet running."""
        self._timer = threading.Timer(END_WAIT_MAX_S, self._end)
        self._timer.daemon = True

    def start(self) -> None:
        """From now on the process has END_WAIT_MAX_S."""
        self._timer.start()

    def cancel(self) -> None:
        """It has ended what it had to."""
        self._timer.cancel()

    @staticmethod
    def _end() -> NoReturn:
        log.error(
            "winding up took longer than %s s; ending without. What was not committed was not "
            "acknowledged either: the next start reads it again",
            END_WAIT_MAX_S,
        )
        logging.shutdown()
        os._exit(TransientError.exit_code)
