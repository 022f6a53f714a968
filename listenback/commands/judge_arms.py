"""`listenback judges compare | ppi`: variants beside each other; few labels, many scores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Optional

import numpy as np
import typer

from analytics.judges import contrasts, fusion
from analytics.judges.figure import Figure, nothing, of_interval
from analytics.stats.confidence_sequence import BURN_IN, SequencePlan, mean_sequence
from analytics.stats.interval import Interval
from analytics.stats.means import mean_interval
from analytics.stats.moments import Marginal, Moments
from analytics.stats.ppi import Divisor, PowerTuned, ppi_clustered_interval, ppi_interval, ppi_mean
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
from streams.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    import polars as pl


CompareValue = Annotated[str, typer.Option("--value", metavar="COLUMN", help="The score.")]
CompareArm = Annotated[str, typer.Option("--arm", metavar="COLUMN", help="The variant or system.")]
CompareControl = Annotated[
    Optional[str], typer.Option("--control", help="Arm that the others are held against.")
]
ComparePair = Annotated[
    Optional[list[str]],
    typer.Option("--pair", metavar="COLUMN", help="What pairs rows of two arms: the prompt."),
]
PpiHuman = Annotated[
    str, typer.Option("--human", metavar="COLUMN", help="Human label; empty: not labelled.")
]
PpiJudge = Annotated[
    list[str],
    typer.Option("--judge", metavar="COLUMN", help="Score or usage signal; may be repeated."),
]
PpiArm = Annotated[
    Optional[str], typer.Option("--arm", metavar="COLUMN", help="Variant: for a difference.")
]
PpiControl = Annotated[Optional[str], typer.Option("--control", help="Its control.")]
PpiLam = Annotated[
    Optional[float],
    typer.Option("--lambda", help="Trust in the judge, 0 to 1; without it tuned to the data."),
]
PpiLabelProb = Annotated[
    Optional[str],
    typer.Option("--label-prob", metavar="COLUMN", help="Probability of being labelled."),
]
PpiDivisor = Annotated[
    str, typer.Option("--divisor", help="Of variances: n-1, or n as ppi_py has it.")
]
PpiNStar = Annotated[
    float, typer.Option("--n-star", help="Labelled units at which always-valid is tightest.")
]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What `compare` was asked, beside the rows."""

    value: str
    arm: str
    control: str | None
    pair: tuple[str, ...]
    cluster: str | None
    sampling_prob: str | None
    alpha: float


def compare(
    file: File,
    *,
    value: CompareValue,
    arm: CompareArm,
    control: CompareControl = None,
    pair: ComparePair = None,
    cluster: Cluster = None,
    sampling_prob: SamplingProb = None,
    error: ErrorColumn = None,
    epoch: Epoch = None,
    where: Where = None,
    by: By = None,
    alpha: Alpha = 0.05,
    as_json: AsJson = False,
) -> None:
    """Mean score of each variant, and the differences to one of them.

    Unpaired (Welch) and, with --pair, over the prompts that both answered:
    paired t, signed ranks, share of prompts won. A mean of preferences is a
    win rate. One row is one score.

    Examples:
      listenback judges compare prefs.parquet --value judge_preference
        --arm model --control gpt4_gamed --pair prompt
      listenback judges compare clips.csv --value mos --arm system --json
    """
    asked = _Asked(value, arm, control, tuple(pair or ()), cluster, sampling_prob, alpha)
    frame, errors = ratings.without_errors(ratings.read_table(file, where or ()), error, str(file))
    sections: list[Section] = []
    for key, part in ratings.parts(frame, by or (), str(file)):
        ratings.check_epoch(part, epoch, str(file))
        sections += _compared(key, part, asked, errors, str(file))
    show(sections, where=str(file), as_json=as_json)


