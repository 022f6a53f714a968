"""`listenback judges pairwise | orders`: what judges make of pairs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Optional

import numpy as np
import typer

from analytics.judges import orders as swapped
from analytics.judges import pairs
from listenback import ratings
from listenback.figures import show
from listenback.rating_options import (
    Alpha,
    AsJson,
    By,
    Cluster,
    Epoch,
    ErrorColumn,
    File,
    SamplingProb,
    Where,
)
from listenback.ratings import Section
from streams.errors import ConfigError

if TYPE_CHECKING:
    import polars as pl

    from analytics.judges.figure import Figure
    from analytics.stats.checks import FloatArray

TIES = {"tie", "both_bad", "both bad", "equal", "draw", "0", "0.5", "c"}


PairwisePreference = Annotated[
    str, typer.Option("--preference", metavar="COLUMN", help="What the person chose.")
]
PairwiseScoreA = Annotated[
    Optional[str], typer.Option("--score-a", metavar="COLUMN", help="Judge's score of A.")
]
PairwiseScoreB = Annotated[
    Optional[str], typer.Option("--score-b", metavar="COLUMN", help="Judge's score of B.")
]
PairwiseJudge = Annotated[
    Optional[str],
    typer.Option("--judge", metavar="COLUMN", help="What the judge chose, instead of scores."),
]
PairwiseSides = Annotated[
    str, typer.Option("--sides", metavar="A,B", help="How A and B are called.")
]
PairwiseSystemA = Annotated[
    Optional[str], typer.Option("--system-a", metavar="COLUMN", help="What made A.")
]
PairwiseSystemB = Annotated[
    Optional[str], typer.Option("--system-b", metavar="COLUMN", help="What made B.")
]
PairwiseMargins = Annotated[
    Optional[str], typer.Option("--margins", help="Agreement by score distance, as 0.5,1.2.")
]
PairwiseToward = Annotated[
    Optional[list[str]],
    typer.Option("--toward", metavar="COLUMN", help="Above 0 marks A, below 0 B: 'len_a - len_b'."),
]
OrdersFirst = Annotated[
    str, typer.Option("--first", metavar="COLUMN", help="Winner with the outputs as given.")
]
OrdersSecond = Annotated[
    str, typer.Option("--second", metavar="COLUMN", help="Winner, swapped, in the same numbering.")
]
OrdersTruth = Annotated[
    Optional[str], typer.Option("--truth", metavar="COLUMN", help="The right winner.")
]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What `pairwise` was asked, beside the rows."""

    preference: str
    score_a: str | None
    score_b: str | None
    judge: str | None
    side_a: str
    side_b: str
    system_a: str | None
    system_b: str | None
    margins: tuple[float, ...]
    features: tuple[str, ...]
    cluster: str | None
    sampling_prob: str | None
    epoch: str | None
    alpha: float


def pairwise(
    file: File,
    *,
    preference: PairwisePreference,
    score_a: PairwiseScoreA = None,
    score_b: PairwiseScoreB = None,
    judge: PairwiseJudge = None,
    sides: PairwiseSides = "A,B",
    system_a: PairwiseSystemA = None,
    system_b: PairwiseSystemB = None,
    margins: PairwiseMargins = None,
    toward: PairwiseToward = None,
    cluster: Cluster = None,
    sampling_prob: SamplingProb = None,
    error: ErrorColumn = None,
    epoch: Epoch = None,
    where: Where = None,
    by: By = None,
    alpha: Alpha = 0.05,
    as_json: AsJson = False,
) -> None:
    """How often a judge prefers what a person preferred, and who wins.

    Agreement over the pairs that both decided, by score distance, win rates
    per system by people and judge, and what the judge leans to beyond people:
    the first place, length, its own model. One row is one pair.

    Examples:
      listenback judges pairwise votes.csv --preference preference
        --score-a tj_a --score-b tj_b --system-a system_a --system-b system_b
      listenback judges pairwise p.csv --preference human --judge llm --sides 1,2
      listenback judges pairwise v.csv --preference p --score-a a --score-b b
        --toward "len_a - len_b" --margins 0.5,1.2
    """
    if (judge is None) == (score_a is None or score_b is None):
        raise ConfigError("give --score-a and --score-b, or --judge.", where="judges pairwise")
    side_a, comma, side_b = sides.partition(",")
    if not comma or side_a == side_b:
        raise ConfigError(f"'{sides}' does not name two sides.", where="--sides", todo="As A,B.")
    asked = _Asked(
        *(preference, score_a, score_b, judge, side_a, side_b, system_a, system_b),
        *(_edges(margins), tuple(toward or ()), cluster, sampling_prob, epoch, alpha),
    )
    frame, errors = ratings.without_errors(ratings.read_table(file, where or ()), error, str(file))
    sections: list[Section] = []
    for key, part in ratings.parts(frame, by or (), str(file)):
        sections += _pairwise(key, part, asked, errors, str(file))
    show(sections, where=str(file), as_json=as_json)


