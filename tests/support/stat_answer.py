"""What a reference case is answered with: our numbers, and where a peer is wrong, its and ours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from analytics.stats.moments import Marginal, Moments


@dataclass(frozen=True)
class Answer:
    """ours: numbers that must equal the case's. wrong: key -> (the peer's number reproduced, or
    None where only the peer can; ours). The case holds the peer's; ours must not be that."""

    ours: dict[str, Any] = field(default_factory=dict)
    wrong: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    elsewhere: frozenset[str] = frozenset()  # keys whose data is not here; held on other data


def marginal(arm: dict[str, float]) -> Marginal:
    return Marginal.from_sums(arm["n"], arm["sum"], arm["sumsq"])


def arms(inputs: dict[str, Any]) -> tuple[Marginal, Marginal]:
    return marginal(inputs["control"]), marginal(inputs["treatment"])


def joint(arm: dict[str, float], *names: str) -> Moments:
    """Moments of columns from their sums; the sum of a product is named in either order."""

    def product(a: str, b: str) -> float:
        return arm[f"sum_{a}{b}"] if f"sum_{a}{b}" in arm else arm[f"sum_{b}{a}"]

    total = [arm[f"sum_{name}"] for name in names]
    return Moments.from_sums(arm["n"], total, [[product(a, b) for b in names] for a in names])


def level(inputs: dict[str, Any]) -> float:
    return float(inputs.get("alpha", 0.05))


def off(a: Any, b: Any) -> float:
    """Largest distance; shapes must be alike."""
    left, right = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    assert left.size == right.size, (left.shape, right.shape)
    return float(np.max(np.abs(left.ravel() - right.ravel()), initial=0.0))
