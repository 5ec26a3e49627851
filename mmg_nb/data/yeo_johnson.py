"""Skewed columns, and a smooth map that takes away most of their skewness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import boxcox1p

from mmg_nb.data.marginals import Standardize
from mmg_nb.polling import polled

__all__ = ["YeoJohnson", "skewed"]

Array = NDArray[np.float64]
# The evidence for the next two values is in LOG.md, "Skewed columns and nearest neighbours".
SKEWED = 0.2  # quantile skewness: 0 if symmetric, 0.68 for exp(N)
SHARE = 0.75  # of the way from the identity to the likeliest power
OUTER = 0.05  # quantiles that skewness is measured with: few outliers do not change them
POWERS = (-3.0, 5.0)  # symmetric about 1, the identity, so that -x gets the mirrored map
TOLERANCE = 1e-3  # of a power: far below its sampling error
LEVELS = 500  # quantiles that a power is fitted to, at most


@dataclass(frozen=True, eq=False)
class YeoJohnson:
    """A power of each column that takes away most of its skewness; then mean 0 and variance 1.

    The map is that of Yeo & Johnson (2000, Biometrika 87:954): monotone and smooth, with one
    parameter λ for each column. Unlike normal scores, it does not close gaps between clusters.
    Maximum likelihood gives λ. The map goes three quarters of the way from λ = 1, which is
    linear.

    Attributes:
        centre: Median of each column, `(d,)`.
        unit: Half the distance of the quartiles of each column, `(d,)`.
        powers: λ of each column, `(d,)`.
        standardize: What follows the power.
    """

    centre: Array
    unit: Array
    powers: Array
    standardize: Standardize

    @classmethod
    def fit(cls, values: Array) -> YeoJohnson:
        """Fit to `(n, d)` values. The quartiles of each column must differ."""
        low, centre, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
        unit = (high - low) / 2
        scaled = (values - centre) / unit
        likeliest = np.array([_likeliest_power(column) for column in polled(scaled.T)])
        powers = 1 + SHARE * (likeliest - 1)
        return cls(centre, unit, powers, Standardize.fit(_power(scaled, powers)))

    def __call__(self, values: Array) -> Array:
        """Map `(n, d)` values."""
        return self.standardize(_power((values - self.centre) / self.unit, self.powers))


def _power(values: Array, power: Array | float) -> Array:
    return np.sign(values) * boxcox1p(np.abs(values), np.where(values < 0, 2 - power, power))


def _likeliest_power(column: Array) -> float:
    from scipy.optimize import minimize_scalar  # slow to import

    count = min(LEVELS, len(column))
    quantiles = np.quantile(column, (np.arange(count) + 0.5) / count)
    slope = float(np.mean(np.sign(quantiles) * np.log1p(np.abs(quantiles))))

    def loss(power: float) -> float:
        """Negative log-likelihood of one row, up to a constant."""
        return 0.5 * float(np.log(_power(quantiles, power).var())) - (power - 1) * slope

    found = minimize_scalar(loss, bounds=POWERS, method="bounded", options={"xatol": TOLERANCE})
    return float(found.x)


def skewed(values: Array) -> NDArray[np.bool_]:
    """Which columns are skewed, in the middle 90 % of their rows.

    The measure is the difference between the distances of two outer quantiles from the median,
    divided by the sum of these distances (Hinkley 1975, Biometrika 62:101).

    Args:
        values: `(n, d)`.

    Returns:
        One truth value for each column, `(d,)`. It is false if the quartiles agree.
    """
    levels = [OUTER, 0.25, 0.5, 0.75, 1 - OUTER]
    lowest, low, middle, high, highest = np.quantile(values, levels, axis=0)
    difference = np.abs((highest - middle) - (middle - lowest))
    return np.asarray((high > low) & (difference > SKEWED * (highest - lowest)))
