"""What every function here asks of its arguments, and the words in which it says no."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streams.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]
IntArray: TypeAlias = NDArray[np.int64]
Alternative: TypeAlias = Literal["two-sided", "greater", "less"]
Distribution: TypeAlias = Literal["normal", "t"]

WHERE = "analytics.stats"


def bad(what: str, todo: str = "") -> ConfigError:
    """The error of a call that cannot be answered."""
    return ConfigError(what, where=WHERE, done="Nothing was computed.", todo=todo)


def check_alpha(alpha: float, name: str = "alpha") -> float:
    """An error rate strictly between 0 and 1, or ConfigError."""
    if not 0.0 < alpha < 1.0:
        raise bad(f"{name} is {alpha!r}, not between 0 and 1.", f"Give {name} as 0.05, say.")
    return float(alpha)


def check_one_of(word: str, known: Iterable[str], name: str) -> str:
    """A word out of a short list, or ConfigError with the nearest one."""
    words = list(known)
    if word not in words:
        raise bad(f"{name} is {word!r}; known: {', '.join(words)}.", did_you_mean(word, words))
    return word


def check_alternative(alternative: str) -> None:
    """The direction of a test: two-sided, greater or less."""
    check_one_of(alternative, get_args(Alternative), "alternative")


def check_positive(value: ArrayLike, name: str) -> FloatArray:
    """Finite numbers above 0, or ConfigError."""
    numbers = floats(value)
    if not np.all(np.isfinite(numbers) & (numbers > 0)):
        raise bad(f"{name} must be finite and above 0, got {value!r}.")
    return numbers


def check_finite(value: ArrayLike, name: str, *, ndim: int | None = None) -> FloatArray:
    """Finite numbers (of so many dimensions), or ConfigError."""
    numbers = floats(value)
    if ndim is not None and numbers.ndim != ndim:
        raise bad(f"{name} has {numbers.ndim} dimensions, not {ndim}.")
    if not np.all(np.isfinite(numbers)):
        raise bad(f"{name} holds NaN or infinity.", "Leave absent values out before the call.")
    return numbers


def check_same_length(**columns: FloatArray) -> int:
    """The common first length of columns, or ConfigError naming them."""
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        raise bad(f"columns differ in length ({said}).")
    return next(iter(lengths.values()))


def floats(value: ArrayLike) -> FloatArray:
    """As an array of float64, without a copy where it is one."""
    return np.asarray(value, dtype=np.float64)
