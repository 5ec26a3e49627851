"""An order of columns in which those that depend on each other lie side by side."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["clusters"]

FAR = 0.7  # distance of groups: 1 − an equivalent correlation of 0.3; not measured

Array = NDArray[np.float64]


def clusters(mi: Array) -> tuple[list[int], list[int]]:
    """Cluster columns by average linkage of their mutual information.

    The distance of two columns is 1 − ρ, where ρ = √(1 − e^(−2I)) is the correlation of a
    Gaussian pair with the same mutual information.

    Args:
        mi: Estimates, `(d, d)`, symmetric, nats; NaN where there is none, which counts as 0.

    Returns:
        The columns in their new order, and the number of the group of each column of the table,
        from 0 in that order.
    """
    from scipy.cluster.hierarchy import fcluster, leaves_list, linkage
    from scipy.spatial.distance import squareform

    distance = 1 - np.sqrt(-np.expm1(-2 * np.maximum(np.nan_to_num(mi), 0)))
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    order = [int(k) for k in leaves_list(tree)]
    label = fcluster(tree, FAR, "distance")
    number = {each: k for k, each in enumerate(dict.fromkeys(label[order]))}
    return order, [number[each] for each in label]