def _edges(margins: str | None) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in margins.split(",")) if margins else ()
    except ValueError:
        raise ConfigError(f"'{margins}' are no distances.", where="--margins") from None


def _pairwise(
    key: dict[str, Any], part: pl.DataFrame, ask: _Asked, errors: dict[str, int], where: str
) -> list[Section]:
    ratings.check_epoch(part, ask.epoch, where)
    found = _decided(part, ask, where)
    counts = {
        "pairs": len(part),
        "people decided": int(np.sum(np.abs(np.nan_to_num(found.human)) > 0)),
        "ties of the judge": int(np.sum((found.judge == 0) & (np.abs(found.human) > 0))),
        "not scored": int(np.sum(np.isnan(found.judge))),
        "errors": errors,
    }
    figures: list[Figure] = [pairs.accuracy(found, alpha=ask.alpha)]
    if ask.margins:
        figures += pairs.by_margin(found, ask.margins, alpha=ask.alpha)
    figures += pairs.lean(found, np.ones(len(part)), alpha=ask.alpha, name="A")
    for feature in ask.features:
        marked = np.sign(ratings.numbers(part, feature, where))
        figures += pairs.lean(found, marked, alpha=ask.alpha, name=feature)
    if not (ask.system_a and ask.system_b):
        return [Section(key, counts, tuple(figures))]
    systems = [
        [name or "" for name in ratings.words(part, column, where)]
        for column in (ask.system_a, ask.system_b)
    ]
    rates = pairs.win_rates(found, systems[0], systems[1], alpha=ask.alpha)
    figures.append(pairs.same_order(rates, alpha=ask.alpha))
    return [
        Section(key, counts, tuple(figures)),
        *(
            Section({**key, "system": one.system}, {"pairs": one.pairs}, (one.human, one.judge))
            for one in rates
        ),
    ]


def _decided(part: pl.DataFrame, ask: _Asked, where: str) -> pairs.Decided:
    human = _choice(ratings.words(part, ask.preference, where), ask, ask.preference, where)
    who = ratings.codes(part, (ask.cluster,) if ask.cluster else (), where)
    weight = ratings.weights(part, ask.sampling_prob, where)
    if ask.judge is not None:
        said = _choice(ratings.words(part, ask.judge, where), ask, ask.judge, where)
        return pairs.Decided(human, said, np.abs(said), who, weight)
    a = ratings.numbers(part, ask.score_a or "", where)
    b = ratings.numbers(part, ask.score_b or "", where)
    return pairs.decided(human, a, b, cluster=who, weight=weight)


def _choice(said: list[str | None], ask: _Asked, column: str, where: str) -> FloatArray:
    """1 for A, -1 for B, 0 for a tie, NaN for none; another word is a ConfigError."""
    code = {ask.side_a.lower(): 1.0, ask.side_b.lower(): -1.0}
    found = np.full(len(said), np.nan)
    for row, word in enumerate(said):
        if word is None:
            continue
        text = word.strip().lower()
        if text not in code and text not in TIES:
            raise ConfigError(
                f"'{word}' in column '{column}' is neither {ask.side_a}, {ask.side_b} nor a tie.",
                where=where,
                todo="Say how the sides are called with --sides A,B.",
            )
        found[row] = code.get(text, 0.0)
    return found


def orders(
    file: File,
    *,
    first: OrdersFirst,
    second: OrdersSecond,
    truth: OrdersTruth = None,
    epoch: Epoch = None,
    where: Where = None,
    by: By = None,
    alpha: Alpha = 0.05,
    as_json: AsJson = False,
) -> None:
    """Whether a judge stays with its verdict when the outputs are swapped.

    Share right per order and in both, equal verdicts, kappa between orders,
    and the excess for the first place (position bias). One row is one item; a
    verdict that could not be read is empty: not right, and counted.

    Examples:
      listenback judges orders llm.parquet --first winner_order1
        --second winner_order2 --truth human_label --by judge --by prompt
      listenback judges orders verdicts.csv --first ab --second ba --json
    """
    frame = ratings.read_table(file, where or ())
    sections = []
    for key, part in ratings.parts(frame, by or (), str(file)):
        ratings.check_epoch(part, epoch, str(file))
        columns = [ratings.words(part, name, str(file)) for name in (first, second)]
        right = ratings.words(part, truth, str(file)) if truth else None
        found = swapped.both_orders(columns[0], columns[1], right, alpha=alpha)
        sections.append(Section(key, {"n": found.n, **found.counts}, found.figures))
    show(sections, where=str(file), as_json=as_json)
