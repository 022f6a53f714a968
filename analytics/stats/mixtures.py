"""Non-asymptotic boundaries for sums: mixture martingales that hold at every time together.

s is a sum of centred values, v its intrinsic time (for bounded or sub-Gaussian values: variance
times n). exp(log_mixture(s, v)) is an e-process: it reaches 1 / alpha with chance at most alpha,
ever. bound(v, alpha) is the s at which it does. Each mixture is tightest at v_opt.

Source: Howard, Ramdas, McAuliffe and Sekhon (2021), Ann. Stat. 49, 1055-1080, arXiv 1810.08240,
propositions 5 to 9; names as in the paper. Cases cs-normal-mixture-*, cs-gamma-*, cs-beta-*.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from scipy import special

from analytics.stats import tails
from analytics.stats.checks import bad, check_alpha, check_positive, floats

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

    from analytics.stats.checks import FloatArray

_HALVINGS = 200
_DOUBLINGS = 1000


class Mixture(Protocol):
    """What every mixture can say."""

    def log_mixture(self, s: ArrayLike, v: ArrayLike) -> FloatArray:
        """Natural logarithm of the mixture supermartingale at sum s and intrinsic time v."""
        ...

    def s_max(self, v: FloatArray) -> FloatArray:
        """The largest sum that intrinsic time v allows; inf where there is none."""
        ...


def rho_two_sided(v_opt: ArrayLike, alpha: float) -> FloatArray:
    """The mixing precision that makes a two-sided normal mixture tightest at v_opt."""
    log_term = -2 * np.log(check_alpha(alpha))
    return floats(floats(v_opt) / (log_term + np.log1p(log_term)))


def rho_one_sided(v_opt: ArrayLike, alpha: float) -> FloatArray:
    """The same for one-sided mixtures: that of a two-sided one at 2 alpha."""
    return rho_two_sided(v_opt, check_alpha(2 * alpha, "twice a one-sided alpha"))


@dataclass(frozen=True)
class NormalTwoSided:
    """Sub-Gaussian sums, both directions (proposition 5; Robbins 1970)."""

    v_opt: float
    alpha_opt: float = 0.05

    def __post_init__(self) -> None:
        check_positive(self.v_opt, "v_opt")

    def log_mixture(self, s: ArrayLike, v: ArrayLike) -> FloatArray:
        """See Mixture."""
        rho, v = rho_two_sided(self.v_opt, self.alpha_opt), floats(v)
        return floats(0.5 * np.log(rho / (v + rho)) + np.square(s) / (2 * (v + rho)))

    def s_max(self, v: FloatArray) -> FloatArray:
        """See Mixture."""
        return np.full_like(v, np.inf)


@dataclass(frozen=True)
class NormalOneSided:
    """Sub-Gaussian sums, upwards only (proposition 6)."""

    v_opt: float
    alpha_opt: float = 0.05

    def __post_init__(self) -> None:
        check_positive(self.v_opt, "v_opt")

    def log_mixture(self, s: ArrayLike, v: ArrayLike) -> FloatArray:
        """See Mixture."""
        rho = rho_one_sided(self.v_opt, self.alpha_opt)
        total = floats(v) + rho
        cut = tails.normal_log_upper(-floats(s) / np.sqrt(total))
        return floats(0.5 * np.log(4 * rho / total) + np.square(s) / (2 * total) + cut)

    def s_max(self, v: FloatArray) -> FloatArray:
        """See Mixture."""
        return np.full_like(v, np.inf)


@dataclass(frozen=True)
class GammaExponential:
    """Sub-exponential sums of scale c, upwards (proposition 9)."""

    v_opt: float
    c: float
    alpha_opt: float = 0.05

    def __post_init__(self) -> None:
        check_positive([self.v_opt, self.c], "v_opt and c")

    def log_mixture(self, s: ArrayLike, v: ArrayLike) -> FloatArray:
        """See Mixture; NaN below the smallest sum that v allows."""
        rho = rho_one_sided(self.v_opt, self.alpha_opt) / self.c**2
        time = floats(v) / self.c**2
        place = floats(s) / self.c + time
        shape, scale = time + rho, place + rho
        start = rho * np.log(rho) - special.gammaln(rho) - np.log(special.gammainc(rho, rho))
        part = special.gammaln(shape) + np.log(special.gammainc(shape, scale))
        return floats(start + part - shape * np.log(scale) + place)

    def s_max(self, v: FloatArray) -> FloatArray:
        """See Mixture."""
        return np.full_like(v, np.inf)


@dataclass(frozen=True)
class GammaPoisson:
    """Sub-Poisson sums with steps up to c, upwards (proposition 10)."""

    v_opt: float
    c: float
    alpha_opt: float = 0.05

    def __post_init__(self) -> None:
        check_positive([self.v_opt, self.c], "v_opt and c")

    def log_mixture(self, s: ArrayLike, v: ArrayLike) -> FloatArray:
        """See Mixture."""
        rho = rho_one_sided(self.v_opt, self.alpha_opt) / self.c**2
        time = floats(v) / self.c**2
        scale = time + rho
        shape = floats(s) / self.c + scale
        start = rho * np.log(rho) - special.gammaln(rho) - np.log(special.gammaincc(rho, rho))
        part = special.gammaln(shape) + np.log(special.gammaincc(shape, scale))
        return floats(start + part - shape * np.log(scale) + time)

    def s_max(self, v: FloatArray) -> FloatArray:
        """See Mixture."""
        return np.full_like(v, np.inf)


@dataclass(frozen=True)
class BetaBinomialTwoSided:
    """Sums of steps between -g and h, both directions (proposition 7)."""

    v_opt: float
    g: float
    h: float
    alpha_opt: float = 0.05

    def __post_init__(self) -> None:
        check_positive([self.v_opt, self.g, self.h], "v_opt, g and h")

    def log_mixture(self, s: ArrayLike, v: ArrayLike) -> FloatArray:
        """See Mixture."""
        return _beta_binomial(s, v, self.v_opt, (self.g, self.h), self.alpha_opt)

    def s_max(self, v: FloatArray) -> FloatArray:
        """See Mixture: v / g, every step upwards."""
        return v / self.g


def _beta_binomial(
    s: ArrayLike, v: ArrayLike, v_opt: ArrayLike, span: tuple[ArrayLike, ArrayLike], alpha: float
) -> FloatArray:
    """The beta-binomial mixture, elementwise also in v_opt and the span (g, h)."""
    g, h = floats(span[0]), floats(span[1])
    s, v = floats(s), floats(v)
    r = np.maximum(rho_two_sided(v_opt, alpha) - g * h, 1e-3 * g * h)
    whole = g + h
    up, down = (v + h * s) / (h * whole), (v - g * s) / (g * whole)
    base = r / (g * whole), r / (h * whole)
    return floats(
        v / (g * h) * np.log(whole)
        - up * np.log(g)
        - down * np.log(h)
        + special.betaln(base[0] + down, base[1] + up)
        - special.betaln(*base)
    )


@np.errstate(divide="ignore", invalid="ignore", over="ignore")
def bound(mixture: Mixture, v: ArrayLike, *, alpha: float) -> FloatArray:
    """The sum at which a mixture reaches 1 / alpha at intrinsic time v, elementwise.

    Two-sided mixtures: the positive one. inf where no possible sum reaches it.
    """
    times = np.atleast_1d(check_positive(v, "v"))
    goal = -np.log(check_alpha(alpha))
    ceiling = mixture.s_max(times)

    def beyond(s: FloatArray) -> FloatArray:
        return floats(mixture.log_mixture(s, times) - goal)

    high = np.minimum(np.sqrt(times), ceiling)
    for _ in range(_DOUBLINGS):
        short = (beyond(high) < 0) & (high < ceiling)
        if not np.any(short):
            break
        high = np.where(short, np.minimum(2 * high, ceiling), high)
    out = _root(beyond, np.zeros_like(high), high)
    out = np.where(beyond(high) < 0, np.inf, out)
    return floats(out.reshape(np.shape(v)))


def _root(
    rising: Callable[[FloatArray], FloatArray], low: FloatArray, high: FloatArray
) -> FloatArray:
    """Where a rising function passes zero between low and high, to the last bit."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        above = rising(middle) >= 0
        if np.all((middle == low) | (middle == high)):
            break
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return high


