"""`listen`: a play has ended."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from streams.events.event import Event
from streams.events.fields import (
    OPEN,
    Amount,
    Count,
    Country,
    Flag,
    HexKey,
    Id,
    Instant,
    Millis,
    MillisSome,
    Text,
    Texts,
)

ReasonStart = Annotated[
    Literal[
        "appload",
        "clickrow",
        "fwdbtn",
        "backbtn",
        "trackdone",
        "playbtn",
        "remote",
        "persisted",
        "trackerror",
        "unknown",
        "other",
    ],
    *OPEN,
]
ReasonEnd = Annotated[
    Literal[
        "trackdone",
        "fwdbtn",
        "backbtn",
        "endplay",
        "logout",
        "playbtn",
        "remote",
        "trackerror",
        "unexpected_exit",
        "unexpected_exit_while_paused",
        "unknown",
        "other",
    ],
    *OPEN,
]
ContextType = Annotated[
    Literal[
        "editorial_playlist",
        "user_collection",
        "radio",
        "personalized_playlist",
        "catalog",
        "charts",
        "ai_session",
        "other",
    ],
    *OPEN,
]


class Listen(Event):
    """A play, sent when it ended: `event_time` is the stop, `started_at` the start.

    Required beside the common fields: user_key, ms_played. Without generation_id the listener chose
    the track (organic) and the Kafka key is user_key; with it, the key is generation_id. Null
    otherwise means unknown; incognito null counts as not private.
    """

    own_id: ClassVar[str] = "playback_id"

    playback_id: Id = Field(description="This play; feedback refers to it")
    generation_id: Id | None = Field(
        None, description="AI output that was played, the Kafka key; null: chosen by the listener"
    )
    exposure_id: Id | None = Field(None, description="Exposure that led to the play")
    user_key: HexKey = Field(description="HMAC-SHA256 of the user id, 64 hex digits")
    track_uri: Id | None = Field(None, description="What was played")
    artist_ids: Texts | None = Field(None, description="Artists of the track")
    started_at_us: Instant | None = Field(
        None, alias="started_at", description="When the play began, UTC; not after event_time"
    )
    ms_played: Millis = Field(description="Time listened, milliseconds; repeats count again")
    ms_content_unique: Millis | None = Field(
        None, description="Content heard, milliseconds; each second counts once"
    )
    track_duration_ms: MillisSome | None = Field(None, description="Length, milliseconds")
    reason_start: ReasonStart | None = Field(None, description="Why the play began")
    reason_end: ReasonEnd | None = Field(None, description="Why the play ended")
    skipped: Flag | None = Field(None, description="The client's own flag; often missing")
    shuffle: Flag | None = Field(None, description="Shuffle was on")
    offline: Flag | None = Field(None, description="Played without a connection")
    offline_timestamp_us: Instant | None = Field(
        None, alias="offline_timestamp", description="When the client went offline, UTC"
    )
    incognito: Flag | None = Field(
        None, description="Private mode: counted, but in no per-user metric"
    )
    is_organic: Flag | None = Field(None, description="The listener's own choice")
    n_seek_fwd: Count | None = Field(None, description="Seeks forward")
    n_seek_back: Count | None = Field(None, description="Seeks back")
    context_type: ContextType | None = Field(None, description="What it was played from")
    playback_rate: Amount | None = Field(None, description="Speed; 1 is normal")
    muted_ms: Millis | None = Field(None, description="Played while muted, milliseconds")
    platform: Text | None = Field(None, description="Client platform")
    country: Country | None = Field(None, description="ISO 3166-1 alpha-2, upper case")
