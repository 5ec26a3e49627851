"""Count neighbours in x, in y and jointly, with trees or from all distances."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from mmg_nb.polling import poll

__all__ = ["Dense", "Neighbours", "Trees"]

FEW_COLUMNS = 6
FEW_ROWS = 10_000  # up to here one thread searches; at 2000 rows, more take twice the time

Array = NDArray[np.float64]
Counts = NDArray[np.int64]


class Neighbours(Protocol):
    """Counts neighbours; a joint distance is the largest of those in its variables."""

    @property
    def conditional(self) -> bool:
        """Whether there is a condition z."""
        ...

    def first(self, rows: Counts, k: int) -> tuple[Counts, Counts, Counts]:
        """Count the rows that are strictly nearer in x, and in y, than the k-th joint neighbour.

        Args:
            rows: Index of the query rows, `(m,)`.
            k: Number of neighbours.

        Returns:
            Neighbours found (k or fewer), and the counts in x and in y, each `(m,)`.
        """
        ...

    def second(self, rows: Counts, k: int) -> tuple[Counts, Counts]:
        """Count the rows within the largest distance, in x and in y, to the k neighbours."""
        ...

    def given(self, rows: Counts, k: int) -> tuple[Counts, Counts, Counts, Counts]:
        """Neighbours found, and counts of strictly nearer rows in (x, z), in (y, z) and in z."""
        ...


class Trees:
    """Maximum norm, with k-d trees: fast in few dimensions, for any number of rows.

    Args:
        x: `(n, dim_x)`.
        y: `(n, dim_y)`.
        z: The condition, `(n, dim_z)`; no columns if there is no condition.
    """

    def __init__(self, x: Array, y: Array, z: Array) -> None:
        self.conditional = z.shape[1] > 0
        self._z = _Tree(z) if self.conditional else None
        self._x, self._y = (_Tree(np.concatenate([v, z], axis=1)) for v in (x, y))
        self._joint = _Tree(np.concatenate([x, y, z], axis=1))

    def first(self, rows: Counts, k: int) -> tuple[Counts, Counts, Counts]:
        """See `Neighbours`."""
        inside = self._joint.inside(rows, k)
        return np.full(len(rows), k), self._x.count(rows, inside), self._y.count(rows, inside)

    def second(self, rows: Counts, k: int) -> tuple[Counts, Counts]:
        """See `Neighbours`."""
        near = self._joint.nearest(rows, k)
        return self._x.count_to(rows, near), self._y.count_to(rows, near)

    def given(self, rows: Counts, k: int) -> tuple[Counts, Counts, Counts, Counts]:
        """See `Neighbours`."""
        assert self._z is not None
        inside = self._joint.inside(rows, k)
        x, y, z = (tree.count(rows, inside) for tree in (self._x, self._y, self._z))
        return np.full(len(rows), k), x, y, z


class _Tree:
    """A tree of one space; counts exclude the query row itself."""

    def __init__(self, values: Array) -> None:
        poll()
        self._values = values
        self._tree = cKDTree(values)
        self._workers = -1 if len(values) > FEW_ROWS else 1

    def inside(self, rows: Counts, k: int) -> Array:
        """Just below the distance of the k-th neighbour; the query row itself comes first."""
        poll()
        found, _ = self._tree.query(self._values[rows], [k + 1], p=math.inf, workers=self._workers)
        return np.nextafter(np.asarray(found)[:, 0], 0)

    def nearest(self, rows: Counts, k: int) -> Counts:
        """The row and its k nearest neighbours, `(m, k + 1)`."""
        _, near = self._tree.query(self._values[rows], k + 1, p=math.inf, workers=self._workers)
        return np.asarray(near)

    def count(self, rows: Counts, radius: Array) -> Counts:
        """Count the other rows within a distance, `(m,)`."""
        poll()
        v = self._values[rows]
        found = self._tree.query_ball_point(
            v, radius, p=math.inf, workers=self._workers, return_length=True
        )
        return np.asarray(found) - 1

    def count_to(self, rows: Counts, near: Counts) -> Counts:
        """Count the other rows as near as the farthest one of `near`, `(m,)`."""
        v = self._values
        return self.count(rows, abs(v[near] - v[rows][:, None]).max(axis=(1, 2)))


class Dense:
    """Euclidean norm, from all distances: O(n²) work, nearly independent of the dimension.

    Rows of different categories are infinitely far apart.

    Args:
        x: `(n, dim_x)`.
        y: `(n, dim_y)`.
        z: The condition, `(n, dim_z)`; no columns if there is no condition.
        categories: Labels of the categories in x, in y and in z, each `(n,)`.
    """

    def __init__(self, x: Array, y: Array, z: Array, categories: Sequence[Counts] = ()) -> None:
        labels = categories or [np.zeros(len(x), dtype=np.int64)] * 3
        self._spaces = list(zip((x, y, z), labels, strict=True))
        self.conditional = z.shape[1] > 0 or bool(labels[2].any())

    def _distances(self, rows: Counts) -> list[Array]:
        used = self._spaces if self.conditional else self._spaces[:2]
        return [_squared(values, label, rows) for values, label in used]

    def first(self, rows: Counts, k: int) -> tuple[Counts, Counts, Counts]:
        """See `Neighbours`."""
        x, y = self._distances(rows)
        found, radius = _kth(np.maximum(x, y), k)
        return found, (x < radius).sum(axis=1), (y < radius).sum(axis=1)

    def second(self, rows: Counts, k: int) -> tuple[Counts, Counts]:
        """See `Neighbours`."""
        distances = self._distances(rows)
        near = np.maximum(*distances).argpartition(k - 1, axis=1)[:, :k]
        x, y = (
            (d <= np.take_along_axis(d, near, axis=1).max(axis=1, keepdims=True)).sum(axis=1)
            for d in distances
        )
        return x, y

    def given(self, rows: Counts, k: int) -> tuple[Counts, Counts, Counts, Counts]:
        """See `Neighbours`."""
        distances = self._distances(rows)
        found, radius = _kth(functools.reduce(np.maximum, distances), k)
        x, y, z = (d < radius for d in distances)
        return found, (x & z).sum(axis=1), (y & z).sum(axis=1), z.sum(axis=1)


def _kth(distances: Array, k: int) -> tuple[Counts, Array]:
    """How many of the k neighbours exist, `(m,)`, and the distance of the last one, `(m, 1)`.

    A row whose categories are rare has fewer than k neighbours at a finite distance.
    """
    poll()
    near = np.sort(np.partition(distances, k - 1, axis=1)[:, :k], axis=1)
    found = np.isfinite(near).sum(axis=1)
    last = np.take_along_axis(near, np.maximum(found - 1, 0)[:, None], axis=1)
    return found, last


def _apart(values: Array, rows: Counts) -> Array:
    if values.shape[1] <= FEW_COLUMNS:
        # Slower, but rounding does not lose values that differ by the jitter only.
        out = np.zeros((len(rows), len(values)))
        for column in values.T:
            out += (column[rows, None] - column) ** 2
        return out
    length = np.einsum("ij,ij->i", values, values)
    out = values[rows] @ (-2 * values.T)
    out += length
    out += length[rows, None]
    return out


def _squared(values: Array, label: Counts, rows: Counts) -> Array:
    """Squared distances from some rows to all rows, `(m, n)`; infinity from a row to itself."""
    poll()
    out = _apart(values, rows)
    if label.any():
        out[label[rows][:, None] != label] = np.inf
    out[np.arange(len(rows)), rows] = np.inf
    return out
