"""One simulated world: all that happened, in numbers, before any of it is written down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams.simulate.exposures import expose
from streams.simulate.judging import anchored, judge
from streams.simulate.labelling import label
from streams.simulate.listens import listen
from streams.simulate.population import populate
from streams.simulate.reactions import react

if TYPE_CHECKING:
    from streams.simulate.exposures import Exposures, Generations
    from streams.simulate.judging import Anchors, Scores
    from streams.simulate.labelling import Labels
    from streams.simulate.listens import Listens
    from streams.simulate.plan import Plan
    from streams.simulate.population import Population
    from streams.simulate.reactions import Feedback


@dataclass(frozen=True, slots=True)
class World:
    """What happened. visits_per_start: artist page visits per play, which fill up the mix."""

    plan: Plan
    population: Population
    generations: Generations
    exposures: Exposures
    listens: Listens
    feedback: Feedback
    anchors: Anchors
    scores: Scores
    labels: Labels
    visits_per_start: float


def create(plan: Plan) -> World:
    """Draw the world of a plan; equal plans give equal worlds."""
    population = populate(plan)
    generations, exposures = expose(plan, population)
    listens = listen(plan, population, generations, exposures)
    feedback, visits = react(plan, population, generations, exposures, listens)
    anchors = anchored(plan)
    labels = label(plan, generations, anchors)
    return World(
        plan=plan,
        population=population,
        generations=generations,
        exposures=exposures,
        listens=listens,
        feedback=feedback,
        anchors=anchors,
        scores=judge(plan, generations, listens, labels, anchors),
        labels=labels,
        visits_per_start=visits,
    )
