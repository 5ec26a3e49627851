"""Counts of neighbours in x, in y and jointly, by trees or by all distances."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

__all__ = ["Dense", "Neighbours", "Trees"]

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


class Neighbours(Protocol):
    """Counts neighbours; the joint distance is the larger of those in x and in y."""

    def first(self, rows: Counts, k: int) -> tuple[Counts, Counts]:
        """Others strictly nearer, in x and in y, than the k-th neighbour is jointly.

        Args:
            rows: Rows asked for, `(m,)`.
            k: Neighbours.

        Returns:
            Two counts a row, each `(m,)`.
        """
        ...

    def second(self, rows: Counts, k: int) -> tuple[Counts, Counts]:
        """Others within the largest distance in x, and in y, of the k nearest neighbours."""
        ...


class Trees:
    """Maximum norm, by k-d trees: fast in few dimensions, however many rows there are.

    Args:
        x: `(n, dim_x)`.
        y: `(n, dim_y)`.
    """

    def __init__(self, x: Array, y: Array) -> None:
        self._values = x, y
        self._trees = cKDTree(x), cKDTree(y)
        self._both = np.concatenate([x, y], axis=1)
        self._joint = cKDTree(self._both)

    def first(self, rows: Counts, k: int) -> tuple[Counts, Counts]:
        """See `Neighbours`."""
        # The nearest is the row itself.
        found, _ = self._joint.query(self._both[rows], [k + 1], p=math.inf, workers=-1)
        inside = np.nextafter(np.asarray(found)[:, 0], 0)
        return self._count(rows, inside, inside)

    def second(self, rows: Counts, k: int) -> tuple[Counts, Counts]:
        """See `Neighbours`."""
        _, near = self._joint.query(self._both[rows], k + 1, p=math.inf, workers=-1)
        x, y = (abs(v[near] - v[rows][:, None]).max(axis=(1, 2)) for v in self._values)
        return self._count(rows, x, y)

    def _count(self, rows: Counts, radius_x: Array, radius_y: Array) -> tuple[Counts, Counts]:
        x, y = (
            tree.query_ball_point(v[rows], radius, p=math.inf, workers=-1, return_length=True) - 1
            for tree, v, radius in zip(
                self._trees, self._values, (radius_x, radius_y), strict=True
            )
        )
        return x, y


class Dense:
    """Euclidean norm, by all distances: n² work, hardly dependent on the dimension.

    Args:
        x: `(n, dim_x)`.
        y: `(n, dim_y)`.
    """

    def __init__(self, x: Array, y: Array) -> None:
        self._values = x, y

    def first(self, rows: Counts, k: int) -> tuple[Counts, Counts]:
        """See `Neighbours`."""
        x, y = (_squared(v, rows) for v in self._values)
        joint = np.maximum(x, y)
        joint.partition(k - 1, axis=1)
        radius = joint[:, k - 1 : k]
        return (x < radius).sum(axis=1), (y < radius).sum(axis=1)

    def second(self, rows: Counts, k: int) -> tuple[Counts, Counts]:
        """See `Neighbours`."""
        distances = [_squared(v, rows) for v in self._values]
        near = np.maximum(*distances).argpartition(k - 1, axis=1)[:, :k]
        x, y = (
            (d <= np.take_along_axis(d, near, axis=1).max(axis=1, keepdims=True)).sum(axis=1)
            for d in distances
        )
        return x, y


def _squared(values: Array, rows: Counts) -> Array:
    """Squared distances from some rows to all, `(m, n)`; from a row to itself infinity."""
    length = np.einsum("ij,ij->i", values, values)
    out: Array = values[rows] @ (-2 * values.T)
    out += length
    out += length[rows, None]
    out[np.arange(len(rows)), rows] = np.inf
    return out
