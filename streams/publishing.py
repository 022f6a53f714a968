"""Publishing from a worker: trouble with the folder of snapshots stops neither reading nor writing.

The worker's own file is the record; a snapshot that cannot be placed (disk full, folder gone, no
right to write) is tried again, ever more rarely, until it goes.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from streams.clock import monotonic_ms

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.sink import Sink

log = logging.getLogger(__name__)

RETRY_MIN_MS = 1_000.0
RETRY_MAX_MS = 60_000.0


class Publishing:
    """Calls the sink's publishing, in the sink's thread.

    failure: why the last attempt failed; None: it did not.
    """

    def __init__(self, sink: Sink) -> None:
        """Publish what this sink has."""
        self._sink = sink
        self._wait_ms = 0.0
        self._again_at_ms = float("-inf")
        self.failure: OSError | None = None
        self.published_n = 0

    def if_due(self) -> bool:
        """Publish when the sink says it is time, and not during the wait after a failure."""
        if monotonic_ms() < self._again_at_ms:
            return False
        return self._tried(self._sink.publish_if_due)

    def now(self) -> bool:
        """Publish whatever the interval and the wait; False: it failed."""

        def publish() -> bool:
            self._sink.publish()
            return True

        return self._tried(publish)

    def _tried(self, publish: Callable[[], bool]) -> bool:
        try:
            is_done = publish()
        except OSError as error:
            self.failure = error
            self._wait_ms = min(RETRY_MAX_MS, max(RETRY_MIN_MS, 2 * self._wait_ms))
            self._again_at_ms = monotonic_ms() + self._wait_ms
            log.error(  # noqa: TRY400 - expected, and said in one line
                "no snapshot was published (%s); rows go on being committed, readers keep the "
                "last one; trying again in %.0f s",
                error,
                self._wait_ms / 1_000,
            )
            return False
        if is_done:
            self.failure, self._wait_ms, self._again_at_ms = None, 0.0, float("-inf")
            self.published_n += 1
        return is_done
