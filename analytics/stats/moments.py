"""Moments of users: n, means and centred second moments, which merge exactly in any order.

Raw sums of squares cancel: four values near 1e9 with variance 30 come out at -171. So the centred
form is kept, and cells are pooled as distances from one of them (Chan, Golub and LeVeque 1983,
Am. Stat. 37, 242-247). Every estimate of this package ends as a `Marginal`: what has n, a mean and
a variance can be compared by every method.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analytics.stats.checks import bad, check_finite, floats

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from analytics.stats.checks import FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Marginal:
    """One number per unit, in many cells at once: n, mean, m2, float64 arrays of one shape.

    m2 is the sum of squared distances from the mean, in the square of the mean's unit.
    """

    n: FloatArray
    mean: FloatArray
    m2: FloatArray

    @classmethod
    def of(cls, values: ArrayLike) -> Marginal:
        """The moments of one cell from its values, shape (n,). NaN or infinity: ConfigError."""
        return Moments.of(check_finite(values, "values", ndim=1)[:, None]).at(0)

    @classmethod
    def from_sums(cls, n: ArrayLike, total: ArrayLike, total_sq: ArrayLike) -> Marginal:
        """From raw sums, where nothing better was kept; digits lost there stay lost."""
        n, total = floats(n), floats(total)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = total / n
            m2 = np.maximum(floats(total_sq) - total * mean, 0.0)
        return cls(n, np.where(n > 0, mean, 0.0), np.where(n > 0, m2, 0.0))

    @classmethod
    def from_var(cls, n: ArrayLike, mean: ArrayLike, var: ArrayLike) -> Marginal:
        """From the sample variance (divisor n - 1)."""
        n = floats(n)
        return cls(n, floats(mean), floats(var) * np.maximum(n - 1, 0.0))

    @classmethod
    def from_se(cls, n: ArrayLike, estimate: ArrayLike, se: ArrayLike) -> Marginal:
        """An estimate with its standard error, dressed as the mean of n units."""
        return cls.from_var(n, estimate, np.square(floats(se)) * floats(n))

    @property
    def var(self) -> FloatArray:
        """Sample variance (divisor n - 1); NaN where n < 2."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.n > 1, self.m2 / (self.n - 1), np.nan)

    @property
    def se2(self) -> FloatArray:
        """Squared standard error of the mean; NaN where n < 2."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.var / self.n

    def scaled(self, factor: ArrayLike) -> Marginal:
        """The moments of factor * value."""
        factor = floats(factor)
        with np.errstate(over="ignore", invalid="ignore"):  # then inf or NaN: never enough
            return Marginal(self.n, self.mean * factor, self.m2 * np.square(factor))

    def merge(self, other: Marginal) -> Marginal:
        """The moments of both cells' units together."""
        return _joint(self).merge(_joint(other)).at(0)


