"""Is one column a function of another one, without any noise?

A column of few values, as of classes or rounded numbers, is a function if it is constant in
intervals of the other column, or wherever this column repeats a value.

Otherwise neighbours decide. Where neighbouring values of x lie close enough, the divided
differences of a smooth function hardly change from one group of neighbours to the next. Noise of
any size changes them, even in sign, because it is divided by distances. A few kinks and jumps
change few of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["confirmations", "function_in", "is_function"]

# Evidence for the thresholds: LOG.md, "Functions".
ORDERS = 4  # of divided differences; noise that a curved function hides shows at higher orders
AGREEING = 0.85  # of the groups of neighbours, from which a column is a function
LEAST_GROUPS = 30  # in which the other column varies
MOST_CHANGE = 2.0  # factor by which neighbouring divided differences may differ
ROUNDING = 8  # units in the last place, by which values may be wrong
LEAST_RUN = 5  # rows of an interval in which a value is confirmed, if it has several; not measured
LEAST_EVIDENCE = 20  # rows that would differ if both columns were independent; not measured
COMMON = 0.05  # of the rows; a value more frequent than this may be a limit of a scale
MOST_REPEATS = 0.05  # of the rows, whose value repeats without being common; not measured
MOST_VALUES = 1_000_000  # rows times pairs of columns that are tried, in about a second

Array = NDArray[np.float64]


def function_in(x: Array, y: Array) -> tuple[str, int, int] | None:
    """A column of one variable that is a function of a column of the other one.

    Args:
        x: `(n, dim_x)`.
        y: `(n, dim_y)`.

    Returns:
        The variable that is the function, `x` or `y`, the column of x and that of y; None if there
        is no such column, or too many to be tried.
    """
    tried = 2 * x.shape[1] * y.shape[1]
    if tried > max(2, MOST_VALUES // len(x)):
        return None
    for i, a in enumerate(x.T):
        for j, b in enumerate(y.T):
            for name, source, target in (("y", a, b), ("x", b, a)):
                if is_function(source, target):
                    return name, i, j
    return None


def is_function(source: Array, target: Array) -> bool:
    """Whether the target is a function of the source, up to a few kinks and jumps.

    Args:
        source: `(n,)`. If many different values repeat, as those of rounded numbers do, the
            answer is no: the mutual information is then finite.
        target: `(n,)`.

    Returns:
        The decision.
    """
    order = np.lexsort((target, source))
    with np.errstate(all="ignore"):  # what overflows agrees with nothing
        return _is_function(source[order], target[order])


def _is_function(source: Array, target: Array) -> bool:
    """The decision for sorted rows."""
    again = np.diff(source) == 0
    if np.diff(target)[again].any() or _repeats(source) > MOST_REPEATS:
        return False
    first = np.r_[True, ~again]
    source, target = source[first], target[first]
    unit = ROUNDING * _unit(source, target)
    varies = np.diff(target) != 0
    difference, error = target, unit * np.abs(target)
    for degree in range(1, ORDERS + 1):
        if len(difference) <= LEAST_GROUPS:
            return False
        width = source[degree:] - source[:-degree]
        far = np.maximum(np.abs(source[degree:]), np.abs(source[:-degree]))
        difference = np.diff(difference) / width
        error = (error[1:] + error[:-1] + 2 * unit * np.abs(difference) * far) / width
        agree = _agree(difference, error)
        counts = np.convolve(varies, np.ones(degree + 1), "valid") > 0
        if counts.sum() < LEAST_GROUPS or agree[counts].mean() < AGREEING:
            return False
    return True


def confirmations(source: Array, target: Array, *, ordered: bool) -> int:
    """Rows that show that a target of few values is a function of the source.

    Args:
        source: `(n,)`, numbers or codes; no row is a copy of another one.
        target: `(n,)`, numbers or codes.
        ordered: Whether the source holds numbers, so that its intervals mean something.

    Returns:
        The number of rows that have the value of a neighbour in the source; 0 if the target is
        no function of the source, or if too little is known.
    """
    level, counts = np.unique(target, return_inverse=True, return_counts=True)[1:]
    n = len(level)
    if len(counts) > n / 2:
        return 0
    order = np.lexsort((level.reshape(-1), source))
    level, tied = level.reshape(-1)[order], np.diff(source[order]) == 0
    same = np.diff(level) == 0
    differing = 1 - float(np.sum((counts / n) ** 2))
    if (tied & ~same).any():
        return 0
    repeated = _confirmed_by_repeats(source[order], level)
    if repeated:
        return repeated
    if not ordered or n * differing < LEAST_EVIDENCE:
        return 0
    start = np.flatnonzero(np.r_[True, ~same])
    length, owner = np.diff(np.r_[start, n]), level[start]
    between = np.r_[False, owner[:-2] == owner[2:], False]  # two runs of one value
    alone = (np.bincount(owner)[owner] == 1) & ~between[: len(owner)]
    rare = counts[owner] <= COMMON * n
    enough = all(len(each) <= each.sum() / 2 for each in (length, length[rare]))
    return n - len(start) if enough and (alone | (length >= LEAST_RUN)).all() else 0


def _confirmed_by_repeats(source: Array, level: NDArray[np.int64]) -> int:
    """Rows that show by repeated values of the source that the target is constant at each.

    A common value, as the 0 of an amount, says nothing about rows whose values do not repeat. The
    other repeated values must speak for these rows.

    Args:
        source: `(n,)`, sorted.
        level: The value of the target, counted from 0.

    Returns:
        The number of rows; 0 if too little is known.
    """
    again, counts = np.unique(source, return_inverse=True, return_counts=True)[1:]
    telling = np.ones(len(counts), bool)
    if counts.min() == 1:
        telling = counts <= COMMON * len(source)
    rows = telling[again.reshape(-1)]
    if not rows.any():
        return 0
    shares = np.bincount(level[rows]) / rows.sum()
    ties = int(rows.sum() - telling.sum())
    differing = ties * (1 - float(np.sum(shares**2)))
    return ties if ties >= rows.sum() / 4 and differing >= LEAST_EVIDENCE else 0


def _repeats(values: Array) -> float:
    """Share of the rows whose value repeats without being common."""
    counts = np.unique(values, return_counts=True)[1]
    few = (counts > 1) & (counts <= COMMON * len(values))
    return float(counts[few].sum()) / len(values)


def _unit(*columns: Array) -> float:
    """Relative precision of the numbers: that of float32 if all of them are such numbers."""
    single = all((column == column.astype(np.float32)).all() for column in columns)
    return float(np.finfo(np.float32 if single else np.float64).eps)


def _agree(values: Array, error: Array) -> NDArray[np.bool_]:
    """Whether each value is like the next one: by a factor, or both as good as 0."""
    here, there = values[:-1], values[1:]
    size, other = np.abs(here), np.abs(there)
    alike = (size <= MOST_CHANGE * other) & (other <= MOST_CHANGE * size)
    same = alike & ((here > 0) == (there > 0))
    return np.asarray(same | ((size <= error[:-1]) & (other <= error[1:])))
