"""A linear map of one variable to unit covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmg_nb.polling import poll

__all__ = ["Whiten", "ledoit_wolf_shrinkage"]

Array = NDArray[np.float64]
MIN_VARIANCE_SHARE = 1e-9  # of the largest variance; directions with less are dropped


@dataclass(frozen=True, eq=False)
class Whiten:
    """An affine map to unit covariance that drops directions without variance.

    Attributes:
        mean: Mean of each column, `(d,)`.
        matrix: The linear part, `(d, kept)`.
    """

    mean: Array
    matrix: Array

    @classmethod
    def fit(cls, values: Array) -> Whiten:
        """Fit to `(n, d)` values, with a shrunk covariance (Ledoit & Wolf 2004)."""
        mean, std = values.mean(axis=0), values.std(axis=0)
        varies = (values != values[0]).any(axis=0) & (std > 0)
        std = np.where(varies, std, np.inf)  # drops columns that are constant in these rows
        scaled = (values - mean) / std
        # Unit variances first: otherwise a column in small units would be dropped.
        variances, directions, products = _spectrum(scaled)
        # The sign of an eigenvector is arbitrary. This rule makes it independent of rounding.
        directions = directions * np.where(
            (1 / np.arange(1, len(std) + 1)) @ directions < 0, -1.0, 1.0
        )
        kept = variances > MIN_VARIANCE_SHARE * variances[-1]
        shrinkage = ledoit_wolf_shrinkage(scaled, products)
        shrunk = (1 - shrinkage) * variances[kept] + shrinkage * variances.sum() / len(std)
        matrix = directions[:, kept] / np.sqrt(shrunk) / std[:, None]
        return cls(mean, matrix)

    @property
    def dropped(self) -> int:
        """Number of directions without variance."""
        return self.matrix.shape[0] - self.matrix.shape[1]

    def __call__(self, values: Array) -> Array:
        """Map `(n, d)` values to `(n, kept)`."""
        return (values - self.mean) @ self.matrix


def _spectrum(scaled: Array) -> tuple[Array, Array, Array]:
    """Variances by size, their directions in columns, and the matrix that they are taken from.

    With fewer rows than columns, they follow from the products of the rows, which are a smaller
    matrix. All other directions have no variance.
    """
    n, d = scaled.shape
    poll()
    if n >= d:
        covariance = scaled.T @ scaled / n
        return *np.linalg.eigh(covariance), covariance
    products = scaled @ scaled.T / n
    variances, rows = np.linalg.eigh(products)
    poll()
    length = np.sqrt(n * np.maximum(variances, np.finfo(np.float64).tiny))
    return variances, scaled.T @ rows / length, products


def ledoit_wolf_shrinkage(scaled: Array, covariance: Array) -> float:
    """Optimal weight of the identity in the covariance (Ledoit & Wolf 2004).

    Args:
        scaled: Centred data, `(n, d)`.
        covariance: Their covariance, `(d, d)`, or the products of their rows over n, `(n, n)`:
            trace and sum of squares are the same.

    Returns:
        A weight from 0 to 1; 0 in one dimension.
    """
    n, d = scaled.shape
    target, size = np.trace(covariance) / d, len(covariance)
    spread = np.sum((covariance - target * np.eye(size)) ** 2) + (d - size) * target**2
    if spread == 0:
        return 0.0
    fourth = np.sum(np.sum(scaled**2, axis=1) ** 2) / n
    noise = (fourth - np.sum(covariance**2)) / n
    return float(np.clip(noise / spread, 0.0, 1.0))
