r"""Header names that are not UTF-8: Kafka takes any bytes, aiokafka's reader raises at them.

The batch that holds one is read a second time, by aiokafka's reader in Python, over bytes that
decode every name: what is no UTF-8 shows as `\xff`. For that the fetched bytes must still be
there. The compiled reader has them out of reach: KeptRecords stands in its place.
"""

from __future__ import annotations

import struct
from typing import Any, SupportsIndex

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

HEAD = struct.Struct(">qi")
"""Of a record batch: its first offset, its length behind these two."""


class KeptRecords(MemoryRecords):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka's compiled reader, which also knows the bytes that it reads."""

    def __init__(self, raw: bytes) -> None:
        """Read these."""
        super().__init__(raw)
        self.raw = raw


def keep_fetched_bytes() -> None:
    """Let every fetch of this process keep its bytes until its records are taken."""
    fetcher.MemoryRecords = KeptRecords


class _Name(bytes):
    """Decodes whatever it is."""

    __slots__ = ()

    def decode(self, encoding: str = "utf-8", errors: str = "") -> str:
        del errors
        return super().decode(encoding, "backslashreplace")


class _Bytes(bytes):
    """Bytes whose slices are names; where they are keys and values, bytes() makes them plain."""

    __slots__ = ()

    def __getitem__(self, at: SupportsIndex | slice) -> Any:  # noqa: ANN401 - int or bytes
        found = super().__getitem__(at)
        return _Name(found) if isinstance(found, bytes) else found


class _AnyNames(_DefaultRecordBatchPy):  # type: ignore[misc]  # aiokafka has no types
    """A record batch in which a header may have any name."""

    _buffer: Any

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        if not isinstance(self._buffer, _Bytes):
            self._buffer = _Bytes(self._buffer)


def read_again(records: object, base_offset: int) -> list[Any] | None:
    """The records of the batch that begins at this offset; None where its bytes are gone."""
    raw = getattr(records, "raw", None)
    position = 0
    while raw is not None and position + HEAD.size <= len(raw):
        first, length = HEAD.unpack_from(raw, position)
        end = position + HEAD.size + length
        if first == base_offset:
            return list(_AnyNames(raw[position:end]))
        position = end
    return None
