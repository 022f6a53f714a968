"""Crashes between any two steps: the n-th line that a named function executes does not happen.

No hook in production code: the interpreter's trace function counts lines of the function's code.
A seam that was renamed does not resolve, and the simulation fails at its start.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from types import CodeType, FrameType

SEAMS: dict[str, tuple[str, str]] = {
    "decode": ("flush", "streams.pipeline:Pipeline._decode"),
    "buffer": ("flush", "streams.pipeline:Pipeline.seal"),
    "apply": ("flush", "streams.flush:commit"),
    "write": ("flush", "streams.warehouse.writer:write"),
    "append": ("flush", "streams.warehouse.writer:append"),
    "replace": ("flush", "streams.warehouse.writer:replace"),
    "meet": ("flush", "streams.warehouse.writer:_meet"),
    "commit": ("flush", "streams.warehouse.connect:transaction"),
    "torn commit": ("flush", "streams.warehouse.connect:transaction"),
    "acknowledge": ("flush", "streams.pipeline:_flushed"),
    "publish": ("publish", "streams.pipeline:Pipeline.publish"),
    "fold": ("publish", "streams.warehouse.compact:fold_if_due"),
    "archive": ("archive", "streams.warehouse.archiving:_move"),
    "part": ("archive", "streams.warehouse.archiving:_written"),
    "part's name": ("archive", "streams.warehouse.archiving:_place"),
    "show": ("archive", "streams.warehouse.archive:show"),
    "checkpoint and copy": ("publish", "streams.warehouse.publish:snapshot"),
    "keep": ("publish", "streams.warehouse.publish:_keep"),
    "rename": ("publish", "streams.warehouse.publish:place"),
    "gain": ("assign", "streams.pipeline:Pipeline._gain"),
    "restore": ("assign", "streams.warehouse.restore:take_shards"),
    "drop": ("assign", "streams.warehouse.restore:drop_shards"),
    "letters": ("letters", "streams.dead_letters:mark_forwarded"),
    "copy behind": ("behind", "streams.pipeline:Pipeline.publish_if_due"),
    "commit beside a copy": ("beside", "streams.warehouse.connect:transaction"),
    "torn commit beside a copy": ("beside", "streams.warehouse.connect:transaction"),
    "copied": ("beside", "streams.pipeline:Pipeline._publish_copied"),
    "give a copy up": ("hurry", "streams.pipeline:Pipeline._abandon_copy"),
    "merge": ("merge", "streams.warehouse.publish:_build"),
}
"""Seam -> the step it lies in, and the function whose lines are crash points."""
VISITS_N = {"append": 9, "replace": 4}
"""How often a step runs through the function, where that is more than once."""

AT = {"torn commit": 6, "torn commit beside a copy": 6}
"""The return behind `con.commit()`: between the line before and it lies the writing of the WAL."""


class Crashed(BaseException):
    """What kill -9 would have been. No production code catches it and goes on."""


def code_of(seam: str) -> CodeType:
    """The code of a seam's function. Raises AttributeError where it is not there any more."""
    module, _, path = SEAMS[seam][1].partition(":")
    found: Any = importlib.import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    return inspect.unwrap(found).__code__  # type: ignore[no-any-return]


@dataclass(slots=True)
class Crash:
    """One crash: before the nth line of a seam, counted from the start of a step.

    happened: runs at that instant, with the lines passed; what it saves is what kill -9 leaves.
    watched: runs at each line before, for what can only be seen by comparing.
    """

    seam: str
    nth: int
    happened: Callable[[], None]
    watched: Callable[[], None]
    lines_n: int = 0
    is_reached: bool = False

    def during(self, step: Callable[[], Any]) -> Any:
        """Run a step; raises Crashed at the chosen line, if the step comes to it."""
        code = code_of(self.seam)

        def at_line(_: FrameType, event: str, __: object) -> Any:
            if event in {"line", "return"}:
                self.lines_n += 1
                if self.lines_n == self.nth:
                    sys.settrace(None)
                    self.is_reached = True
                    self.happened()
                    raise Crashed(self.seam)
                self.watched()
            return at_line

        def at_call(frame: FrameType, _: str, __: object) -> Any:
            return at_line if frame.f_code is code else None

        before = sys.gettrace()
        sys.settrace(at_call)
        try:
            return step()
        finally:
            sys.settrace(before)


def nth_of(seam: str, rng: random.Random) -> int:
    """Which line: any of the first visit, or any of all visits."""
    if seam in AT:
        return AT[seam]
    own = len({line for *_, line in code_of(seam).co_lines() if line is not None})
    visits_n = VISITS_N.get(seam, 1) if rng.random() < 0.5 else 1
    return rng.randint(1, own * visits_n)
