"""Rows that depend on each other: copies of a row, rows in series, and the user's groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmg_nb.data.arrays import plain_array
from mmg_nb.data.columns import Variable
from mmg_nb.data.numbers import is_missing
from mmg_nb.data.series import series_in
from mmg_nb.data.tables import frame_of
from mmg_nb.errors import MMGError

__all__ = ["MIN_SAMPLES", "clusters_of", "is_coarse", "labels_of"]

MIN_SAMPLES = 50  # rows that an estimate needs; also the different rows that it needs
MIN_GROUPS = 20  # groups that an estimate needs
MAX_PARTS = 100  # of the least distance of two values, tried as the step of a grid; not measured
OFF_GRID = 1e-3  # steps by which a value may lie off its grid, see float32; not measured
ROUNDING = 8  # units in the last place, by which equal values may differ
MAX_GRID_POINTS_PER_ROW = 10  # with fewer, different rows are likely to have equal values
MANY_ROWS_ALIKE = 10  # on average; more than copies are likely to be. Not measured
COMMON_VALUE_SHARE = 0.05  # of the rows; a value more frequent than this recurs by chance

Array = NDArray[np.float64]


def labels_of(groups: Any, n: int) -> NDArray[np.int64]:
    """Read the labels of groups of rows.

    Args:
        groups: `(n,)` labels of any comparable type.
        n: Expected number of rows.

    Returns:
        Labels 0, 1, …, `(n,)`.

    Raises:
        MMGError: `groups` is not one column of n labels, or labels are missing.
    """
    table = frame_of(groups, "groups")
    if table is not None and table.shape[1] == 1:
        groups = table.iloc[:, 0].to_numpy()
    labels = plain_array(groups, "groups")
    if labels.shape != (n,):
        what = f"groups must have shape ({n},), one label per row; got {labels.shape}."
        raise MMGError(what, "Pass one column of labels.")
    missing = sum(is_missing(v) for v in labels)
    if missing:
        what = f"groups must not hold missing labels; got {missing} in {n} rows."
        raise MMGError(what, "Give every row a label.")
    if labels.dtype.kind == "O":
        labels = labels.astype(str)
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def clusters_of(
    used: Mapping[str, Variable], labels: NDArray[np.int64] | None, in_order: bool = False
) -> tuple[NDArray[np.int64], float, tuple[str, ...]]:
    """Label the rows that must stay together in splits.

    Args:
        used: The variables, by name.
        labels: The user's groups, `(n,)`; None without groups.
        in_order: Whether to look for rows in series, if there are no groups.

    Returns:
        Labels 0, 1, …, `(n,)`, the inflation of variances by rows in series, and notes for the
        user. Copies of a row share a label.

    Raises:
        MMGError: There are too few different rows, or too few groups.
    """
    copies, notes = _copies(used)
    n = len(copies)
    repeats = n - int(copies.max()) - 1
    if labels is None:
        first, place = np.unique(copies, return_index=True, return_inverse=True)[1:]
        series = series_in(used, np.sort(first)) if in_order else None
        if series is None:
            return copies, 1.0, notes
        blocks = np.searchsorted(np.sort(first), first[place.reshape(-1)]) // series.block
        return blocks, series.inflation, (*notes, *series.notes)
    if repeats:
        labels = _joined(labels, copies)
    n_groups = int(labels.max()) + 1
    if n_groups < MIN_GROUPS:
        what = f"At least {MIN_GROUPS} groups are needed; got {n_groups}."
        raise MMGError(what, "Use finer groups, or leave groups= out if rows are independent.")
    return labels, 1.0, (*notes, f"{n_groups} groups were used; splits keep each group together.")


def _copies(used: Mapping[str, Variable]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Label rows so that copies of a row share a label, `(n,)`.

    Equal rows are not copies if their values are likely to be equal by chance. This holds for
    categories, for coarsely rounded columns, and for values of very many rows, such as the zeros
    of a zero-inflated column.
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
    of_categories = any(each.values.shape[1] == len(each.discrete) for each in used.values())
    if of_categories and MANY_ROWS_ALIKE * (int(copy.max()) + 1) <= n:
        return np.arange(n), ()  # the numbers have few values, such as a price for each product
    images = any(
        each.shape is not None for each in used.values()
    )  # two images are never equal by chance
    by_chance = np.zeros(n, dtype=bool) if images else _may_agree(n, numbers)
    if by_chance.any():
        copy[by_chance] = copy.max() + 1 + np.arange(by_chance.sum())
        copy = np.unique(copy, return_inverse=True)[1].reshape(-1).astype(np.int64)
    repeats = n - int(copy.max()) - 1
    if n - repeats < MIN_SAMPLES:
        what = f"At least {MIN_SAMPLES} different rows are needed; got {n - repeats}."
        raise MMGError(what, "Collect more rows. Copies of a row add no information.")
    if not repeats:
        return copy, ()
    note = (
        f"{repeats} of {n} rows repeat another row. No split separates copies of a row, because "
        "training on a copy would bias the estimate. Remove copies that are mistakes."
    )
    return copy, (note,)


def _labels_of_rows(n: int, columns: Sequence[Array]) -> NDArray[np.int64]:
    """Labels that equal rows share, `(n,)`, in lexicographic order of the rows.

    Each column is compared only in rows that are equal in all columns before it. For continuous
    numbers this usually ends after one column. Sorting whole rows would need several times their
    memory.
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
    """Rows that may equal other rows by chance, because all their values are common, `(n,)`."""
    found = np.ones(n, dtype=bool)
    for column in numbers:
        if not found.any():
            break
        _, value, count = np.unique(column, return_inverse=True, return_counts=True)
        found &= is_coarse(column) | (count[value.reshape(-1)] > COMMON_VALUE_SHARE * n)
    return found


def is_coarse(column: Array) -> bool:
    """Whether the values are rounded so coarsely that equal values are likely by chance.

    Rounded values lie on a grid, which may have any step and any origin, so units and offsets do
    not matter. Steps that are tried: the smallest distance of two different values, and half, a
    third, … of it.
    """
    levels = np.unique(column)
    rounding = ROUNDING * np.finfo(np.float64).eps * np.abs(levels).max()
    levels = levels[np.r_[True, np.diff(levels) > rounding]]
    if len(levels) < 2:
        return True
    place = (levels - levels[0]) / (levels[-1] - levels[0])
    for parts in range(1, MAX_PARTS + 1):
        points = round(parts / float(np.diff(place).min()))
        if points >= MAX_GRID_POINTS_PER_ROW * len(column):
            return False
        off = np.abs(place * points - np.round(place * points)).max()
        if off <= OFF_GRID + points * rounding / (levels[-1] - levels[0]):
            return True
    return False


def _joined(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """The finest labels such that rows with equal labels in `a` or in `b` share one label."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    size_a, size_b = int(a.max()) + 1, int(b.max()) + 1
    edges = coo_array((np.ones(len(a)), (a, size_a + b)), shape=(size_a + size_b,) * 2)
    return connected_components(edges, directed=False)[1][a].astype(np.int64)
