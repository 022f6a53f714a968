"""The night's analysis: a published warehouse and the catalogue in, one `Report` out."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from analytics.agreement import read_agreement
from analytics.examine import plan_night
from analytics.experiments import ALPHA, Night, experiment_result
from analytics.fold import UNIT_DAYS, UNIT_TABLE, fold_units
from analytics.forgotten import read_forgotten
from analytics.headline import STATES, headline
from analytics.queries import queries
from analytics.read import (
    check_warehouse,
    data_day,
    moment,
    read_trust,
    seen_experiments,
    stamp,
)
from analytics.results import SCHEMA, ExperimentResult, Report, Run
from analytics.scores import read_instruments, read_scores
from streams.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    import datetime as dt

    from duckdb import DuckDBPyConnection

    from analytics.catalog import Catalog
    from analytics.read import Seen
    from analytics.scores import Instrument


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: how the file is called, the wall clock, a day to look from, one experiment.

    as_of: the UTC day in the middle of which the data is taken to be; None: the watermark's.
    """

    warehouse: str
    now_us: int
    as_of: dt.date | None = None
    experiment: str | None = None
    command: str = ""


def analyse(con: DuckDBPyConnection, catalog: Catalog, request: Request) -> Report:
    """Fold, compare, decide, and look at the data's own health.

    Args: con: a published warehouse, open read-only; a temporary table is made in it.
    Raises: ConfigError where the file is no warehouse or the experiment is nowhere.
    """
    check_warehouse(con, request.warehouse)
    as_of = request.as_of or data_day(con)
    instruments = read_instruments(con)
    experiments = _experiments(con, catalog, request, as_of, instruments)
    trust = read_trust(con, now_us=request.now_us)
    return Report(
        schema=SCHEMA,
        date=moment(request.now_us).date().isoformat(),
        as_of=as_of.isoformat() if as_of else None,
        generated_at=stamp(request.now_us),
        headline=headline(experiments, trust),
        experiments=experiments,
        trust=trust,
        agreement=read_agreement(con, instruments, alpha=ALPHA),
        run=Run(
            version=version("listenback"),
            warehouse=request.warehouse,
            catalog=_catalog_hash(catalog),
            command=request.command,
        ),
        forgotten=read_forgotten(con),
        queries=queries(catalog, as_of, {one.id for one in experiments}),
    )


def _experiments(
    con: DuckDBPyConnection,
    catalog: Catalog,
    request: Request,
    as_of: dt.date | None,
    instruments: dict[tuple[str, str, str], Instrument],
) -> tuple[ExperimentResult, ...]:
    """Every experiment that is defined or has data, the most urgent first."""
    if as_of is None:
        return ()
    fold, halves = plan_night(catalog.metrics, catalog.experiments.values())
    fold_units(con, fold, as_of=as_of, source=UNIT_DAYS)
    seen: dict[str, list[Seen]] = {}
    for one in seen_experiments(con, UNIT_TABLE):
        seen.setdefault(one.experiment_id, []).append(one)
    known = sorted({*catalog.experiments, *seen})
    if request.experiment is not None and request.experiment not in known:
        raise ConfigError(
            f"there is no experiment '{request.experiment}', neither defined nor in the data.",
            where="--experiment",
            todo=did_you_mean(request.experiment, known),
        )
    asked = known if request.experiment is None else [request.experiment]
    night = Night(
        con,
        catalog,
        fold,
        as_of,
        read_scores(con, units=UNIT_TABLE, alpha=ALPHA),
        instruments,
        halves,
    )
    results = [experiment_result(night, name, seen.get(name, [])) for name in asked]
    return tuple(sorted(results, key=_urgency))


def _urgency(result: ExperimentResult) -> tuple[int, str]:
    """Where the page puts an experiment: what asks for an action first."""
    states = [STATES.index(verdict.state) for verdict in result.verdicts]
    return min(states, default=len(STATES)), result.id


def _catalog_hash(catalog: Catalog) -> str:
    """Changes when a definition does."""
    parts = (sorted(catalog.metrics.items()), sorted(catalog.experiments.items()))
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
