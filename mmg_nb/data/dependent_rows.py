"""Rows that depend on each other: copies of a row, and the user's groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mmg_nb.data.columns import Variable
from mmg_nb.errors import MMGError

__all__ = ["MIN_SAMPLES", "blocks_of"]

MIN_SAMPLES = 50
MIN_GROUPS = 20
MOST_DIGITS = 6  # after the decimal point, of a column that counts as rounded
PLACES = 10  # a row, of such a column's grid, at most
COMMON = 0.05  # share of the rows above which a value's copies are no copies of a row

Array = NDArray[np.float64]


def blocks_of(
    used: Mapping[str, Variable], labels: NDArray[np.int64] | None
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Labels of rows that must stay together, and notes on them.

    Args:
        used: The variables, by name.
        labels: Groups that the user knows of, `(n,)`; None for none.

    Returns:
        Labels 0, 1, …, `(n,)`, which copies of a row share, and the notes.

    Raises:
        MMGError: Too few rows differ, or there are too few groups.
    """
    copies, notes = _copies(used)
    n = len(copies)
    repeats = n - int(copies.max()) - 1
    if labels is None:
        return copies, notes
    if repeats:
        labels = _joined(labels, copies)
    n_groups = int(labels.max()) + 1
    if n_groups < MIN_GROUPS:
        what = f"At least {MIN_GROUPS} groups are needed; got {n_groups}."
        raise MMGError(what, "Use finer groups, or leave groups= out if rows are independent.")
    return labels, (*notes, f"{n_groups} groups kept together in the splits.")


def _copies(used: Mapping[str, Variable]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Labels that copies of a row share, `(n,)`.

    Rows that agree in categories, in columns rounded so far that agreement is to be expected, and
    in values that very many rows have (the zeros of a zero-inflated column), agree by chance and
    are no copies.
    """
    n = len(used["x"].values)
    numbers = [
        column
        for each in used.values()
        for j, column in enumerate(each.values.T)
        if j not in each.discrete
    ]
    if not numbers:
        return np.arange(n), ()
    copy = _labels_of_rows(n, [column for each in used.values() for column in each.values.T])
    images = any(each.shape is not None for each in used.values())  # no two agree by chance
    by_chance = np.zeros(n, dtype=bool) if images else _may_agree(n, numbers)
    if by_chance.any():
        copy[by_chance] = copy.max() + 1 + np.arange(by_chance.sum())
        copy = np.unique(copy, return_inverse=True)[1].reshape(-1).astype(np.int64)
    repeats = n - int(copy.max()) - 1
    if n - repeats < MIN_SAMPLES:
        what = f"At least {MIN_SAMPLES} different rows are needed; got {n - repeats}."
        raise MMGError(what, "Collect more rows; copies of a row hold no new information.")
    if not repeats:
        return copy, ()
    note = f"{repeats} of {n} rows repeat another; copies are kept on one side of splits."
    return copy, (note,)


def _labels_of_rows(n: int, columns: Sequence[Array]) -> NDArray[np.int64]:
    """Labels that equal rows share, `(n,)`, in the order of the values: first column first.

    Columns are looked at one by one, and only in rows that those before did not tell apart. Of
    numbers that is the first column alone; to sort whole rows takes several times their memory.
    """
    label = np.zeros(n, dtype=np.int64)
    for column in columns:
        alike = np.bincount(label)[label] > 1
        if not alike.any():
            break
        values, value = np.unique(column[alike], return_inverse=True)
        label = label * len(values)
        label[alike] += value.reshape(-1)
        label = np.unique(label, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return label


def _may_agree(n: int, numbers: Sequence[Array]) -> NDArray[np.bool_]:
    """Rows all of whose values are to be expected in other rows, too, `(n,)`."""
    found = np.ones(n, dtype=bool)
    for column in numbers:
        if not found.any():
            break
        _, value, count = np.unique(column, return_inverse=True, return_counts=True)
        found &= _is_coarse(column) | (count[value.reshape(-1)] > COMMON * n)
    return found


def _is_coarse(column: Array) -> bool:
    """Whether the values lie on a decimal grid so coarse that different rows must agree."""
    span = float(np.ptp(column))
    for digits in range(MOST_DIGITS):
        scaled = column * 10.0**digits
        if np.allclose(scaled, np.round(scaled), rtol=0, atol=1e-6):
            return span * 10.0**digits < PLACES * len(column)
    return False


def _joined(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """Finest labels under which rows that share a label in `a` or in `b` share one."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size_a, size_b = int(a.max()) + 1, int(b.max()) + 1
    edges = coo_array((np.ones(len(a)), (a, size_a + b)), shape=(size_a + size_b,) * 2)
    return connected_components(edges, directed=False)[1][a].astype(np.int64)
