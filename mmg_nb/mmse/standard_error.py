"""Variance of a mean over evaluation points: what sampling and what training contribute."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["sampling_variance", "training_variance"]

Array = NDArray[np.float64]


def sampling_variance(block: NDArray[np.int64], values: Array) -> float:
    """Variance of the mean from the spread of the points, clustered by block.

    Args:
        block: Label of the rows that depend on each other, `(m,)`.
        values: `(m,)`.

    Returns:
        The variance of the mean of `values`.
    """
    _, cluster = np.unique(block, return_inverse=True)
    sums = np.bincount(cluster.reshape(-1), weights=values - values.mean())
    return float(np.sum(sums**2)) / len(values) ** 2


def training_variance(reading: NDArray[np.int64], values: Array) -> float:
    """Variance of the mean over readings beyond what the spread of their points explains.

    Args:
        reading: Which members read each point, `(m,)`, counted from 0.
        values: `(m,)`.

    Returns:
        The variance that members trained on other rows add to the mean; 0 for one reading.
    """
    counts = np.bincount(reading)
    if len(counts) < 2:
        return 0.0
    means = np.bincount(reading, weights=values) / counts
    centred = values - means[reading]
    sampling = np.bincount(reading, weights=centred**2) / counts**2
    return max(0.0, float(means.var(ddof=1) - sampling.mean())) / len(counts)
