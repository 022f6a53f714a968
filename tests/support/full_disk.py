"""A disk that is full at a chosen moment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def fill_the_disk_at(monkeypatch: pytest.MonkeyPatch, *, nth: int) -> None:
    """Let the nth fsync from now on find no space; the others do their work."""
    real, handles = os.fsync, []

    def full(handle: int) -> None:
        handles.append(handle)
        if len(handles) == nth:
            raise OSError(28, "No space left on device")
        real(handle)

    monkeypatch.setattr(os, "fsync", full)
