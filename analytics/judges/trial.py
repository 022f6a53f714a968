"""The trial of every judge in a warehouse: evidence gathered, certificates given."""

from __future__ import annotations

import dataclasses
import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from analytics.catalog import undeclared
from analytics.judges.anchors import anchor_check
from analytics.judges.audit import Ask, audits
from analytics.judges.behaviour import item_level
from analytics.judges.certificate import RULES, Certificate, Evidence, Rules, decide_state
from analytics.judges.daysums import DaySums, night_sums
from analytics.judges.effects import (
    OverExperiments,
    effects,
    judge_arms,
    over_experiments,
    read_usage,
)
from analytics.judges.hearing import (
    Heard,
    counted_with_people,
    on_their_scale,
    pairs_with_people,
    ranks_with_people,
    table_of,
)
from analytics.judges.ledger import Entry, chosen, read_ledger
from analytics.judges.rated import NAMES, Rated, items_of, read_rated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from duckdb import DuckDBPyConnection

    from analytics.catalog import Catalog
    from analytics.judges.effects import Arms

EPOCH_DAY = dt.date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which instruments: a judge, a dimension, the beginning of an epoch; None for all."""

    judge: str | None = None
    dimension: str | None = None
    epoch: str | None = None
    rules: Rules = RULES


@dataclass(frozen=True, eq=False, slots=True)
class Trial:
    """One instrument: its books, a certificate per surface, and its record over experiments."""

    entry: Entry
    certificates: tuple[Certificate, ...]
    record: OverExperiments


@dataclass(frozen=True, eq=False, slots=True)
class Trials:
    """All of them, the sums to keep for the next night, and what they were made from.

    controls: of each experiment.
    """

    trials: tuple[Trial, ...]
    sums: DaySums
    rated: Rated
    controls: Mapping[str, str]


def try_judges(
    con: DuckDBPyConnection, catalog: Catalog, asked: Asked, *, before: DaySums
) -> Trials:
    """Everything that the warehouse says of its judges.

    Args: con: a published warehouse. before: sums kept by an earlier night, or DaySums.empty().
    Raises: ConfigError where the judge, dimension or epoch asked for has no scores.
    """
    rules = asked.rules
    entries = chosen(
        read_ledger(con, alpha=rules.alpha),
        judge=asked.judge,
        dimension=asked.dimension,
        epoch=asked.epoch,
    )
    sums = night_sums(con, before)
    court = _Court(read_rated(con), sums, read_usage(con), _controls(con, catalog), rules)
    trials = tuple(_trial(entry, court) for entry in entries)
    return Trials(trials, sums, court.rated, court.controls)


@dataclass(frozen=True, eq=False, slots=True)
class _Court:
    """What all trials share."""

    rated: Rated
    sums: DaySums
    usage: Arms
    controls: Mapping[str, str]
    rules: Rules


def _controls(con: DuckDBPyConnection, catalog: Catalog) -> dict[str, str]:
    """The control of each experiment: as planned, else as its name says."""
    rows = con.execute(
        "SELECT experiment_id, list(DISTINCT variant_id) FROM exposure"
        " WHERE experiment_id <> '' AND variant_id IS NOT NULL GROUP BY ALL"
    ).fetchall()
    found = {}
    for experiment, variants in rows:
        plan = catalog.experiments.get(experiment) or undeclared(experiment, variants, "user")
        if plan is not None:
            found[experiment] = plan.control
    return found


def _trial(entry: Entry, court: _Court) -> Trial:
    scores = court.rated.of(entry.instrument)
    met = court.rated.met.join(scores.select("generation_id"), on="generation_id", how="semi")
    surfaces = sorted(met["surface"].unique().to_list()) or [""]
    given = tuple(_certificate(entry, surface, court) for surface in surfaces)
    sign = _sign(entry)
    scored = court.rated.met.join(scores, on="generation_id").sort("generation_id")
    alpha = court.rules.alpha
    found = effects(judge_arms(scored, sign=sign), court.usage, court.controls, alpha=alpha)
    return Trial(entry, _cautious(given), over_experiments(found, alpha=alpha))


def _sign(entry: Entry) -> float:
    return 1.0 if entry.higher_is_better else -1.0


def _cautious(given: tuple[Certificate, ...]) -> tuple[Certificate, ...]:
    """What is revoked on one surface is used on another only where it is certified there."""
    revoked = [one.surface for one in given if one.state == "REVOKED"]
    if not revoked:
        return given
    reason = f"revoked on {', '.join(revoked)}: elsewhere only a full certificate would do"
    return tuple(
        dataclasses.replace(one, use="do not use", reasons=(*one.reasons, reason))
        if one.state == "PROBATION"
        else one
        for one in given
    )


def _certificate(entry: Entry, surface: str, court: _Court) -> Certificate:
    evidence = _evidence(entry, surface, court)
    state, use, reasons, missing = decide_state(evidence, court.rules)
    return Certificate(
        entry.instrument,
        surface,
        entry.first_day,
        entry.last_day,
        state,
        use,
        reasons,
        missing,
        evidence,
    )


def _evidence(entry: Entry, surface: str, court: _Court) -> Evidence:
    instrument, rules, sign = entry.instrument, court.rules, _sign(entry)
    items = items_of(court.rated, instrument, surface=surface)
    ratings = court.rated.ratings.filter(pl.col("dimension") == instrument.dimension)
    heard = _heard(entry, items, ratings, court)
    values = (instrument.judge, instrument.dimension, instrument.epoch)
    cells = court.sums.cells.filter(
        pl.col("surface") == surface,
        *(pl.col(name) == value for name, value in zip(NAMES, values, strict=True)),
    ).with_columns(pl.col("level") * sign)
    people = _range(ratings)
    judge = _range(court.rated.of(instrument))
    margin = rules.margin_share * ((people[1] - people[0]) if people else 1.0)
    return Evidence(
        heard,
        item_level(cells, "kept", alpha=rules.alpha),
        item_level(cells, "saved", alpha=rules.alpha),
        audits(items, court.controls, Ask(margin, sign, rules.alpha)),
        anchor_check(
            court.rated.anchors_of(instrument),
            margin=rules.anchor_share * (judge[1] - judge[0]) if judge else None,
            alpha=rules.alpha,
        ),
        entry.errors,
    )


def _heard(entry: Entry, items: pl.DataFrame, ratings: pl.DataFrame, court: _Court) -> Heard:
    alpha, sign = court.rules.alpha, _sign(entry)
    rank, ceiling = ranks_with_people(items, ratings, sign=sign, alpha=alpha)
    labels, score, weight = table_of(items, ratings)
    judge, people = _range(court.rated.of(entry.instrument)), _range(ratings)
    grades = (
        on_their_scale(score, judge, people, sign=sign)
        if judge and people
        else score * float("nan")
    )
    counted, of_people, alt = counted_with_people(labels, grades, weight, alpha=alpha)
    known = items.drop_nulls("score").select("generation_id", "score", "weight")
    seen = court.rated.preferences.filter(pl.col("dimension") == entry.instrument.dimension)
    figure, leaning = pairs_with_people(known, seen, sign=sign, alpha=alpha)
    return Heard(rank, ceiling, counted, of_people, figure, leaning, alt)


def _range(rows: pl.DataFrame) -> tuple[float, float] | None:
    """The declared scale, where it is one and the same for all."""
    scales = rows.select("low", "high").unique().drop_nulls()
    if len(scales) != 1 or rows.select(pl.col("low").null_count()).item():
        return None
    low, high = scales.row(0)
    return (float(low), float(high)) if high > low else None