def _compared(
    key: dict[str, Any], part: pl.DataFrame, ask: _Asked, errors: dict[str, int], where: str
) -> list[Section]:
    names = np.asarray([name or "" for name in ratings.words(part, ask.arm, where)], dtype=object)
    values = ratings.numbers(part, ask.value, where)
    known = ~np.isnan(values)
    codes = [
        ratings.codes(part, columns, where)
        for columns in (ask.pair, (ask.cluster,) if ask.cluster else ())
    ]
    weight = ratings.weights(part, ask.sampling_prob, where)
    arms = {}
    for name in sorted(set(names.tolist())):
        mine = known & (names == name)
        arms[name] = contrasts.Arm(values[mine], codes[0][mine], codes[1][mine], weight[mine])
    if ask.control is not None and ask.control not in arms:
        raise ConfigError(
            f"no row is of the arm '{ask.control}'.",
            where=where,
            todo=did_you_mean(ask.control, arms),
        )
    counts = {"rows": len(part), "without value": int((~known).sum()), "errors": errors}
    means = [contrasts.arm_mean(name, one, alpha=ask.alpha) for name, one in arms.items()]
    sections = [Section(key, counts, tuple(means))]
    base = arms.get(ask.control or "")
    others = [name for name in arms if name != ask.control] if base is not None else []
    for name in others:
        assert base is not None, "others are only listed beside a control"
        figures = [contrasts.difference(base, arms[name], alpha=ask.alpha)]
        if ask.pair:
            figures += contrasts.paired(base, arms[name], alpha=ask.alpha)
        sections.append(Section({**key, "arm": f"{name} - {ask.control}"}, {}, tuple(figures)))
    return sections


@dataclass(frozen=True, slots=True)
class _Fused:
    """What `ppi` was asked, beside the rows."""

    human: str
    judge: tuple[str, ...]
    arm: str | None
    control: str | None
    cluster: str | None
    lam: float | None
    label_prob: str | None
    divisor: str
    n_star: float
    alpha: float


def ppi(
    file: File,
    *,
    human: PpiHuman,
    judge: PpiJudge,
    arm: PpiArm = None,
    control: PpiControl = None,
    cluster: Cluster = None,
    lam: PpiLam = None,
    label_prob: PpiLabelProb = None,
    divisor: PpiDivisor = "n-1",
    n_star: PpiNStar = 1_000.0,
    epoch: Epoch = None,
    where: Where = None,
    by: By = None,
    alpha: Alpha = 0.05,
    as_json: AsJson = False,
) -> None:
    """Few human labels and many scores: human-only, judge-only, fused.

    Prediction-powered inference: of one mean, or with --arm of the
    differences to the control, with several signals, clustered, and valid at
    every look. Prints the share of labels that the signals replaced.

    Examples:
      listenback judges ppi clips.csv --human mos --judge score
      listenback judges ppi items.csv --human rating --judge llm --judge kept
        --arm variant --control a --cluster user
    """
    asked = _Fused(
        *(human, tuple(judge), arm, control, cluster),
        *(lam, label_prob, divisor, n_star, alpha),
    )
    if arm is not None and control is None:
        raise ConfigError("--arm needs --control.", where="judges ppi")
    frame = ratings.read_table(file, where or ())
    sections: list[Section] = []
    for key, part in ratings.parts(frame, by or (), str(file)):
        ratings.check_epoch(part, epoch, str(file))
        sections += _fused(key, part, asked, str(file))
    show(sections, where=str(file), as_json=as_json)


def _fused(key: dict[str, Any], part: pl.DataFrame, ask: _Fused, where: str) -> list[Section]:
    if ask.arm is None and len(ask.judge) == 1 and ask.label_prob is None:
        return [_one_mean(key, part, ask, where)]
    if ask.arm is None:
        raise ConfigError(
            "several signals, or label probabilities, are for differences.",
            where="judges ppi",
            todo="Name the arms with --arm and --control.",
        )
    names = np.asarray(ratings.words(part, ask.arm, where), dtype=object)
    known = sorted({str(name) for name in names if name is not None})
    if ask.control not in known:
        todo = did_you_mean(ask.control or "", known)
        raise ConfigError(f"no row is of the arm '{ask.control}'.", where=where, todo=todo)
    items = {name: _items(part, names == name, ask, where) for name in known}
    return [
        _difference(key, name, items[ask.control], items[name], ask)
        for name in known
        if name != ask.control
    ]


