"""Dates on the command line."""

from __future__ import annotations

import datetime as dt

from streams.errors import ConfigError


def day(text: str, where: str) -> dt.date:
    """A date as people write it.

    Raises: ConfigError where it is none.
    """
    try:
        return dt.date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"'{text}' is no date.", where=where, todo="Write it as 2026-11-21."
        ) from error
