"""Rows in series: neighbouring rows that depend on each other, as in time.

Rows in series add variance only if both variables have it: the variance of the mean of a product
grows with the sum of the products of their autocorrelations (Bartlett 1935, JRSS 98:536).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmg_nb.data.columns import Variable

__all__ = ["ROWS", "WINDOW", "Series", "series_in"]

ROWS = ("auto", "independent")
MAX_ROWS = 2**16  # the first rows of larger tables; limits the computing time
MAX_COLUMNS = 8  # of a variable; of more columns, as many random sums are tested
MAX_LEVELS = 8  # of a column of categories, the most frequent ones
LAGS = 20  # rows between two rows whose correlation is tested
FALSE_ALARMS = 0.005  # probability for independent rows, if y is a function of x; else far lower
MIN_INFLATION = 1.2  # of a variance; below it, errors change by less than a tenth
WINDOW = 5  # of the inflation: lags that are summed up (Sokal 1997), and rows of a block
MIN_BLOCKS = 20
IF_NO_ORDER = (
    "If the order of the rows has no meaning, use rows='independent'; for blocks of your own, use "
    "groups=."
)
IF_WALKS = "If so, use their differences: np.diff(x, axis=0) and np.diff(y, axis=0)."
UNIT_ROOT = 23.0  # n·(1 − autocorrelation) of normal scores; 95 % of random walks are below
SPREAD = 0.75  # standard error of the autocorrelation of second differences of noise, × √n
ROUGH = -1 / 3  # smooth functions have a larger autocorrelation of second differences
OUTLIER = 6  # medians of the size, at which second differences are cut

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """How far rows in series depend on each other.

    Attributes:
        inflation: Factor by which they inflate the variance of a mean over the rows.
        block: Rows of a block. Different blocks hardly depend on each other, if `MIN_BLOCKS`
            blocks allow.
        notes: What the user should know.
    """

    inflation: float
    block: int
    notes: tuple[str, ...]


def series_in(used: Mapping[str, Variable], rows: NDArray[np.int64]) -> Series | None:
    """Find out whether rows are in series, in the given order.

    Both variables, beyond the condition, must have significant autocorrelations. A table that is
    sorted by one of its columns, or whose column is a design such as 0, 1, 2, 0, 1, 2, …, is not
    a series: there, the other variable must depend on its neighbours beyond that column.

    Args:
        used: The variables, by name.
        rows: The rows to test, in order, `(m,)`.

    Returns:
        What was found; None for independent rows.
    """
    some = rows[:MAX_ROWS]
    n = len(some)
    values = {name: each.values[some] for name, each in used.items()}
    plain = {name: _columns(values[name], each.discrete) for name, each in used.items()}
    scores = {name: _scores(columns) for name, columns in plain.items()}
    keys = {name: [c for c in v.T if _is_key(c)] for name, v in values.items()}
    found = [key for columns in keys.values() for key in columns]
    free = [name for name in ("x", "y") if not keys[name]]
    if found and not (free and all(_beyond(found, plain[name]) for name in free)):
        return None
    if "given" in scores:
        scores = {name: _residual(scores[name], scores["given"]) for name in ("x", "y")}
    correlations = {name: _autocorrelations(scores[name]) for name in ("x", "y")}
    if not found and not all(map(_significant, correlations.values())):
        return None
    x, y = (each.mean(axis=1) for each in correlations.values())
    inflation = _inflation(np.abs(x * y))
    if inflation < MIN_INFLATION:
        return None
    block = max(1, min(math.ceil(WINDOW * inflation), len(rows) // MIN_BLOCKS))
    note: tuple[str, ...] = (
        f"Neighbouring rows depend on each other, as in a series: {len(rows)} rows are worth "
        f"about {max(1, round(len(rows) / inflation))} independent ones. Splits keep blocks of "
        f"{block} rows together, and the standard error is larger. {IF_NO_ORDER}",
    )
    walks = all(n * (1 - each[1].max()) < UNIT_ROOT for each in correlations.values())
    if walks:
        note += (f"x and y may be random walks. Even independent ones look dependent. {IF_WALKS}",)
    return Series(inflation, block, note)


def _columns(values: Array, discrete: Sequence[int]) -> Array:
    """Standardised numbers and indicators of categories; random sums of many columns, `(n, d)`."""
    numbers = np.delete(values, list(discrete), axis=1)
    indicators = [_indicators(values[:, i]) for i in discrete]
    columns = np.concatenate([_standardised(numbers), *indicators], axis=1)
    if columns.shape[1] > MAX_COLUMNS:
        mixing = np.random.default_rng(0).standard_normal((columns.shape[1], MAX_COLUMNS))
        return _standardised(columns @ mixing)
    return columns


def _scores(columns: Array) -> Array:
    from mmg_nb.data.marginals import NormalScores

    return _standardised(NormalScores.fit(columns)(columns))


def _indicators(codes: Array) -> Array:
    levels, counts = np.unique(codes, return_counts=True)
    frequent = levels[np.argsort(-counts, kind="stable")[:MAX_LEVELS]]
    return _standardised((codes[:, None] == frequent[1 if len(levels) == 2 else 0 :]) * 1.0)


def _standardised(values: Array) -> Array:
    centred = values - values.mean(axis=0)
    size = np.abs(centred).max(axis=0, initial=0.0)
    centred = centred[:, size > 0] / size[size > 0]  # squares of extreme units would overflow
    return centred / np.sqrt(np.mean(centred**2, axis=0))


def _residual(values: Array, given: Array) -> Array:
    return _standardised(values - given @ np.linalg.lstsq(given, values, rcond=None)[0])


def _autocorrelations(scores: Array) -> Array:
    """Sample autocorrelations of each column at lags 0, 1, …, `(n, d)`."""
    from scipy import fft

    n = len(scores)
    size = fft.next_fast_len(2 * n, real=True)
    spectrum = fft.rfft(scores, size, axis=0)
    products = fft.irfft(np.abs(spectrum) ** 2, size, axis=0)[:n]
    return products / products[0]


def _threshold(tests: int) -> float:
    """Standard errors that one of so many tests exceeds with probability `FALSE_ALARMS`."""
    from scipy.special import ndtri

    return float(-ndtri(FALSE_ALARMS / (2 * tests)))


def _significant(correlations: Array) -> bool:
    some = correlations[1 : LAGS + 1]
    return bool(np.abs(some).max() * math.sqrt(len(correlations)) > _threshold(some.size))


def _inflation(products: Array) -> float:
    """1 + 2 Σ of the products at lags 1, 2, …, over a window that their sum decides."""
    sums = 2 * np.cumsum(products) - 1
    wide = np.flatnonzero(np.arange(len(sums)) >= WINDOW * sums)
    return float(sums[min([*wide[:1], len(sums) // 4])])


def _is_key(column: Array) -> bool:
    """Whether the order of rows follows from this column: sorted, in runs, or periodic."""
    steps = np.diff(column)
    if (steps >= 0).all() or (steps <= 0).all():
        return True
    runs, levels = int(np.count_nonzero(steps)) + 1, len(np.unique(column))
    if runs == levels < len(column) // 2:
        return True
    periods = np.flatnonzero(column[1 : levels * 2 + 1] == column[0]) + 1
    return any(p <= len(column) // 4 and (column[p:] == column[:-p]).all() for p in periods[:20])


def _beyond(keys: Sequence[Array], values: Array) -> bool:
    """Whether neighbouring rows depend on each other beyond what the keys explain.

    Rows are sorted by the keys. Each row is compared with the line through the rows before and
    after it. For noise around a function of the keys, the autocorrelation of these differences
    is known: −2/3 for equal distances. For series it is larger.
    """
    order = np.lexsort(keys[::-1])
    ends = [(key[order][2:], key[order][1:-1], key[order][:-2]) for key in keys]
    tied = np.logical_and.reduce([after == before for after, _, before in ends])
    after, here, before = ends[0]
    inside = tied if tied.mean() > 0.5 else np.ones(len(tied), dtype=bool)
    width = after - before
    left = np.where(width == 0, 0.5, (after - here) / np.where(width == 0, 1.0, width))[:, None]
    there = values[order]
    off = there[1:-1] - left * there[:-2] - (1 - left) * there[2:]
    off *= inside[:, None]
    noise = -np.sum(((1 - left[:-1]) + left[1:])[inside[:-1] & inside[1:]])
    noise /= np.sum((1 + left**2 + (1 - left) ** 2)[inside])
    bound = OUTLIER * np.median(np.abs(off[inside]), axis=0)
    least = noise + _threshold(values.shape[1]) * SPREAD / math.sqrt(np.count_nonzero(inside))
    both = np.array([_next_to(off), _next_to(np.clip(off, -bound, bound))])
    return bool(((both.min(axis=0) > least) & (both.max(axis=0) < ROUGH)).any())


def _next_to(off: Array) -> Array:
    squares = np.sum(off**2, axis=0)
    return np.sum(off[1:] * off[:-1], axis=0) / np.where(squares == 0, np.inf, squares) - (
        squares == 0
    )
