"""The additive measures: what streaming sums and analytics divides.

Every measure is an integer that adds over events, so that order and cut of batches cannot matter.
Ratios are kept as parts per million, feedback values as millionths.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Origin = Literal["exposure", "listen", "feedback"]


@dataclass(frozen=True, slots=True)
class Measure:
    """One additive column: its name (unit last), where it comes from, what it means."""

    name: str
    origin: Origin
    meaning: str


FEEDBACK_ACTIONS: dict[str, str] = {
    "like": "likes_n",
    "unlike": "unlikes_n",
    "dislike": "dislikes_n",
    "undislike": "undislikes_n",
    "save": "saves_n",
    "unsave": "unsaves_n",
    "playlist_add": "playlist_adds_n",
    "playlist_remove": "playlist_removes_n",
    "share": "shares_n",
    "follow_artist": "artist_follows_n",
    "unfollow_artist": "artist_unfollows_n",
    "artist_page_visit": "artist_page_visits_n",
    "hide": "hides_n",
    "report": "reports_n",
    "regenerate": "regenerates_n",
    "refine": "refines_n",
    "edit_accepted": "edits_accepted_n",
    "export": "exports_n",
    "thumbs_up": "thumbs_up_n",
    "thumbs_down": "thumbs_down_n",
    "survey": "surveys_n",
    "comment": "comments_n",
    "other": "other_feedback_n",
}
"""Feedback action -> the measure that counts it."""

STREAM_MS = 30_000
"""A play counts as a stream from 30 s (Spotify's rule for artists)."""
RESTRICTED_MS = 60_000
"""Horizon of the restricted listening time."""

EXPOSURE_MEASURES = (
    Measure("exposures_n", "exposure", "exposures"),
    Measure("opted_in_n", "exposure", "exposures whose artists opted in"),
    Measure("gen_latencies_n", "exposure", "exposures that state their generation latency"),
    Measure("gen_latency_ms", "exposure", "sum of the generation latencies, milliseconds"),
)
LISTEN_MEASURES = (
    Measure("starts_n", "listen", "plays started"),
    Measure("uncensored_n", "listen", "plays not cut off by an error or an unexpected exit"),
    Measure("ms_played", "listen", "milliseconds listened"),
    Measure("first_60s_ms", "listen", "milliseconds listened, at most 60 s of each play"),
    Measure("streams_30s_n", "listen", "plays of at least 30 s"),
    Measure("skips_n", "listen", "plays ended by the forward or back button"),
    Measure("early_skips_n", "listen", "skips before 30 s"),
    Measure("skips_under_5s_n", "listen", "skips before 5 s"),
    Measure("listen_plus_n", "listen", "plays of more than half of the track"),
    Measure("completes_n", "listen", "plays that reached the end of the track"),
    Measure("repeats_n", "listen", "plays longer than the track"),
    Measure("played_ratios_n", "listen", "plays whose track duration is known"),
    Measure("played_ratio_ppm", "listen", "sum of min(played ratio, 1), parts per million"),
    Measure("offline_n", "listen", "plays made offline"),
    Measure("incognito_n", "listen", "plays in private mode; never in per-user sums"),
    Measure("organic_n", "listen", "plays the listener chose without a generation"),
    Measure("organic_ms_played", "listen", "milliseconds of organic plays"),
)
FEEDBACK_MEASURES = (
    *(
        Measure(column, "feedback", f"feedback with action {action}")
        for action, column in FEEDBACK_ACTIONS.items()
    ),
    Measure("values_n", "feedback", "feedback that carries a value"),
    Measure("value_micro", "feedback", "sum of feedback values, millionths"),
)
MEASURES: tuple[Measure, ...] = (*EXPOSURE_MEASURES, *LISTEN_MEASURES, *FEEDBACK_MEASURES)
ACTIVITY_MEASURES: tuple[Measure, ...] = (*LISTEN_MEASURES, *FEEDBACK_MEASURES)
MEASURE_NAMES: tuple[str, ...] = tuple(measure.name for measure in MEASURES)
ACTIVITY_NAMES: tuple[str, ...] = tuple(measure.name for measure in ACTIVITY_MEASURES)
EXPOSURE_NAMES: tuple[str, ...] = tuple(measure.name for measure in EXPOSURE_MEASURES)
LISTEN_NAMES: tuple[str, ...] = tuple(measure.name for measure in LISTEN_MEASURES)
FEEDBACK_NAMES: tuple[str, ...] = tuple(measure.name for measure in FEEDBACK_MEASURES)
