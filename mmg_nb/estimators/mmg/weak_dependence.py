"""A second look at weak dependence, from correlations of values and of magnitudes.

To second order in weak dependence, mutual information is half the sum of the squared canonical
correlations of all functions of x and y. So that of a few functions is not too high. Networks lose
a part of weak dependence that is spread over many columns.

The functions are the normal scores of each column and, once linear dependence is removed, their
magnitudes. These see what heavy tails share, and a scale that depends on the other variable.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mmg_nb.data.pairs import Pairs
from mmg_nb.estimators.gaussian.closed_form import gaussian_mi
from mmg_nb.estimators.gaussian.gcmi import scores
from mmg_nb.mmse.standard_error import null_standard_error
from mmg_nb.results.finding import Estimate

__all__ = ["WEAK", "by_correlations"]

WEAK = 0.6  # nats (LOG.md, "Second looks")
FUNCTIONS = 2  # of each column: its value and its magnitude
DISTINCT = 0.95  # share of the rows; not measured
LEAST_ROWS = 8  # for each column of x and y; not measured

Array = NDArray[np.float64]


def by_correlations(pairs: Pairs) -> Estimate | None:
    """What values and magnitudes share, if dependence is weak.

    I(x; y) is at least that of a Gaussian copula, plus that of x and y once the linear part of
    one is taken out of it.

    Args:
        pairs: Columns of numbers, in rows that do not depend on each other.

    Returns:
        Estimate, nats. Its standard error is that of independent data: the sample is also that of
        the networks, and cancels in a comparison with them. None above `WEAK`, with too few rows,
        or if these rows of a variable are constant.

    Raises:
        Stopped: The user has stopped the run.
    """
    if len(pairs.x) < LEAST_ROWS * (pairs.dim_x + pairs.dim_y):
        return None
    x, y = _scores(pairs.x), _scores(pairs.y)
    if not (x.size and y.size):
        return None
    linear = _shared(x, y)
    if linear >= WEAK:
        return None
    ways = [(x, y)] * _is_continuous(pairs.x) + [(y, x)] * _is_continuous(pairs.y)
    found = linear + max([0.0, *(_rest(*way) for way in ways)])
    if found >= WEAK:
        return None
    by_chance = null_standard_error(len(pairs.x), pairs.dim_x, pairs.dim_y)
    return Estimate(found, math.sqrt(1 + FUNCTIONS**2) * by_chance)


def _is_continuous(values: Array) -> bool:
    """Whether normal scores make each column normal: few values are equal."""
    return all(len(np.unique(column)) > DISTINCT * len(column) for column in values.T)


def _rest(x: Array, y: Array) -> float:
    """What y shares with x beyond a linear map, by values and magnitudes."""
    linear = y @ np.linalg.lstsq(y, x, rcond=None)[0]
    return _shared(_with_magnitudes(_scores(x - linear)), _with_magnitudes(y))


def _with_magnitudes(values: Array) -> Array:
    return np.hstack([values, _scores(np.abs(values))])


def _scores(values: Array) -> Array:
    """Normal scores of the columns that vary."""
    return scores(values[:, np.ptp(values, axis=0) > 0])


def _shared(x: Array, y: Array) -> float:
    return gaussian_mi(x, y, np.empty((len(x), 0))).mi
