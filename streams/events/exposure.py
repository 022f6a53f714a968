"""`exposure`: a unit met a generation, perhaps as part of an experiment."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from streams.events.event import Event
from streams.events.fields import (
    OPEN,
    Count,
    Flag,
    HexKey,
    Id,
    Instant,
    Labels,
    Millis,
    PositiveProbability,
    Texts,
)

UnitType = Annotated[Literal["user", "session", "device", "artist", "other"], *OPEN]
Surface = Annotated[
    Literal[
        "dj",
        "prompted_playlist",
        "remix",
        "cover",
        "stem_edit",
        "home",
        "search",
        "other",
    ],
    *OPEN,
]
ArtistConsent = Annotated[
    Literal["opted_in", "opted_out", "not_applicable", "unknown", "other"], *OPEN
]
ContentOrigin = Annotated[
    Literal["ai_generated", "ai_assisted", "human", "unknown", "other"], *OPEN
]


class Exposure(Event):
    """The unit met the generation: rendered or played, not merely assigned.

    Required beside the common fields: generation_id, user_key, unit_type, unit_id. Null otherwise
    means unknown. One generation may take part in several experiments, one exposure event each.
    experiment_id and variant_id come together or not at all.
    """

    own_id: ClassVar[str] = "exposure_id"

    exposure_id: Id = Field(description="This exposure; listens and feedback refer to it")
    generation_id: Id = Field(description="The AI output that was met; the Kafka key")
    user_key: HexKey = Field(description="HMAC-SHA256 of the user id, 64 hex digits")
    unit_type: UnitType = Field(description="What was randomised")
    unit_id: Id = Field(description="Which one; equals user_key where unit_type is user")
    experiment_id: Id | None = Field(None, description="Experiment; null: none")
    variant_id: Id | None = Field(None, description="Variant of the experiment")
    is_holdout: Flag | None = Field(None, description="In the experiment's holdout")
    assignment_time_us: Instant | None = Field(
        None, alias="assignment_time", description="When the unit was assigned, UTC"
    )
    propensity: PositiveProbability | None = Field(
        None, description="Probability with which this variant was assigned, (0, 1]"
    )
    surface: Surface | None = Field(None, description="Where in the product")
    position: Count | None = Field(None, description="Place in the list or queue, from 0")
    model_id: Id | None = Field(None, description="Model that generated it")
    model_version: Id | None = Field(None, description="Version of that model")
    prompt_template_version: Id | None = Field(None, description="Version of the prompt template")
    gen_latency_ms: Millis | None = Field(
        None, description="How long the generation took, milliseconds"
    )
    artist_ids: Texts | None = Field(None, description="Artists whose work it draws on")
    artist_consent: ArtistConsent | None = Field(
        None, description="Their consent; opted_out is refused unless content_origin is human"
    )
    taxonomy: Labels | None = Field(
        None, description="Labels such as genre, mood, intent, language; string to string"
    )
    content_origin: ContentOrigin | None = Field(None, description="Who made the content")
