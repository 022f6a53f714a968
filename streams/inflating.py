"""Compressed record batches, inflated within a bound.

Brokers bound what a batch weighs compressed; inflated it may weigh a thousand times that, and
Kafka's clients inflate whatever comes. These decoders stand in their place, in both of ours.
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Final

import cramjam
from aiokafka.record import default_records, legacy_records
from aiokafka.record._crecords import default_records as compiled_default
from aiokafka.record._crecords import legacy_records as compiled_legacy
from kafka import codec as kafka_codec
from kafka.record import default_records as kafka_default
from kafka.record import legacy_records as kafka_legacy

from streams.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    Buffer = bytes | bytearray | memoryview

BATCH_BYTES_MAX: Final = 64 << 20
"""Of one inflated record batch. Producers make batches of 16 KB to a few MB; ours of 256 KB."""
ROOMS: Final = (1 << 20, 8 << 20, BATCH_BYTES_MAX)
"""Bytes to inflate into, one after the other: nearly all batches fit the first."""
GZIP: Final = 16 + zlib.MAX_WBITS
XERIAL: Final = b"\x82SNAPPY\x00"
XERIAL_HEAD_BYTES: Final = 16
BLOCK_LENGTH: Final = struct.Struct(">i")


class BatchTooLargeError(ConfigError):
    """A record batch that does not inflate within BATCH_BYTES_MAX."""

    def __init__(self, codec: str, why: str = "it is larger") -> None:
        """codec: who was to inflate it; why: what it says."""
        super().__init__(
            f"a record batch does not inflate within {BATCH_BYTES_MAX} bytes ({codec}: {why}).",
            todo="Producers must send smaller batches (batch.size, max.request.size).",
        )


def gunzipped(payload: Buffer) -> bytes:
    """The content of one or more gzip members. Raises BatchTooLargeError."""
    parts: list[bytes] = []
    left = BATCH_BYTES_MAX
    rest = bytes(payload)
    while rest:
        member = zlib.decompressobj(GZIP)
        try:
            parts.append(member.decompress(rest, left + 1))
        except zlib.error as error:
            raise BatchTooLargeError("gzip", str(error)) from error
        left -= len(parts[-1])
        if left < 0:
            raise BatchTooLargeError("gzip")
        if not member.eof:
            raise BatchTooLargeError("gzip", "cut short")
        rest = member.unused_data
    return b"".join(parts)


def unsnapped(payload: Buffer) -> bytes:
    """The content of a raw snappy block, or of xerial's row of them. Raises BatchTooLargeError."""
    raw = bytes(payload)
    blocks = [raw]
    if raw.startswith(XERIAL):
        blocks, at = [], XERIAL_HEAD_BYTES
        while at + BLOCK_LENGTH.size <= len(raw):
            start = at + BLOCK_LENGTH.size
            at = start + max(0, BLOCK_LENGTH.unpack_from(raw, at)[0])
            blocks.append(raw[start:at])
    try:
        if sum(map(cramjam.snappy.decompress_raw_len, blocks)) > BATCH_BYTES_MAX:
            raise BatchTooLargeError("snappy")
        return b"".join(bytes(cramjam.snappy.decompress_raw(block)) for block in blocks)
    except cramjam.DecompressionError as error:
        raise BatchTooLargeError("snappy", str(error)) from error


def unlz4ed(payload: Buffer) -> bytes:
    """The content of an LZ4 frame. Raises BatchTooLargeError."""
    return _into_room("lz4", cramjam.lz4.decompress_into, bytes(payload))


def unzstded(payload: Buffer) -> bytes:
    """The content of zstd frames. Raises BatchTooLargeError."""
    return _into_room("zstd", cramjam.zstd.decompress_into, bytes(payload))


def _into_room(codec: str, into: Callable[[bytes, bytearray], int], raw: bytes) -> bytes:
    """Inflate into the first room that is large enough."""
    reason = ""
    for room_bytes in ROOMS:
        room = bytearray(room_bytes)
        try:
            return bytes(memoryview(room)[: into(raw, room)])
        except cramjam.DecompressionError as error:
            reason = str(error)
    raise BatchTooLargeError(codec, reason)


def bound_inflation() -> None:
    """Let every Kafka client of this process inflate by these."""
    decoders = {
        "gzip_decode": gunzipped,
        "snappy_decode": unsnapped,
        "lz4_decode": unlz4ed,
        "zstd_decode": unzstded,
    }
    modules = (default_records, legacy_records, compiled_default, compiled_legacy)
    for module in (*modules, kafka_default, kafka_legacy):
        for name, decoder in decoders.items():
            if hasattr(module, name):
                setattr(module, name, decoder)
    for codec in ("snappy", "lz4", "zstd"):  # kafka-python asks for libraries of its own
        setattr(kafka_codec, f"has_{codec}", lambda: True)
