"""The surrogate index: the long-term effect, now, from short-term signals that predicted it before.

Valid only where the signals carry the whole effect (surrogacy) and history and experiment are
comparable; the report must say so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analytics.stats.checks import bad, check_finite, check_same_length, floats
from analytics.stats.interval import Interval, Sizes, normal_reference, wald
from analytics.stats.regression import LeastSquares, least_squares

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from analytics.stats.checks import FloatArray


@dataclass(frozen=True, eq=False)
class SurrogateModel:
    """Long-term outcome on short-term signals, in history: coefficients, intercept first."""

    coef: FloatArray
    covariance: FloatArray


def fit_surrogate(signals: ArrayLike, outcome: ArrayLike) -> SurrogateModel:
    """Least squares of the long-term outcome on an intercept and k signals.

    Args: signals: (units, k), outcome: (units,), of past users. Fewer units than k + 2, NaN:
        ConfigError. covariance is that under one residual variance.
    """
    x, y = check_finite(signals, "signals", ndim=2), check_finite(outcome, "outcome", ndim=1)
    n = check_same_length(signals=x, outcome=y)
    if n < x.shape[1] + 2:
        raise bad(f"{n} units of history are too few for {x.shape[1]} signals.")
    fit: LeastSquares = least_squares(np.column_stack([np.ones(n), x]), y)
    return SurrogateModel(fit.coef, fit.covariance_equal_variance())


@dataclass(frozen=True, eq=False)
class SurrogateEffect:
    """The effect on the index, and the two parts of its error.

    interval: of the whole error. se_sampling: of the experiment's users alone; se_model: of the
    history behind the index, which a plain two-sample test of the index leaves out.
    """

    interval: Interval
    se_sampling: float
    se_model: float


def surrogate_effect(
    model: SurrogateModel, control: ArrayLike, treatment: ArrayLike, *, alpha: float
) -> SurrogateEffect:
    """Difference in the mean predicted outcome; shape ().

    Args: control, treatment: signals of the experiment's users, (units, k), as in history.
    Returns: in the long-term outcome's unit; enough is False where an arm has n < 2.
    Source: Athey, Chetty, Imbens and Kang (2019), NBER 26463; the model part by the delta method.
        Case surrogate-index.
    """
    reference = normal_reference(alpha)
    arms = [check_finite(arm, "signals", ndim=2) for arm in (control, treatment)]
    k = len(model.coef) - 1
    if any(arm.shape[1] != k for arm in arms):
        raise bad(f"arms hold {[arm.shape[1] for arm in arms]} signals, the model {k}.")
    sizes = Sizes(floats(len(arms[0])), floats(len(arms[1])))
    if min(len(arm) for arm in arms) < 2:
        nothing = wald(np.nan, np.nan, reference, sizes=sizes, method="surrogate index")
        return SurrogateEffect(nothing, float("nan"), float("nan"))
    index = [arm @ model.coef[1:] for arm in arms]
    moved = arms[1].mean(axis=0) - arms[0].mean(axis=0)
    effect = float(moved @ model.coef[1:])
    sampling = float(np.sqrt(sum(np.var(one, ddof=1) / len(one) for one in index)))
    of_model = float(np.sqrt(max(moved @ model.covariance[1:, 1:] @ moved, 0.0)))
    whole = np.hypot(sampling, of_model)
    interval = wald(effect, whole, reference, sizes=sizes, method="surrogate index")
    return SurrogateEffect(interval, sampling, of_model)
