"""`feedback`: a listener did something about a generation."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from streams.events.event import Event
from streams.events.fields import (
    OPEN,
    Flag,
    HexKey,
    Id,
    Millis,
    Polarity,
    ShortText,
    Value,
)

Action = Annotated[
    Literal[
        "like",
        "unlike",
        "dislike",
        "undislike",
        "save",
        "unsave",
        "playlist_add",
        "playlist_remove",
        "share",
        "follow_artist",
        "unfollow_artist",
        "artist_page_visit",
        "hide",
        "report",
        "regenerate",
        "refine",
        "edit_accepted",
        "export",
        "thumbs_up",
        "thumbs_down",
        "survey",
        "comment",
        "other",
    ],
    *OPEN,
]


class Feedback(Event):
    """A reaction; taking one back (`unlike`, `unsave`) is an event of its own.

    Required beside the common fields: generation_id, user_key, action. Null otherwise means
    unknown.
    """

    own_id: ClassVar[str] = "feedback_id"

    feedback_id: Id = Field(description="This reaction")
    generation_id: Id = Field(description="The AI output it is about; the Kafka key")
    exposure_id: Id | None = Field(None, description="Exposure it follows")
    playback_id: Id | None = Field(None, description="Play it belongs to")
    user_key: HexKey = Field(description="HMAC-SHA256 of the user id, 64 hex digits")
    action: Action = Field(description="What the listener did")
    polarity: Polarity | None = Field(None, description="-1, 0 or 1; 0 takes back")
    value: Value | None = Field(None, description="Rating or survey value")
    value_text: ShortText | None = Field(
        None, description="Comment of at most 500 characters, freed of personal data"
    )
    reason_code: Id | None = Field(None, description="Reason, from the producer's taxonomy")
    is_explicit: Flag | None = Field(None, description="Said so, rather than inferred")
    position_ms: Millis | None = Field(None, description="Where in the track, milliseconds")
