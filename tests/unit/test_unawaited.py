"""Work that nobody has to wait for: its result, its failure, and the end of a process beside it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import subprocess
import sys
import threading
import weakref
from functools import partial

import pytest

from streams.unawaited import started

LEAVING = """
import threading
from streams.unawaited import started

is_begun = threading.Event()
started(lambda: (is_begun.set(), threading.Event().wait(600)), name="hangs")
is_begun.wait()
"""


class Payload:
    """Something whose end can be seen."""


def test_who_waits_is_given_the_result_or_the_failure():
    assert started(lambda: 7, name="seven").result() == 7

    async def awaited():
        return await asyncio.wrap_future(started(lambda: 1 // 0, name="fails"))

    with pytest.raises(ZeroDivisionError):
        asyncio.run(awaited())


def test_who_is_cancelled_leaves_the_work_to_itself():
    go_on, is_done = threading.Event(), threading.Event()

    async def cancelled():
        coming = started(lambda: (go_on.wait(60), is_done.set()), name="goes on")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.wrap_future(coming), 0.01)

    asyncio.run(cancelled())
    go_on.set()
    assert is_done.wait(60)


def test_the_end_of_a_process_does_not_wait_for_it():
    done = subprocess.run([sys.executable, "-c", LEAVING], check=False, timeout=120)
    assert done.returncode == 0


def test_what_failed_is_not_kept_until_garbage_is_collected():
    """A pass of dead letters may hold many MB, and is tried again while Kafka is away."""
    left = []

    def fail(_payload):
        raise OSError("nobody answers")

    async def tried():
        payload = Payload()
        left.append(weakref.ref(payload))
        with contextlib.suppress(OSError):
            await asyncio.wrap_future(started(partial(fail, payload), name="fails"))

    async def tried_again():
        for _ in range(5):
            await tried()

    gc.disable()
    try:
        asyncio.run(tried_again())
        assert [payload() for payload in left] == [None] * 5
    finally:
        gc.enable()
