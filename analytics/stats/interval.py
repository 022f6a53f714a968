"""What leaves: an estimate is never without its interval, its n and its method."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analytics.stats import tails
from analytics.stats.checks import bad, check_alpha, check_alternative, floats

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from analytics.stats.checks import Alternative, BoolArray, FloatArray


@dataclass(frozen=True, eq=False)
class Interval:
    """Estimates with their intervals, one comparison per element; all arrays of one shape.

    estimate, low, high, se: in the unit the method names. p: of "no effect" (or of the margin
    named). n_control, n_treatment: units; n_control is 0 where there is only one sample.
    low is -inf or high +inf where a direction is unbounded (one-sided, or Fieller near zero).
    enough: False where the data cannot carry an interval; there low, high, se and p are NaN
    unless the method says otherwise. method: words for the report. alpha: error rate.
    """

    estimate: FloatArray
    low: FloatArray
    high: FloatArray
    se: FloatArray
    p: FloatArray
    n_control: FloatArray
    n_treatment: FloatArray
    enough: BoolArray
    method: str
    alpha: float
    alternative: Alternative = "two-sided"

    @property
    def excludes(self) -> BoolArray:
        """Whether the interval leaves out zero: the verdict, where there is enough data."""
        return self.enough & ((self.low > 0) | (self.high < 0))

    @property
    def bounded(self) -> BoolArray:
        """Whether both ends are finite."""
        return np.isfinite(self.low) & np.isfinite(self.high)

    @property
    def half_width(self) -> FloatArray:
        """Half the length; infinite where an end is."""
        return (self.high - self.low) / 2

    def intersected(self, axis: int = -1) -> Interval:
        """Running intersection over looks along one axis; p becomes its running minimum.

        Only what is valid at every look together (a confidence sequence) may be intersected: then
        a verdict, once given, never un-happens. Looks without enough data change nothing.
        """
        low = np.maximum.accumulate(np.where(self.enough, self.low, -np.inf), axis=axis)
        high = np.minimum.accumulate(np.where(self.enough, self.high, np.inf), axis=axis)
        p = np.minimum.accumulate(np.where(self.enough, self.p, 1.0), axis=axis)
        seen = np.logical_or.accumulate(self.enough, axis=axis)
        blank = np.where(seen, 0.0, np.nan)
        return dataclasses.replace(
            self, low=low + blank, high=high + blank, p=p + blank, enough=seen
        )


@dataclass(frozen=True, eq=False)
class TestResult:
    """A test statistic and its p; enough is False, and both are NaN, where nothing can be said."""

    __test__ = False  # pytest: this is no test class

    statistic: FloatArray
    p: FloatArray
    df: FloatArray
    enough: BoolArray
    method: str


def result(
    statistic: ArrayLike, p: ArrayLike, *, method: str, df: ArrayLike = np.nan
) -> TestResult:
    """A test result that counts as enough where its statistic and p are finite."""
    statistic, p, df = np.broadcast_arrays(floats(statistic), floats(p), floats(df))
    enough = np.isfinite(statistic) & np.isfinite(p)
    return TestResult(
        np.where(enough, statistic, np.nan),
        np.where(enough, np.minimum(p, 1.0), np.nan),
        df,
        enough,
        method,
    )


@dataclass(frozen=True, eq=False)
class Reference:
    """The law a standardised estimate is held against: normal, or t with df."""

    df: FloatArray
    alpha: float
    alternative: Alternative

    @property
    def critical(self) -> FloatArray:
        """How many standard errors the interval reaches."""
        tail = self.alpha / 2 if self.alternative == "two-sided" else self.alpha
        return tails.t_upper_quantile(tail, self.df)

    def p(self, z: ArrayLike) -> FloatArray:
        """The p-value of a standardised distance from the null, in the test's direction."""
        if self.alternative == "two-sided":
            return np.minimum(tails.t_two_sided(z, self.df), 1.0)
        return tails.t_upper(z if self.alternative == "greater" else np.negative(z), self.df)


def normal_reference(alpha: float, alternative: Alternative = "two-sided") -> Reference:
    """The standard normal law."""
    check_alpha(alpha)
    check_alternative(alternative)
    return Reference(floats(np.inf), alpha, alternative)


