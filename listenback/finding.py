"""A finding of `listenback doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, how it is, what to do if it is not well."""

    check: str
    state: State
    says: str
    todo: str = ""
