"""Fetched bytes that no test broker gives: transactions, aborted records, their markers."""

from __future__ import annotations

import struct

import pytest
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import (
    _DefaultRecordBatchBuilderPy,
)
from support.fetched import partition_records, read, record_batch

from streams.odd_headers import KeptRecords

TRANSACTIONAL, CONTROL = 0x10, 0x20
ABORT, COMMIT = struct.pack(">hh", 0, 0), struct.pack(">hh", 0, 1)


def marker(offset, kind, producer_id=7):
    flags = TRANSACTIONAL | CONTROL
    return record_batch(offset, [b""], attributes=flags, producer_id=producer_id, key=kind)


def in_transaction(offset, values):
    return record_batch(offset, values, attributes=TRANSACTIONAL, producer_id=7)


LOG = {
    0: record_batch(0, [b"a", b"b"]),
    2: in_transaction(2, [b"c"]),
    3: marker(3, COMMIT),
    4: in_transaction(4, [b"no", b"no"]),
    6: marker(6, ABORT),
    7: record_batch(7, [b"d"]),
    8: marker(8, COMMIT),
}
ABORTED = [(7, 4)]


def log_from(offset):
    """What a broker sends for an offset: from the batch that holds it."""
    first = max(start for start in LOG if start <= offset)
    return b"".join(raw for start, raw in LOG.items() if start >= first)


@pytest.mark.parametrize("rows_max", [1, 2, 1_000])
@pytest.mark.parametrize("offset", [0, 1, 3, 4, 5, 7, 8])
@pytest.mark.parametrize("aborted", [(), ABORTED])
def test_it_gives_what_aiokafka_gives_and_leaves_no_hole_between_positions(
    offset, rows_max, aborted
):
    raw = log_from(offset)
    columns, end = read(raw, offset, aborted, rows_max)
    twin = [(record.offset, record.value) for record in partition_records(raw, offset, aborted)]
    given = [pair for one in columns for pair in zip(one.offsets, one.values, strict=True)]
    assert given == twin
    ends = [one.next_position for one in columns]
    assert [one.position for one in columns] == [offset, *ends[:-1]]
    assert ends[-1] == end == 9


def test_what_was_aborted_is_not_given():
    columns, _ = read(log_from(0), aborted=ABORTED)
    assert [value for one in columns for value in one.values] == [b"a", b"b", b"c", b"d"]


def test_markers_alone_are_columns_without_records_that_move_the_position():
    columns, end = read(marker(5, COMMIT) + marker(6, COMMIT), offset=5)
    assert [(one.position, one.offsets, one.next_position) for one in columns] == [(5, [], 7)]
    assert end == 7


class Odd(str):
    """A header name that is no UTF-8 on the wire."""

    __slots__ = ()

    def encode(self, *_):
        return b"\xff\xfe odd"


@pytest.mark.parametrize("compression_type", [0, 1])
def test_a_header_name_that_is_not_utf_8_is_read_and_stops_nothing(compression_type):
    """Kafka takes any bytes as a name; the batch behind must come, too."""
    builder = _DefaultRecordBatchBuilderPy(
        magic=2,
        compression_type=compression_type,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=0,
        base_sequence=0,
        batch_size=1 << 20,
    )
    many = b"v" * 500 * compression_type  # what does not get smaller is not compressed
    builder.append(0, 1_000, b"k", many, [("plain", b"\xfe")])
    builder.append(1, 1_001, None, b"v1", [(Odd("odd"), None), ("again", b"x")])
    raw = bytes(builder.build()) + record_batch(2, [b"v2"])
    (columns,), position = read(raw, records=KeptRecords)
    assert columns.values == [many, b"v1", b"v2"]
    assert columns.keys == [b"k", None, b"k"]
    assert [type(one) for one in columns.values] == [bytes] * 3
    assert columns.headers == [
        [("plain", b"\xfe")],
        [("\\xff\\xfe odd", None), ("again", b"x")],
        [],
    ]
    assert (columns.offsets, position) == ([0, 1, 2], 3)


def test_the_worker_s_fetches_keep_their_bytes():
    assert fetcher.MemoryRecords is KeptRecords