@dataclass(frozen=True, eq=False)
class Boundary:
    """How many standard errors an interval reaches, and the p-value that goes with it.

    One thing for fixed-n, group-sequential and always-valid methods: whoever has a boundary can
    make an absolute interval, a relative one and a non-inferiority bound that agree.
    critical, p: arrays of the comparisons' shape; method: words for the report.
    """

    critical: FloatArray
    p: FloatArray
    alpha: float
    alternative: Alternative
    method: str


@dataclass(frozen=True, eq=False)
class Sizes:
    """Units behind an estimate: control and treatment, or one sample alone."""

    control: FloatArray
    treatment: FloatArray

    @classmethod
    def one(cls, n: ArrayLike) -> Sizes:
        """One sample: there is no control."""
        return cls(np.zeros_like(floats(n)), floats(n))


def ends(
    estimate: ArrayLike, reach: ArrayLike, alternative: Alternative
) -> tuple[FloatArray, FloatArray]:
    """Estimate -+ reach, unbounded on the side a one-sided test does not look at."""
    estimate, reach = floats(estimate), floats(reach)
    low = np.full_like(estimate + reach, -np.inf) if alternative == "less" else estimate - reach
    high = np.full_like(estimate + reach, np.inf) if alternative == "greater" else estimate + reach
    return low, high


@np.errstate(divide="ignore", invalid="ignore", over="ignore")
def wald(
    estimate: ArrayLike, se: ArrayLike, reference: Reference, *, sizes: Sizes, method: str
) -> Interval:
    """Estimate -+ critical * se, and the p-value of zero.

    enough is False where se is not a finite positive number.
    """
    estimate, se = np.broadcast_arrays(floats(estimate), floats(se))
    boundary = Boundary(
        reference.critical,
        reference.p(estimate / se),
        reference.alpha,
        reference.alternative,
        method,
    )
    return wald_at(estimate, se, boundary, sizes=sizes)


@np.errstate(divide="ignore", invalid="ignore", over="ignore")
def wald_at(estimate: ArrayLike, se: ArrayLike, boundary: Boundary, *, sizes: Sizes) -> Interval:
    """Estimate -+ boundary * se; enough is False where se is not a finite positive number."""
    estimate, se = np.broadcast_arrays(floats(estimate), floats(se))
    low, high = ends(estimate, boundary.critical * se, boundary.alternative)
    known = np.isfinite(se) & (se > 0) & np.isfinite(estimate) & ~np.isnan(boundary.critical)
    return whole(
        (estimate, low, high, se, boundary.p),
        sizes=sizes,
        method=boundary.method,
        alpha=boundary.alpha,
        alternative=boundary.alternative,
        enough=known,
    )


def whole(  # noqa: PLR0913 - the parts of an Interval, named
    parts: tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike, ArrayLike],
    *,
    sizes: Sizes,
    method: str,
    alpha: float,
    enough: ArrayLike,
    alternative: Alternative = "two-sided",
) -> Interval:
    """An Interval of one shape, its ends NaN where there is not enough data.

    parts: estimate, low, high, se, p.
    """
    arrays = np.broadcast_arrays(*parts, sizes.control, sizes.treatment, enough)
    estimate, low, high, se, p, n_control, n_treatment, carried = arrays
    held = np.array(carried, dtype=bool)

    def told(part: FloatArray) -> FloatArray:
        return np.where(held, part, np.nan)

    return Interval(
        estimate=np.where(np.isfinite(estimate), estimate, np.nan),
        low=told(low),
        high=told(high),
        se=told(se),
        p=told(p),
        n_control=floats(n_control).copy(),
        n_treatment=floats(n_treatment).copy(),
        enough=held,
        method=method,
        alpha=alpha,
        alternative=alternative,
    )


def need_same_shape(a: FloatArray, b: FloatArray, what: str) -> None:
    """Two arrays that must line up, or ConfigError."""
    try:
        np.broadcast_shapes(a.shape, b.shape)
    except ValueError as error:
        raise bad(f"{what} have shapes {a.shape} and {b.shape}.") from error
