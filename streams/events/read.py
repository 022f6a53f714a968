"""From messages to typed rows, a whole batch at a time, and which rows must be looked at singly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from streams.events.cloud_events import filled_from_headers
from streams.events.compact import is_compact
from streams.events.complete import completed
from streams.events.suspects import beyond_limits, mistyped
from streams.events.tokens import surplus, tokens, utf8
from streams.events.typed import typed

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from streams.events.contract import Contract
    from streams.events.record_headers import Header

FEW_IN: Final = 1_000
"""One message in so many is looked at singly for less than asking `surplus` costs, which is some
milliseconds however few it is asked about."""


def read(
    records: pl.DataFrame,
    headers: Sequence[Sequence[Header]],
    contract: Contract,
    *,
    nesting_max: int,
) -> tuple[pl.DataFrame, pl.Series]:
    """The rows of a batch as far as they can be read, and which of them are suspect.

    Args:
        records: `row`, the place in the batch, and `value`, the bytes.
        headers: of the whole batch; or none at all.
        contract: what the messages must be.
        nesting_max: how deep brackets may nest.

    Returns:
        contract.schema, a row a record; and a Boolean: what its row says of a message that is not
        suspect is all there is to say.
    """
    texts = utf8(records["value"])
    found = tokens(texts, contract)
    has_escapes = bool(texts.str.contains("\\", literal=True).any())
    frame = typed(found, contract.columns, has_escapes=has_escapes)
    is_suspect = mistyped(frame, found, contract.columns)
    if headers:
        frame = filled_from_headers(frame, found, records["row"], headers)
    frame = completed(frame, contract)
    is_suspect |= texts.is_null() | beyond_limits(frame, contract.columns)
    unclear = (~is_suspect & ~is_compact(texts, found, contract.columns)).arg_true()
    strange = unclear
    if len(unclear) * FEW_IN > frame.height:
        strange = unclear.filter(surplus(texts.gather(unclear), nesting_max=nesting_max))
    return frame.select(contract.schema.names()), is_suspect.scatter(strange, values=True)
