"""Keys go where Kafka's own partitioner sends them."""

from __future__ import annotations

import numpy as np
from aiokafka.partitioner import DefaultPartitioner as AiokafkaPartitioner
from hypothesis import example, given
from hypothesis import strategies as st
from kafka.partitioner.default import murmur2 as kafka_python_murmur2

from streams.partitioner import murmur2, partitions_of

# Apache Kafka's UtilsTest.testMurmur2, as Java's signed ints.
KAFKA_CASES = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


def test_it_gives_the_values_of_kafkas_own_test():
    assert murmur2(list(KAFKA_CASES)).astype(np.int32).tolist() == list(KAFKA_CASES.values())


@given(st.lists(st.binary(max_size=40)))
@example([b"", b"\xff" * 3, b"\xff" * 4, b"\x80" * 5])
def test_it_equals_kafka_python_for_any_bytes(keys):
    twin = [kafka_python_murmur2(key) & 0xFFFFFFFF for key in keys]
    assert murmur2(keys).tolist() == twin


@given(st.lists(st.binary(max_size=40)), st.integers(1, 100))
def test_a_partition_is_the_one_of_the_stock_clients(keys, partitions_n):
    stock, all_partitions = AiokafkaPartitioner(), list(range(partitions_n))
    twin = [stock(key, all_partitions, all_partitions) for key in keys]
    assert partitions_of(keys, partitions_n).tolist() == twin


def test_messages_without_a_key_go_together():
    assert partitions_of([None, b"", None], 7).tolist() == partitions_of([b""] * 3, 7).tolist()
