"""A producer that keeps sending a simulated log while a test breaks things."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Self

from streams.bulk_producer import BulkProducer, Records
from streams.errors import TransientError
from streams.simulate.plan import Plan
from streams.simulate.simulation import simulate

if TYPE_CHECKING:
    from streams.settings import Settings

CHUNK_ROWS = 200
TRY_AGAIN_S = 0.5
RETRIES_MAX = 1_000


class Traffic:
    """`with Traffic(...)`: chunks of all topics in a random order, a pause after each.

    Leaving the `with` sends the rest at once. A chunk that was not acknowledged is sent again, so
    the log may hold it twice.
    """

    def __init__(self, settings: Settings, *, events_n: int, seed: int, pause_s: float) -> None:
        self._settings = settings
        self._chunks = [
            (topic, records)
            for topic, records in simulate(Plan(seed=seed, events_n=events_n)).records(CHUNK_ROWS)
        ]
        random.Random(seed).shuffle(self._chunks)
        self._pause_s = pause_s
        self._is_hurried = threading.Event()
        self._thread = threading.Thread(target=self._send_all, daemon=True)
        self.sent_n = 0
        self.retries_n = 0
        self.failure: BaseException | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_hurried.set()
        self._thread.join()
        if self.failure is not None:
            raise self.failure

    def _send_all(self) -> None:
        try:
            while self._chunks:
                self._send_while_it_goes()
        except BaseException as error:  # noqa: BLE001 - raised again where the test sees it
            self.failure = error

    def _send_while_it_goes(self) -> None:
        """With one connection; a chunk leaves the list when the broker has acknowledged it."""
        try:
            with BulkProducer(self._settings) as producer:
                while self._chunks:
                    topic, records = self._chunks[-1]
                    columns = [records[name].to_list() for name in ("key", "value", "timestamp_ms")]
                    producer.send(Records(topic, *columns))
                    producer.flush()
                    self._chunks.pop()
                    self.sent_n += records.height
                    self._is_hurried.wait(self._pause_s)
        except TransientError:
            self.retries_n += 1
            if self.retries_n > RETRIES_MAX:
                raise
            threading.Event().wait(TRY_AGAIN_S)
