"""Compressed record batches: small ones as they were, huge ones refused, by every codec."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from aiokafka import codec
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from kafka import TopicPartition
from kafka.consumer.fetcher import Fetcher as SmallClientsFetcher
from kafka.record.default_records import DefaultRecordBatch as SmallClientsBatch
from kafka.record.memory_records import MemoryRecords as SmallClientsRecords
from kafka.record.util import calc_crc32c
from support.fetched import read, record_batch
from support.messages import batch_of

from streams import fetch, inflating
from streams.events.contracts import CONTRACTS
from streams.events.decode import decode
from streams.events.limits import Limits
from streams.events.topics import Topic
from streams.odd_headers import KeptRecords
from streams.unreadable import is_unreadable, pass_over_unreadable

pass_over_unreadable()

CODECS = {
    "gzip": (1, inflating.gunzipped),
    "snappy": (2, inflating.unsnapped),
    "lz4": (3, inflating.unlz4ed),
    "zstd": (4, inflating.unzstded),
}
KIB = 1 << 10
CRC, CRC_END = 17, 21
"""Where a record batch holds the checksum of what follows it."""
BOUND = 512 * KIB
"""Instead of the real ones, so that the bombs are quick to make."""
GROWTH_KIB_MAX = 3 * inflating.BATCH_BYTES_MAX // KIB
"""Of a process that meets a bomb of 4 GiB under the real bound, which copies what it took."""


@pytest.fixture(autouse=True)
def low_bounds(monkeypatch):
    monkeypatch.setattr(inflating, "BATCH_BYTES_MAX", BOUND)
    monkeypatch.setattr(inflating, "ROOMS", (16 * KIB, 64 * KIB, BOUND))
    monkeypatch.setattr(fetch, "INFLATED_BYTES_MAX", BOUND)


def compressed(name, content):
    return bytes(getattr(codec, f"{name}_encode")(content))


def batch(name, values, base_offset=0):
    """A record batch that its producer compressed."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=CODECS[name][0],
        is_transactional=0,
        producer_id=-1,
        producer_epoch=0,
        base_sequence=0,
        batch_size=1 << 30,
    )
    for number, value in enumerate(values):
        builder.append(number, 1_000 + number, b"k", value, [])
    raw = bytearray(builder.build())
    raw[:8] = base_offset.to_bytes(8, "big")
    return bytes(raw)


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("size", [0, 1, 1_000, 16 * KIB, 16 * KIB + 1, 100 * KIB, BOUND])
def test_what_a_codec_made_comes_back(name, size):
    content = (os.urandom(1_000) * (size // 1_000 + 1))[:size]
    assert CODECS[name][1](compressed(name, content)) == content  # BOUND bytes are not too many


@pytest.mark.parametrize("name", CODECS)
def test_a_byte_more_than_the_bound_is_refused(name):
    with pytest.raises(inflating.BatchTooLargeError, match=rf"{BOUND} bytes \({name}: "):
        CODECS[name][1](compressed(name, bytes(BOUND + 1)))


@pytest.mark.parametrize("name", CODECS)
def test_what_is_cut_short_is_refused(name):
    whole = compressed(name, os.urandom(5_000))
    with pytest.raises(inflating.BatchTooLargeError, match=name):
        CODECS[name][1](whole[:-2_000])


@pytest.mark.parametrize("name", CODECS)
def test_a_batch_of_any_codec_is_read_by_both_clients(name):
    values = [b"v" * 300, None, b"w" * 300]
    (columns,), position = read(batch(name, values), records=KeptRecords)
    assert (columns.values, columns.unreadable, position) == (values, {}, 3)
    assert [row.value for row in SmallClientsBatch(batch(name, values))] == values


@pytest.mark.parametrize("name", CODECS)
def test_the_small_client_passes_over_a_batch_that_inflates_too_far_and_says_so(name):
    raw = b"".join(
        (
            batch(name, [b"a"], base_offset=4),
            batch(name, [b"b", bytes(BOUND), b"c"], base_offset=5),
            batch(name, [b"next"], base_offset=8),
        )
    )
    first, bomb, last = small_client_records(raw)
    assert [(one.offset, one.value) for one in (first, last)] == [(4, b"a"), (8, b"next")]
    assert not is_unreadable(first)
    assert (bomb.offset, bomb.key, is_unreadable(bomb)) == (5, None, True)
    assert bomb.value.startswith(b"offsets 5 to 7: a record batch does not inflate")


def test_the_small_client_gives_what_comes_before_a_record_that_is_none(caplog):
    raw = bytearray(record_batch(3, [b"a" * 10, b"b" * 10, b"c" * 10]))
    raw[raw.index(b"b" * 10) - 1] = 0x7E  # the length of the second value
    raw[CRC:CRC_END] = calc_crc32c(bytes(raw[CRC_END:])).to_bytes(4)  # its producer's own mistake
    found = small_client_records(bytes(raw) + record_batch(6, [b"next"]))
    assert [one.offset for one in found] == [3, 4, 6]
    assert [is_unreadable(one) for one in found] == [False, True, False]
    assert "listens[0]@4: cannot be read and was passed over: offsets 4 to 5: " in caplog.text


def test_the_small_client_passes_over_a_batch_of_which_a_bit_was_lost():
    raw = bytearray(record_batch(3, [b"a" * 10, b"b" * 10]))
    raw[-5] ^= 1
    lost, last = small_client_records(bytes(raw) + record_batch(5, [b"next"]))
    assert (lost.offset, b"offsets 3 to 4: " in lost.value) == (3, True)
    assert b"the checksum is wrong" in lost.value
    assert is_unreadable(lost)
    assert (last.offset, last.value) == (5, b"next")


def small_client_records(raw, offset=0):
    """What kafka-python's consumer makes of fetched bytes."""
    unpacked = SmallClientsFetcher.PartitionRecords(
        offset, TopicPartition("listens", 0), SmallClientsRecords(raw), None, None, check_crcs=False
    )
    return unpacked.take()


def test_the_small_client_reading_on_inside_a_refused_batch_only_moves_behind_it():
    bomb = batch("zstd", [b"a", bytes(BOUND), b"b"], base_offset=5)
    found = small_client_records(bomb + record_batch(8, [b"next"]), offset=6)
    assert [(one.offset, one.value) for one in found] == [(8, b"next")]


@pytest.mark.parametrize("name", CODECS)
def test_a_batch_that_inflates_too_far_is_one_record_with_the_reason_and_the_next_comes(name):
    bomb = batch(name, [b"a", bytes(BOUND), b"b"], base_offset=5)
    assert len(bomb) < BOUND / 8
    columns, position = read(bomb + record_batch(8, [b"next"]), offset=5)
    offsets = [offset for one in columns for offset in one.offsets]
    assert (offsets, position) == ([5, 8], 9)
    assert [value for one in columns for value in one.values] == [None, b"next"]
    assert columns[0].unreadable.keys() == {5}
    assert columns[0].unreadable[5].startswith("offsets 5 to 7: a record batch does not inflate")


def test_reading_on_inside_a_refused_batch_only_moves_behind_it():
    bomb = batch("zstd", [b"a", bytes(BOUND), b"b"], base_offset=5)
    (columns,), position = read(bomb + record_batch(8, [b"next"]), offset=6)
    assert (columns.offsets, columns.unreadable, position) == ([8], {}, 9)


def test_a_poll_ends_with_the_batch_that_reaches_the_bound_of_inflated_bytes():
    values = [bytes(BOUND // 4 + 1)]
    raw = b"".join(batch("zstd", values, base_offset=offset) for offset in range(10))
    columns, position = read(raw)
    assert [one.offsets for one in columns] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert position == 10


def test_what_could_not_be_read_is_a_dead_letter_with_the_reason():
    contract = CONTRACTS[Topic.LISTENS]
    one = batch_of(contract, [None, None, b"{"])
    told = {101: "offsets 101 to 105: too large"}
    first = type(one)(**{name: getattr(one, name) for name in one.__slots__} | {"unreadable": told})
    decoded = decode(first, contract, Limits())
    rows = decoded.rejected.select("offset", "error_class", "error_type", "error_message").rows()
    assert rows[0][2] == "value_null"
    assert rows[1] == (101, "decode", "batch_unreadable", "offsets 101 to 105: too large")
    assert len(decoded.accepted) + len(rows) == 3


BOMB = """
import gzip, re
from pathlib import Path
from streams import inflating
def peak_kib():
    return int(re.search("VmHWM:\\\\s*([0-9]+)", Path("/proc/self/status").read_text())[1])
bomb = gzip.compress(bytes(1 << 20), 9) * 4096
before = peak_kib()
try:
    inflating.gunzipped(bomb)
except inflating.BatchTooLargeError:
    print(peak_kib() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_memory_that_a_bomb_of_gigabytes_takes_is_bounded():
    done = subprocess.run(
        [sys.executable, "-c", BOMB], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < GROWTH_KIB_MAX
