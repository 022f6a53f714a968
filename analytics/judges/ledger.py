"""Which judges there are: per instrument how many scores, how many failed, how late, what cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analytics.judges.figure import Figure, finite
from analytics.judges.identity import Instrument
from analytics.judges.people import share
from streams.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    import datetime as dt

    from duckdb import DuckDBPyConnection

_LEDGER = """
WITH known AS (
    SELECT *, make_timestamp(event_time_us)::DATE AS day FROM judge_score
), first_met AS (
    SELECT generation_id, min(event_time_us) AS met_us FROM exposure GROUP BY ALL
), within AS (
    SELECT judge_id, dimension, evaluator_epoch, min(event_time_us) AS since,
        max(event_time_us) AS until FROM known GROUP BY ALL
), met AS (
    SELECT w.judge_id, w.dimension, w.evaluator_epoch, count(*) AS generations
    FROM within w JOIN first_met f ON f.met_us BETWEEN w.since AND w.until GROUP BY ALL
), errors AS (
    SELECT judge_id, dimension, evaluator_epoch, map_from_entries(list((kind, n) ORDER BY kind))
        AS by_type
    FROM (SELECT judge_id, dimension, evaluator_epoch, error_type AS kind, count(*) AS n
        FROM known WHERE error_type IS NOT NULL GROUP BY ALL) GROUP BY ALL
)
SELECT s.judge_id, s.dimension, s.evaluator_epoch,
    coalesce(arg_max(s.judge_model_resolved, s.event_time_us), arg_max(s.judge_model,
        s.event_time_us), '') AS model,
    coalesce(arg_max(s.judge_provider, s.event_time_us), '') AS provider,
    coalesce(arg_max(s.higher_is_better, s.event_time_us), true) AS higher_is_better,
    coalesce(bool_or(s.shadow), false) AS shadow, min(s.day), max(s.day), count(*),
    count(*) FILTER (s.error_type IS NOT NULL), any_value(errors.by_type),
    count(DISTINCT s.generation_id) FILTER (f.met_us IS NOT NULL AND s.score_value IS NOT NULL),
    any_value(met.generations), count(*) FILTER (coalesce(s.is_anchor, false)),
    quantile_cont((s.event_time_us - f.met_us) / 1e6, 0.5) FILTER (s.event_time_us >= f.met_us),
    quantile_cont((s.event_time_us - f.met_us) / 1e6, 0.95) FILTER (s.event_time_us >= f.met_us),
    sum(s.cost_usd), count(s.cost_usd), count(*) FILTER (s.sampling_prob IS NULL)
FROM known s LEFT JOIN first_met f USING (generation_id)
LEFT JOIN met USING (judge_id, dimension, evaluator_epoch)
LEFT JOIN errors USING (judge_id, dimension, evaluator_epoch)
GROUP BY ALL ORDER BY ALL
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One instrument's books.

    coverage: share of the generations first met while it scored that have a score. errors: share
    of its scores that failed; by_type: why. lag_s: from first exposure to score, median and 95th
    percentile, None where it never scored what was exposed. cost_usd: of the scores that state
    one. without_probability: scores that do not say how they were drawn.
    """

    instrument: Instrument
    model: str
    provider: str
    higher_is_better: bool
    shadow: bool
    first_day: dt.date
    last_day: dt.date
    scores: int
    coverage: Figure
    errors: Figure
    by_type: dict[str, int]
    anchors: int
    lag_s: tuple[float | None, float | None]
    cost_usd: float | None
    cost_per_1k_usd: float | None
    without_probability: int


def read_ledger(con: DuckDBPyConnection, *, alpha: float) -> tuple[Entry, ...]:
    """Every instrument in the warehouse, by judge, dimension and epoch. Wilson intervals."""
    return tuple(_entry(row, alpha) for row in con.execute(_LEDGER).fetchall())


def _entry(row: tuple[object, ...], alpha: float) -> Entry:
    judge, dimension, epoch, model, provider, higher, shadow, first, last = row[:9]
    scores, failed, by_type, covered, met, anchors, lag, lag_high = row[9:17]
    cost, costed, without = row[17:]
    n, n_met = _whole(scores), _whole(met)
    per_1k = None if not costed else 1_000 * float(cost) / _whole(costed)  # type: ignore[arg-type] # a sum
    return Entry(
        Instrument(str(judge), str(dimension), str(epoch)),
        str(model),
        str(provider),
        bool(higher),
        bool(shadow),
        first,  # type: ignore[arg-type] # a date, from SQL
        last,  # type: ignore[arg-type] # a date, from SQL
        n,
        share(
            "coverage",
            agreed=min(_whole(covered), n_met),
            of=n_met,
            alpha=alpha,
            unit="generations",
        ),
        share("errors", agreed=_whole(failed), of=n, alpha=alpha, unit="scores"),
        dict(by_type or {}),  # type: ignore[call-overload] # a map, from SQL
        _whole(anchors),
        (None if lag is None else finite(lag), None if lag_high is None else finite(lag_high)),
        None if cost is None else finite(cost),
        per_1k,
        _whole(without),
    )


def _whole(value: object) -> int:
    return int(value) if isinstance(value, (int, float)) else 0


def chosen(
    entries: tuple[Entry, ...], *, judge: str | None, dimension: str | None, epoch: str | None
) -> tuple[Entry, ...]:
    """Only those asked for; ConfigError with the nearest name where there is none.

    epoch: its first digits are enough.
    """
    asked = (("judge", judge), ("dimension", dimension))
    for name, value in asked:
        known = {getattr(one.instrument, name) for one in entries}
        if value is not None and value not in known:
            raise ConfigError(
                f"there is no {name} '{value}' in the scores"
                f" (there is {', '.join(sorted(known)) or 'none'}).",
                where=f"--{name}",
                todo=did_you_mean(value, known),
            )
    kept = [
        one
        for one in entries
        if judge in {None, one.instrument.judge}
        and dimension in {None, one.instrument.dimension}
        and one.instrument.epoch.startswith(epoch or "")
    ]
    if not kept and entries:
        raise ConfigError(
            f"no epoch of that judge and dimension begins with '{epoch}'.",
            where="--epoch",
            todo="`listenback judges list` shows them.",
        )
    return tuple(kept)
