"""One run of the bench: its size, its folder, its broker, and all that was measured."""

from __future__ import annotations

import itertools
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from benchmarks.child import FailedError, measured
from benchmarks.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.sizes import Size


class Bench:
    """What the measurements share. raw: everything measured, by name, ready for JSON."""

    def __init__(self, size: Size, folder: Path) -> None:
        """Measure at this size, with files in this folder."""
        self.size = size
        self.folder = folder
        self.raw: dict[str, Any] = {}
        self._numbers = itertools.count()
        self._started_s = time.perf_counter()

    def section(self, name: str, measure: Callable[[Bench], Any]) -> None:
        """Measure and keep; a section that fails is kept as the reason why."""
        self.say(name)
        started_s = time.perf_counter()
        try:
            found = measure(self)
        except Exception as error:  # noqa: BLE001 - one section must not end a run of 40 minutes
            reason = str(error) if isinstance(error, FailedError) else repr(error)
            found = {"failed": reason}
            self.say(f"{name} failed: {error}")
        self.raw[name] = found
        self.raw.setdefault("took_s", {})[name] = time.perf_counter() - started_s

    def say(self, what: str) -> None:
        """Tell the person who waits."""
        print(f"[{time.perf_counter() - self._started_s:6.0f} s] {what}", file=sys.stderr)

    def traffic(self, **others: Any) -> dict[str, Any]:  # noqa: ANN401 - fields of Traffic
        """A slice for the main row; others: fields that differ."""
        wish = {
            "events_n": self.size.events_n,
            "open_n": self.size.base_n,
            "listeners_n": self.size.listeners_n,
        }
        made = Traffic(**{**wish, **others})
        return {name: getattr(made, name) for name in Traffic.__dataclass_fields__}

    def base(self, open_n: int) -> str:
        """The file with so many open generations; made the first time."""
        made = self.raw.setdefault("history", {})
        if str(open_n) not in made:
            made[str(open_n)] = measured(
                "benchmarks.history:make_base", open_n=open_n, listeners_n=self.size.listeners_n
            )
        return str(made[str(open_n)]["path"])

    def fresh(self, name: str) -> str:
        """A name that no other run has: of a group, a log, a folder."""
        return f"{name}{next(self._numbers)}"

    def in_folder(self, function: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
        """Measure with an own folder, which is removed afterwards."""
        place = self.folder / self.fresh("run")
        try:
            return measured(function, folder=str(place), **arguments)
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def worker(self, bootstrap: str, log: str, base: str, **given: Any) -> dict[str, Any]:  # noqa: ANN401
        """A worker over a whole log from its beginning; given: settings other than the defaults."""
        return self.in_folder(
            "benchmarks.joining:worker_rate",
            bootstrap=bootstrap,
            name=log,
            group=self.fresh("group"),
            base=base,
            given=given,
        )


def together(*jobs: Callable[[], Any]) -> list[Any]:
    """All at once, each a child process of its own; what each gave."""
    with ThreadPoolExecutor(len(jobs)) as pool:
        return [one.result() for one in [pool.submit(job) for job in jobs]]
