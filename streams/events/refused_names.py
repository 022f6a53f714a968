"""Names of fields that no event may carry: raw user ids, addresses, user agents."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from pydantic_core import PydanticCustomError

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAME: Final = re.compile(
    r"(?:raw|client|remote)?[_\-.]?(?:"
    r"ip(?:[_\-.]?addr.*)?|user[_\-.]?agent.*|user[_\-.]?id|user[_\-.]?name"
    r"|e[_\-.]?mail(?:[_\-.]?address)?|phone(?:[_\-.]?number)?)|remote[_\-.]?addr.*",
    re.IGNORECASE | re.DOTALL,
)
"""Spotify's exports hold `ip_addr_decrypted`, `user_agent_decrypted` and `username`."""
RAW_IDENTITY_REASON: Final = (
    "names a raw user identity or address, which no event may carry, not even as null; "
    "send user_key, its HMAC, and drop this field"
)


def raw_identity_names(names: Iterable[str]) -> list[str]:
    """Those of the names that no event may carry."""
    return [name for name in names if _is_raw_identity(name)]


@lru_cache(maxsize=4_096)
def _is_raw_identity(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def refuse_raw_identity(fields: dict[str, object]) -> None:
    """Raise for the first field that no event may carry."""
    for name in raw_identity_names(fields):
        raise PydanticCustomError(
            "raw_identity", "{field} {reason}", {"field": name, "reason": RAW_IDENTITY_REASON}
        )
