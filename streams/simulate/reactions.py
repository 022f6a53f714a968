"""What listeners do about a generation: reactions to exposures, plays and their own reactions."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streams.events.measures import FEEDBACK_ACTIONS
from streams.simulate.behaviour import (
    ENDINGS,
    REACTIONS,
    SURVEY_STEPS,
    Reaction,
    reaction_chance,
    survey_chance,
)
from streams.simulate.exposures import of_arms
from streams.simulate.ids import generator
from streams.simulate.plan import HOUR_MS, MINUTE_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streams.simulate.exposures import Exposures, Generations
    from streams.simulate.listens import Listens
    from streams.simulate.plan import Plan
    from streams.simulate.population import Population

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ACTIONS = tuple(FEEDBACK_ACTIONS)
VISIT = "artist_page_visit"
NEGATIVE = frozenset({"dislike", "hide", "report", "regenerate", "thumbs_down"})
TAKING_BACK = frozenset({"unsave", "unlike", "undislike", "playlist_remove", "unfollow_artist"})
TAKE_BACK_MAX_MS = 10 * HOUR_MS
NONE = -1


@dataclass(frozen=True, slots=True)
class Feedback:
    """One element a reaction. action: index into ACTIONS; value is NaN where there is none.

    listen: NONE where the reaction is to the exposure itself.
    """

    action: Ints
    exposure: Ints
    listen: Ints
    time_ms: Ints
    position_ms: Ints
    value: Floats

    def __len__(self) -> int:
        """How many."""
        return len(self.action)

    def at(self, rows: Ints | NDArray[np.bool_]) -> Feedback:
        """These rows."""
        return Feedback(*(getattr(self, one.name)[rows] for one in fields(self)))


def react(
    plan: Plan,
    population: Population,
    generations: Generations,
    exposures: Exposures,
    listens: Listens,
) -> tuple[Feedback, float]:
    """Draw every reaction; also returns the artist page visits per play that fill up the mix."""
    taste = population.taste[exposures.user]
    quality = generations.heard[exposures.generation]
    save_shift = of_arms(plan, exposures, "save_shift")
    happened = _occasions(exposures, listens)
    rng = generator(plan.seed, "reactions")
    for reaction in REACTIONS:
        base = happened[reaction.after]
        row = base.exposure
        chance = reaction_chance(reaction, taste[row], quality[row], save_shift[row])
        taken = base.at(rng.random(len(base)) < chance)
        happened[reaction.action] = _reacted(rng, reaction, taken)
    survey = happened["survey"]
    steps = rng.binomial(SURVEY_STEPS, survey_chance(quality[survey.exposure]))
    happened["survey"] = replace(survey, value=(1 + steps).astype(np.float64))
    drawn = [happened[reaction.action] for reaction in REACTIONS]
    wanted = plan.events_n * plan.mix.feedback - sum(map(len, drawn))
    plays = happened["start"]
    per_start = max(0.0, wanted) / max(1, len(plays))
    visits = np.repeat(np.arange(len(plays)), rng.poisson(per_start, len(plays)))
    return _joined([*drawn, _visited(rng, plays.at(visits))]), per_start


def _occasions(exposures: Exposures, listens: Listens) -> dict[str, Feedback]:
    """What is reacted to: exposures, and the plays that are not private."""
    plays = np.flatnonzero(~listens.incognito[: listens.attributed_n])
    starts = _unmarked(
        listens.exposure[plays], plays, listens.started_ms[plays], listens.ms_played[plays]
    )
    hosts = np.arange(exposures.hosts_n)
    none = np.full(len(hosts), NONE)
    early = ENDINGS.index("early_skip")
    return {
        "exposure": _unmarked(hosts, none, exposures.time_ms[hosts], none),
        "start": starts,
        "stream": starts.at(listens.is_stream[plays]),
        "early_skip": starts.at(listens.ending[plays] == early),
    }


def _unmarked(exposure: Ints, listen: Ints, time_ms: Ints, position_ms: Ints) -> Feedback:
    rows_n = len(exposure)
    return Feedback(
        action=np.full(rows_n, NONE),
        exposure=exposure,
        listen=listen,
        time_ms=time_ms,
        position_ms=position_ms,
        value=np.full(rows_n, np.nan),
    )


def _reacted(rng: np.random.Generator, reaction: Reaction, base: Feedback) -> Feedback:
    """The base rows with the reaction's own time: during a play, after an exposure or later."""
    action = np.full(len(base), ACTIONS.index(reaction.action))
    part = rng.random(len(base))
    if reaction.action in TAKING_BACK:
        later = MINUTE_MS + (part * (TAKE_BACK_MAX_MS - MINUTE_MS)).astype(np.int64)
        none = np.full(len(base), NONE)
        return replace(base, action=action, time_ms=base.time_ms + later, position_ms=none)
    if reaction.after == "exposure":
        soon = (part * 30 * MINUTE_MS).astype(np.int64)
        return replace(base, action=action, time_ms=base.time_ms + soon)
    heard = (part * base.position_ms).astype(np.int64)
    return replace(base, action=action, time_ms=base.time_ms + heard, position_ms=heard)


def _visited(rng: np.random.Generator, plays: Feedback) -> Feedback:
    """Visits of artist pages while playing."""
    return _reacted(rng, Reaction(VISIT, "start", 0.0), plays)


def _joined(parts: Sequence[Feedback]) -> Feedback:
    names = [one.name for one in fields(Feedback)]
    return Feedback(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
