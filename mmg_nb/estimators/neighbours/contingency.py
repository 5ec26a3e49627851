"""Mutual information of categories: a closed form, with its bias removed by the jackknife."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from mmg_nb.data.pairs import Pairs
from mmg_nb.results.curves import PointwiseMI
from mmg_nb.results.finding import Finding

__all__ = ["cells", "closed_form", "table_information"]

ROWS_A_CELL = 5
SHUFFLES = 10

Array = NDArray[np.float64]
Labels = NDArray[np.int64]


def cells(values: Array) -> Labels:
    """One label for each different row.

    Args:
        values: Codes of categories, `(n, d)`; without columns, all rows are equal.

    Returns:
        Labels 0, 1, …, `(n,)`.
    """
    if not values.shape[1]:
        return np.zeros(len(values), dtype=np.int64)
    return np.unique(values, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def table_information(x: Array, y: Array, z: Array) -> Array:
    """What each row contributes to I(x; y | z) of categories, nats.

    The plug-in estimate is (F_xyz + F_z − F_xz − F_yz) / n with F = Σ c·ln c over the counts c of
    a table. Leaving a row out lowers each F by g(c) = c·ln c − (c − 1)·ln(c − 1) at its cell.
    The jackknife n·Î − (n − 1)·mean Î₋ᵢ is therefore the mean over the rows of
    g(c_xyz) + g(c_z) − g(c_xz) − g(c_yz) (Zahl 1977, Ecology 58:907, for one entropy). The
    remaining bias is of order n⁻².

    Args:
        x: Codes, `(n, dim_x)`.
        y: Codes, `(n, dim_y)`.
        z: The condition, `(n, dim_z)`; without columns for I(x; y).

    Returns:
        `(n,)`; their mean is the estimate, and their spread gives its standard error.
    """
    return (
        _decrease(np.concatenate([x, y, z], axis=1))
        + _decrease(z)
        - _decrease(np.concatenate([x, z], axis=1))
        - _decrease(np.concatenate([y, z], axis=1))
    )


def _decrease(values: Array) -> Array:
    """The decrease g at the count of each row's cell, `(n,)`."""
    label = cells(values)
    count = np.bincount(label).astype(np.float64)[label]
    return np.asarray(xlogy(count, count) - xlogy(count - 1, count - 1))


def _shuffled(pairs: Pairs, rng: np.random.Generator) -> float:
    """Mean estimate under independence: y is shuffled within each value of z."""
    z, n = cells(pairs.z), pairs.n_samples
    place = np.argsort(z, kind="stable")
    y, found = np.empty_like(pairs.y), []
    for _ in range(SHUFFLES):
        y[place] = pairs.y[np.lexsort((rng.random(n), z))]
        found.append(table_information(pairs.x, y, pairs.z).mean())
    return float(np.mean(found))


def closed_form(pairs: Pairs, seed: int) -> Finding:
    """Estimate I(x; y) or I(x; y | z) if every column is a category.

    Args:
        pairs: The data, all categories.
        seed: Seed of the shuffles that estimate the remaining bias of a sparse table.

    Returns:
        The finding.
    """
    values = table_information(pairs.x, pairs.y, pairs.z)
    n = pairs.n_samples
    levels_x, levels_y, levels_z = (int(cells(v).max()) + 1 for v in (pairs.x, pairs.y, pairs.z))
    # Under independence the spread of the rows vanishes, but the error does not.
    least = math.sqrt(2 * (levels_x - 1) * (levels_y - 1) * levels_z) / (2 * n)
    filled = int(cells(np.concatenate([pairs.x, pairs.y, pairs.z], axis=1)).max()) + 1
    parts = {"sampling": float(values.std()) / math.sqrt(n), "detection": least}
    notes: tuple[str, ...] = (
        "All columns are categories, so the estimate is a closed form of their table "
        f"({filled} filled cells).",
    )
    if n < ROWS_A_CELL * filled:
        notes += (
            f"The table has only {n / filled:.1f} rows per filled cell, so the correction of its "
            "bias is approximate. The standard error includes the bias that remains. Merge rare "
            "categories.",
        )
        parts["sparse table"] = abs(_shuffled(pairs, np.random.default_rng(seed)))
    return Finding(
        mi=math.fsum(values) / n,
        stderr=math.hypot(*parts.values()),
        error_parts=parts,
        pointwise=PointwiseMI(np.arange(n), values, np.zeros(n)),
        notes=notes,
    )
