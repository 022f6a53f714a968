"""What a worker tells those who watch it: Prometheus metrics, liveness, readiness. Over HTTP.

Nothing is counted for it on the hot path: a scrape reads what the feed knows anyway, and looks at
what lies in the shared folder.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from streams.clock import monotonic_ms
from streams.errors import ConfigError
from streams.folder_metrics import Folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from faust.types import TP
    from prometheus_client.metrics_core import Metric

    from streams.feed import Feed
    from streams.settings import Settings
    from streams.transport import BatchApp

STUCK_MS_MAX = 120_000.0
"""A feed turns at least once per flush age; one that has not for so long will not by itself."""
CLOSE_WAIT_MAX_S = 1.0


@dataclass(frozen=True, slots=True)
class Vitals:
    """What a look at a worker shows."""

    failure: BaseException | None
    is_assigned: bool
    turned_ago_ms: float
    lag: Mapping[TP, int]

    @property
    def is_alive(self) -> bool:
        """Whether waiting may still help."""
        return self.failure is None and self.turned_ago_ms < STUCK_MS_MAX

    @property
    def is_ready(self) -> bool:
        """Whether it has its shards (which may be none) and reads them."""
        return self.is_alive and self.is_assigned


def look(feed: Feed, app: BatchApp) -> Vitals:
    """The worker as it is now; lag counts records that Kafka holds and our file does not."""
    positions = feed.positions
    lag = {}
    for tp, position in (positions or {}).items():
        end = app.consumer.highwater(tp)
        if end is not None:
            lag[tp] = max(0, end - feed.durable_offsets().get(tp, position))
    return Vitals(feed.failure, positions is not None, monotonic_ms() - feed.turned_at_ms, lag)


class WorkerCollector(Collector):
    """Makes the metrics of a worker when it is scraped."""

    def __init__(self, settings: Settings, feed: Feed, app: BatchApp) -> None:
        """Read from these, write to none."""
        self._settings = settings
        self._feed = feed
        self._app = app

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: there is no lag before there are shards."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """One family each; names follow Prometheus' rules for units and totals."""
        yield from self._counts()
        yield from self._states()

    def _counts(self) -> Iterable[Metric]:
        done = self._feed.progress
        outcomes = {
            "accepted": done.accepted_n,
            "duplicate": done.duplicate_n,
            "dead_lettered": done.dead_lettered_n,
        }
        read = "Messages read from Kafka since the start; the sum of all outcomes."
        yield CounterMetricFamily("listenback_read", read, value=done.read_n)
        by_outcome = CounterMetricFamily(
            "listenback_messages", "Messages by what became of them.", labels=["outcome"]
        )
        for outcome, count in outcomes.items():
            by_outcome.add_metric([outcome], count)
        yield by_outcome
        yield SummaryMetricFamily(
            "listenback_flush_seconds",
            "DuckDB transactions: how many, how long.",
            count_value=done.flushes_n,
            sum_value=done.flushes_ms / 1_000,
        )
        published = "Snapshots published since the start."
        yield CounterMetricFamily("listenback_published", published, value=done.published_n)

    def _states(self) -> Iterable[Metric]:
        now = look(self._feed, self._app)
        lag = GaugeMetricFamily(
            "listenback_lag_records",
            "Records that Kafka holds and the worker's file does not yet.",
            labels=["topic", "partition"],
        )
        for tp, records_n in sorted(now.lag.items()):
            lag.add_metric([tp.topic, str(tp.partition)], records_n)
        yield lag
        ready = "1 while the worker has its shards and reads them."
        yield GaugeMetricFamily("listenback_ready", ready, value=int(now.is_ready))
        turned = "Seconds since the sink's thread last answered."
        yield GaugeMetricFamily(
            "listenback_turned_ago_seconds", turned, value=now.turned_ago_ms / 1_000
        )
        about = {"version": version("listenback"), "worker_id": self._settings.worker_id}
        yield InfoMetricFamily("listenback_worker", "Which worker this is.", value=about)


class Monitor:
    """Serves `/metrics`, `/healthz` and `/readyz` beside a worker."""

    def __init__(self, settings: Settings, feed: Feed, app: BatchApp) -> None:
        """Answer from these."""
        self._settings = settings
        self._feed = feed
        self._app = app
        self._registry = CollectorRegistry()
        self._registry.register(WorkerCollector(settings, feed, app))
        self._folder = Folder(settings)
        self._registry.register(self._folder)

    async def run(self) -> None:
        """Serve until cancelled; returns at once where no port is set.

        Raises: ConfigError where the address is taken or not ours.
        """
        port = self._settings.monitor_port
        if port is None:
            return
        pages = web.Application()
        pages.router.add_get("/metrics", self._metrics)
        pages.router.add_get("/healthz", self._healthz)
        pages.router.add_get("/readyz", self._readyz)
        runner = web.AppRunner(pages, access_log=None, shutdown_timeout=CLOSE_WAIT_MAX_S)
        await runner.setup()
        host = self._settings.monitor_host
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
            await asyncio.Event().wait()
        except OSError as error:
            raise ConfigError(
                f"cannot listen here: {error.strerror}.",
                where=f"monitor_host:monitor_port = {host}:{port}",
                done="The worker did not start.",
                todo="Name a free port, or give no monitor_port.",
            ) from error
        finally:
            await runner.cleanup()

    async def _metrics(self, _: web.Request) -> web.Response:
        await self._folder.refresh()
        return web.Response(
            body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    async def _healthz(self, _: web.Request) -> web.Response:
        """500s make an orchestrator start the worker anew; so only where waiting cannot help."""
        now = look(self._feed, self._app)
        if now.failure is not None:
            return web.Response(status=503, text=f"failed: {type(now.failure).__name__}\n")
        if not now.is_alive:
            return web.Response(
                status=503, text=f"stuck: no turn for {now.turned_ago_ms / 1_000:.0f} s\n"
            )
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        now = look(self._feed, self._app)
        if now.is_ready:
            return web.Response(text=f"reading {len(now.lag)} partitions\n")
        return web.Response(status=503, text="waiting for the group to deal out shards\n")