def _items(part: pl.DataFrame, mine: Any, ask: _Fused, where: str) -> fusion.Items:  # noqa: ANN401 - rows of numpy
    """One arm's items; a missing score is no signal: its distance from the mean counts as 0."""
    unit = ratings.codes(part, (ask.cluster,) if ask.cluster else (), where)[mine]
    label = ratings.numbers(part, ask.human, where)[mine]
    whole = [ratings.numbers(part, name, where) for name in ask.judge]
    signals = [fusion.known_or_zero(one[mine], float(np.nanmean(one))) for one in whole]
    weight = ratings.weights(part, ask.label_prob, where)[mine]
    return fusion.Items.of(unit, label, np.column_stack(signals), weight)


def _difference(
    key: dict[str, Any], name: str, control: fusion.Items, arm: fusion.Items, ask: _Fused
) -> Section:
    plan = SequencePlan(ask.n_star, ask.alpha)
    used = tuple(ask.lam != 0 for _ in ask.judge)
    found = fusion.fuse(control, arm, ask.judge, plan=plan, trusted=used)
    alone = fusion.judge_only(
        *((one.signals[:, 0], np.ones(len(one.unit)), one.unit) for one in (control, arm)),
        plan=plan,
    )
    named = (
        ("human only", found.human),
        (f"{ask.judge[0]} only", alone[0]),
        ("fused", found.fused),
        ("human only, every look", found.human_always),
        (f"{ask.judge[0]} only, every look", alone[1]),
        ("fused, every look", found.fused_always),
    )
    counts = {"weights": found.weights, "label saving": found.label_saving}
    figures = tuple(replace(one, name=title) for title, one in named)
    return Section({**key, "arm": f"{name} - {ask.control}"}, counts, figures)


def _one_mean(key: dict[str, Any], part: pl.DataFrame, ask: _Fused, where: str) -> Section:
    """The mean human label over all rows: labels alone, the judge alone, both."""
    y = ratings.numbers(part, ask.human, where)
    f = ratings.numbers(part, ask.judge[0], where)
    labelled, rest = ~np.isnan(y) & ~np.isnan(f), np.isnan(y) & ~np.isnan(f)
    counts: dict[str, Any] = {
        "labelled": int(labelled.sum()),
        "unlabelled": int(rest.sum()),
        "without score": int(np.isnan(f).sum()),
    }
    if labelled.sum() < 2 or rest.sum() < 2:
        why = "fewer than two labelled, or two unlabelled, rows"
        return Section(key, counts, (nothing("fused", why),))
    both = Moments.of(np.column_stack([y[labelled], f[labelled]]))
    kind: Divisor = "n" if ask.divisor == "n" else "n-1"
    tuned = ppi_mean(both, Marginal.of(f[rest]), lam=ask.lam, divisor=kind)
    who = ratings.codes(part, (ask.cluster,) if ask.cluster else (), where).astype(float)
    found = ppi_interval(tuned, alpha=ask.alpha)
    if ask.cluster:
        near = (y[labelled], f[labelled], who[labelled])
        used = float(tuned.lam)
        found = ppi_clustered_interval(near, (f[rest], who[rest]), alpha=ask.alpha, lam=used)
    plan = SequencePlan(ask.n_star, ask.alpha, burn_in=BURN_IN)
    alone = mean_interval(both.at(0), alpha=ask.alpha)
    figures = (
        ("human only", alone),
        (f"{ask.judge[0]} only", mean_interval(Marginal.of(f[rest | labelled]), alpha=ask.alpha)),
        ("fused", found),
        ("fused, every look", mean_sequence(tuned.mean, plan)),
    )
    counts |= {"lambda": float(tuned.lam), "label saving": _saving(tuned)}
    return Section(key, counts, tuple(_named(name, one) for name, one in figures))


def _named(name: str, found: Interval) -> Figure:
    why = f"too few labels (every look: {BURN_IN:.0f} are needed), or nothing varies"
    return of_interval(name, found, unit="labelled", reason=why)


def _saving(tuned: PowerTuned) -> float | None:
    before = float(np.square(tuned.se_human_only))
    return 1 - float(tuned.mean.se2) / before if before > 0 else None
