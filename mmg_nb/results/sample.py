"""Some of the rows that were compared, kept with a result so that they can be drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mmg_nb.results.curves import PointwiseMI
from mmg_nb.results.plain import ArrayRecord

__all__ = ["Sample", "sample_of"]

MAX_ROWS = 500  # drawn at random
EXTREMES = 10  # rows of the largest and of the smallest pointwise values, which are kept, too

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sample(ArrayRecord):
    """Rows of one column of x and one of y; all arrays are `(m,)`.

    With several columns, these two depend most on each other by their ranks.

    Attributes:
        index: Index of each row among the rows in use, ascending.
        x: The column of x; codes 0, 1, … if it holds categories.
        y: The column of y.
        columns: Names of the two columns; empty texts if unnamed.
        levels: Names of the categories of `x` and `y`, by code; no entry for numbers.
        labels: Names of the rows; empty if they have only positions.
    """

    index: NDArray[np.int64]
    x: Array
    y: Array
    columns: tuple[str, ...]
    levels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    labels: tuple[str, ...] = ()


def sample_of(
    x: Array,
    y: Array,
    texts: Mapping[str, tuple[str, ...]],
    pointwise: PointwiseMI | None,
    seed: int,
) -> Sample | None:
    """Draw rows, and choose the two columns to show.

    Args:
        x: `(n, dim_x)`.
        y: `(n, dim_y)`.
        texts: Names of columns, categories and rows, see `texts_of`.
        pointwise: Pointwise MI, whose extreme rows are kept, or None.
        seed: Seed of the draw.

    Returns:
        The sample; None if x or y has no named columns, as images do.
    """
    if not (texts.get("x") and texts.get("y")):
        return None
    n = len(x)
    rows = np.random.default_rng(seed).choice(n, min(n, MAX_ROWS), replace=False, shuffle=False)
    if pointwise is not None:
        order = np.argsort(pointwise.mi)
        rows = np.append(rows, pointwise.index[[*order[:EXTREMES], *order[-EXTREMES:]]])
    rows = np.unique(rows)
    i, j = _columns(x[rows], y[rows])
    places = {"x": i, "y": j}
    levels = {name: texts[f"{name}[{k}]"] for name, k in places.items() if f"{name}[{k}]" in texts}
    columns = tuple(_column(name, k, texts[name]) for name, k in places.items())
    names = texts.get("rows", ())
    labels = tuple(names[row] for row in rows) if names else ()
    return Sample(rows, x[rows, i], y[rows, j], columns, levels, labels)


def _column(name: str, k: int, labels: tuple[str, ...]) -> str:
    """The name of a column: its own, `x[2]` by position, or nothing for the only one."""
    if not labels[k].isdigit():
        return labels[k]
    return f"{name}[{labels[k]}]" if len(labels) > 1 else ""


def _columns(x: Array, y: Array) -> tuple[int, int]:
    """The columns with the largest correlation of ranks, or of their distances from the middle."""
    if x.shape[1] == y.shape[1] == 1:
        return 0, 0
    cross = np.abs(_features(x).T @ _features(y))
    both = cross.reshape(2, x.shape[1], 2, y.shape[1]).max(axis=(0, 2))
    i, j = np.unravel_index(int(np.argmax(both)), both.shape)
    return int(i), int(j)


def _features(values: Array) -> Array:
    ranks = np.argsort(np.argsort(values, axis=0), axis=0) / len(values) - 0.5
    both = np.concatenate([ranks, np.abs(ranks)], axis=1)
    centred = both - both.mean(axis=0)
    unit: Array = centred / np.linalg.norm(centred, axis=0)
    return unit
