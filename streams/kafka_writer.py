"""Made or imported records to Kafka, through the bulk producer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from streams.bulk_producer import BulkProducer, Records

if TYPE_CHECKING:
    from types import TracebackType

    import polars as pl

    from streams.events.topics import Topic
    from streams.settings import Settings


class KafkaWriter:
    """An EventWriter. The record's own time is that of the frame, not of the sending."""

    def __init__(self, settings: Settings) -> None:
        """Write to the broker and topics of these settings."""
        self._settings = settings

    def __enter__(self) -> Self:
        """Connect. Raises TransientError, ConfigError."""
        self._producer = BulkProducer(self._settings)
        self._producer.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait until the broker acknowledged everything, unless something went wrong already."""
        self._producer.__exit__(kind, error, trace)

    def write(self, topic: Topic, records: pl.DataFrame) -> None:
        """Hand RECORD rows over; waits while too much is unacknowledged. Raises TransientError."""
        self._producer.send(
            Records(
                topic=topic,
                keys=records["key"].to_list(),
                values=records["value"].to_list(),
                record_times_ms=records["timestamp_ms"].to_list(),
            )
        )
