"""Mutual information of Gaussian samples in closed form, from determinants of covariances."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import psi

from mmg_nb.data.pairs import Pairs
from mmg_nb.errors import MMGError
from mmg_nb.polling import poll
from mmg_nb.results.finding import Estimate, Finding

__all__ = ["gaussian_mi", "run"]

Array = NDArray[np.float64]

SINGULAR = 1e-12  # of the largest variance: the smallest that float64 can distinguish from 0
LARGEST = 12.0  # nats; about the contribution of one direction without noise at that floor
FUNCTION = (
    "One variable is nearly a linear function of the other, so mutual information may be "
    "infinite. This estimate is only the largest value that can be computed. Add noise of a known "
    "scale to make it finite."
)


class _Closed(Protocol):
    name: ClassVar[str]

    @property
    def correct_bias(self) -> bool: ...


def run(config: _Closed, pairs: Pairs, scaled: Callable[[Array], Array]) -> Finding:
    """Estimate I(x; y) or I(x; y | z) as if the scaled variables were Gaussian.

    Args:
        config: The estimator.
        pairs: The data.
        scaled: Scales the columns of one variable, `(n, d)` to the same shape.

    Returns:
        The finding.

    Raises:
        MMGError: There are too few rows for so many columns.
    """
    columns = pairs.dim_x + pairs.dim_y + pairs.dim_z
    if pairs.n_samples < columns + 2:
        got = f"{pairs.n_samples} rows, {columns} columns"
        what = f"{config.name} needs more rows than columns; got {got}."
        raise MMGError(what, "Use fewer columns or more rows.")
    x, y, z = (scaled(values) for values in (pairs.x, pairs.y, pairs.z))
    estimate = gaussian_mi(x, y, z, correct_bias=config.correct_bias)
    notes = (FUNCTION,) if estimate.mi > LARGEST else ()
    return Finding(mi=estimate.mi, stderr=estimate.stderr, notes=notes)


def gaussian_mi(x: Array, y: Array, z: Array, *, correct_bias: bool = True) -> Estimate:
    """Mutual information of Gaussian samples, with the standard error of its pointwise mean.

    I(x; y | z) = H(x, z) + H(y, z) − H(x, y, z) − H(z), where H(z) = 0 without a condition.

    Args:
        x: `(n, dim_x)`.
        y: `(n, dim_y)`.
        z: The condition, `(n, dim_z)`; no columns for I(x; y).
        correct_bias: Remove the bias of the sample covariance; exact for Gaussian data.

    Returns:
        Estimate and standard error, nats.
    """
    n, dim_x, dim_y, dim_z = len(x), x.shape[1], y.shape[1], z.shape[1]
    joint = np.concatenate([x, z, y], axis=1)
    joint = joint - joint.mean(axis=0)
    xz, yz, only_z = joint[:, : dim_x + dim_z], joint[:, dim_x:], joint[:, dim_x : dim_x + dim_z]
    floor = SINGULAR * float(joint.var(axis=0).max())
    terms = (_log_density(values, floor) for values in (joint, only_z, xz, yz))
    log_ratio = next(terms) + next(terms) - next(terms) - next(terms)
    bias = _wishart_bias(n, dim_x, dim_y, dim_z) if correct_bias else 0.0
    return Estimate(float(log_ratio.mean() - bias), float(log_ratio.std() / np.sqrt(n)))


def _log_density(values: Array, floor: float) -> Array:
    """Log of the fitted Gaussian density, `(n,)`, up to a constant linear in the dimension.

    Variances below the floor are raised to it. The terms of a column that occurs twice within x
    or within y then cancel. For y = x the estimate becomes very large, as it should.
    """
    if not values.shape[1]:
        return np.zeros(len(values))
    poll()
    covariance = values.T @ values / len(values)
    variances, directions = np.linalg.eigh(covariance)
    variances = np.maximum(variances, floor)
    white = values @ directions / np.sqrt(variances)
    return -0.5 * (np.log(variances).sum() + np.sum(white**2 - 1, axis=1))


def _wishart_bias(n: int, dim_x: int, dim_y: int, dim_z: int) -> float:
    """Expected excess of the log-determinant formula for Gaussian data with an unknown mean."""

    def half_digammas(dim: int) -> float:
        return 0.5 * float(psi((n - np.arange(1, dim + 1)) / 2).sum())

    apart = half_digammas(dim_x + dim_z) + half_digammas(dim_y + dim_z)
    return apart - half_digammas(dim_x + dim_y + dim_z) - half_digammas(dim_z)
