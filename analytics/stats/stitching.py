"""Closed-form boundaries with the growth of the law of the iterated logarithm.

Looser than mixtures at any one time, of the right order at all; the quantile bounds hold for every
time and need no moment of the values.

Source: Howard, Ramdas, McAuliffe and Sekhon (2021), arXiv 1810.08240, theorem 1; Howard and Ramdas
(2022), arXiv 1906.09712, theorems 1 to 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize, special

from analytics.stats.checks import bad, check_alpha, check_positive, floats

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from analytics.stats.checks import FloatArray

_C_MAX = 1e4
_DELTA = 0.5  # how fine the grid of quantiles is, in logits per standard deviation


@dataclass(frozen=True)
class Epochs:
    """How time is cut: epochs grow by eta, and epoch k gets alpha in proportion to k^-s."""

    s: float = 1.4
    eta: float = 2.0

    def __post_init__(self) -> None:
        if not (self.s > 1 and self.eta > 1):
            raise bad(f"s is {self.s!r} and eta {self.eta!r}; both must be above 1.")

    @property
    def k1(self) -> float:
        """What the square root costs within an epoch."""
        return float((self.eta**0.25 + self.eta**-0.25) / np.sqrt(2))

    @property
    def k2(self) -> float:
        """What the linear term costs within an epoch."""
        return float((np.sqrt(self.eta) + 1) / 2)

    def log_term(self, growth: FloatArray, spend: float) -> FloatArray:
        """S ln ln(eta growth) + ln(spend / ln(eta)^s)."""
        log_eta = np.log(self.eta)
        return floats(self.s * np.log(np.log(self.eta * growth) / log_eta) + np.log(spend))


EPOCHS = Epochs()


def poly_stitching_bound(
    v: ArrayLike, *, alpha: float, v_min: float, c: float = 0.0, epochs: Epochs = EPOCHS
) -> FloatArray:
    """Bound on a sub-gamma sum (scale c) at intrinsic time v, from v_min on.

    At c = 3, v_min = 10, v = 100, alpha .05: 64.487546659.
    """
    start = float(check_positive(v_min, "v_min"))
    time = np.maximum(check_positive(v, "v"), start)
    spend = float(special.zeta(epochs.s)) / check_alpha(alpha)
    log_term = epochs.log_term(time / start, spend)
    slope = epochs.k2 * c * log_term
    return floats(np.sqrt(epochs.k1**2 * time * log_term + slope**2) + slope)


def empirical_process_radius(
    t: ArrayLike, *, alpha: float, t_min: float, scale: float = 0.85
) -> FloatArray:
    """Radius about the empirical distribution function, for all values and all t >= t_min.

    Args: t: observations; scale: the constant A > 1 / sqrt 2. Below t_min the radius is inf.
    Returns: probability units. Source: theorem 2. Case cs-quantile-lil.
    """
    start = float(check_positive(t_min, "t_min"))
    if not scale > np.sqrt(0.5):
        raise bad(f"scale is {scale!r}, not above 0.7071.")
    constant = _lil_constant(check_alpha(alpha), scale)
    times = check_positive(t, "t")
    inside = np.maximum(times, start)
    radius = scale * np.sqrt((np.log(np.log(np.e * inside / start)) + constant) / inside)
    return np.where(times >= start, radius, np.inf)


def _lil_constant(alpha: float, scale: float) -> float:
    """The smallest C whose crossing chance, at the best epoch ratio, is alpha."""

    def excess(constant: float) -> float:
        return _lil_log_error(constant, scale) - float(np.log(alpha))

    return float(optimize.brentq(excess, 2.0, _C_MAX, xtol=1e-12))


def _lil_log_error(constant: float, scale: float) -> float:
    """Log of 4 exp(-gamma^2 C) (1 + 1 / ((gamma^2 - 1) ln eta)), least over eta; else log 1e3."""

    def log_error(eta: float) -> float:
        gamma = np.sqrt(2 / eta) * (scale - np.sqrt(2 * (eta - 1) / constant))
        if gamma <= 1:
            return float(np.log(1e3))
        tail = np.log1p(1 / ((gamma**2 - 1) * np.log(eta)))
        return float(np.log(4.0) - gamma**2 * constant + tail)

    grid = np.linspace(1, 2 * scale**2, 402)[1:-1]
    errors = [log_error(float(eta)) for eta in grid]
    best = int(np.argmin(errors))
    if errors[best] >= np.log(1e3):
        return errors[best]
    ends = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    found = optimize.minimize_scalar(
        log_error, bounds=ends, method="bounded", options={"xatol": 1e-13}
    )
    return float(found.fun)


def double_stitching_bound(
    q: ArrayLike,
    t: ArrayLike,
    *,
    alpha: float,
    t_opt: float,
) -> FloatArray:
    """Bound on the count above expectation of values below the q-quantile, all q and t together.

    Args: q: 0 < q < 1; t: observations; t_opt: where the bound starts. Divide by t for a radius.
    Source: theorem 3. Case cs-quantile-lil.
    """
    p = floats(q)
    if not np.all((p > 0) & (p < 1)):
        raise bad(f"q must lie between 0 and 1, got {q!r}.")
    start = float(check_positive(t_opt, "t_opt"))
    time = np.maximum(check_positive(t, "t"), start)
    place = special.logit(p)
    nearer = special.expit(place + 2 * _DELTA * np.sqrt(start * EPOCHS.eta / time))
    r = np.where(p >= 0.5, p, np.minimum(0.5, nearer))
    variance = r * (1 - r)
    grid = np.sqrt(time / start) * np.abs(place) / (2 * _DELTA) + 1
    zeta = float(special.zeta(EPOCHS.s))
    spend = 2 * zeta * (2 * zeta + 1) / check_alpha(alpha)
    log_term = EPOCHS.log_term(time / start, spend) + EPOCHS.s * np.log(grid)
    slope = EPOCHS.k2 * (1 - 2 * p) / 3 * log_term
    spread = np.sqrt(EPOCHS.k1**2 * variance * time * log_term + slope**2)
    return floats(_DELTA * np.sqrt(EPOCHS.eta * time * variance / start) + spread + slope)


def quantile_sequence(
    values: ArrayLike, *, q: float, alpha: float, t_opt: float
) -> tuple[float, float]:
    """Interval for the q-quantile that holds at every number of values together.

    Args: values: all values so far, shape (n,). Returns: low, high in the values' unit; -inf or
        inf where the bound reaches past the smallest or largest value.
    Source: Howard and Ramdas (2022), theorem 3, each side at alpha / 2.
    """
    rows = np.sort(floats(values))
    n = len(rows)
    check_alpha(q, "q")
    if n == 0:
        return -np.inf, np.inf
    side = check_alpha(alpha) / 2
    up = float(double_stitching_bound(q, n, alpha=side, t_opt=t_opt)) / n
    down = float(double_stitching_bound(1 - q, n, alpha=side, t_opt=t_opt)) / n
    first = int(np.floor(n * (q - down) + 1))
    last = int(np.ceil(n * (q + up)))
    low = float(rows[first - 1]) if first >= 1 else -np.inf
    high = float(rows[last - 1]) if last <= n else np.inf
    return low, high
