"""Scores of pairs of rows in closed form: do x and y go together as in other rows?

The score is the witness of HSIC (Gretton, Fukumizu, Teo, Song, Schölkopf & Smola 2007, NeurIPS
20:585), learned from some rows and used on others (Kübler, Stimper, Buchholz, Muandet & Schölkopf
2022, AISTATS 151:1435):

    h(x, y) = covariance over the other rows t of k(x, xₜ) and l(y, yₜ)

with Gaussian kernels k and l that are as wide as the median distance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmg_nb.polling import poll

__all__ = ["kernel_scores"]

MOST_OTHERS = 500  # rows from which the score is learned; bounds the time

Array = NDArray[np.float64]
Rows = NDArray[np.int64]


def kernel_scores(x: Array, y: Array, blocks: Rows, others: Rows) -> Array:
    """The score of x in row i beside y in row j of each block, `(blocks, i, j)`.

    Args:
        x: `(n, dim_x)`.
        y: `(n, dim_y)`.
        blocks: Rows to score, `(blocks, size)`.
        others: Rows from which the score is learned.
    """
    some = others[:: -(-len(others) // MOST_OTHERS)]
    of_x, of_y = (_similarity(values, blocks.ravel(), some) for values in (x, y))
    shape = (*blocks.shape, -1)
    return np.asarray(of_x.reshape(shape) @ of_y.reshape(shape).transpose(0, 2, 1) / len(some))


def _similarity(values: Array, rows: Rows, others: Rows) -> Array:
    """Kernels of rows and other rows, less their mean over the other rows."""
    from scipy.spatial.distance import cdist

    poll()
    apart = cdist(values[rows], values[others])
    positive = apart[apart > 0]
    width = np.median(positive) if positive.size else 1.0
    kernel = np.exp(-0.5 * (apart / width) ** 2)
    return np.asarray(kernel - kernel.mean(axis=1, keepdims=True))
