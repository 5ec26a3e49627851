"""Which single columns of x and y depend on each other most, from tables of counts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

__all__ = ["most_dependent"]

BINS = 16  # of each column, with the same number of rows; not measured

Array = NDArray[np.float64]


def most_dependent(x: Array, y: Array, count: int) -> list[tuple[int, int]]:
    """The pairs of one column of x and one of y with the largest mutual information of bins.

    Args:
        x: `(n, dim_x)`.
        y: `(n, dim_y)`.
        count: Number of pairs.

    Returns:
        Indices of the columns, the largest first.
    """
    joint = np.einsum("nia,njb->ijab", _indicators(x), _indicators(y), optimize=True) / len(x)
    expected = joint.sum(3, keepdims=True) * joint.sum(2, keepdims=True)
    ratio = np.divide(joint, expected, out=np.ones_like(joint), where=joint > 0)
    information = (joint * np.log(ratio)).sum((2, 3))
    best = np.argsort(-information, axis=None)[:count]
    rows, columns = np.unravel_index(best, information.shape)
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


def _indicators(values: Array) -> Array:
    """1 for the bin of each value, `(n, columns, BINS)`."""
    ranks = rankdata(values, axis=0, method="average") - 0.5
    return np.eye(BINS)[(ranks * BINS / len(values)).astype(np.int64)]
