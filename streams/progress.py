"""What a worker has read and flushed since its start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streams.sink import Flushed


@dataclass(slots=True)
class Progress:
    """Counts since the start; read = accepted + duplicate + dead-lettered."""

    read_n: int = 0
    accepted_n: int = 0
    duplicate_n: int = 0
    dead_lettered_n: int = 0
    flushes_n: int = 0
    flushes_ms: float = 0.0
    published_n: int = 0

    def count(self, flushed: Flushed) -> None:
        """Add one flush."""
        self.read_n += flushed.read_n
        self.accepted_n += flushed.accepted_n
        self.duplicate_n += flushed.duplicate_n
        self.dead_lettered_n += flushed.dead_lettered_n
        self.flushes_n += 1
        self.flushes_ms += flushed.took_ms
