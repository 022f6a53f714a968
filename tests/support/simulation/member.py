"""One member of a simulated group."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from support.simulation.script import Place

    from streams.pipeline import Pipeline
    from streams.warehouse.copying import Copy


@dataclass(slots=True)
class Worker:
    """One member of the group, in its present life."""

    name: str
    lives_n: int = 0
    pipeline: Pipeline | None = None
    shards: frozenset[int] = frozenset()
    position: dict[Place, int] = field(default_factory=dict)
    copy: Copy | None = None
    acknowledged: dict[Place, int] = field(default_factory=dict)
    is_zombie: bool = False

    @property
    def own(self) -> Pipeline:
        """Its pipeline, while it lives."""
        assert self.pipeline is not None
        return self.pipeline


def workers_n(seed: int) -> int:
    """How many workers a seed begins with."""
    return 3 if seed % 8 == 3 else 2
