"""Group-sequential boundaries: exact crossing chances of a Brownian score at planned looks.

The score B(t) = z sqrt(t) has independent normal steps, so the density of not having crossed
follows by integrating over the last look's continuation region (Armitage, McPherson and Rowe
1969; Jennison and Turnbull 2000, chapter 19). Gauss-Legendre nodes make it exact to 1e-12 with 60
nodes where steps are not tiny. Boundaries depend only on the looks: one set serves every metric
and comparison that shares them. 28 looks take a few milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from scipy import optimize

from analytics.stats import ldbounds, tails
from analytics.stats.checks import (
    bad,
    check_alpha,
    check_finite,
    check_one_of,
    check_positive,
    floats,
)
from analytics.stats.spending import Sides, Spending, check_sides, spent

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from analytics.stats.checks import FloatArray

Numerics = Literal["exact", "ldbounds"]

Z_MAX = 8.5  # beyond it a spend is below 2e-17: the look cannot reject, its alpha is carried on
_CUT = 7.5  # a continuation region without boundary ends here: 6e-14 of the mass is beyond
LOOKS_MAX = 2000
NODES_MIN = 64
NODES_MAX = 4096
_NEWTON_MAX = 80
_STEP_MIN = 1e-5  # a look that adds less information than this spends nothing


@dataclass(frozen=True, eq=False)
class Walk:
    """Where the score can be after a look, not having crossed, for L sets of boundaries at once.

    nodes, mass: shape (L, nodes); mass is quadrature weight times density.
    """

    t: float
    nodes: FloatArray
    mass: FloatArray


def start(sets: int = 1) -> Walk:
    """Before the first look: all mass at 0."""
    return Walk(0.0, np.zeros((sets, 1)), np.ones((sets, 1)))


def step(walk: Walk, t: float, low: FloatArray, high: FloatArray, *, drift: float = 0.0) -> Walk:
    """The walk after a look at t whose continuation regions on the z scale are low..high, (L,)."""
    sd, root, middle = np.sqrt(t - walk.t), np.sqrt(t), drift * t
    a = np.maximum(low * root, middle - _CUT * root)
    b = np.maximum(np.minimum(high * root, middle + _CUT * root), a)
    widest = float(np.max(b - a))
    count = int(np.clip(np.ceil(2.0 * widest / sd), NODES_MIN, NODES_MAX))
    unit, weights = legendre(count)
    half = (b - a)[:, None] / 2
    nodes = (a + b)[:, None] / 2 + half * unit
    apart = (nodes[:, :, None] - walk.nodes[:, None, :] - drift * (t - walk.t)) / sd
    density = np.matmul(tails.normal_density(apart), walk.mass[:, :, None])[:, :, 0] / sd
    return Walk(t, nodes, density * weights * half)


def crossing(walk: Walk, t: float, z: FloatArray, *, sides: int, drift: float = 0.0) -> FloatArray:
    """Chance to be beyond z, (L,), at a look at t (-z too, if two-sided), not having crossed."""
    sd = np.sqrt(t - walk.t)
    bound = (z * np.sqrt(t))[:, None]
    middle = walk.nodes + drift * (t - walk.t)
    out = tails.normal_upper((bound - middle) / sd)
    if sides == 2:
        out = out + tails.normal_upper((bound + middle) / sd)
    return floats(np.sum(out * walk.mass, axis=1))


def _slope(walk: Walk, t: float, z: FloatArray, *, sides: int) -> FloatArray:
    """Derivative of crossing by z, without drift."""
    sd, root = np.sqrt(t - walk.t), np.sqrt(t)
    bound = (z * root)[:, None]
    dense = tails.normal_density((bound - walk.nodes) / sd)
    if sides == 2:
        dense = dense + tails.normal_density((bound + walk.nodes) / sd)
    return floats(-np.sum(dense * walk.mass, axis=1) * root / sd)


def spending_bounds(
    information: ArrayLike,
    *,
    alpha: float,
    spending: Spending = "obrien-fleming",
    shape: float | None = None,
    sides: Sides = 2,
) -> FloatArray:
    """Z boundaries at looks, so that the chance of ever crossing under no effect is spent(t).

    Args: information: fractions of the planned information at the looks, rising, shape (looks,);
        unequal steps welcome. A fraction above 1 is an overrun: see overrun.py; here it spends
        what is left at the first look beyond 1 and has boundary inf at later ones.
    Returns: z per look; inf where the look adds less than 1e-5 of information or its spend is too
        small to be reached: what it did not spend is carried to the next look.
    Source: Lan and DeMets (1983). Cases gst-*-5-*, gst-power2-28-nightly.
    """
    t = check_looks(information)
    target = spent(t, alpha=alpha, spending=spending, shape=shape, sides=sides)
    return floats(solve_bounds(t, target[None, :], sides=sides)[0])


def solve_bounds(t: FloatArray, target: FloatArray, *, sides: int) -> FloatArray:
    """Z boundaries that spend `target`, cumulative and rising, shape (L, looks), by looks at t."""
    walk = start(len(target))
    gone = np.zeros(len(target))
    bounds = np.full(target.shape, np.inf)
    for k, now in enumerate(t.tolist()):
        if now - walk.t < _STEP_MIN:
            continue
        z = _bound(walk, now, target[:, k] - gone, sides, guess=bounds[:, max(k - 1, 0)])
        bounds[:, k] = z
        gone = gone + crossing(walk, now, z, sides=sides)
        if k < len(t) - 1:
            walk = step(walk, now, -z if sides == 2 else np.full_like(z, -np.inf), z)
    return bounds


def _bound(walk: Walk, t: float, spend: FloatArray, sides: int, *, guess: FloatArray) -> FloatArray:
    """The z at which a look spends `spend`; inf where it would lie beyond Z_MAX.

    Newton's steps on the logarithm, kept inside a bracket that shrinks at every step.
    """
    low = np.full_like(spend, 0.0 if sides == 2 else -Z_MAX)
    high = np.full_like(spend, Z_MAX)
    beyond = crossing(walk, t, high, sides=sides) >= spend
    goal = np.log(np.maximum(spend, 1e-300))
    alone = tails.normal_upper_quantile(np.clip(spend / sides, 1e-300, 0.5))
    z = np.clip(np.where(np.isfinite(guess), guess, alone), low, high)
    for _ in range(_NEWTON_MAX):
        now = np.maximum(crossing(walk, t, z, sides=sides), 1e-300)
        excess = np.log(now) - goal
        low, high = np.where(excess > 0, z, low), np.where(excess > 0, high, z)
        slope = np.minimum(_slope(walk, t, z, sides=sides) / now, -1e-300)
        tried = z - excess / slope
        tried = np.where((tried >= low) & (tried <= high), tried, (low + high) / 2)
        moved = np.abs(tried - z)
        z = tried
        if np.all((moved < 1e-10) | beyond):  # Newton: the step after would move 1e-20
            break
    return np.where(beyond, np.inf, z)


@dataclass(frozen=True, eq=False)
class Crossing:
    """Chances of first crossing at each look; `ever` their sum."""

    at_look: FloatArray

    @property
    def ever(self) -> float:
        """Chance to cross at any look."""
        return float(self.at_look.sum())


def crossing_chances(
    information: ArrayLike, bounds: ArrayLike, *, sides: Sides = 2, drift: float = 0.0
) -> Crossing:
    """Chance of first crossing given boundaries at each look: type I error, or power with drift.

    Args: information: rising, above 0, any scale; bounds: z per look, inf allowed. drift:
        expected z at information 1, i.e. effect over its standard error there.
    Returns: one chance per look. Two-sided power counts crossings on either side.
    Source: Armitage, McPherson and Rowe (1969). Cases peeking-naive-type1, expan-obf-inflation.
    """
    check_sides(sides)
    t, z = check_looks(information), floats(bounds)
    if z.shape != t.shape or np.any(np.isnan(z)):
        raise bad(f"{z.shape} bounds for {t.shape} looks.")
    walk = start()
    chances = np.zeros(len(t))
    for k, (now, bound) in enumerate(zip(t.tolist(), z.tolist(), strict=True)):
        if now - walk.t < _STEP_MIN * min(now, 1.0) and k:
            continue  # the same information: the score has not moved
        at = np.array([bound])
        chances[k] = crossing(walk, now, at, sides=sides, drift=drift)[0]
        low = -at if sides == 2 else np.array([-np.inf])
        walk = step(walk, now, low, at, drift=drift)
    return Crossing(chances)


def peeking_type_one(looks: int, *, alpha: float = 0.05) -> float:
    """Type I error of looking `looks` times, equally spaced, at the fixed-n two-sided level alpha.

    Source: Armitage, McPherson and Rowe (1969), J. R. Stat. Soc. A 132. Case peeking-naive-type1.
    """
    z = tails.normal_upper_quantile(check_alpha(alpha) / 2)
    return crossing_chances(equal_looks(looks), np.full(looks, z)).ever


def power(information: ArrayLike, bounds: ArrayLike, drift: float, *, sides: Sides = 2) -> float:
    """Chance to cross at any look when the expected z at information 1 is drift."""
    return crossing_chances(information, bounds, sides=sides, drift=drift).ever


def drift_for_power(
    information: ArrayLike, bounds: ArrayLike, *, power_wanted: float, sides: Sides = 2
) -> float:
    """Expected z at information 1 that gives the power wanted. Case gst-drift80-power2."""
    check_alpha(power_wanted, "power_wanted")

    def lack(drift: float) -> float:
        return power(information, bounds, drift, sides=sides) - power_wanted

    if lack(0.0) >= 0:
        return 0.0
    if lack(30.0) < 0:
        raise bad(f"no effect reaches power {power_wanted} with these boundaries.")
    return float(optimize.brentq(lack, 0.0, 30.0, xtol=1e-12))


def inflation(drift: float, *, alpha: float, power_wanted: float, sides: Sides = 2) -> float:
    """How many times the users of a fixed-n test the sequential one needs at its last look."""
    check_alpha(power_wanted, "power_wanted")
    fixed = tails.normal_upper_quantile(check_alpha(alpha) / sides)
    fixed = fixed + tails.normal_upper_quantile(1 - power_wanted)
    return float((drift / fixed) ** 2)


def classical_bounds(
    looks: int,
    *,
    alpha: float,
    shape: float = 0.0,
    sides: Sides = 2,
    numerics: Numerics = "exact",
) -> FloatArray:
    """Wang-Tsiatis boundaries at equal looks: constant * (k / looks)^(shape - 1/2).

    shape 0.5: Pocock (1977), one z at every look; shape 0: O'Brien and Fleming (1979). numerics:
    "exact" spends alpha to 1e-10; "ldbounds" is as R's ldbounds prints it, up to 1e-4 beside it
    (shapes 0.5 and 0 only), for comparing numbers.
    Source: Wang and Tsiatis (1987). Case gst-classic-pocock-5.
    """
    check_alpha(alpha)
    check_sides(sides)
    t = equal_looks(looks)
    if check_one_of(numerics, get_args(Numerics), "numerics") == "ldbounds":
        if shape not in {0.0, 0.5}:
            raise bad(f"ldbounds has no boundaries of shape {shape!r}.", "Give 0.5 or 0.")
        return ldbounds.common_bounds(looks, alpha / sides, shape)
    form = t ** (shape - 0.5)

    def excess(constant: float) -> float:
        return crossing_chances(t, constant * form, sides=sides).ever - alpha

    return floats(optimize.brentq(excess, 0.0, Z_MAX, xtol=1e-12) * form)


def equal_looks(looks: int) -> FloatArray:
    """Information fractions of equally spaced looks: k / looks."""
    if not 1 <= looks <= LOOKS_MAX:
        raise bad(f"{looks!r} looks; 1 to {LOOKS_MAX} are computed.")
    return np.arange(1, looks + 1) / looks


def check_looks(information: ArrayLike) -> FloatArray:
    """Rising information above 0, at most LOOKS_MAX looks, or ConfigError."""
    t = check_finite(information, "information", ndim=1)
    check_positive(t, "information")
    if not 1 <= len(t) <= LOOKS_MAX:
        raise bad(f"{len(t)} looks; 1 to {LOOKS_MAX} are computed.")
    if np.any(np.diff(t) < 0):
        raise bad("information falls from one look to the next.", "Order the looks by time.")
    return t


@cache
def legendre(count: int) -> tuple[FloatArray, FloatArray]:
    """Gauss-Legendre nodes and weights on -1..1, in panels of NODES_MIN."""
    unit, weights = np.polynomial.legendre.leggauss(NODES_MIN)
    panels = -(-count // NODES_MIN)
    edges = np.linspace(-1, 1, panels + 1)
    half = 1 / panels
    middle = (edges[:-1] + edges[1:]) / 2
    return (middle[:, None] + half * unit).ravel(), np.tile(half * weights, panels)
