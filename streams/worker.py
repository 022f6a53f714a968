"""The worker: a Faust app around a sink. Starts, ends when told, and says how it went.

It ends by a signal, by having read all there is (`until_idle_s`), or by a failure. In the first two
cases what was taken is flushed, committed and published before the group is left; after a failure
nothing more is touched: the next start reads on at the sink's offsets.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiokafka.errors import KafkaError
from faust.app.base import BootStrategy

from streams.agents import define_agents
from streams.clock import monotonic_ms
from streams.eraser import Eraser
from streams.errors import ListenbackError, TransientError
from streams.feed import Feed
from streams.forward import Forwarder
from streams.monitor import Monitor
from streams.progress import Progress
from streams.topics import check_topics
from streams.transport import SCHEME, BatchApp, NoTables
from streams.warehouse.trouble import disk_trouble

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping

    from faust.types import TP

    from streams.settings import Settings
    from streams.sink import Sink

log = logging.getLogger(__name__)

LAST_FLUSH_WAIT_MAX_S = 4.0
"""With the two below, less than 10 s: what service managers wait before they kill."""
LAST_COMMIT_WAIT_MAX_S = 2.0
LEAVE_WAIT_MAX_S = 3.0
ANSWER_WAIT_MAX_S = 30.0
IDLE_LOOK_EVERY_S = 0.05
REPORT_EVERY_S = 10.0
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How a worker runs, as opposed to what it computes (that is in Settings).

    until_idle_s: end when everything is read and nothing came for so long; None: never.
    accept_loss: go on where Kafka deleted records before they were read.
    on_signal: called when the first signal to end has come, before anything is wound up.
    """

    until_idle_s: float | None = None
    accept_loss: bool = False
    on_signal: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """How it ended ('idle' or the name of a signal), and the counts."""

    ended_by: str
    progress: Progress = field(default_factory=Progress)
    forwarded_n: int = 0


class _Boot(BootStrategy):  # type: ignore[misc]  # Faust has no types
    """Faust without its producer and web server: dead letters go through our own."""

    enable_kafka_producer = False
    enable_web = False


def _answer_wait_max_s(settings: Settings) -> float:
    """A join may be held for a whole rebalance; one that the broker lost is asked again later."""
    return max(settings.rebalance_timeout_s, settings.session_timeout_s) + ANSWER_WAIT_MAX_S


def build_app(settings: Settings, feed: Feed) -> BatchApp:
    """The Faust app: five agents on the batch transport, no tables, no web, no directories."""
    app = BatchApp(
        settings.group,
        broker=[f"{SCHEME}://{address.strip()}" for address in settings.bootstrap.split(",")],
        broker_credentials=settings.kafka_security().faust_credentials(),
        BootStrategy=_Boot,
        TableManager=NoTables,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=settings.session_timeout_s / 4,
        broker_rebalance_timeout=settings.rebalance_timeout_s,
        broker_request_timeout=_answer_wait_max_s(settings),
        broker_commit_interval=1.0,
        stream_wait_empty=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        table_standby_replicas=0,
        web_enabled=False,
    )
    app.intake = feed
    define_agents(app, feed, settings)
    return app


def run_worker(
    settings: Settings, sink: Sink, options: WorkerOptions | None = None
) -> WorkerReport:
    """Read the five topics into the sink until told to end. Blocks.

    In the main thread SIGTERM and SIGINT end it; elsewhere only `until_idle_s` does. The sink stays
    open: who opened it closes it.

    Raises:
        ConfigError, IntegrityError: topics are missing or do not fit each other or the sink.
        TransientError: no broker, or the sink or the transport failed; nothing unflushed was
            acknowledged.
    """
    partitions_n = check_topics(settings)
    sink.agree_on_partitions(partitions_n)

    async def work() -> WorkerReport:  # a Faust app belongs to the loop it is made in
        return await _Worker(settings, sink, options or WorkerOptions(), partitions_n).run()

    return asyncio.run(work())


