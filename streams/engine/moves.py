"""Joined activity that a flush adds to the sums or takes away from where it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from streams.engine.join import joined
from streams.events.measures import ACTIVITY_NAMES, FEEDBACK_NAMES, LISTEN_NAMES

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Moves:
    """rows: of join.joined, with the measures `names`, to be counted `sign` times.

    events: the same events once each, where they are new; None where they were counted before.
    """

    rows: pl.DataFrame
    names: tuple[str, ...]
    sign: int = 1
    events: pl.DataFrame | None = None


def moves_of(
    before: pl.DataFrame,
    after: pl.DataFrame,
    new: tuple[pl.DataFrame, pl.DataFrame],
    earlier: pl.DataFrame,
) -> list[Moves]:
    """aggregate(after) - aggregate(before) as what is to be added up.

    join(E1, A0 + dA) - join(E0, A0) = join(E1, dA) + join(E1, A0) - join(E0, A0): new activity is
    joined once, and of the earlier only that whose pair met another exposure.

    Args:
        before: coded FIRST rows as stored, of the pairs in `earlier`.
        after: coded FIRST rows as they will be, of all touched pairs.
        new: new listens and feedback (streams.engine.activity).
        earlier: ACTIVITY rows of the pairs of new firsts, as stored.
    """
    listens, feedback = new
    moves = [
        Moves(joined(after, listens), LISTEN_NAMES, events=listens),
        Moves(joined(after, feedback), FEEDBACK_NAMES, events=feedback),
    ]
    if earlier.height:
        moves += [
            Moves(joined(after, earlier), ACTIVITY_NAMES),
            Moves(joined(before, earlier), ACTIVITY_NAMES, sign=-1),
        ]
    return moves
