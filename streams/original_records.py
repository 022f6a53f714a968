"""Records read again where they stand in Kafka: topic, partition, offset."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from streams.clock import monotonic_ms
from streams.errors import TransientError
from streams.topics import ANSWER_WAIT_MAX_S, require_broker
from streams.unreadable import is_unreadable, pass_over_unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from streams.events.record_headers import Header
    from streams.settings import Settings

pass_over_unreadable()

SILENCE_MAX_S: Final = 3.0
"""An embedded broker does not say where a log ends: no answer for so long is the end."""
POLL_MS: Final = 250
POLL_RECORDS_MAX: Final = 500

Place = tuple[str, int, int]
"""(topic without prefix, partition, offset)."""


@dataclass(frozen=True, slots=True)
class Original:
    """The bytes of a record."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]


def originals(settings: Settings, places: Iterable[Place]) -> dict[Place, Original]:
    """The records that are still there; a place that Kafka has deleted is not among them.

    Nor is one that cannot be read; that is told by a warning.

    Raises:
        TransientError: no broker answers.
    """
    wanted: dict[tuple[str, int], list[int]] = {}
    for topic, partition, offset in sorted(set(places)):
        wanted.setdefault((topic, partition), []).append(offset)
    found: dict[Place, Original] = {}
    with consumer(settings) as client:
        for (topic, partition), offsets in wanted.items():
            tp = TopicPartition(settings.topic(topic), partition)
            client.assign([tp])
            for offset in offsets:
                record = _at(client, tp, offset)
                if record is None:
                    break
                if record.offset == offset:
                    found[topic, partition, offset] = _original(record)
    return found


@contextlib.contextmanager
def consumer(settings: Settings) -> Iterator[Any]:
    """A consumer without a group. What Kafka refuses leaves as TransientError."""
    require_broker(settings)
    try:
        client = KafkaConsumer(
            bootstrap_servers=settings.bootstrap.split(","),
            bootstrap_timeout_ms=int(ANSWER_WAIT_MAX_S * 1_000),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=POLL_RECORDS_MAX,
            check_crcs=False,  # streams.unreadable does, and goes on behind a damaged batch
            **settings.kafka_security().client_options(),
        )
        try:
            yield client
        finally:
            client.close()
    except KafkaError as error:
        raise TransientError(
            f"the topics cannot be read ({str(error) or type(error).__name__}).",
            where=settings.bootstrap,
            todo="Look at `listenback doctor`, then try again.",
        ) from error


def until_silent(client: Any) -> Iterator[Any]:  # noqa: ANN401 - kafka-python has no types
    """Records of the assigned partitions from their positions on, until none comes any more.

    One may stand for a batch that cannot be read: streams.unreadable.
    """
    give_up_at_ms = monotonic_ms() + SILENCE_MAX_S * 1_000
    while monotonic_ms() < give_up_at_ms:
        for records in client.poll(POLL_MS).values():
            yield from records
            give_up_at_ms = monotonic_ms() + SILENCE_MAX_S * 1_000


def _at(client: Any, tp: TopicPartition, offset: int) -> Any:  # noqa: ANN401 - see above
    """The record at an offset, or the next one where it is gone; None: the log ends before."""
    if client.position(tp) != offset:
        client.seek(tp, offset)
    for record in until_silent(client):
        if record.offset >= offset and not is_unreadable(record):
            client.seek(tp, record.offset + 1)
            return record
    return None


def _original(record: Any) -> Original:  # noqa: ANN401 - see above
    return Original(record.key, record.value, [tuple(pair) for pair in record.headers])
