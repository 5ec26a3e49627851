"""Equal values of a column, spread over the interval around them.

Rounded numbers, counts and zeros are values that many rows share. A denoiser finds them hard: with
little noise it must know each of them, and what it has not learned of them without the other
variable would count as information. Where the rows of one value lie in its interval is drawn at
random, independently of all else, and the interval shows which value it was. So mutual information
is unchanged. (The same is known as dequantisation in density estimation: Uria et al. 2013, NIPS.)
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from mmg_nb.polling import polled

__all__ = ["spread_out"]

Array = NDArray[np.float64]


def spread_out(values: Array, rng: Generator) -> Array:
    """Spread equal values evenly, in random order.

    The interval of a value ends half-way to the next lower and to the next higher value.

    Args:
        values: `(n, d)`, finite.
        rng: Source of the order.

    Returns:
        `(n, d)`. Columns with equal values lie around 0, between −1 and 1 before they are spread:
        in extreme units, sums of values would lose digits or overflow.
    """
    return np.stack([_spread(column, rng) for column in polled(values.T)], axis=1)


def _spread(column: Array, rng: Generator) -> Array:
    known, which, count = np.unique(column, return_inverse=True, return_counts=True)
    if len(known) < 2 or len(known) == len(column):
        return column
    known = known / 2 - known[len(known) // 2] / 2  # the difference of two may overflow
    known /= np.abs(known).max()
    middle = known[:-1] + np.diff(known) / 2
    low = np.r_[known[0] - (middle[0] - known[0]), middle]
    high = np.r_[middle, known[-1] + (known[-1] - middle[-1])]
    order = rng.permutation(len(column))
    order = order[np.argsort(which[order], kind="stable")]
    first = np.cumsum(count) - count
    place = np.empty(len(column))
    place[order] = np.arange(len(column)) - first[which[order]]
    share = (place + 0.5) / count[which]
    return np.where(count[which] > 1, low[which] + share * (high - low)[which], known[which])
