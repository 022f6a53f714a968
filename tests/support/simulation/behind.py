"""A worker's file copied behind its commits: the copy stops half-way until the world lets it go.

The thread is the product's own. It asks after each chunk whether the copy is still wanted; here the
first answer waits, so that what is committed meanwhile, and what a kill leaves, is the seed's.
"""

from __future__ import annotations

import contextlib
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING
from unittest import mock

from streams import pipeline as piping
from streams.warehouse import copying, restore

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from streams.pipeline import Pipeline
    from streams.warehouse.copying import Copy

LOG_BYTES_MAX = 1 << 20
"""The room that a copy leaves to the log: more than a world writes, less than any folder has."""
FULL_LOG_BYTES = 4_096
"""Of a log that forces a checkpoint with the next commit; none may fall into a copy."""
HEADERS_BYTES = 3 * 4_096
"""What a DuckDB file begins with; a checkpoint writes one of the last two anew."""
WAIT_MAX_S = 300


class Pausing(threading.Event):
    """Whether a copy is unwanted; who asks waits until the world has answered once."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.answered = threading.Event(), threading.Event()
        self.headers = b""
        self.progress: dict[int, int] = {}

    def is_set(self) -> bool:
        self.asked.set()
        assert self.answered.wait(WAIT_MAX_S), "nobody let the copy go"
        return super().is_set()

    def set(self) -> None:
        super().set()
        self.answered.set()


@contextlib.contextmanager
def copies_that_pause() -> Iterator[None]:
    """While this lasts, any file is large enough, and its copy stops half-way."""
    threads = SimpleNamespace(Event=Pausing, Thread=threading.Thread)
    with (
        mock.patch.object(piping, "COPY_BEHIND_BYTES_MIN", 0),
        mock.patch.object(copying, "threading", threads),
        mock.patch.object(copying, "LOG_BYTES_MAX", LOG_BYTES_MAX),
    ):
        yield


def is_copying(pipeline: Pipeline) -> bool:
    """Whether a commit now falls into a copy."""
    return pipeline._copy is not None and pipeline._copy.is_under_way


def begin(pipeline: Pipeline, rng: random.Random) -> Copy | None:
    """Copy up to some byte, where anything is new; the next commit would force a checkpoint."""
    assert pipeline._copy is None
    size = pipeline._settings.worker_file.stat().st_size
    pipeline._published_at_ms = float("-inf")
    copying.allow_log(pipeline._con, FULL_LOG_BYTES)
    with mock.patch.object(copying, "CHUNK_BYTES", rng.randint(1, size)):
        assert not pipeline.publish_if_due(), "a copy has no name yet"
        until_half(pipeline)
    if pipeline._copy is None:
        copying.allow_log(pipeline._con, LOG_BYTES_MAX)
    else:
        asks = _asks(pipeline._copy)
        asks.headers, asks.progress = _headers(pipeline), restore.progress(pipeline._con)
    return pipeline._copy


def until_half(pipeline: Pipeline) -> None:
    """Wait until a copy has stopped, for else the clock would say what a kill leaves of it."""
    if pipeline._copy is not None:
        assert _asks(pipeline._copy).asked.wait(WAIT_MAX_S)


def end(pipeline: Pipeline) -> dict[int, int]:
    """Let a copy go on, and be published; messages by shard that the file held as it began."""
    assert pipeline._copy is not None
    asks, thread = _asks(pipeline._copy), pipeline._copy._thread
    assert not pipeline.publish_if_due(), "half a copy"
    assert asks.headers == _headers(pipeline), "a checkpoint fell into the copy"
    asks.answered.set()
    thread.join(WAIT_MAX_S)
    assert pipeline.publish_if_due()
    return asks.progress


def kill(*copies: Copy | None) -> None:
    """A process that is killed leaves no thread."""
    for copy in copies:
        if copy is not None:
            _asks(copy).set()
            copy._thread.join(WAIT_MAX_S)
            assert not copy.is_under_way


def _asks(copy: Copy) -> Pausing:
    asks = copy._is_unwanted
    assert isinstance(asks, Pausing)
    return asks


def _headers(pipeline: Pipeline) -> bytes:
    with pipeline._settings.worker_file.open("rb") as file:
        return file.read(HEADERS_BYTES)
