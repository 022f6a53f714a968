"""Kafka record headers as JSON text, byte for byte: in their order, repeated names and all."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

Header = tuple[str, bytes | None]
"""A name and a value; Kafka lets the value be null."""


def headers_json(headers: Sequence[Header]) -> str | None:
    """`[[name, value in base64 or null], ...]`; null where there are none."""
    if not headers:
        return None
    return json.dumps([[name, base64_of(value)] for name, value in headers])


def headers_of(text: str | None) -> list[Header]:
    """The headers that `headers_json` wrote."""
    pairs = json.loads(text) if text else []
    return [(name, None if value is None else base64.b64decode(value)) for name, value in pairs]


def base64_of(raw: bytes | None) -> str | None:
    """The bytes as base64; null stays null."""
    return None if raw is None else base64.b64encode(raw).decode()