def normal_bound(v: ArrayLike, *, v_opt: float, alpha: float) -> FloatArray:
    """The two-sided normal mixture's bound in closed form (equation 14). Case as for bound."""
    rho = rho_two_sided(v_opt, alpha)
    v = floats(v)
    return floats(np.sqrt((v + rho) * (np.log1p(v / rho) - 2 * np.log(alpha))))


def bernoulli_sequence(
    successes: ArrayLike, trials: ArrayLike, *, t_opt: float, alpha: float
) -> tuple[FloatArray, FloatArray]:
    """Confidence sequence for a proportion: low, high at every number of trials together.

    Args: successes of trials, arrays of one shape; t_opt: trials at which it is tightest.
    Returns: between 0 and 1; (0, 1) where there are no trials.
    Source: Howard et al. (2021), sub-Bernoulli beta-binomial mixture. Case cs-bernoulli.
    """
    goal = -np.log(check_alpha(alpha))
    check_positive(t_opt, "t_opt")
    x, n = np.broadcast_arrays(floats(successes), floats(trials))
    if not np.all((x >= 0) & (x <= n) & np.isfinite(n)):
        raise bad("successes must lie between 0 and trials.")
    rate = np.where(n > 0, x / np.maximum(n, 1.0), 0.5)

    @np.errstate(divide="ignore", invalid="ignore")
    def excess(p: FloatArray) -> FloatArray:
        p = np.clip(p, 1e-300, 1 - 1e-16)
        time = p * (1 - p)
        found = _beta_binomial(x - n * p, n * time, t_opt * time, (p, 1 - p), alpha) - goal
        return np.where(np.isnan(found), np.inf, found)

    low = 1 - _root(lambda q: excess(1 - q), 1 - rate, np.ones_like(rate))
    high = _root(excess, rate, np.ones_like(rate))
    low = np.where(x == 0, 0.0, low)
    high = np.where(x == n, 1.0, high)
    return np.where(n > 0, low, 0.0), np.where(n > 0, high, 1.0)


