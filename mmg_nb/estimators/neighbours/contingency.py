"""Mutual information of categories: a closed form, with its bias removed by the jackknife."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mmg_nb.data.pairs import Pairs
from mmg_nb.estimators.neighbours.column_prediction import (
    LEVELS_AT_ONCE,
    held_out_information,
)
from mmg_nb.estimators.neighbours.latent_classes import latent_information
from mmg_nb.estimators.neighbours.sparse_tables import Strata, decrease, labelled, sparse_table
from mmg_nb.results.curves import PointwiseMI
from mmg_nb.results.finding import Finding

__all__ = ["cells", "closed_form", "table_information"]

ROWS_A_CELL = 5  # with fewer for each possible cell, a table is sparse
EVIDENCE = 3.0  # nats of all rows together from which single columns are said to show more
SPARSE = "sparse table"
COLUMNS = (
    "All columns are categories, and few rows agree in all of them. The estimate is how much x "
    "improves the prediction of y in held-out rows, by logistic regression and trees. With more "
    "rows it may rise."
)
CLASSES = (
    "All columns are categories, and few rows share a cell of their table. So the levels of x and "
    "of y were grouped into a few latent classes. The estimate is how much these classes improve "
    "the prediction of y in held-out rows. With more rows it may rise."
)

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
    return decrease(cells(values))


def closed_form(pairs: Pairs, seed: int) -> Finding:
    """Estimate I(x; y) or I(x; y | z) if every column is a category.

    A table with fewer than `ROWS_A_CELL` rows for each possible cell is sparse. See
    `sparse_tables` for how its bias is found. If held-out rows show more by single columns
    (`column_prediction`) or by groups of levels (`latent_classes`), that is the estimate.

    Args:
        pairs: The data, all categories.
        seed: Seed of the random numbers for a sparse table.

    Returns:
        The finding.

    Raises:
        Stopped: The user has stopped the run.
    """
    values = table_information(pairs.x, pairs.y, pairs.z)
    z = cells(pairs.z)
    strata = Strata(labelled(z, cells(pairs.x)), labelled(z, cells(pairs.y)), z)
    if pairs.n_samples < ROWS_A_CELL * strata.possible:
        return _of_sparse(pairs, strata, values, np.random.default_rng(seed))
    levels_x, levels_y, levels_z = (int(cells(v).max()) + 1 for v in (pairs.x, pairs.y, pairs.z))
    # Under independence the spread of the rows vanishes, but the error does not.
    least = math.sqrt(2 * (levels_x - 1) * (levels_y - 1) * levels_z) / (2 * pairs.n_samples)
    note = (
        "All columns are categories, so the estimate is computed from their table of counts "
        f"({len(strata.filled[0])} filled cells)."
    )
    return _finding(values, {"detection": least}, note)


def _of_sparse(pairs: Pairs, strata: Strata, values: Array, rng: np.random.Generator) -> Finding:
    """The finding of a sparse table."""
    filled = len(strata.filled[0])
    note = (
        "All columns are categories, so the estimate is computed from their table of counts "
        f"({filled} filled cells of {strata.possible}). The table is sparse "
        f"({pairs.n_samples / filled:.1f} rows per filled cell), so the estimate has a bias. It "
        "was measured on random tables that resemble this one, and subtracted. If the error is "
        "too large, merge rare categories."
    )
    found = sparse_table(strata, rng)
    for held_out, how in ((_by_columns, COLUMNS), (_by_classes, CLASSES)):
        known = held_out(pairs, found.predicted + EVIDENCE / len(values))
        if known is not None:
            rows, missing = known
            # Shrunken predictions scatter less than the exact log-ratio would.
            scatter = float(rows.std()) / math.sqrt(len(rows))
            return _finding(rows + missing, {SPARSE: max(missing, scatter)}, how)
    parts = {"tables drawn": found.spread, SPARSE: found.unconfirmed}
    return _finding(values - values.mean() + found.mi, parts, note)


def _by_columns(pairs: Pairs, least: float) -> tuple[Array, float] | None:
    """Held-out log-ratios of each row, and by how much they are too low. For several columns.

    They are too low by about as much as they rise when models are fitted to 4/5 instead of 1/2
    of the rows.
    """
    if max(pairs.dim_x, pairs.dim_y) == 1:
        return None
    x, y, z = (_codes(v) for v in (pairs.x, pairs.y, pairs.z))
    if len(np.unique(x, axis=0)) < len(np.unique(y, axis=0)):
        x, y = y, x
    if (together := cells(y.astype(np.float64))).max() < LEVELS_AT_ONCE:
        y = together[:, None]
    many = held_out_information(x, y, z, pairs.clusters, 5)
    if many is None or many.mean() < least:
        return None
    few = held_out_information(x, y, z, pairs.clusters, 2)
    return many, 0.0 if few is None else max(0.0, float(many.mean() - few.mean()))


def _by_classes(pairs: Pairs, least: float) -> tuple[Array, float] | None:
    """Held-out log-ratios of each row, and by how much they are too low. Without a condition.

    Rows that were used for training show about as much too much as held-out rows show too little.
    """
    if pairs.dim_z:
        return None
    x, y = cells(pairs.x), cells(pairs.y)
    if x.max() < y.max():
        x, y = y, x
    found = latent_information(x, y, pairs.clusters, 5)
    if found is None or found[0].mean() < least:
        return None
    held, seen = found
    return held, max(0.0, (seen - float(held.mean())) / 2)


def _codes(values: Array) -> Labels:
    return (
        np.stack([cells(v[:, None]) for v in values.T], axis=1)
        if values.size
        else (np.zeros(values.shape, dtype=np.int64))
    )


def _finding(values: Array, more: Mapping[str, float], note: str) -> Finding:
    n = len(values)
    parts = {"sampling": float(values.std()) / math.sqrt(n), **more}
    return Finding(
        mi=math.fsum(values) / n,
        stderr=math.hypot(*parts.values()),
        error_parts=parts,
        pointwise=PointwiseMI(np.arange(n), values, np.zeros(n)),
        notes=(note,),
    )
