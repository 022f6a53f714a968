"""Classical boundaries in the numerics of R's ldbounds 2.0.2, for comparing numbers with it.

Its `commonbounds` differs from group_sequential.classical_bounds in three documented steps, none
of which is a matter of taste: a two-sided test is solved as a one-sided one at half of alpha
(crossings of both sides are not taken off), densities are summed by the trapezoid rule on steps of
0.05 standard deviations, and R's uniroot stops at its default tolerance of 1.2e-4. The last is what
shows: five looks of Pocock give 2.4131104, where alpha is spent exactly at 2.4131762.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from analytics.stats import tails
from analytics.stats.checks import floats

if TYPE_CHECKING:
    from collections.abc import Callable

    from analytics.stats.checks import FloatArray

_STEP = 0.05  # of the trapezoid rule, in standard deviations of an increment
_FAR = 8.0  # where a one-sided region ends
_UNIROOT_TOL = float(np.finfo(float).eps ** 0.25)  # R: .Machine$double.eps^0.25
_EPS = float(np.finfo(float).eps)


def common_bounds(looks: int, tail: float, shape: float) -> FloatArray:
    """Upper z boundaries at equal looks, one-sided at `tail`; shape 0.5 Pocock, 0 O'Brien-Fleming.

    Source: Reboussin, DeMets, Kim and Lan (2000), Control. Clin. Trials 21, 190-207; R ldbounds
        2.0.2 commonbounds. Case gst-classic-pocock-5.
    """
    form = (np.arange(1, looks + 1) / looks) ** (shape - 0.5)
    reach = float(tails.normal_upper_quantile(tail)) + 0.05 * looks + (0.3 if shape else 0.0)

    def excess(constant: float) -> float:
        return _trapezoid_chance(constant * form) - tail

    return floats(_zeroin(excess, 1.5, reach) * form)


def _trapezoid_chance(z: FloatArray) -> float:
    """Chance to cross z at any of the equal looks (or -_FAR), by the trapezoid rule."""
    t = np.arange(1, len(z) + 1) / len(z)
    sd, high, low = np.sqrt(1 / len(z)), z * np.sqrt(t), -_FAR * np.sqrt(t)
    chance = float(tails.normal_upper(z[0]) + tails.normal_upper(np.asarray(_FAR)))
    grid, mass = np.zeros(1), np.ones(1)
    for k in range(len(z) - 1):
        count = int(np.ceil((high[k] - low[k]) / (_STEP * sd)))
        after = np.linspace(low[k], high[k], count + 1)
        dense = tails.normal_density((after[:, None] - grid) / sd) @ mass / sd
        weights = np.full(count + 1, (high[k] - low[k]) / count)
        weights[[0, -1]] /= 2
        grid, mass = after, dense * weights
        out = tails.normal_upper((high[k + 1] - grid) / sd)
        out = out + tails.normal_upper((grid - low[k + 1]) / sd)
        chance += float(np.sum(out * mass))
    return chance


def _zeroin(f: Callable[[float], float], low: float, high: float) -> float:
    """Brent's root finder (1973, chapter 4) step for step, stopped where R's uniroot stops."""
    before, best = low, high
    f_before, f_best = f(before), f(best)
    other, f_other = before, f_before
    while True:
        last = best - before
        if abs(f_other) < abs(f_best):
            before, best, other = best, other, best
            f_before, f_best, f_other = f_best, f_other, f_best
        near = 2 * _EPS * abs(best) + _UNIROOT_TOL / 2
        move = (other - best) / 2
        if abs(move) <= near or f_best == 0:
            return best
        if abs(last) >= near and abs(f_before) > abs(f_best):
            known = (before, f_before), (best, f_best), (other, f_other)
            move = _interpolated(known, move, last, near)
        if abs(move) < near:
            move = float(np.copysign(near, move))
        before, f_before = best, f_best
        best += move
        f_best = f(best)
        if f_best * f_other > 0:
            other, f_other = before, f_before


def _interpolated(
    known: tuple[tuple[float, float], tuple[float, float], tuple[float, float]],
    halved: float,
    last: float,
    near: float,
) -> float:
    """The secant or inverse quadratic step where it is short enough, else the halving one."""
    (before, f_before), (best, f_best), (other, f_other) = known
    span = other - best
    if before == other:
        ratio = f_best / f_before
        top, bottom = span * ratio, 1 - ratio
    else:
        q, r, s = f_before / f_other, f_best / f_other, f_best / f_before
        top = s * (span * q * (q - r) - (best - before) * (r - 1))
        bottom = (q - 1) * (r - 1) * (s - 1)
    top, bottom = (top, -bottom) if top > 0 else (-top, bottom)
    short = top < 0.75 * span * bottom - abs(near * bottom) / 2
    return top / bottom if short and top < abs(last * bottom / 2) else halved
