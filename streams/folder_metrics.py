"""What the shared folder tells those who watch: is it merged, was the night's report made.

The publisher and `listenback nightly` have no server of their own; whoever runs a worker can see
what they leave behind. Moments are given, not ages: Prometheus subtracts, and a worker that stops
looking does not seem to see something new.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from streams.clock import monotonic_ms
from streams.warehouse import night_outcome
from streams.warehouse.publish import WORKER_GLOB

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from prometheus_client.metrics_core import Metric

    from streams.settings import Settings

log = logging.getLogger(__name__)
LOOK_WAIT_MAX_S = 2.0
"""A scrape waits no longer for a slow disk; it then tells what the look before saw."""
ARCHIVE_EVERY_MS = 300_000.0
"""The archive has thousands of files and grows by a few a day."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What lies there. Moments in seconds since 1970, UTC; 0: there is none."""

    snapshot_at_s: float = 0.0
    warehouse_at_s: float = 0.0
    report_at_s: float = 0.0
    is_report_failed: bool = False
    parts_n: int = 0
    parts_bytes: int = 0


class Folder(Collector):
    """The metrics of a data dir, as the last look at it saw them."""

    def __init__(self, settings: Settings) -> None:
        """Look at these folders; not yet."""
        self._settings = settings
        self._seen = Seen()
        self._archive = (0, 0)
        self._archive_at_ms = float("-inf")
        self._looking: asyncio.Future[None] | None = None

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand."""
        return ()

    async def refresh(self) -> None:
        """Look again, in a thread; a disk that hangs holds up no scrape and is asked once.

        One that refuses fails none either: the worker's own metrics are to be had, and moments seen
        before grow old for whoever watches them.
        """
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(asyncio.to_thread(self._try_to_look))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self._looking), LOOK_WAIT_MAX_S)

    def _try_to_look(self) -> None:
        try:
            self.look()
        except OSError as error:
            log.warning("metrics tell of the folder as it was before; it cannot be read: %s", error)

    def look(self) -> None:
        """Read names, sizes and times; no file is opened but one of a few lines."""
        published = self._settings.published_dir
        outcome = night_outcome.last(self._settings.nights_dir)
        if monotonic_ms() - self._archive_at_ms >= ARCHIVE_EVERY_MS:
            self._archive = _sizes(self._settings.archive_dir)
            self._archive_at_ms = monotonic_ms()
        self._seen = Seen(
            snapshot_at_s=max(
                (_changed_at_s(one) for one in published.glob(WORKER_GLOB)), default=0
            ),
            warehouse_at_s=_changed_at_s(self._settings.warehouse_file),
            report_at_s=(outcome.made_at_us or 0) / 1e6 if outcome else 0.0,
            is_report_failed=outcome is not None and not outcome.is_made,
            parts_n=self._archive[0],
            parts_bytes=self._archive[1],
        )

    def collect(self) -> Iterable[Metric]:
        """One gauge each."""
        seen = self._seen
        yield GaugeMetricFamily(
            "listenback_snapshot_timestamp_seconds",
            "When any worker last published its file here; 0: none has.",
            value=seen.snapshot_at_s,
        )
        yield GaugeMetricFamily(
            "listenback_warehouse_timestamp_seconds",
            "When warehouse.duckdb, which readers open, was last renewed; 0: never.",
            value=seen.warehouse_at_s,
        )
        yield GaugeMetricFamily(
            "listenback_report_timestamp_seconds",
            "When the nightly report was last made; 0: never.",
            value=seen.report_at_s,
        )
        yield GaugeMetricFamily(
            "listenback_report_failed",
            "1 while the last try at the nightly report failed.",
            value=int(seen.is_report_failed),
        )
        yield GaugeMetricFamily(
            "listenback_archive_parts", "Archived Parquet parts.", value=seen.parts_n
        )
        yield GaugeMetricFamily(
            "listenback_archive_bytes", "Bytes of the archived parts.", value=seen.parts_bytes
        )


def _changed_at_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # not there, or being replaced at this moment
        return 0.0


def _sizes(archive: Path) -> tuple[int, int]:
    """Number and bytes of the parts; one that goes away meanwhile counts nothing."""
    parts_n = parts_bytes = 0
    for path in archive.glob("shard=*/*/day=*/part-*.parquet"):
        with contextlib.suppress(OSError):
            parts_bytes += path.stat().st_size
            parts_n += 1
    return parts_n, parts_bytes
