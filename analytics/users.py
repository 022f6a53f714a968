"""Compare variants on any table with a row per user: a notebook's way into the same statistics.

from analytics.users import UserMetric, compare_users
compare_users(con, "users", [UserMetric.mean("minutes", "minutes_before")], variant="arm",
              control="a")
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analytics.cells import Units, moments_of, read_cells
from analytics.compare import Pair, compare_pairs
from analytics.stats.confidence_sequence import SequencePlan
from streams.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from duckdb import DuckDBPyConnection

    from analytics.catalog.metric import Kind
    from analytics.compare import Compared

DEFAULT_PLAN = SequencePlan(n_star=5_000, alpha=0.05)


@dataclass(frozen=True, slots=True)
class UserMetric:
    """Columns of the table: the outcome (a ratio: numerator, denominator), then covariates."""

    name: str
    kind: Kind
    outcome: tuple[str, ...]
    covariates: tuple[str, ...] = ()

    @classmethod
    def mean(cls, column: str, covariate: str = "") -> UserMetric:
        """The mean of a column, adjusted by one from before the experiment."""
        return cls(column, "mean", (column,), (covariate,) if covariate else ())

    @classmethod
    def proportion(cls, column: str) -> UserMetric:
        """The share of users whose column is 1 (else 0)."""
        return cls(column, "proportion", (column,))

    @classmethod
    def ratio(
        cls, numerator: str, denominator: str, covariates: tuple[str, str] | None = None
    ) -> UserMetric:
        """Sum over sum, adjusted by the same two from before the experiment."""
        name = f"{numerator} / {denominator}"
        return cls(name, "ratio", (numerator, denominator), covariates or ())

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns it reads."""
        return (*self.outcome, *self.covariates)


@dataclass(frozen=True, eq=False, slots=True)
class UserComparison:
    """One metric and treatment: its numbers stand at `place` of `found`."""

    metric: str
    treatment: Any
    found: Compared
    place: int


def compare_users(  # noqa: PLR0913 - one call of a notebook says it all
    con: DuckDBPyConnection,
    table: str,
    metrics: Sequence[UserMetric],
    *,
    variant: str,
    control: object,
    plan: SequencePlan = DEFAULT_PLAN,
) -> tuple[UserComparison, ...]:
    """Every metric for every variant but the control, in one scan for moments.

    Args: con, table: a table, view or relation with a row per user and no nulls in the columns
        used. variant: the column that names the variant. control: its value for the control.
    Raises: ConfigError where no user is in the control.
    """
    cells = read_cells(con, Units(table), group=(variant,), vectors=[m.columns for m in metrics])
    by_variant = {key[0]: cell for key, cell in cells.items()}
    if control not in by_variant:
        known = ", ".join(map(repr, sorted(by_variant, key=repr)))
        raise ConfigError(f"no user has {variant} = {control!r}; there are {known}.", where=table)
    treatments = [name for name in sorted(by_variant, key=repr) if name != control]
    asked = [(metric, treatment) for metric in metrics for treatment in treatments]
    moments = {
        (metric, name): moments_of([cell], metric.columns, [1.0] * len(metric.columns))
        for metric in metrics
        for name, cell in by_variant.items()
    }
    pairs = [
        Pair(
            metric.kind,
            moments[metric, control],
            moments[metric, treatment],
            len(metric.covariates),
        )
        for metric, treatment in asked
    ]
    return tuple(
        UserComparison(metric.name, treatment, found, place)
        for (metric, treatment), (found, place) in zip(
            asked, compare_pairs(pairs, plan=plan), strict=True
        )
    )
