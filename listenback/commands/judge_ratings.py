"""`listenback judges agreement`: raters beside each other, judges beside people."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional

import numpy as np
import polars as pl
import typer

from analytics.judges import people
from analytics.judges.labels import Labels, labels_of
from analytics.stats.alt_test import AltRule, alt_test
from listenback import ratings
from listenback.figures import show
from listenback.rating_options import (
    Alpha,
    AsJson,
    By,
    Epoch,
    ErrorColumn,
    File,
    Scale,
    Where,
    scale_of,
)
from listenback.ratings import Section
from streams.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analytics.judges.figure import Figure

Level = Literal["nominal", "ordinal", "interval", "ratio"]
LEVELS: tuple[Level, ...] = ("nominal", "ordinal", "interval", "ratio")
AnyLevel = Literal["nominal", "ordinal", "interval", "ratio", "all"]
Scoring = Literal["accuracy", "neg_rmse"]


AgreementItem = Annotated[
    list[str], typer.Option("--item", metavar="COLUMN", help="Item; repeat for several parts.")
]
AgreementRater = Annotated[str, typer.Option("--rater", metavar="COLUMN", help="Who labelled.")]
AgreementValue = Annotated[str, typer.Option("--value", metavar="COLUMN", help="The label.")]
AgreementLevel = Annotated[
    AnyLevel, typer.Option("--level", help="How labels are told apart; all: each in turn.")
]
AgreementJudge = Annotated[
    Optional[list[str]],
    typer.Option("--judge", help="A rater that is a judge, not a person; may be repeated."),
]
AgreementJudgeFile = Annotated[
    Optional[Path], typer.Option("--judge-file", help="Judges' labels in a file of their own.")
]
AgreementJudgeRater = Annotated[
    Optional[str],
    typer.Option("--judge-rater", metavar="COLUMN", help="Judge in that file (as --rater)."),
]
AgreementEpsilon = Annotated[
    float, typer.Option("--epsilon", help="Alt-test: what a cheaper judge may be worse by.")
]
AgreementScoring = Annotated[
    Optional[Scoring],
    typer.Option("--scoring", help="Alt-test: nearness (accuracy for words, else neg_rmse)."),
]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What `agreement` was asked, beside the rows."""

    level: AnyLevel
    judges: frozenset[str]
    scale: tuple[float, float] | None
    rule: AltRule
    scoring: Scoring | None
    alpha: float

    def is_numeric(self, rows: pl.DataFrame) -> bool:
        """Whether distances of labels count: as asked, else where most labels are numbers."""
        if self.level != "all":
            return self.level != "nominal"
        known = rows.drop_nulls("value")["value"]
        return known.cast(pl.Float64, strict=False).null_count() * 2 < max(len(known), 1)


def agreement(
    file: File,
    *,
    item: AgreementItem,
    rater: AgreementRater,
    value: AgreementValue,
    level: AgreementLevel = "all",
    judge: AgreementJudge = None,
    judge_file: AgreementJudgeFile = None,
    judge_rater: AgreementJudgeRater = None,
    epsilon: AgreementEpsilon = 0.2,
    scoring: AgreementScoring = None,
    scale: Scale = None,
    error: ErrorColumn = None,
    epoch: Epoch = None,
    where: Where = None,
    by: By = None,
    alpha: Alpha = 0.05,
    as_json: AsJson = False,
) -> None:
    """How far raters agree beyond chance, and judges with people.

    Krippendorff's alpha, kappa, weighted kappa, AC1, correlations, each with
    an interval; with judges, each figure beside the same between people (the
    ceiling), and the alternative annotator test. One row is one label.

    Examples:
      listenback judges agreement labels.csv --item clip --rater who --value stars
      listenback judges agreement l.csv --item i --rater r --value v --judge gpt
      listenback judges agreement human.parquet --item item --rater annotator
        --value label --judge-file judge.parquet --judge-rater judge --by dataset
    """
    parts = (*(by or ()),)
    names = _Names(tuple(item), rater, value, error, epoch, parts)
    rows = _long(ratings.read_table(file, where or ()), names, str(file))
    judges = set(judge or ())
    if judge_file is not None:
        theirs = _Names(tuple(item), judge_rater or rater, value, error, epoch, parts)
        more = _long(ratings.read_table(judge_file, where or ()), theirs, str(judge_file))
        judges |= set(more["rater"].drop_nulls().to_list())
        rows = pl.concat([rows, more])
    _check_judges(judges, rows, str(file))
    rule = AltRule(epsilon)
    asked = _Asked(level, frozenset(judges), scale_of(scale), rule, scoring, alpha)
    sections: list[Section] = []
    for key, part in ratings.parts(rows, parts, str(file)):
        sections += _agreement(key, part, asked, str(file))
    show(sections, where=str(file), as_json=as_json)


