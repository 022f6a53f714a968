"""`human_label`: a person rated a generation, or preferred one of two."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from streams.events.event import Event
from streams.events.fields import OPEN, Flag, HexKey, Id, Millis, Score, Text

Preference = Annotated[Literal["A", "B", "TIE", "BOTH_BAD", "other"], *OPEN]
RaterRole = Annotated[
    Literal["artist", "editor", "expert", "crowd", "employee", "listener_survey", "other"], *OPEN
]
PresentedOrder = Annotated[Literal["AB", "BA", "other"], *OPEN]


class HumanLabel(Event):
    """A rating or a preference by a rater; in a preference `generation_id` is A, the other is B.

    Required beside the common fields: generation_id, dimension, rater_key. One of preference,
    score_value and score_label must be there; a preference needs other_generation_id. Null
    otherwise means unknown.
    """

    own_id: ClassVar[str] = "label_id"

    label_id: Id = Field(description="This label")
    generation_id: Id = Field(description="What was rated, A of a pair; the Kafka key")
    other_generation_id: Id | None = Field(None, description="B of a pair")
    preference: Preference | None = Field(None, description="Which of the pair")
    dimension: Id = Field(description="Quality that was rated")
    score_value: Score | None = Field(None, description="Rating, within [score_min, score_max]")
    score_label: Text | None = Field(None, description="Rating in words")
    score_min: Score | None = Field(None, description="Lowest rating of the scale")
    score_max: Score | None = Field(None, description="Highest rating of the scale")
    rater_key: HexKey = Field(description="HMAC-SHA256 of the rater's id, 64 hex digits")
    rater_role: RaterRole | None = Field(None, description="Who the rater is")
    blinded: Flag | None = Field(None, description="Did not know what made it")
    presented_order: PresentedOrder | None = Field(None, description="Order of the pair")
    ms_listened: Millis | None = Field(None, description="Listened to it, milliseconds")
    ms_listened_other: Millis | None = Field(None, description="Listened to B, milliseconds")
    rationale: Text | None = Field(None, description="Rater's reason")
    queue_id: Id | None = Field(None, description="Annotation queue")
    guideline_version: Id | None = Field(None, description="Version of the guideline")
    corrects_score_id: Id | None = Field(None, description="Judge score that this corrects")
    is_anchor: Flag | None = Field(None, description="Of the frozen reference set")
    adjudicated: Flag | None = Field(None, description="Settled between raters")