@dataclass(frozen=True, eq=False)
class Moments:
    """k numbers per unit, in many cells at once.

    n: shape S, units. mean: shape S + (k,). m2: shape S + (k, k), sums of products of distances
    from the means. An empty cell has n = 0 and zeros.
    """

    n: FloatArray
    mean: FloatArray
    m2: FloatArray

    @classmethod
    def of(cls, values: ArrayLike) -> Moments:
        """One cell from its units, shape (n, k), each in its unit. NaN, infinity: ConfigError.

        Two passes, the second correcting the first: exact to rounding at any offset.
        Case moments-cancellation.
        """
        return cls._of(check_finite(values, "values", ndim=2))

    @classmethod
    def _of(cls, values: FloatArray) -> Moments:
        """As of, for values already checked."""
        n, k = values.shape
        if n == 0:
            return cls.empty(k)
        mean = values[0] + (values - values[0]).mean(axis=0)
        apart = values - mean
        slip = apart.mean(axis=0)
        m2 = apart.T @ apart - n * np.outer(slip, slip)
        return cls(floats(n), mean + slip, m2)

    @classmethod
    def by_cell(cls, values: ArrayLike, cell: IntArray, cells_n: int) -> Moments:
        """All cells in one pass: cell holds for each row of values a number below cells_n.

        Returns moments of shape (cells_n,). A cell number out of range: ConfigError.
        """
        values = check_finite(values, "values", ndim=2)
        if len(cell) and not (cell.min() >= 0 and cell.max() < cells_n):
            raise bad(f"cell numbers run from {cell.min()} to {cell.max()}, not below {cells_n}.")
        # One matrix product a cell: for many columns far faster than a pass for each pair of them.
        rows = values[np.argsort(cell, kind="stable")]
        starts = np.concatenate([[0], np.cumsum(np.bincount(cell, minlength=cells_n))])
        cells = [cls._of(rows[start:end]) for start, end in itertools.pairwise(starts)]
        if not cells:
            return cls.empty(values.shape[1], (0,))
        return cls(
            np.stack([one.n for one in cells]),
            np.stack([one.mean for one in cells]),
            np.stack([one.m2 for one in cells]),
        )

    @classmethod
    def from_sums(cls, n: ArrayLike, total: ArrayLike, products: ArrayLike) -> Moments:
        """From raw sums (shape S + (k,)) and sums of products (S + (k, k)) of other tools."""
        n, total, products = floats(n), floats(total), floats(products)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.where(n[..., None] > 0, total / n[..., None], 0.0)
        m2 = products - total[..., :, None] * mean[..., None, :]
        return cls(n, mean, np.where(n[..., None, None] > 0, m2, 0.0))

    @classmethod
    def empty(cls, k: int, shape: tuple[int, ...] = ()) -> Moments:
        """Cells without units."""
        return cls(np.zeros(shape), np.zeros((*shape, k)), np.zeros((*shape, k, k)))

    @property
    def cov(self) -> FloatArray:
        """Sample covariances (divisor n - 1), shape S + (k, k); NaN where n < 2."""
        n = self.n[..., None, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(n > 1, self.m2 / (n - 1), np.nan)

    def at(self, index: int) -> Marginal:
        """The moments of one of the k numbers alone."""
        return Marginal(self.n, self.mean[..., index], self.m2[..., index, index])

    def columns(self, *indices: int) -> Moments:
        """The moments of some of the k numbers, in the order asked for."""
        chosen = list(indices)
        return Moments(self.n, self.mean[..., chosen], self.m2[..., chosen, :][..., :, chosen])

    def linear(self, weights: ArrayLike) -> Marginal:
        """The moments of the weighted sum of the k numbers; weights: shape S + (k,) or (k,)."""
        w = floats(weights)
        m2 = np.einsum("...i,...ij,...j->...", w, self.m2, w)
        return Marginal(self.n, np.sum(self.mean * w, axis=-1), np.maximum(m2, 0.0))

    def merge(self, other: Moments) -> Moments:
        """The moments of both cells' units together, cell by cell. Case moments-chan-merge."""
        n = self.n + other.n
        share = other.n / np.maximum(n, 1e-300)
        delta = other.mean - self.mean
        between = (self.n * share)[..., None, None] * delta[..., :, None] * delta[..., None, :]
        # From the larger cell the way to the pooled mean is shorter: fewer digits are lost.
        from_other = other.mean - delta * (1.0 - share)[..., None]
        from_self = self.mean + delta * share[..., None]
        mean = np.where((share > 0.5)[..., None], from_other, from_self)
        return Moments(n, mean, self.m2 + other.m2 + between)

    def merged(self, axis: int = 0) -> Moments:
        """All cells along one axis pooled, pairwise so that errors grow with log(cells)."""
        axis %= self.n.ndim
        cells = Moments(*(np.moveaxis(part, axis, 0) for part in (self.n, self.mean, self.m2)))
        while cells.n.shape[0] > 1:
            half = cells.n.shape[0] // 2
            pairs = cells[:half].merge(cells[half : 2 * half])
            cells = pairs if cells.n.shape[0] == 2 * half else _stack(pairs, cells[2 * half :])
        if cells.n.shape[0] == 0:
            return Moments.empty(self.mean.shape[-1], cells.n.shape[1:])
        return cells[0]

    def __getitem__(self, where: int | slice | tuple[int | slice, ...]) -> Moments:
        return Moments(self.n[where], self.mean[where], self.m2[where])


def _stack(a: Moments, b: Moments) -> Moments:
    """Cells of two arrays one after the other."""
    pairs = ((a.n, b.n), (a.mean, b.mean), (a.m2, b.m2))
    return Moments(*(np.concatenate(pair) for pair in pairs))


def _joint(one: Marginal) -> Moments:
    """A marginal as moments of one number."""
    return Moments(one.n, one.mean[..., None], one.m2[..., None, None])


def pooled(*arms: Moments) -> Moments:
    """The moments of all arms' units together."""
    if not arms:
        raise bad("there are no arms to pool.")
    whole = arms[0]
    for arm in arms[1:]:
        whole = whole.merge(arm)
    return whole