@dataclass(frozen=True, slots=True)
class _Names:
    item: tuple[str, ...]
    rater: str
    value: str
    error: str | None
    epoch: str | None
    by: tuple[str, ...]


def _long(frame: pl.DataFrame, names: _Names, where: str) -> pl.DataFrame:
    """Rows of (by..., item, rater, value, error, epoch) as text; an errored value is absent."""
    items = [pl.col(ratings.known(frame, name, where)).cast(pl.String) for name in names.item]
    column = {
        "rater": names.rater,
        "value": names.value,
        **({"error": names.error} if names.error in frame.columns else {}),
        **({"epoch": names.epoch} if names.epoch in frame.columns else {}),
    }
    chosen = [
        pl.col(ratings.known(frame, name, where)).cast(pl.String).alias(as_name)
        for as_name, name in column.items()
    ]
    empty = [
        pl.lit(None, dtype=pl.String).alias(one) for one in ("error", "epoch") if one not in column
    ]
    by = [pl.col(ratings.known(frame, name, where)).cast(pl.String) for name in names.by]
    made = frame.select(*by, pl.concat_str(items, separator="/").alias("item"), *chosen, *empty)
    failed = pl.col("error").is_not_null() & (pl.col("error") != "")
    return made.with_columns(pl.when(~failed).then(pl.col("value")).alias("value")).select(
        *names.by, "item", "rater", "value", "error", "epoch"
    )


def _check_judges(judges: set[str], rows: pl.DataFrame, where: str) -> None:
    raters = set(rows["rater"].drop_nulls().to_list())
    for name in sorted(judges - raters):
        raise ConfigError(
            f"no row is of the judge '{name}'.", where=where, todo=did_you_mean(name, raters)
        )


def _agreement(key: dict[str, Any], part: pl.DataFrame, asked: _Asked, where: str) -> list[Section]:
    """People with each other, then each judge with people."""
    for (rater,), of_one in part.partition_by("rater", as_dict=True).items():
        ratings.check_epoch(of_one, "epoch", f"{where}, rater {rater}")
    is_numeric = asked.is_numeric(part)
    labels = labels_of(part, is_numeric=is_numeric, scale=asked.scale)
    judges = [name for name in labels.raters if name in asked.judges]
    humans = labels.without(judges)
    levels = LEVELS if asked.level == "all" else (asked.level,)
    levels = tuple(one for one in levels if is_numeric or one == "nominal")
    ceiling = people.between_people(humans, alpha=asked.alpha, is_numeric=is_numeric)
    counts = {
        "raters": len(humans.raters),
        "items": int(np.any(~np.isnan(humans.values), axis=0).sum()),
        "labels": int((~np.isnan(humans.values)).sum()),
        "errors": _errors(part, labels),
    }
    figures = (*people.alphas(humans, levels, alpha=asked.alpha), *_said(ceiling, "people"))
    sections = [Section(key, counts, figures)]
    return sections + [_judged(key, name, labels, humans, asked) for name in judges]


def _errors(part: pl.DataFrame, labels: Labels) -> dict[str, int]:
    """Missing labels by type: what the file says, what could not be read."""
    typed = part.drop_nulls("error").filter(pl.col("error") != "")
    counted = typed.group_by("error").len().sort("error")
    found = dict(zip(counted["error"].to_list(), counted["len"].to_list(), strict=True))
    absent = labels.errors.get("absent", 0) - sum(found.values())
    unread = {name: n for name, n in labels.errors.items() if name != "absent"}
    return found | unread | ({"absent": absent} if absent > 0 else {})


def _judged(
    key: dict[str, Any], name: str, labels: Labels, humans: Labels, asked: _Asked
) -> Section:
    said = labels.of([name]).values[0]
    is_numeric = not labels.words
    figures = [
        *_said(
            people.judge_with_people(said, humans, alpha=asked.alpha, is_numeric=is_numeric),
            "judge with people",
        ),
        people.with_the_majority(said, humans, alpha=asked.alpha),
    ]
    if is_numeric:
        figures += people.with_the_mean(said, humans, alpha=asked.alpha)
    scoring = asked.scoring or ("neg_rmse" if is_numeric else "accuracy")
    test = alt_test(humans.values, said, asked.rule, scoring=scoring)
    counts = {
        "items": int((~np.isnan(said)).sum()),
        "alt_test": {
            "enough": test.enough,
            "winning_rate": test.winning_rate if test.enough else None,
            "advantage": test.advantage if test.enough else None,
            "passed": test.passed,
            "epsilon": asked.rule.epsilon,
            "scoring": scoring,
            "p": [float(p) if np.isfinite(p) else None for p in test.p],
        },
    }
    return Section({**key, "judge": name}, counts, tuple(figures))


def _said(figures: Sequence[Figure], whose: str) -> tuple[Figure, ...]:
    return tuple(dataclasses.replace(one, name=f"{one.name}, {whose}") for one in figures)
