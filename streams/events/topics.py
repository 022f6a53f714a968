"""The input topics and their names. Keys and partition counts are equal, so joins stay local."""

from __future__ import annotations

from enum import StrEnum


class Topic(StrEnum):
    """An input topic. All but erasures are keyed by generation_id (organic listens: user_key)."""

    EXPOSURES = "exposures"
    LISTENS = "listens"
    FEEDBACK = "feedback"
    JUDGE_SCORES = "judge-scores"
    HUMAN_LABELS = "human-labels"


ERASURES = "erasures"
DEAD_LETTER_SUFFIX = ".dlq"
JOINED_TOPICS: tuple[Topic, ...] = tuple(Topic)
"""The five topics whose partition p together is shard p."""


def dead_letter_topic(topic: str) -> str:
    """Where the refused messages of a topic go."""
    return topic + DEAD_LETTER_SUFFIX
