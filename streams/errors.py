"""The one exception tree: each says what, where, what was done, what to do next.

Exit codes (a superset of those of Spotify's metrics-as-code tool): 0 ok, 1 findings, 2 usage or
config, 3 transient (safe to retry), 4 data not trustworthy, 5 integrity, 130 interrupted.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class ListenbackError(Exception):
    """A wrong that a person can put right. Printed as lines, never as a traceback."""

    exit_code: ClassVar[int] = 2

    def __init__(self, what: str, *, where: str = "", done: str = "", todo: str = "") -> None:
        """Keep the four parts: what happened, where, what was done with it, what to do next."""
        super().__init__(what)
        self.what = what
        self.where = where
        self.done = done
        self.todo = todo

    def __str__(self) -> str:
        """One line: `where: what done todo`, parts that are empty left out."""
        head = f"{self.where}: {self.what}" if self.where else self.what
        return " ".join(part for part in (head, self.done, self.todo) if part)


class ConfigError(ListenbackError):
    """A setting, a definition file, an argument or an input file is not as it must be."""


class TransientError(ListenbackError):
    """Something outside did not answer; the same call may go through later."""

    exit_code: ClassVar[int] = 3


class UntrustworthyError(ListenbackError):
    """The data does not carry the answer that was asked for."""

    exit_code: ClassVar[int] = 4


class IntegrityError(ListenbackError):
    """Two things that must be the same are not: schema, hash, epoch."""

    exit_code: ClassVar[int] = 5


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint for a misspelt word: ` Did you mean 'x'?`, or nothing."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"Did you mean '{near[0]}'?" if near else ""
