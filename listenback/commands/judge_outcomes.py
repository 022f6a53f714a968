"""`listenback judges outcome | bias`: judges beside behaviour, and what their errors hang on."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any, Optional

import numpy as np
import typer

from analytics.judges import association, people
from analytics.judges.figure import Figure, nothing, of_interval
from analytics.judges.labels import check_scale
from analytics.judges.resample import How, jackknifed
from analytics.stats.transport import bias_slopes
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
    Scale,
    Where,
    scale_of,
)
from listenback.ratings import Section
from streams.errors import ConfigError

if TYPE_CHECKING:
    import polars as pl

    from analytics.judges.resample import Scale as OnScale
    from analytics.stats.checks import FloatArray, IntArray
    from analytics.stats.interval import Interval


OutcomeScore = Annotated[str, typer.Option("--score", metavar="COLUMN", help="The judge's score.")]
OutcomeOutcome = Annotated[
    str, typer.Option("--outcome", metavar="COLUMN", help="What happened; log1p(x) works.")
]
OutcomeTop = Annotated[
    Optional[float],
    typer.Option("--top", help="AUC for the top share of outcomes, as 0.1 (else 0/1 ones)."),
]
OutcomeStratum = Annotated[
    Optional[list[str]],
    typer.Option("--stratum", metavar="COLUMN", help="Compare only within; may be repeated."),
]
BiasScore = Annotated[str, typer.Option("--score", metavar="COLUMN", help="The judge's score.")]
BiasFeature = Annotated[
    list[str],
    typer.Option("--feature", metavar="COLUMN", help="Length, position, own model; 'a - b' works."),
]
BiasHuman = Annotated[
    Optional[str],
    typer.Option("--human", metavar="COLUMN", help="People's label; without it, the score."),
]


def outcome(
    file: File,
    *,
    score: OutcomeScore,
    outcome: OutcomeOutcome,
    top: OutcomeTop = None,
    stratum: OutcomeStratum = None,
    cluster: Cluster = None,
    sampling_prob: SamplingProb = None,
    scale: Scale = None,
    error: ErrorColumn = None,
    epoch: Epoch = None,
    where: Where = None,
    by: By = None,
    alpha: Alpha = 0.05,
    as_json: AsJson = False,
) -> None:
    """How well a judge's score says what then happened.

    Spearman, Pearson, Kendall, the AUC for a 0/1 outcome (or for the top
    share), and the slope of the outcome on the score: within strata,
    clustered, weighted by 1 / sampling probability. One row is one item.

    Examples:
      listenback judges outcome tracks.parquet --score score --outcome listens
      listenback judges outcome t.csv --score s --outcome kept --cluster user
      listenback judges outcome t.csv --score s --outcome "log1p(n)" --top 0.1
    """
    if top is not None and not 0 < top < 1:
        raise ConfigError(f"--top is {top}, not between 0 and 1.", where="--top")
    ask = _Asked(
        *(score, outcome, top, tuple(stratum or ()), cluster, sampling_prob),
        *(scale_of(scale), epoch, alpha),
    )
    frame, errors = ratings.without_errors(ratings.read_table(file, where or ()), error, str(file))
    sections = [
        _outcome(key, part, ask, errors, str(file))
        for key, part in (ratings.parts(frame, by or (), str(file)) if len(frame) else ())
    ]
    if frame.is_empty():
        reason = "every row is an error of the judge: no score is left"
        sections = [Section({}, {"errors": errors}, (nothing("Spearman", reason),))]
    show(sections, where=str(file), as_json=as_json)


@dataclasses.dataclass(frozen=True, slots=True)
class _Asked:
    """What `outcome` was asked, beside the rows."""

    score: str
    outcome: str
    top: float | None
    stratum: tuple[str, ...]
    cluster: str | None
    sampling_prob: str | None
    scale: tuple[float, float] | None
    epoch: str | None
    alpha: float


def _outcome(
    key: dict[str, Any], part: pl.DataFrame, ask: _Asked, errors: dict[str, int], where: str
) -> Section:
    ratings.check_epoch(part, ask.epoch, where)
    x, y = (ratings.numbers(part, name, where) for name in (ask.score, ask.outcome))
    if ask.scale is not None:
        check_scale(x, ask.scale, what="scores")
    known = ~np.isnan(x) & ~np.isnan(y)
    strata = ratings.codes(part, ask.stratum, where)[known] if ask.stratum else None
    together = association.Together.of(x[known], y[known], strata)
    weight = ratings.weights(part, ask.sampling_prob, where)[known]
    who = ratings.codes(part, (ask.cluster,) if ask.cluster else (), where)[known]
    counts = {"rows": len(part), "without score or outcome": int((~known).sum()), "errors": errors}
    how = How(ask.alpha, unit="clusters" if ask.cluster else "items")
    return Section(key, counts, _outcomes(together, weight, who, how, ask.top))


def _outcomes(
    rows: association.Together,
    weight: FloatArray,
    cluster: IntArray,
    how: How,
    top: float | None,
) -> tuple[Figure, ...]:
    names = ("Spearman", "Pearson", "Kendall tau-b", "slope of outcome on score")
    if len(rows.score) < 3:
        return tuple(nothing(name, f"{len(rows.score)} rows with both") for name in names)
    for values, what in ((rows.score, "score"), (rows.outcome, "outcome")):
        if np.all(values == values[0]):
            why = f"every {what} is {values[0]:g}: nothing varies"
            return tuple(nothing(name, why, n=len(values)) for name in names)
    fisher: OnScale = "fisher"
    ways: list[tuple[str, Any, OnScale, int]] = [
        (names[0], association.spearman, fisher, 100),
        (names[1], association.pearson, fisher, 100),
        (names[2], association.kendall, fisher, people.KENDALL_GROUPS_MAX),
        (names[3], association.slope, "plain", 100),
    ]
    figures = [
        jackknifed(
            name,
            lambda w, way=way: way(rows, w),  # type: ignore[misc] # mypy: lambda with a default
            weight,
            cluster,
            How(how.alpha, on, how.unit, most),
        )
        for name, way, on, most in ways
    ]
    return (*figures, *_auc(rows, weight, cluster, how, top))


def _auc(
    rows: association.Together,
    weight: FloatArray,
    cluster: IntArray,
    how: How,
    top: float | None,
) -> tuple[Figure, ...]:
    """Of a 0/1 outcome, or of the top share; nothing for other outcomes."""
    is_binary = bool(np.all((rows.outcome == 0) | (rows.outcome == 1)))
    if top is None and not is_binary:
        return ()
    high = rows.outcome if top is None else association.high_rows(rows.outcome, top)
    binary = association.Together(
        rows.score, high, rows.stratum, rows.score_level, high.astype(np.int64)
    )
    name = "AUC" if top is None else f"AUC for the top {top:.3g} of outcomes"
    way = How(how.alpha, "logit", how.unit)
    return (jackknifed(name, lambda w: association.auc(binary, w), weight, cluster, way),)


def bias(
    file: File,
    *,
    score: BiasScore,
    feature: BiasFeature,
    human: BiasHuman = None,
    cluster: Cluster = None,
    error: ErrorColumn = None,
    epoch: Epoch = None,
    where: Where = None,
    by: By = None,
    alpha: Alpha = 0.05,
    as_json: AsJson = False,
) -> None:
    """What a judge's error hangs on: length, position, its own model.

    Least squares of score - human label on the features, with cluster-robust
    errors; without --human of the score itself, which shows a leaning and
    not yet a bias. Slopes are in score units per feature unit.

    Examples:
      listenback judges bias votes.csv --score s --human h --feature chars
      listenback judges bias prefs.parquet --score judge_preference_for_model
        --feature "chars_model - chars_baseline" --by model
    """
    frame, errors = ratings.without_errors(ratings.read_table(file, where or ()), error, str(file))
    sections = []
    for key, part in ratings.parts(frame, by or (), str(file)):
        ratings.check_epoch(part, epoch, str(file))
        said = ratings.numbers(part, score, str(file))
        apart = said - ratings.numbers(part, human, str(file)) if human else said
        x = np.column_stack([ratings.numbers(part, name, str(file)) for name in feature])
        known = ~np.isnan(apart) & ~np.isnan(x).any(axis=1)
        who = ratings.codes(part, (cluster,) if cluster else (), str(file))[known]
        found = bias_slopes(apart[known], x[known], who, alpha=alpha)
        unit = "clusters" if cluster else "items"
        figures = tuple(
            of_interval(
                f"slope on {name}",
                _one(found, place),
                unit=unit,
                reason="the feature does not vary, or there are too few items",
            )
            for place, name in enumerate(feature)
        )
        counts = {"rows": len(part), "incomplete": int((~known).sum()), "errors": errors}
        sections.append(Section(key, counts, figures))
    show(sections, where=str(file), as_json=as_json)


def _one(found: Interval, place: int) -> Interval:
    """One element of an interval of several."""
    names = [field.name for field in dataclasses.fields(found)]
    parts = {name: getattr(found, name) for name in names}
    return dataclasses.replace(
        found, **{name: part[place] for name, part in parts.items() if isinstance(part, np.ndarray)}
    )
