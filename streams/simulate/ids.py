"""Identifiers made of numbers: whole columns at a time, the same for the same numbers.

An identifier is a pure function of (salt, row), so that a resent row carries the same one and no
column of text is kept in memory before it is written.
"""

from __future__ import annotations

import zlib

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Ints = NDArray[np.int64]

_HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)
_BYTE = np.arange(256, dtype=np.uint8)
HEX_PAIRS = np.stack([_HEX[_BYTE >> 4], _HEX[_BYTE & 15]], axis=1).view(np.uint16).ravel()
"""Byte -> its two hexadecimal characters, as one 16-bit word."""
UUID_GROUPS = ((0, 8), (9, 13), (14, 18), (19, 23), (24, 36))
"""Where the digits of a UUID stand between its dashes."""


def salt(seed: int, part: str) -> int:
    """A number that differs by seed and part of the simulation, the same in every process."""
    return (zlib.crc32(part.encode()) << 32) ^ (seed * 0x9E3779B9 & 0xFFFFFFFF)


def generator(seed: int, part: str) -> np.random.Generator:
    """The random numbers of one part: what one part draws does not move another part's."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(salt(seed, part))))


def scrambled(rows: Ints, key: int) -> Words:
    """64 well mixed bits a row. Source: the finaliser of SplitMix64, Steele et al. (2014)."""
    words = rows.astype(np.uint64) + np.uint64(key & 0xFFFFFFFFFFFFFFFF)
    words *= np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def hexadecimal(*words: Words) -> NDArray[np.uint8]:
    """One row of characters per element: 16 hexadecimal digits for each word."""
    rows_n = len(words[0])
    raw = np.stack(words, axis=1).astype(">u8").view(np.uint8).reshape(rows_n, 8 * len(words))
    return HEX_PAIRS[raw].view(np.uint8).reshape(rows_n, 16 * len(words))


def text(characters: NDArray[np.uint8]) -> pl.Series:
    """A String column of rows of equal width."""
    rows_n, width = characters.shape
    ends = np.arange(0, (rows_n + 1) * width, width, dtype=np.int64)
    buffers = (pa.py_buffer(ends), pa.py_buffer(np.ascontiguousarray(characters)))
    return pl.Series(values=pa.LargeStringArray.from_buffers(rows_n, *buffers))


def uuid7(time_ms: Ints, rows: Ints, key: int) -> pl.Series:
    """Time-ordered UUIDs (RFC 9562, version 7) of rows at given times."""
    high = scrambled(rows, key)
    low = scrambled(rows, key ^ 0x5DEECE66D)
    high = (
        (time_ms.astype(np.uint64) << np.uint64(16)) | np.uint64(0x7000) | (high >> np.uint64(52))
    )
    low = (low >> np.uint64(2)) | np.uint64(1 << 63)
    digits = hexadecimal(high, low)
    out = np.full((len(rows), 36), ord("-"), dtype=np.uint8)
    read = 0
    for start, end in UUID_GROUPS:
        out[:, start:end] = digits[:, read : read + end - start]
        read += end - start
    return text(out)


def prefixed(prefix: str, rows: Ints, key: int) -> pl.Series:
    """`prefix` and 16 hexadecimal digits a row."""
    head = np.frombuffer(prefix.encode(), dtype=np.uint8)
    digits = hexadecimal(scrambled(rows, key))
    return text(np.hstack([np.broadcast_to(head, (len(rows), len(head))), digits]))


def keys64(rows: Ints, key: int) -> pl.Series:
    """64 hexadecimal digits a row: the form of an HMAC-SHA256 of a user id."""
    return text(hexadecimal(*(scrambled(rows, key + part * 0x2545F491) for part in range(4))))


def rfc3339(time_ms: Ints) -> pl.Series:
    """UTC times with milliseconds, as they stand on the wire."""
    return pl.Series(time_ms).cast(pl.Datetime("ms")).dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