class _Worker:
    def __init__(
        self, settings: Settings, sink: Sink, options: WorkerOptions, partitions_n: int
    ) -> None:
        self._settings = settings
        self._options = options
        self._feed = Feed(
            settings, sink, partitions_n=partitions_n, accept_loss=options.accept_loss
        )
        self._forwarder = Forwarder(settings, sink, self._feed)
        self._eraser = Eraser(settings, sink, self._feed)
        self._app = build_app(settings, self._feed)
        self._monitor = Monitor(settings, self._feed, self._app)
        self._app.on_partitions_revoked.connect(self._on_revoked)
        self._app.on_partitions_assigned.connect(self._on_assigned)
        self._told_to_end = asyncio.Event()
        self._ended_by = "idle"

    async def run(self) -> WorkerReport:
        feeding = asyncio.ensure_future(self._feed.run())
        beside = [
            self._start_app(),
            self._forwarder.run(),
            self._eraser.run(),
            self._watched(),
            self._report_now_and_then(),
        ]
        others = [asyncio.ensure_future(part) for part in beside]
        try:
            with self._signals():
                await self._until_ended()
        finally:
            await _cancelled(others)
            await self._wind_up(feeding)
        if self._feed.failure is not None:
            raise _as_said(self._feed.failure, self._settings)
        if self._feed.publishing.failure is not None:
            raise _unpublished(self._feed.publishing.failure, self._settings)
        return WorkerReport(self._ended_by, self._feed.progress, self._forwarder.forwarded_n)

    async def _until_ended(self) -> None:
        """Return when the first thing has happened that ends a worker."""
        ends = [self._told_to_end.wait(), self._feed.failed.wait(), self._fail_with_app()]
        if self._options.until_idle_s is not None:
            ends.append(self._until_idle(self._options.until_idle_s))
        waits = [asyncio.ensure_future(end) for end in ends]
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for wait in done:
                wait.result()
        finally:
            await _cancelled(waits)

    async def _start_app(self) -> None:
        try:
            await self._app.start()
        except Exception as error:  # noqa: BLE001 - whatever Faust raises ends the worker
            self._feed.fail(error)

    async def _watched(self) -> None:
        try:
            await self._monitor.run()
        except ListenbackError as error:
            self._feed.fail(error)

    async def _fail_with_app(self) -> None:
        self._feed.fail(await self._app.wait_crashed())

    async def _until_idle(self, idle_s: float) -> None:
        while True:
            await asyncio.sleep(min(idle_s, IDLE_LOOK_EVERY_S))
            positions, taken_at_ms = self._feed.positions, self._feed.taken_at_ms
            epoch = self._feed.epoch
            is_quiet = monotonic_ms() - taken_at_ms >= idle_s * 1_000
            is_done = self._feed.is_drained and self._forwarder.is_idle and self._eraser.is_idle
            if positions is not None and is_quiet and is_done:
                # The end as the last fetch said: Tansu's answer to "where is the end" is too low.
                ends = {tp: self._app.consumer.highwater(tp) for tp in positions}
                is_read = all(end is not None and positions[tp] >= end for tp, end in ends.items())
                is_end = is_read and await self._is_at_the_end(dict(positions))
                is_same = (self._feed.epoch, self._feed.taken_at_ms) == (epoch, taken_at_ms)
                if is_end and is_same:  # nothing came meanwhile, and nothing was dealt
                    return

    async def _is_at_the_end(self, positions: Mapping[TP, int]) -> bool:
        """Whether the broker knows of nothing more now: the last fetch may be of long ago."""
        try:
            ends = await self._app.consumer.highwaters(*positions)
        except KafkaError:  # who does not know where the end is looks again
            return False
        return all(positions[tp] >= ends.get(tp, 0) for tp in positions)

    async def _on_revoked(self, _: BatchApp, revoked: set[TP], **__: object) -> None:
        """Before the group takes the shards away: make durable and readable what was taken."""
        if revoked and self._feed.failure is None:
            await self._feed.release()
            await self._app.consumer.commit()

    async def _on_assigned(self, _: BatchApp, assigned: set[TP], **__: object) -> None:
        """More workers than shards: Faust does not seek where there is nothing to seek."""
        if not assigned:
            await self._feed.assign(frozenset())
            self._feed.opened({}, {}, {})

    async def _wind_up(self, feeding: asyncio.Future[None]) -> None:
        """Flush, publish, tell Kafka, leave the group; after a failure only leave."""
        give_up_at_ms = monotonic_ms() + LAST_FLUSH_WAIT_MAX_S * 1_000
        self._feed.end()
        await self._step("the flush under way", feeding, LAST_FLUSH_WAIT_MAX_S)
        if self._feed.failure is None:
            left_s = max(0.0, give_up_at_ms - monotonic_ms()) / 1_000
            await self._step("the last flush", self._feed.release(), left_s)
        if self._feed.failure is None and self._app.started:
            await self._step(
                "committing offsets", self._app.consumer.commit(), LAST_COMMIT_WAIT_MAX_S
            )
        await self._step("leaving the group", self._app.stop(), LEAVE_WAIT_MAX_S)
        await asyncio.to_thread(self._forwarder.close)
        await asyncio.to_thread(self._feed.shut)

    async def _step(self, name: str, work: Awaitable[object], wait_max_s: float) -> None:
        try:
            await asyncio.wait_for(work, wait_max_s)
        except TimeoutError:
            log.warning("%s took longer than %.1f s; going on without waiting", name, wait_max_s)
        except Exception as error:  # noqa: BLE001 - the other steps must have their turn
            self._feed.fail(error)

    async def _report_now_and_then(self) -> None:
        read_n = 0
        while True:
            await asyncio.sleep(REPORT_EVERY_S)
            now = self._feed.progress
            if now.read_n != read_n:
                rate = (now.read_n - read_n) / REPORT_EVERY_S
                log.info("read %d (%d/s), dead letters %d", now.read_n, rate, now.dead_lettered_n)
                read_n = now.read_n

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Let the first signal end the worker in order, a second one at once."""
        loop = asyncio.get_running_loop()

        def end(number: signal.Signals) -> None:
            self._ended_by = number.name
            self._told_to_end.set()
            if self._options.on_signal is not None:
                self._options.on_signal()
            for each in STOP_SIGNALS:
                loop.remove_signal_handler(each)

        if threading.current_thread() is threading.main_thread():
            for each in STOP_SIGNALS:
                loop.add_signal_handler(each, end, each)
        yield


def _unpublished(error: OSError, settings: Settings) -> TransientError:
    return TransientError(
        f"the last snapshot was not published ({error}).",
        where=str(settings.published_dir),
        done="All that was read is committed in the worker's own file; readers have an older one.",
        todo="Make the folder writable, then start the worker again.",
    )


def _as_said(error: BaseException, settings: Settings) -> ListenbackError:
    """The failure as a person is told of it."""
    if isinstance(error, ListenbackError):
        return error
    if full := disk_trouble(error, settings.worker_file):
        full.__cause__ = error
        return full
    log.error("the worker failed", exc_info=error)
    said = TransientError(
        f"the worker failed: {type(error).__name__}: {error}.",
        done="What was not committed was not acknowledged either.",
        todo="Put the cause right and start the worker again: it reads on where it stopped.",
    )
    said.__cause__ = error
    return said


async def _cancelled(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancel and wait until they are gone."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
