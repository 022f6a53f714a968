"""Record batches that kafka-python cannot read become one record each, which says why.

kafka-python raises, and reads the same batch again at the next poll: whoever reads a topic to its
end would never come behind it. The worker passes over such a batch, too: see streams.fetch.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from kafka.errors import CorruptRecordError
from kafka.record.default_records import DefaultRecord, DefaultRecordBatch

from streams.inflating import BatchTooLargeError, bound_inflation

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)


class Unreadable(bytes):
    """Stands where the value of a record would: why the rest of its batch cannot be read."""

    __slots__ = ()


def pass_over_unreadable() -> None:
    """Let kafka-python's consumers in this process give what can be read, and an Unreadable."""
    bound_inflation()
    DefaultRecordBatch.__iter__ = _records


def _records(batch: Any) -> Iterator[Any]:  # noqa: ANN401 - kafka-python has no types
    """The records of a batch; twin of DefaultRecordBatch.__iter__."""
    offset = batch.base_offset
    try:
        _check(batch)
        batch._maybe_uncompress()  # noqa: SLF001 - as the method whose place this takes
        for record in iter(lambda: next(batch, None), None):
            yield record
            offset = record.offset + 1
    except (BatchTooLargeError, CorruptRecordError) as error:
        what = error.what if isinstance(error, BatchTooLargeError) else str(error)
        why = f"offsets {offset} to {batch.next_offset - 1}: {what}"
        times = (batch.max_timestamp, batch.timestamp_type)
        yield DefaultRecord(0, offset, *times, None, Unreadable(why.encode()), [])


def _check(batch: Any) -> None:  # noqa: ANN401 - see above
    if not batch.validate_crc():
        raise CorruptRecordError("the checksum is wrong")


def is_unreadable(record: Any) -> bool:  # noqa: ANN401 - see above
    """Whether a consumer's record stands for what cannot be read; if so, say where and why."""
    if not isinstance(record.value, Unreadable):
        return False
    place = f"{record.topic}[{record.partition}]@{record.offset}"
    log.warning("%s: cannot be read and was passed over: %s", place, record.value.decode())
    return True
