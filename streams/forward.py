"""Dead letters on their way to `<topic>.dlq`: after their commit, at least once, each with its id.

The sink's table is the record; the topic is for those who want to be told. A letter that was sent
but not yet marked when the worker died is sent again under the same id.
"""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import wait
from functools import partial
from typing import TYPE_CHECKING

from streams import unawaited
from streams.errors import TransientError
from streams.events.topics import dead_letter_topic
from streams.producer import Message, Producer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from streams.feed import Feed
    from streams.settings import Settings
    from streams.sink import DeadLetter, Sink

log = logging.getLogger(__name__)

LETTERS_MAX = 5_000
"""Letters of one pass: the sink's thread is away from the events for so long and no longer."""
RETRY_WAIT_S = 5.0
LAST_WAIT_MAX_S = 0.25
"""Twice that is left to a worker that took all its time to end: streams.worker."""
ID_HEADER = "dlq_id"


class Forwarder:
    """Sends what the sink has stored, whenever a flush says that there is something."""

    def __init__(self, settings: Settings, sink: Sink, feed: Feed) -> None:
        """Call the sink in the feed's thread; connect to Kafka when the first letter is there."""
        self._settings = settings
        self._sink = sink
        self._feed = feed
        self._producer: Producer | None = None
        self._sending: Future[None] | None = None
        self._is_sending = self._is_closed = False
        self.forwarded_n = 0

    @property
    def is_idle(self) -> bool:
        """Whether nothing is to be sent, or Kafka does not take it just now."""
        return not self._is_sending and not self._feed.letters_due.is_set()

    async def run(self) -> None:
        """Send until cancelled. Kafka's refusals are retried; the sink's end the worker."""
        try:
            while True:
                await self._feed.letters_due.wait()
                self._is_sending = True
                self._feed.letters_due.clear()
                if not await self._pass_on():
                    self._is_sending = False
                    await asyncio.sleep(RETRY_WAIT_S)
                    self._feed.letters_due.set()
                self._is_sending = False
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - a panic in a library is no Exception
            self._feed.fail(error)

    def close(self) -> None:
        """Let go of the connection; what is on its way has a moment, and is sent again in any case.

        A thread that lives on does no harm to letters, but is seen at the end of the process:
        DuckDB's binding tells stderr of what it still holds.
        """
        if self._sending is not None:
            wait([self._sending], LAST_WAIT_MAX_S)
        self._is_closed = True
        if self._producer is not None:
            self._producer.close(wait_max_s=LAST_WAIT_MAX_S)

    async def _pass_on(self) -> bool:
        """Send all there are; False if Kafka refused."""
        while letters := await self._feed.call(self._sink.dead_letters, LETTERS_MAX):
            try:
                self._sending = unawaited.started(partial(self._send, letters), name="letters")
                await asyncio.wrap_future(self._sending)
            except TransientError as error:
                log.warning("dead letters stay in the table for now: %s", error)
                return False
            ids = [letter.dlq_id for letter in letters]
            await self._feed.call(self._sink.mark_forwarded, ids)
            self.forwarded_n += len(letters)
        return True

    def _send(self, letters: Sequence[DeadLetter]) -> None:
        if self._producer is None:
            self._producer = Producer(self._settings)
        if self._is_closed:  # while it connected; to send is refused then
            self._producer.close(wait_max_s=LAST_WAIT_MAX_S)
        self._producer.send(
            [
                Message(
                    topic=dead_letter_topic(letter.topic),
                    key=letter.key,
                    value=letter.envelope,
                    headers=((ID_HEADER, letter.dlq_id.encode()),),
                )
                for letter in letters
            ]
        )
