"""Which rows break a rule: those of a contract, and those between an event and its record."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import polars as pl

from streams.events.dead_letter import ErrorClass
from streams.events.rules import Rule
from streams.events.source import REASON

if TYPE_CHECKING:
    from streams.events.contract import Contract
    from streams.events.limits import Limits

_SETS_MAX: Final = 64
"""Rule sets kept ready: a few contracts under the limits of one process."""


@dataclass(frozen=True, slots=True, eq=False)
class RuleSet:
    """Rules made ready, since they judge many batches: the first that is broken tells.

    number: expression of the first broken rule, null where all hold. reasons: a row a rule.
    """

    rules: tuple[Rule, ...]
    number: pl.Expr = field(init=False)
    reasons: pl.DataFrame = field(init=False)

    def __post_init__(self) -> None:
        """Build the one expression and the table of reasons."""
        breaks = [
            pl.when(~rule.holds.fill_null(value=True)).then(pl.lit(number, pl.Int32))
            for number, rule in enumerate(self.rules)
        ]
        told = [(rule.error_class, rule.name, rule.reason, rule.field_path) for rule in self.rules]
        object.__setattr__(self, "number", pl.coalesce(breaks).alias("number"))
        object.__setattr__(self, "reasons", pl.DataFrame(told, schema=REASON, orient="row"))

    def broken(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows that break a rule, with the reason of the first: `row` and REASON columns.

        Needs `row` and what the rules look at. Rows keep their order.
        """
        broken = frame.select("row", self.number).drop_nulls()
        return broken.select("row").hstack(self.reasons[broken["number"]])


@lru_cache(maxsize=_SETS_MAX)
def value_rules(limits: Limits) -> RuleSet:
    """What must hold of a record's `value` before anyone reads it."""
    size = pl.col("value").bin.size()
    rules = (
        Rule("value_null", None, "no value", pl.col("value").is_not_null(), ErrorClass.DECODE),
        Rule("value_empty", None, "an empty value", size > 0, ErrorClass.DECODE),
        Rule(
            "message_too_large",
            None,
            f"more than {limits.message_bytes_max} bytes",
            size <= limits.message_bytes_max,
            ErrorClass.DECODE,
        ),
    )
    return RuleSet(rules)


@lru_cache(maxsize=_SETS_MAX)
def event_rules(contract: Contract, limits: Limits) -> RuleSet:
    """What must hold between an event and its record, and between the event's fields.

    Beside the fields they need the record's columns `key` and `record_time_us`. A record without a
    key is refused too: it lies in an arbitrary partition and would meet none of the events it
    belongs to.
    """
    key = pl.coalesce(contract.key_fields).cast(pl.Binary)
    behind_us = pl.col("record_time_us") - pl.col("event_time_us")
    rules = (
        Rule(
            "key_mismatch",
            contract.key_field,
            f"the record's key must be the event's {', else '.join(contract.key_fields)}",
            pl.col("key").eq_missing(key),
        ),
        Rule(
            "event_in_future",
            "event_time",
            f"event_time lies more than {limits.future_max_us // 1_000} ms after the record's time",
            behind_us >= -limits.future_max_us,
        ),
        Rule(
            "late_beyond_horizon",
            "event_time",
            f"event_time lies more than {limits.horizon_us // 1_000} ms before the record's time",
            behind_us <= limits.horizon_us,
            ErrorClass.LATE_BEYOND_HORIZON,
        ),
    )
    return RuleSet((*rules, *contract.rules))
