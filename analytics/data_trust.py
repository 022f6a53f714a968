"""Whether tonight's data can be trusted: balance, refusals, orphans, freshness; frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class TopicBalance:
    """read = accepted + duplicate + dead-lettered, per topic over its shards."""

    topic: str
    read: int
    accepted: int
    duplicate: int
    dead_lettered: int
    late: int
    unknown_enum: int
    balanced: bool


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Refused messages of one topic and error class."""

    topic: str
    error_class: str
    n: int


@dataclass(frozen=True, slots=True)
class Trust:
    """Whether tonight's data can be trusted: level is the worst of the findings."""

    level: Literal["good", "look", "bad"]
    findings: tuple[str, ...]
    watermark: str | None
    watermark_lag_s: float | None
    slowest_shard_behind_s: float | None
    generations: int
    orphans: int
    topics: tuple[TopicBalance, ...]
    dead_letters: tuple[DeadLetters, ...]
