"""The small producer: kafka-python, for a few thousand messages a second.

Dead letters, tools and tests use it: it is simple, idempotent and needs no event loop. Measured at
9 thousand messages/s of 350 bytes (its checksum is Python); what must be fast is in
`bulk_producer`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from kafka import KafkaProducer
from kafka.errors import KafkaError

from streams.errors import TransientError
from streams.partitioner import partitions_of
from streams.topics import ANSWER_WAIT_MAX_S, home_counts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from streams.settings import Settings

DELIVERY_WAIT_MAX_S = 30.0
UNSENT_BYTES_MAX = 4 << 20
"""Bytes handed over before delivery is awaited."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message. topic is without prefix. record_time_ms: None leaves the time to the client."""

    topic: str
    key: bytes | None
    value: bytes | None
    record_time_ms: int | None = None
    headers: Sequence[tuple[str, bytes]] = ()


class Producer:
    """`with Producer(settings) as producer: producer.send(messages)`."""

    def __init__(self, settings: Settings) -> None:
        """Connect. Raises TransientError, ConfigError."""
        self._settings = settings
        self._partitions_n = home_counts(settings)
        try:
            self._client = KafkaProducer(
                bootstrap_servers=settings.bootstrap.split(","),
                bootstrap_timeout_ms=int(ANSWER_WAIT_MAX_S * 1_000),
                max_block_ms=int(DELIVERY_WAIT_MAX_S * 1_000),
                delivery_timeout_ms=int(DELIVERY_WAIT_MAX_S * 1_000),
                request_timeout_ms=int(DELIVERY_WAIT_MAX_S * 500),
                max_request_size=settings.message_bytes_max * 2 + UNSENT_BYTES_MAX,
                allow_auto_create_topics=False,
                **settings.kafka_security().client_options(),
            )
        except KafkaError as error:
            raise self._lost(error, sent_n=0, asked_n=0) from error

    def send(self, messages: Sequence[Message]) -> int:
        """Send and wait until every one is acknowledged by the broker.

        Returns: how many. Raises TransientError: some were not; which of them is not known, so
        send all again (consumers drop what they have seen by event id).
        """
        homes = self._homes(messages)
        futures = []
        unsent_bytes = acknowledged_n = 0
        try:
            for message, home in zip(messages, homes, strict=True):
                futures.append(self._handed_over(message, home))
                unsent_bytes += len(message.value or b"")
                if unsent_bytes >= UNSENT_BYTES_MAX:
                    acknowledged_n += self._awaited(futures)
                    unsent_bytes = 0
            acknowledged_n += self._awaited(futures)
        except KafkaError as error:
            raise self._lost(error, sent_n=acknowledged_n, asked_n=len(messages)) from error
        return acknowledged_n

    def close(self, wait_max_s: float = ANSWER_WAIT_MAX_S) -> None:
        """Give what is under way a moment, then let go: a `send` that still waits is in vain."""
        try:
            self._client.close(timeout=wait_max_s)
        except KafkaError:  # not all was delivered: it leaves there, before it ends its own thread
            self._client._sender.force_close()  # noqa: SLF001 - as its close does otherwise
            self._client._closed = True  # noqa: SLF001 - or it closes again with the last reference

    def __enter__(self) -> Self:
        """The producer itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def _homes(self, messages: Sequence[Message]) -> list[int]:
        """The partition of each message, hashed a topic at a time."""
        homes = [0] * len(messages)
        for topic in {message.topic for message in messages}:
            rows = [row for row, message in enumerate(messages) if message.topic == topic]
            partitions_n = self._partitions_n[self._settings.topic(topic)]
            keys = [messages[row].key for row in rows]
            for row, home in zip(rows, partitions_of(keys, partitions_n).tolist(), strict=True):
                homes[row] = home
        return homes

    def _handed_over(self, message: Message, home: int) -> Any:  # noqa: ANN401 - untyped client
        return self._client.send(
            self._settings.topic(message.topic),
            value=message.value,
            key=message.key,
            headers=list(message.headers),
            partition=home,
            timestamp_ms=message.record_time_ms,
        )

    def _awaited(self, futures: list[Any]) -> int:
        """Wait for all, forget them, say how many there were."""
        self._client.flush(timeout=DELIVERY_WAIT_MAX_S)
        for future in futures:
            future.get(timeout=0)
        done_n = len(futures)
        futures.clear()
        return done_n

    def _lost(self, error: KafkaError, *, sent_n: int, asked_n: int) -> TransientError:
        return TransientError(
            f"{asked_n - sent_n} of {asked_n} messages are not acknowledged "
            f"({str(error) or type(error).__name__}).",
            where=self._settings.bootstrap,
            done=f"{sent_n} were acknowledged.",
            todo="Look at `listenback doctor`, then send again.",
        )
