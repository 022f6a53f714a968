"""Which partition a key goes to: Kafka's own choice, a whole column of keys at a time.

Every producer of ours asks here, so that equal keys meet in one shard whatever the topic. It gives
what the Java client, kafka-python and aiokafka give for a key, but without a Python loop over its
bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_SEED = 0x9747B28C
_M = np.uint32(0x5BD1E995)
_R = np.uint32(24)
_SIGN_BIT_OFF = np.uint32(0x7FFFFFFF)


def partitions_of(keys: Sequence[bytes | None], partitions_n: int) -> NDArray[np.int64]:
    """The partition of each key, in order. A message without a key goes where the key b'' goes."""
    hashes = murmur2([key or b"" for key in keys])
    return (hashes & _SIGN_BIT_OFF).astype(np.int64) % partitions_n


def murmur2(keys: Sequence[bytes]) -> NDArray[np.uint32]:
    """MurmurHash 2 (32 bits) of each key with Kafka's seed.

    Source: Austin Appleby's MurmurHash2; twin `kafka.partitioner.murmur2`. Keys of one length are
    hashed together, so it is fastest where lengths are few.
    """
    lengths = np.fromiter(map(len, keys), dtype=np.int64, count=len(keys))
    hashes = np.empty(len(keys), dtype=np.uint32)
    for length in np.unique(lengths):
        where = np.flatnonzero(lengths == length)
        raw = b"".join([keys[i] for i in where.tolist()])
        table = np.frombuffer(raw, dtype=np.uint8).reshape(len(where), int(length))
        hashes[where] = _hash_rows(table)
    return hashes


def _hash_rows(table: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """One hash a row. uint32 arrays wrap around, which is what the algorithm asks for."""
    rows_n, length = table.shape
    words_n = length // 4
    words = np.ascontiguousarray(table[:, : words_n * 4]).view("<u4").astype(np.uint32)
    h = np.full(rows_n, _SEED ^ length, dtype=np.uint32)
    for column in range(words_n):
        k = words[:, column] * _M
        h = (h * _M) ^ ((k ^ (k >> _R)) * _M)
    rest = table[:, words_n * 4 :].astype(np.uint32)
    for i in range(rest.shape[1]):
        h ^= rest[:, i] << np.uint32(8 * i)
    if rest.shape[1]:
        h *= _M
    h = (h ^ (h >> np.uint32(13))) * _M
    return h ^ (h >> np.uint32(15))
