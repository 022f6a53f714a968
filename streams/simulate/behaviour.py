"""How a simulated listener chooses: chances given taste and quality, and what they are worth.

One set of functions serves twice: the generator draws from these chances, and the truth is their
exact mean. taste and quality are standard normal over listeners and over a variant's generations
(quality moved by the variant's shift); durations and how far a play got are whole milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streams.events.measures import FEEDBACK_ACTIONS, RESTRICTED_MS, STREAM_MS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.simulate.plan import Variant

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

STARTS_PER_EXPOSURE = 2.0
TASTE_ON_STARTS = 0.2
INCOGNITO_SHARE = 0.01
DURATION_MIN_MS = 90_000
DURATION_END_MS = 240_000
"""Durations are uniform over the whole milliseconds [min, end)."""
ENDINGS = ("early_skip", "late_skip", "complete", "repeat", "endplay", "error")
ENDPLAY_SHARE = 0.08
ERROR_SHARE = 0.01
REPEAT_SHARE = 0.02
SURVEY_STEPS = 4


@dataclass(frozen=True, slots=True)
class Reaction:
    """A kind of feedback: chance = logistic(constant + taste * taste + quality * quality).

    after: what it is drawn for: each "exposure", "stream" or "early_skip", or each time another
    action was taken (a taking-back).
    """

    action: str
    after: str
    constant: float
    taste: float = 0.0
    quality: float = 0.0


REACTIONS = (
    Reaction("save", "stream", -2.0, 0.4, 0.5),
    Reaction("like", "stream", -1.9, 0.3, 0.5),
    Reaction("playlist_add", "stream", -3.0, 0.2, 0.4),
    Reaction("share", "stream", -4.0, 0.3, 0.2),
    Reaction("follow_artist", "stream", -4.5, 0.3, 0.2),
    Reaction("dislike", "early_skip", -2.5, -0.2, -0.4),
    Reaction("hide", "early_skip", -4.0, -0.2, -0.2),
    Reaction("report", "early_skip", -5.5, 0.0, -0.2),
    Reaction("regenerate", "exposure", -2.6, -0.2, -0.4),
    Reaction("refine", "exposure", -3.5),
    Reaction("edit_accepted", "exposure", -5.0),
    Reaction("export", "exposure", -5.5),
    Reaction("thumbs_up", "exposure", -3.2, 0.2, 0.4),
    Reaction("thumbs_down", "exposure", -3.8, -0.2, -0.4),
    Reaction("survey", "exposure", -4.5),
    Reaction("comment", "exposure", -5.5),
    Reaction("other", "exposure", -6.0),
    Reaction("unsave", "save", -2.2),
    Reaction("unlike", "like", -2.5),
    Reaction("undislike", "dislike", -3.0),
    Reaction("playlist_remove", "playlist_add", -3.0),
    Reaction("unfollow_artist", "follow_artist", -3.0),
)
"""Every action but the artist page visit, which fills up the mix; taking-backs come last."""


def logistic(log_odds: Floats) -> Floats:
    """Log-odds -> probability."""
    return np.asarray(1 / (1 + np.exp(-log_odds)))


def starts_mean(taste: Floats, factor: float | Floats) -> Floats:
    """Expected plays per exposure; STARTS_PER_EXPOSURE on average over listeners."""
    tilt = np.exp(TASTE_ON_STARTS * taste - TASTE_ON_STARTS**2 / 2)
    return np.asarray(STARTS_PER_EXPOSURE * factor * tilt)


def ending_chances(taste: Floats, quality: Floats, shift: float | Floats) -> tuple[Floats, ...]:
    """Chance of each of ENDINGS. shift moves the log-odds of an early skip."""
    early = logistic(-1.0 - 0.5 * taste - 0.45 * quality + shift)
    finish = (1 - early) * (1 - ENDPLAY_SHARE - ERROR_SHARE)
    to_the_end = finish * logistic(0.7 + 0.2 * taste + 0.35 * quality)
    return (
        early,
        finish - to_the_end,
        to_the_end * (1 - REPEAT_SHARE),
        to_the_end * REPEAT_SHARE,
        (1 - early) * ENDPLAY_SHARE,
        (1 - early) * ERROR_SHARE,
    )


def played_bounds(duration_ms: Ints) -> tuple[tuple[Ints, Ints], ...]:
    """For each of ENDINGS the whole milliseconds [low, end) that a play of it may last."""
    none = np.zeros_like(duration_ms)
    return (
        (none, none + STREAM_MS),
        (none + STREAM_MS, duration_ms),
        (duration_ms, duration_ms + 1),
        (duration_ms + 1, 2 * duration_ms),
        (none, duration_ms),
        (none, duration_ms),
    )


def reaction_chance(
    reaction: Reaction, taste: Floats, quality: Floats, variant_shift: float | Floats
) -> Floats:
    """Chance of one reaction. variant_shift: what the variant adds to the log-odds of a save."""
    shift = variant_shift if reaction.action == "save" else 0.0
    log_odds = reaction.constant + reaction.taste * taste + reaction.quality * quality + shift
    return logistic(log_odds)


def survey_chance(quality: Floats) -> Floats:
    """Chance of each of SURVEY_STEPS steps up from 1 in the answer to a survey."""
    return logistic(0.3 + 0.5 * quality)


def _reached(low: Ints, end: Ints, at_least: Ints | int) -> Floats:
    """Share of the whole numbers in [low, end) that are at_least so large."""
    return np.asarray(np.clip(end - np.maximum(low, at_least), 0, None) / (end - low))


def _mean_up_to(low: Ints, end: Ints, cap: Ints | int) -> Floats:
    """Mean of min(x, cap) over the whole numbers x in [low, end)."""
    below_end = np.clip(cap, low, end)
    below_n = below_end - low
    below_sum = below_n * (low + below_end - 1) / 2
    return np.asarray((below_sum + (end - below_end) * cap) / (end - low))


@cache
def worth_of_endings() -> Mapping[str, tuple[float, ...]]:
    """Measure -> its exact mean for a play of each of ENDINGS, over all durations."""
    duration = np.arange(DURATION_MIN_MS, DURATION_END_MS, dtype=np.int64)
    bounds = played_bounds(duration)
    flags = {
        "starts_n": (1, 1, 1, 1, 1, 1),
        "uncensored_n": (1, 1, 1, 1, 1, 0),
        "skips_n": (1, 1, 0, 0, 0, 0),
        "early_skips_n": (1, 0, 0, 0, 0, 0),
        "completes_n": (0, 0, 1, 1, 0, 0),
        "repeats_n": (0, 0, 0, 1, 0, 0),
        "played_ratios_n": (1, 1, 1, 1, 1, 1),
    }
    worth = {name: tuple(map(float, values)) for name, values in flags.items()}
    under_5s = 1 - _reached(*bounds[0], 5_000).mean()
    worth["skips_under_5s_n"] = (float(under_5s), 0.0, 0.0, 0.0, 0.0, 0.0)

    def means(of: list[Floats]) -> tuple[float, ...]:
        return tuple(float(values.mean()) for values in of)

    worth["ms_played"] = means([(low + end - 1) / 2 for low, end in bounds])
    worth["first_60s_ms"] = means([_mean_up_to(*both, RESTRICTED_MS) for both in bounds])
    worth["streams_30s_n"] = means([_reached(*both, STREAM_MS) for both in bounds])
    worth["listen_plus_n"] = means([_reached(*both, duration // 2 + 1) for both in bounds])
    worth["played_ratio_ppm"] = means(
        [_mean_up_to(*both, duration) / duration * 1e6 for both in bounds]
    )
    return worth


def expected_measures(
    taste: Floats, quality: Floats, variant: Variant, *, visits_per_start: float
) -> dict[str, Floats]:
    """Measure -> its mean per exposure, for listeners of this taste and generations so good.

    As per-user sums count: plays in private mode left out. quality includes the variant's shift.
    """
    chances = ending_chances(taste, quality, variant.early_skip_shift)
    starts = starts_mean(taste, variant.starts_factor) * (1 - INCOGNITO_SHARE)
    out = {
        name: starts * sum(chance * worth for chance, worth in zip(chances, worths, strict=True))
        for name, worths in worth_of_endings().items()
    }
    happened = {
        "exposure": np.ones_like(starts),
        "stream": out["streams_30s_n"],
        "early_skip": out["early_skips_n"],
    }
    for reaction in REACTIONS:
        chance = reaction_chance(reaction, taste, quality, variant.save_shift)
        happened[reaction.action] = happened[reaction.after] * chance
        out[FEEDBACK_ACTIONS[reaction.action]] = happened[reaction.action]
    out["artist_page_visits_n"] = starts * visits_per_start
    out["values_n"] = happened["survey"]
    out["value_micro"] = happened["survey"] * (1 + SURVEY_STEPS * survey_chance(quality)) * 1e6
    out["exposures_n"] = happened["exposure"]
    return out
