"""What the judges' figures claim, counted on planted worlds: `python -m analytics.judges.proof`.

Prints the table of docs/judges.md. The seed is fixed, so the same --runs gives the same table.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analytics.judges.anchors import AnchorCheck
from analytics.judges.association import Together, auc, slope, spearman
from analytics.judges.audit import Ask, audits
from analytics.judges.behaviour import item_level
from analytics.judges.certificate import RULES, Evidence, decide_state
from analytics.judges.figure import Figure, nothing
from analytics.judges.fusion import Items, fuse, judge_only, known_or_zero
from analytics.judges.hearing import (
    Heard,
    counted_with_people,
    on_their_scale,
    ranks_with_people,
    table_of,
)
from analytics.judges.pairs import accuracy, decided
from analytics.judges.planted import (
    PEOPLE,
    RATER,
    RATING_SD,
    SCALE,
    Planted,
    Size,
    World,
    cells,
    items,
    ratings,
    world,
)
from analytics.judges.proof_budget import budget
from analytics.judges.proof_mined import mining
from analytics.judges.proof_moved import attribution
from analytics.judges.proof_rows import ALPHA, HEAD, SEED, Measured, Row, streams
from analytics.judges.proof_watch import collapse
from analytics.stats.agreement import Confusion, ac1, kappa
from analytics.stats.confidence_sequence import SequencePlan
from analytics.stats.means import z_interval
from analytics.stats.moments import Marginal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from analytics.stats.checks import BoolArray, FloatArray, IntArray

MARGIN = RULES.margin_share * (PEOPLE[1] - PEOPLE[0])
ASK = Ask(MARGIN, 1.0, ALPHA)
CONTROLS = {"planted": "control"}
FUSED = "fused difference of two arms"
NIGHTS = 28
NIGHTLY = Size(users=1_400, each=4, labelled=0.25)
BIAS = 0.6
"""Points of 10 that the unfair judge of the nightly worlds adds to b: half a standard deviation."""


def coverage(runs: int) -> list[Row]:
    """How often each interval holds the planted truth: a judge that hears .75, labels for 40 %."""
    planted, size = Planted(effect=0.3), Size()
    truth = _truths(planted)
    hits = dict.fromkeys(truth, 0)
    counted = dict.fromkeys(truth, 0)
    for rng in streams("coverage", runs):
        for name, figure in _figures(world(planted, size, rng)).items():
            if figure.low is None or figure.high is None:
                continue
            counted[name] += 1
            hits[name] += int(figure.low <= truth[name] <= figure.high)
    return [Row(f"interval holds: {name}", ">= 93 %", hits[name], counted[name]) for name in truth]


def coverage_of_many(runs: int) -> list[Row]:
    """The same for what costs little to count, on more worlds: here a share is known to 1 %."""
    planted, size, plan = Planted(effect=0.3), Size(), SequencePlan(600, ALPHA)
    truth = _truths(planted)
    names = ("AUC of kept plays", "Spearman with kept plays", "slope of kept plays", FUSED)
    hits = dict.fromkeys(names, 0)
    for rng in streams("many", runs):
        of = world(planted, size, rng)
        figures = (*item_level(cells(of), "kept", alpha=ALPHA), _fused(of, plan))
        for name, figure in zip(names, figures, strict=True):
            hits[name] += int(not (figure.above(truth[name]) or figure.below(truth[name])))
    words = "interval holds, more worlds"
    return [Row(f"{words}: {name}", ">= 93 %", hits[name], runs) for name in names]


def _figures(of: World) -> dict[str, Figure]:
    """Everything that has an interval, by name."""
    frame, rated = items(of), ratings(of)
    rank, ceiling = ranks_with_people(frame, rated, sign=1.0, alpha=ALPHA)
    labels, score, weight = table_of(frame, rated)
    grades = on_their_scale(score, SCALE, PEOPLE, sign=1.0)
    counted, of_people, _ = counted_with_people(labels, grades, weight, alpha=ALPHA)
    kept = item_level(cells(of), "kept", alpha=ALPHA)
    (audit,) = audits(frame, CONTROLS, ASK)
    fused = _fused(of, SequencePlan(600, ALPHA))
    return {
        "AUC of kept plays": kept[0],
        "Spearman with kept plays": kept[1],
        "slope of kept plays": kept[2],
        "rank agreement with a person": rank,
        "rank agreement of two people": ceiling,
        "quadratic weighted kappa": counted[2],
        "Gwet's AC1": counted[3],
        "Krippendorff's alpha of people": of_people[1],
        "pairwise agreement": _pairs(of),
        "excess for a variant (fair judge)": audit.excess,
        FUSED: fused,
    }


def _fused(of: World, plan: SequencePlan) -> Figure:
    """The fused single-look difference of the unrounded labels."""
    arms = [_arm(of, of.arm == arm) for arm in (0, 1)]
    return fuse(arms[0], arms[1], ("judge", "kept"), plan=plan).fused


def _arm(of: World, mine: BoolArray) -> Items:
    signals = np.column_stack([known_or_zero(of.score[mine], 5.0), of.kept[mine]])
    return Items.of(of.user[mine], of.clean[mine], signals)


def _pairs(of: World) -> Figure:
    """Neighbouring rated and scored items of one arm, each pair once."""
    a, b = _neighbours(of)
    human = np.sign(of.clean[a] - of.clean[b])
    found = decided(
        human,
        of.score[a],
        of.score[b],
        cluster=of.user[a],
        weight=1 / (of.probability[a] * of.probability[b]),
    )
    return accuracy(found, alpha=ALPHA)


def _neighbours(of: World) -> tuple[IntArray, IntArray]:
    """Row numbers of two items of different users of one arm."""
    usable = ~np.isnan(of.score) & ~np.isnan(of.clean)
    firsts, seconds = [], []
    for arm in (0, 1):
        rows = np.flatnonzero(usable & (of.arm == arm))
        rows = rows[np.unique(of.user[rows], return_index=True)[1]]
        even = len(rows) // 2 * 2
        firsts.append(rows[0:even:2])
        seconds.append(rows[1:even:2])
    return np.concatenate(firsts), np.concatenate(seconds)


def _truths(planted: Planted) -> dict[str, float]:
    """The same figures of a world so large that its noise does not count, everything judged."""
    rng = np.random.default_rng(SEED)
    size = Size(users=150_000, each=5, labelled=1.0)
    everyone = world(planted, size, rng, sampling=(1.0, 1.0))
    one = np.ones(len(everyone.user))
    strata = everyone.arm * 3 + everyone.place
    kept = Together.of(everyone.score, everyone.kept, strata)
    people = Together.of(everyone.score, everyone.first, everyone.arm)
    two = Together.of(everyone.first, everyone.second, everyone.arm)
    grades = np.round(on_their_scale(everyone.score, SCALE, PEOPLE, sign=1.0))
    return {
        "AUC of kept plays": auc(kept, one),
        "Spearman with kept plays": spearman(kept, one),
        "slope of kept plays": slope(kept, one),
        "rank agreement with a person": spearman(people, one),
        "rank agreement of two people": spearman(two, one),
        "quadratic weighted kappa": _kappa(grades, everyone.first, "quadratic"),
        "Gwet's AC1": _kappa(grades, everyone.first, "ac1"),
        "Krippendorff's alpha of people": _kappa(everyone.first, everyone.second, "alpha"),
        "pairwise agreement": _pairs(everyone).value or 0.0,
        "excess for a variant (fair judge)": 0.0,
        FUSED: RATING_SD * RATER * planted.effect,
    }


def _kappa(a: FloatArray, b: FloatArray, kind: str) -> float:
    """Of two long columns."""
    table = Confusion.of(a, b)
    if kind == "ac1":
        return float(ac1(table, alpha=ALPHA).estimate)
    if kind == "quadratic":
        return float(kappa(table, alpha=ALPHA, weights="quadratic").estimate)
    both = np.concatenate([a, b])
    return float(1 - np.mean((a - b) ** 2) / (2 * np.var(both)))


def states(runs: int) -> list[Row]:
    """What the certificate says of a useless judge, an unfair one and a good one."""
    good = Size(users=800, each=5, labelled=0.5)
    asked = (
        ("a useless judge is not certified", ">= 95 %", Planted(hears=0.0), "not certified"),
        ("a useless judge is revoked", "", Planted(hears=0.0), "revoked"),
        (
            "a judge that adds 1.5 points to b is revoked",
            ">= 95 %",
            Planted(favours=1.5),
            "revoked",
        ),
        ("a fair judge that hears .75 is not revoked", ">= 95 %", Planted(effect=0.3), "kept"),
        ("a fair judge that hears .75 is certified", "", Planted(effect=0.3), "certified"),
    )
    rows = []
    for claim, wanted, planted, what in asked:
        found = [_state(world(planted, good, rng)) for rng in streams(claim[:7] + what, runs)]
        hits = {
            "not certified": sum(one != "CERTIFIED" for one in found),
            "revoked": sum(one == "REVOKED" for one in found),
            "kept": sum(one != "REVOKED" for one in found),
            "certified": sum(one == "CERTIFIED" for one in found),
        }[what]
        rows.append(Row(claim, wanted, hits, runs))
    return rows


def _state(of: World) -> str:
    frame, rated = items(of), ratings(of)
    rank, ceiling = ranks_with_people(frame, rated, sign=1.0, alpha=ALPHA)
    none = nothing("", "not part of this world")
    heard = Heard(rank, ceiling, (), (), none, (), None)
    kept = item_level(cells(of), "kept", alpha=ALPHA)
    anchors = AnchorCheck(none, None, "NOT_CHECKED")
    evidence = Evidence(heard, kept, kept, audits(frame, CONTROLS, ASK), anchors, none)
    return decide_state(evidence, RULES)[0]


@dataclass(frozen=True, slots=True)
class Nights:
    """What 28 nights said: whether each verdict ever left out zero; label saving at the end."""

    judge: bool
    human_z: bool
    human: bool
    fused: bool
    saving: float
    holds: bool


def nightly(planted: Planted, rng: np.random.Generator) -> Nights:
    """One experiment looked at every night; the verdict is whatever ever excluded zero."""
    of = world(planted, NIGHTLY, rng)
    night = rng.integers(0, NIGHTS, len(of.user))
    plan = SequencePlan(2_000, ALPHA)
    said = dict.fromkeys(("judge", "human_z", "human", "fused"), False)
    holds, saving = True, 0.0
    true = RATING_SD * RATER * planted.effect
    for last in range(NIGHTS):
        arms = [_arm(of, (of.arm == arm) & (night <= last)) for arm in (0, 1)]
        found = fuse(arms[0], arms[1], ("judge", "kept"), plan=plan)
        alone = _judge_alone(of, night <= last, plan)
        sides = [Marginal.of(arm.label[~np.isnan(arm.label)]) for arm in arms]
        peeked = z_interval(sides[0], sides[1], alpha=ALPHA)
        said["judge"] |= _excludes(alone)
        said["human_z"] |= bool(peeked.excludes)
        said["human"] |= _excludes(found.human_always)
        said["fused"] |= _excludes(found.fused_always)
        always = found.fused_always
        holds &= always.low is None or always.high is None or always.low <= true <= always.high
        saving = found.label_saving or 0.0
    return Nights(**said, saving=saving, holds=holds)


def _judge_alone(of: World, so_far: BoolArray, plan: SequencePlan) -> Figure:
    sides = []
    for arm in (0, 1):
        mine = so_far & (of.arm == arm) & ~np.isnan(of.score)
        sides.append((of.score[mine], 1 / of.probability[mine], of.user[mine]))
    return judge_only(sides[0], sides[1], plan=plan)[1]


def _excludes(one: Figure) -> bool:
    return one.above(0.0) or one.below(0.0)


def verdicts(runs: int) -> tuple[list[Row], float]:
    """28 nights: an unfair judge and no effect; a fair one and an effect. And the label saving."""
    unfair = [nightly(Planted(favours=BIAS), rng) for rng in streams("unfair", runs)]
    real = [nightly(Planted(effect=0.15), rng) for rng in streams("real", runs)]
    rows = [
        _row("no effect, unfair judge: judge alone is wrong", "", unfair, lambda one: one.judge),
        _row(
            "no effect, unfair judge: nightly z on labels is wrong",
            "",
            unfair,
            lambda one: one.human_z,
        ),
        _row("no effect, unfair judge: fused is wrong", "<= 5 %", unfair, lambda one: one.fused),
        _row("effect: labels alone find it", "", real, lambda one: one.human),
        _row("effect: fused finds it", "", real, lambda one: one.fused),
        _row("effect: the fused sequence holds it at all nights", ">= 93 %", real, _holds),
    ]
    return rows, float(np.mean([one.saving for one in real]))


def _holds(one: Nights) -> bool:
    return one.holds


def _row(claim: str, asked: str, found: list[Nights], what: Callable[[Nights], bool]) -> Row:
    return Row(claim, asked, sum(map(what, found)), len(found))


def _nights(runs: int) -> list[Row]:
    """The verdicts alone; the label saving is in the calibration tests."""
    return verdicts(runs)[0]


GROUPS: dict[str, Callable[[int], Sequence[Row | Measured]]] = {
    "verdicts": _nights,
    "states": lambda runs: states(max(1, runs // 3)),
    "coverage": coverage,
    "many": lambda runs: coverage_of_many(5 * runs),
    "moved": lambda runs: attribution(max(1, runs // 2)),
    "collapse": collapse,
    "mined": lambda runs: mining(max(1, runs // 8)),
    "budget": lambda runs: budget(max(2, runs // 20)),
}
"""Groups of rows by number of worlds: what costs much on fewer, what costs little on more."""


def table(runs: int, groups: Sequence[str] = tuple(GROUPS)) -> Iterator[str]:
    """The rows as Markdown, as they come."""
    yield from HEAD
    for name in groups:
        for row in GROUPS[name](runs):
            yield row.line
    yield f"\nSeed {SEED}; every row has random numbers of its own."


def main(args: list[str]) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m analytics.judges.proof", description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="worlds a row")
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=list(GROUPS), help="groups")
    asked = parser.parse_args(args)
    for line in table(asked.runs, asked.only):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
