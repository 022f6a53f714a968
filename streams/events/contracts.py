"""The registry: which contract each input topic keeps."""

from __future__ import annotations

from typing import Final

from streams.events import examples, rules
from streams.events.contract import Contract
from streams.events.exposure import Exposure
from streams.events.feedback import Feedback
from streams.events.human_label import HumanLabel
from streams.events.judge_score import JudgeScore
from streams.events.listen import Listen
from streams.events.topics import Topic

_GENERATION: Final = ("generation_id",)

EXPOSURE: Final = Contract(
    name="exposure",
    topic=Topic.EXPOSURES,
    model=Exposure,
    key_fields=_GENERATION,
    rules=rules.EXPOSURE_RULES,
    example=examples.EXPOSURE,
)
LISTEN: Final = Contract(
    name="listen",
    topic=Topic.LISTENS,
    model=Listen,
    key_fields=("generation_id", "user_key"),
    rules=rules.LISTEN_RULES,
    example=examples.LISTEN,
)
FEEDBACK: Final = Contract(
    name="feedback",
    topic=Topic.FEEDBACK,
    model=Feedback,
    key_fields=_GENERATION,
    rules=(),
    example=examples.FEEDBACK,
)
JUDGE_SCORE: Final = Contract(
    name="judge_score",
    topic=Topic.JUDGE_SCORES,
    model=JudgeScore,
    key_fields=_GENERATION,
    rules=rules.JUDGE_SCORE_RULES,
    example=examples.JUDGE_SCORE,
)
HUMAN_LABEL: Final = Contract(
    name="human_label",
    topic=Topic.HUMAN_LABELS,
    model=HumanLabel,
    key_fields=_GENERATION,
    rules=rules.HUMAN_LABEL_RULES,
    example=examples.HUMAN_LABEL,
)

CONTRACTS: Final[dict[Topic, Contract]] = {
    contract.topic: contract for contract in (EXPOSURE, LISTEN, FEEDBACK, JUDGE_SCORE, HUMAN_LABEL)
}