def quantile_p(
    control: ArrayLike, treatment: ArrayLike, *, q: float, t_opt: float, alpha_opt: float = 0.05
) -> float:
    """Always-valid p-value of equal q-quantiles in two arms; 1 where an arm is empty.

    Args: control, treatment: all values so far, shape (n,), one unit. t_opt: values an arm at
        which it is most powerful.
    Source: Howard and Ramdas (2022), Bernoulli 28, 1704-1728, arXiv 1906.09712, theorem 4.
    """
    check_alpha(q, "q")
    arms = [np.sort(floats(arm)) for arm in (control, treatment)]
    if any(len(arm) == 0 for arm in arms):
        return 1.0
    steps = np.concatenate(arms)
    # The least contrary common quantile lies at a value or just beside one.
    places = np.concatenate([steps, np.nextafter(steps, -np.inf), np.nextafter(steps, np.inf)])
    log_evidence = sum(
        (_quantile_evidence(arm, places, q, t_opt, alpha_opt) for arm in arms), start=np.zeros(())
    )
    return float(min(1.0, np.exp(-np.min(log_evidence))))


def _quantile_evidence(
    values: FloatArray, places: FloatArray, q: float, t_opt: float, alpha_opt: float
) -> FloatArray:
    """Logarithm of the e-process against each place being the q-quantile of sorted values."""
    n = len(values)
    at_most = np.searchsorted(values, places, side="right") / n
    below = np.searchsorted(values, places, side="left") / n
    share = np.clip(q, below, at_most)
    time = q * (1 - q)
    return _beta_binomial((share - q) * n, n * time, t_opt * time, (q, 1 - q), alpha_opt)
