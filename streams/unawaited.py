"""Work in a thread that the end of the process does not wait for.

The threads of a pool, and so those of `asyncio.to_thread`, are joined at the end of the loop and of
the process, however long they wait for an answer of somebody else.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def started(work: Callable[[], T], *, name: str) -> Future[T]:
    """What `work` will return or raise; `asyncio.wrap_future` makes it one to be awaited.

    Who does not wait to its end, or is cancelled, leaves the work to itself.
    """
    coming: Future[T] = Future()
    coming.set_running_or_notify_cancel()  # from here on nobody can cancel it
    threading.Thread(target=_run, args=(work, coming), name=name, daemon=True).start()
    return coming


def _run(work: Callable[[], T], coming: Future[T]) -> None:
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is for who waits
        coming.set_exception(error)
        del work, coming  # the error's traceback holds this frame, and so what failed, for long
    else:
        coming.set_result(result)
