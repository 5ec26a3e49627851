"""Missing values: whether they depend on another variable, and how to keep their rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from mmg_nb.data.columns import Variable
from mmg_nb.errors import cut, listed
from mmg_nb.polling import poll

__all__ = ["as_categories", "dependence_notes"]

LEVEL = 1e-3  # probability of such a difference by chance, over all columns compared
MIN_ROWS = 10  # with and without missing values; with fewer, nothing is said
MAX_WAVES = 8  # smooth functions of the rank by which a column of numbers is compared
MAX_CLASSES = 20  # categories of a column that are compared, the most common ones
MAX_COLUMNS = 32  # of a variable that are compared
TIED = 0.05  # share of repeated values from which a column counts as rounded; not measured

Array = NDArray[np.float64]


def dependence_notes(
    read: Mapping[str, Variable], groups: NDArray[np.int64] | None
) -> tuple[str, ...]:
    """Say of which variables it depends on another one whether they are missing.

    The rows that are left are then not like all rows.

    Args:
        read: The variables, by name, NaN where missing.
        groups: Labels of dependent rows, `(n,)`, or None. One row of each group is then used.

    Returns:
        One note for each such variable.
    """
    rows = np.arange(len(next(iter(read.values())).values))
    if groups is not None:
        rows = np.unique(groups, return_index=True)[1]
    notes = []
    for name, each in read.items():
        gaps = np.asarray(np.isnan(each.values[rows]).any(axis=1))
        others = {k: v for k, v in read.items() if k != name} if gaps.any() else {}
        columns = {
            k if len(v.labels) == 1 else cut(v.labels[i], 40): (v.values[rows, i], i in v.discrete)
            for k, v in others.items()
            for i in range(0, len(v.labels), -(-len(v.labels) // MAX_COLUMNS))
        }
        found = [k for k, v in columns.items() if _chance(gaps, *v) < LEVEL / len(columns)]
        if found:
            notes.append(
                f"Whether {name} is missing depends on {listed(found, room=80)}, so the remaining "
                "rows are not like all rows. To keep all rows, use missing='category'."
            )
    return tuple(notes)


def _chance(gaps: NDArray[np.bool_], column: Array, discrete: bool) -> float:
    """Probability of a larger difference between rows with and without gaps, if there is none.

    For categories this is Pearson's χ² test, for numbers Neyman's smooth test of ranks.
    """
    # Imported here because reading a table must not load scipy.
    from scipy.special import chdtrc

    poll()
    known = np.isfinite(column)
    gaps, column = gaps[known], column[known]
    few = int(min(gaps.sum(), (~gaps).sum()))
    levels, level, counts = np.unique(column, return_inverse=True, return_counts=True)
    if few < MIN_ROWS or len(levels) < 2:
        return 1.0
    if discrete:
        common = np.argsort(-counts, kind="stable")[:MAX_CLASSES]
        functions = (level.reshape(-1)[:, None] == common).astype(np.float64)
    else:
        rank = ((np.cumsum(counts) - counts / 2) / counts.sum())[level.reshape(-1)]
        waves = min(MAX_WAVES, few // MIN_ROWS)
        functions = np.cos(np.pi * np.outer(rank, np.arange(1, waves + 1)))
    functions = functions - functions.mean(axis=0)
    spread = functions.T @ functions / len(gaps)
    difference = functions[gaps].mean(axis=0) - functions[~gaps].mean(axis=0)
    weight = gaps.sum() * (~gaps).sum() / len(gaps)
    distance = weight * difference @ np.linalg.pinv(spread, 1e-9, hermitian=True) @ difference
    return float(chdtrc(np.linalg.matrix_rank(spread, 1e-9, hermitian=True), distance))


def as_categories(read: Mapping[str, Variable]) -> tuple[dict[str, Variable], tuple[str, ...]]:
    """Keep rows with missing values: missing is a category.

    In a column of categories it is one more category. Columns of numbers get another column:
    missing or not. Their gaps are filled with values drawn at random from the column. These draws
    are independent of everything, so they add no information. A column gets the same draws
    wherever it is used.

    Args:
        read: The variables, by name, NaN where missing.

    Returns:
        The variables, and one note for each that has changed.
    """
    found, notes = {}, []
    for name, each in read.items():
        gaps = np.isnan(each.values)
        if each.shape is not None or not gaps.any():
            found[name] = each
            continue
        found[name] = _filled(each, gaps, name)
        where = listed((each.labels[i] for i in np.flatnonzero(gaps.any(axis=0))), room=80)
        notes.append(
            f"{name}: {gaps.sum()} missing values are kept (columns {where}). Among categories, "
            "missing is one more category; for numbers, one more column marks missing values. To "
            "leave out these rows, use missing='drop'."
        )
    return found, tuple(notes)


def _filled(variable: Variable, gaps: NDArray[np.bool_], name: str) -> Variable:
    values, labels = variable.values.copy(), list(variable.labels)
    flags: dict[bytes, tuple[str, Array]] = {}  # columns may have gaps in the same rows
    for i in np.flatnonzero(gaps.any(axis=0)):
        gap, known = gaps[:, i], values[~gaps[:, i], i]
        if i in variable.discrete:
            values[gap, i] = known.max(initial=-1.0) + 1
            continue
        values[gap, i] = _drawn(known, int(gap.sum()), _generator(known, gap))
        called = f"{name}[{i}]" if labels[i].isdigit() else labels[i]
        flags.setdefault(gap.tobytes(), (f"{called} is missing", gap.astype(np.float64)))
    first = len(labels)
    return replace(
        variable,
        values=np.column_stack([values, *(flag for _, flag in flags.values())]),
        labels=(*labels, *(label for label, _ in flags.values())),
        discrete=(*variable.discrete, *range(first, first + len(flags))),
    )


def _generator(known: Array, gap: NDArray[np.bool_]) -> np.random.Generator:
    """A generator of the column's own: its seed is where gaps are, and the order of the values.

    With a common seed, two columns with gaps in the same rows would get the same draws, and
    depend on each other.
    """
    ranks = np.unique(known, return_inverse=True)[1]
    digest = sha256(gap.tobytes() + ranks.astype("<i8").tobytes()).digest()
    return np.random.default_rng(np.frombuffer(digest, "<u4"))


def _drawn(known: Array, count: int, rng: np.random.Generator) -> Array:
    """Draws from the values of a column; between them, if hardly any of them is repeated.

    Repeated values show that a column is rounded, in any unit.
    """
    if not len(known) or not np.isfinite(known).all():
        return np.zeros(count)
    if len(np.unique(known)) < (1 - TIED) * len(known):
        return rng.choice(known, count)
    return np.quantile(known, rng.random(count))
