"""What is true: the exact expectations that a report's intervals are held against.

*Population*: over all listeners and generations that could be drawn, by Gauss-Hermite quadrature.
*Realised*: given the listeners, generations and exposures that were drawn, with the noise of what
they then did taken out. Both count as per-user sums do: plays in private mode left out.

Ratios per exposure, per play or per stream do not depend on which users or days a window takes in,
because activity is independent of taste and effects are constant; totals per user (minutes, number
of exposures) are those of the whole test. Relative effects hold for any window.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streams.simulate.behaviour import expected_measures
from streams.simulate.population import ACTIVITY_SIGMA

if TYPE_CHECKING:
    from collections.abc import Mapping

    from streams.simulate.plan import Variant

Floats = NDArray[np.float64]
Sums = dict[str, float]

NODES_N = 64
RATIOS: Mapping[str, tuple[Mapping[str, float], Mapping[str, float]]] = {
    "stream_rate_30s": ({"streams_30s_n": 1}, {"exposures_n": 1}),
    "early_skip_rate": ({"early_skips_n": 1}, {"starts_n": 1}),
    "listen_plus_rate": ({"listen_plus_n": 1}, {"starts_n": 1}),
    "completion_rate": ({"completes_n": 1}, {"uncensored_n": 1}),
    "mean_played_ratio": ({"played_ratio_ppm": 1e-6}, {"played_ratios_n": 1}),
    "first_minute_listened_s": ({"first_60s_ms": 1e-3}, {"starts_n": 1}),
    "starts_per_exposure": ({"starts_n": 1}, {"exposures_n": 1}),
    "minutes_per_exposure": ({"ms_played": 1 / 60_000}, {"exposures_n": 1}),
    "save_rate": ({"saves_n": 1, "unsaves_n": -1}, {"streams_30s_n": 1}),
    "like_rate": ({"likes_n": 1, "unlikes_n": -1}, {"streams_30s_n": 1}),
    "playlist_add_rate": (
        {"playlist_adds_n": 1, "playlist_removes_n": -1},
        {"streams_30s_n": 1},
    ),
    "share_rate": ({"shares_n": 1}, {"streams_30s_n": 1}),
    "regenerate_rate": ({"regenerates_n": 1}, {"exposures_n": 1}),
    "refine_rate": ({"refines_n": 1}, {"exposures_n": 1}),
    "dislike_hide_report_rate": (
        {"dislikes_n": 1, "hides_n": 1, "reports_n": 1},
        {"exposures_n": 1},
    ),
    "thumbs_up_share": ({"thumbs_up_n": 1}, {"thumbs_up_n": 1, "thumbs_down_n": 1}),
    "survey_mean": ({"value_micro": 1e-6}, {"values_n": 1}),
}
"""Metric -> weights of the measures in its numerator and in its denominator."""
MEASUREMENTS: Mapping[str, str] = {
    "measurements/stream-rate": "stream_rate_30s",
    "measurements/early-skip-rate": "early_skip_rate",
    "measurements/listen-plus-rate": "listen_plus_rate",
    "measurements/completion-rate": "completion_rate",
    "measurements/played-ratio": "mean_played_ratio",
    "measurements/first-minute-listened": "first_minute_listened_s",
    "measurements/minutes": "minutes_per_user",
    "measurements/save-rate": "save_rate",
    "measurements/playlist-add-rate": "playlist_add_rate",
    "measurements/share-rate": "share_rate",
    "measurements/rejection-rate": "dislike_hide_report_rate",
    "measurements/regenerate-rate": "regenerate_rate",
    "measurements/refine-rate": "refine_rate",
    "measurements/thumbs-up-share": "thumbs_up_share",
}
"""Measurement of config/metrics -> the metric here that is its truth."""


@cache
def normal_nodes(nodes_n: int = NODES_N) -> tuple[Floats, Floats]:
    """Nodes and weights of the expectation over a standard normal."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(nodes_n)
    return nodes, weights / weights.sum()


def population_measures(variant: Variant, *, visits_per_start: float) -> Sums:
    """Measure -> expectation per exposure to a variant."""
    nodes, weights = normal_nodes()
    taste, noise = (grid.ravel() for grid in np.meshgrid(nodes, nodes, indexing="ij"))
    weight = np.outer(weights, weights).ravel()
    quality = noise + variant.quality_shift
    means = expected_measures(taste, quality, variant, visits_per_start=visits_per_start)
    return {name: float(weight @ values) for name, values in means.items()}


def exposures_per_user(mean: float) -> float:
    """Expected exposures of a user who has any: Poisson counts of log-normal activity."""
    nodes, weights = normal_nodes()
    activity = np.exp(ACTIVITY_SIGMA * nodes - ACTIVITY_SIGMA**2 / 2)
    return float(mean / (weights @ -np.expm1(-mean * activity)))


def metrics(sums: Mapping[str, float], users_n: float) -> Sums:
    """Metrics of measure sums over so many users; a ratio over nothing is left out."""
    out = {}
    for name, (above, below) in RATIOS.items():
        denominator = _weighed(sums, below)
        if denominator > 0:
            out[name] = _weighed(sums, above) / denominator
    if users_n > 0:
        out["minutes_per_user"] = sums["ms_played"] / 60_000 / users_n
        out["exposures_per_user"] = sums["exposures_n"] / users_n
    return out


def _weighed(sums: Mapping[str, float], weights: Mapping[str, float]) -> float:
    return sum(weight * sums[name] for name, weight in weights.items())


def effects(arms: Mapping[str, Sums]) -> dict[str, dict[str, Sums]]:
    """Arm -> metric -> its values and their difference, from the metrics of arms, control first."""
    control_name, *others = arms
    control = arms[control_name]
    out: dict[str, dict[str, Sums]] = {}
    for other in others:
        treatment = arms[other]
        out[other] = {
            name: {
                "control": control[name],
                "treatment": treatment[name],
                "difference": treatment[name] - control[name],
                "relative": treatment[name] / control[name] - 1,
            }
            for name in control
            if name in treatment and control[name] > 0
        }
    return out
