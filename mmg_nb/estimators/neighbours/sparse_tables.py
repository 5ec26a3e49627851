"""Mutual information of categories whose table has few rows in a cell.

The jackknife leaves a bias in such a table. Random tables that resemble the data show its size. A
random table is a conditional distribution of y for each level of x,

    p(y | x) = λ·D_x(y) + (1 − λ)·q(y),    D_x ~ Pitman–Yor process(discount d, concentration a),

with q the frequencies of y. λ = 0 is independence. Each (λ, a, d) is weighted by how well it
predicts each row from all other rows, which has a closed form (Teh 2006, ACL, equation 4 for the
prediction). From weighted draws of (λ, a, d), tables are drawn given the data, and rows of y from
each. The mean of (jackknife − truth) over the draws is subtracted. At λ = 0 this is the mean over
permutations of y.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import xlogy

from mmg_nb.polling import polled

__all__ = ["SparseTable", "Strata", "decrease", "labelled", "sparse_table"]

SHARES = (1, 0.97, 0.9, 0.8, 0.65, 0.5, 0.35, 0.2, 0.1, 0.05, 0.02)  # λ
CONCENTRATIONS = (0.03, 0.3, 1, 3, 10, 30, 100, 300)  # a
DISCOUNTS = (0, 0.5, 0.9)  # d
INDEPENDENT = 0.97  # weight of λ = 0 before the data are seen
DRAWS = 32  # tables
ATOMS = 300_000  # of the processes of all levels together, at most
UNCONFIRMED = 1 / 3  # of what the prediction of rows lacks is a standard error
UNSURE = 1 / 4  # of the bias that was subtracted in spite of dependence, too

Array = NDArray[np.float64]
Labels = NDArray[np.int64]


class SparseTable(NamedTuple):
    """What a sparse table holds.

    Attributes:
        mi: I(x; y | z), nats.
        spread: Standard deviation over the tables drawn, nats.
        unconfirmed: Standard error, nats: a share of the difference between `mi` and `predicted`,
            and a share of the bias that was subtracted in spite of dependence.
        predicted: Mean log-ratio of the best prediction of rows, nats. It is too low.
    """

    mi: float
    spread: float
    unconfirmed: float
    predicted: float


def labelled(*columns: Labels) -> Labels:
    """Labels 0, 1, … of the different rows of several columns of labels, `(n,)`."""
    found = columns[0]
    for column in columns[1:]:
        found = found * (column.max() + 1) + column
        found = np.unique(found, return_inverse=True)[1].reshape(-1)
    return found


def decrease(label: Labels) -> Array:
    """c·ln c − (c − 1)·ln(c − 1) for the count c of each row's label, `(n,)`."""
    count = np.bincount(label).astype(np.float64)[label]
    return np.asarray(xlogy(count, count) - xlogy(count - 1, count - 1))


@dataclass(frozen=True, eq=False)
class Strata:
    """Labels of the rows: levels of x and of y within each level of z.

    Attributes:
        x: Labels of (x, z), `(n,)`.
        y: Labels of (y, z), `(n,)`.
        z: Labels of z, `(n,)`.
    """

    x: Labels
    y: Labels
    z: Labels

    @cached_property
    def counts(self) -> tuple[Array, Array, Array]:
        """Rows of each label of x, y and z."""
        x, y, z = (np.bincount(v).astype(np.float64) for v in (self.x, self.y, self.z))
        return x, y, z

    @cached_property
    def filled(self) -> tuple[Labels, Labels, Array]:
        """Labels x and y of the filled cells, and the rows in each."""
        levels = len(self.counts[1])
        key, count = np.unique(self.x * levels + self.y, return_counts=True)
        return key // levels, key % levels, count.astype(np.float64)

    @cached_property
    def stratum(self) -> tuple[Labels, Labels]:
        """The label z of each label of x and of each label of y."""
        of_x, of_y = (np.empty(len(counts), dtype=np.int64) for counts in self.counts[:2])
        of_x[self.x], of_y[self.y] = self.z, self.z
        return of_x, of_y

    @cached_property
    def by_stratum(self) -> Labels:
        """The rows, sorted by z."""
        return np.argsort(self.z, kind="stable")

    @property
    def possible(self) -> int:
        """Number of cells in which a row could be."""
        return int(np.sum(np.bincount(self.stratum[0]) * np.bincount(self.stratum[1])))

    def swapped(self) -> Strata:
        """The same with x and y exchanged."""
        return Strata(self.y, self.x, self.z)

    @cached_property
    def decreases(self) -> tuple[Array, Array]:
        """`decrease` of x and of z, `(n,)`."""
        return decrease(self.x), decrease(self.z)

    def jackknife(self, y: Labels) -> float:
        """The jackknife of I(x; y | z), nats, for other labels y of the rows."""
        cell = self.x * (y.max() + 1) + y
        cell = np.unique(cell, return_inverse=True)[1].reshape(-1)
        of_x, of_z = self.decreases
        terms = decrease(cell) + of_z - of_x - decrease(y)
        return float(terms.mean())


def sparse_table(strata: Strata, rng: np.random.Generator) -> SparseTable:
    """Estimate I(x; y | z) of a sparse table.

    Args:
        strata: Labels of the rows.
        rng: Random numbers.

    Returns:
        The estimate and its errors.

    Raises:
        Stopped: The user has stopped the run.
    """
    if _entropy(strata.swapped()) < _entropy(strata):
        strata = strata.swapped()  # y has less entropy, so that it is easier to predict
    laws = [(0.0, 1.0, 0.0), *itertools.product(SHARES, CONCENTRATIONS, DISCOUNTS)]
    gains = _gains(strata, laws)
    prior = np.full(len(laws), (1 - INDEPENDENT) / (len(laws) - 1))
    prior[0] = INDEPENDENT
    weight = prior * np.exp(gains - gains.max())
    below = np.cumsum(weight) / weight.sum()
    place = (np.arange(DRAWS) + rng.random()) / DRAWS
    chosen = np.minimum(np.searchsorted(below, place), len(laws) - 1)
    scale = _jackknifed_entropy(strata)
    off = np.array([_drawn_error(strata, laws[k], scale, rng) for k in polled(chosen)])
    mi = strata.jackknife(strata.y) - float(off.mean())
    best = max(0.0, float(gains.max())) / len(strata.x)
    dependent = max(0.0, mi) / max(_entropy(strata), mi, 1e-12)
    unsure = UNSURE * abs(float(off.mean())) * dependent
    unconfirmed = math.hypot(UNCONFIRMED * max(0.0, mi - best), unsure)
    return SparseTable(mi, float(off.std(ddof=1)), unconfirmed, best)


def _gains(strata: Strata, laws: Sequence[tuple[float, float, float]]) -> Array:
    """Sum over rows of ln p(y | x, other rows) / q(y | other rows) for each (λ, a, d)."""
    x, y, of_cell = strata.filled
    kinds = np.bincount(x).astype(np.float64)  # different y of each x
    counts = (of_cell, strata.counts[0][x], strata.counts[1][y], kinds[x])
    of_z = strata.counts[2][strata.stratum[0][x]]
    unique, which = np.unique(np.c_[(*counts, of_z)], axis=0, return_inverse=True)
    both, in_x, in_y, kinds, in_z = unique.T
    rows = np.bincount(which.reshape(-1), of_cell)
    kinds = kinds - (both == 1)
    lift = (in_z - 1) / np.maximum(in_y - 1, 1)
    share, concentration, discount = np.array(laws).T[:, :, None]
    known = share / (in_x - 1 + concentration)
    seen = known * np.maximum(both - 1 - discount, 0) * lift
    return np.asarray(np.log(seen + 1 - known * (in_x - 1 - discount * kinds)) @ rows)


def _entropy(strata: Strata) -> float:
    """H(y | z) of the frequencies, nats."""
    _, in_y, in_z = strata.counts
    return float(xlogy(in_z, in_z).sum() - xlogy(in_y, in_y).sum()) / len(strata.x)


def _jackknifed_entropy(strata: Strata) -> float:
    """H(y | z) by the jackknife, as a multiple of that of the frequencies."""
    plain = _entropy(strata)
    exact = float(decrease(strata.z).mean() - decrease(strata.y).mean())
    return exact / plain if plain > 0 else 1.0


def _drawn_error(
    strata: Strata, law: tuple[float, float, float], scale: float, rng: np.random.Generator
) -> float:
    """Jackknife − truth for rows of y from one table.

    Args:
        strata: Labels of the rows.
        law: The parameters λ, a and d of the random tables.
        scale: Factor of the truth: frequencies have too little entropy.
        rng: Random numbers.
    """
    levels, n = len(strata.counts[0]), len(strata.x)
    atoms = max(1, min(int(4 * law[1]) + 4, ATOMS // levels))
    broken, place = rng.beta(1, law[1], (levels, atoms)), rng.random(levels * atoms)
    shuffled, at = _permuted(strata, rng), rng.random(n)
    if law[0] == 0:  # the table is independent: its truth is 0, and its rows are permuted
        return strata.jackknife(shuffled)
    x, y, mass, rest = _drawn_table(strata, law, broken, place)
    truth = scale * _information(strata, x, y, mass, rest)
    return strata.jackknife(_drawn_rows(strata, x, y, mass, shuffled, at)) - truth


def _drawn_table(
    strata: Strata, law: tuple[float, float, float], broken: Array, place: Array
) -> tuple[Labels, Labels, Array, Array]:
    """Labels x and y of cells, the probability of each beyond independence, the rest of each x.

    Args:
        strata: Labels of the rows.
        law: The parameters λ, a and d.
        broken: Shares that are broken off sticks, `(levels, atoms)`, beta distributed.
        place: Where in its level of z each atom falls, `(levels · atoms,)`, uniform.
    """
    share, concentration, discount = law
    x, y, of_cell = strata.filled
    of_x = strata.counts[0]
    levels, atoms = broken.shape
    unit = share / (len(strata.x) * (of_x + concentration)) * of_x
    left = np.cumprod(1 - broken, axis=1)
    sizes = broken * np.c_[np.ones(levels), left[:, :-1]] * (unit * concentration)[:, None]
    new_x = np.repeat(np.arange(levels), atoms)
    in_z = strata.counts[2]
    z = strata.stratum[0][new_x]
    first = np.cumsum(in_z) - in_z
    row = strata.by_stratum[(first[z] + place * in_z[z]).astype(np.int64)]
    new_y = strata.y[row]
    width = len(strata.counts[1])
    key, cell = np.unique(np.r_[x, new_x] * width + np.r_[y, new_y], return_inverse=True)
    weights = np.r_[unit[x] * (of_cell - discount), sizes.ravel()]
    mass: Array = np.bincount(cell.reshape(-1), weights).astype(np.float64)
    rest = np.maximum(of_x / len(strata.x) - np.bincount(key // width, mass, levels), 0)
    cell_x, cell_y = np.divmod(key.astype(np.int64), width)
    return cell_x, cell_y, mass, rest


def _information(strata: Strata, x: Labels, y: Labels, mass: Array, rest: Array) -> float:
    """I(x; y | z) of a table from `_drawn_table`, nats."""
    of_x, of_y = strata.stratum
    in_x, in_y, in_z = strata.counts
    n, strata_z = len(strata.x), len(in_z)
    p, q = in_x / n, in_y / in_z[of_y]
    law = np.bincount(y, mass, len(q)) + q * np.bincount(of_x, rest, strata_z)[of_y]
    law = law / (in_z / n)[of_y]  # of y given z
    full = mass + rest[x] * q[y]
    of_cells = xlogy(full, full / (p[x] * law[y])).sum()
    # All other cells hold rest·q only.
    apart = xlogy(q, q / law)
    empty = np.bincount(of_y, apart, strata_z)[of_x] - np.bincount(x, apart[y], len(p))
    unseen = np.maximum(1 - np.bincount(x, q[y], len(p)), 0)
    return float(of_cells + np.sum(rest * empty + unseen * xlogy(rest, rest / p)))


def _drawn_rows(
    strata: Strata, x: Labels, y: Labels, mass: Array, shuffled: Labels, at: Array
) -> Labels:
    """A label y for each row, from the table given its x; the rest is a permutation within z.

    Args:
        strata: Labels of the rows.
        x: Labels x of the cells.
        y: Labels y of the cells.
        mass: Their probabilities.
        shuffled: The permutation.
        at: Uniform numbers, `(n,)`.
    """
    p = strata.counts[0] / len(strata.x)
    below = np.cumsum(mass / p[x])
    last = np.searchsorted(x, np.arange(len(p)), side="right") - 1  # of each level of x
    start = np.r_[0.0, below[last[:-1]]]
    at = start[strata.x] + at
    cell = np.minimum(np.searchsorted(below, at, side="right"), last[strata.x])
    return np.where(at < below[last[strata.x]], y[cell], shuffled)


def _permuted(strata: Strata, rng: np.random.Generator) -> Labels:
    """The labels y of the rows, permuted within each level of z."""
    shuffled = np.empty_like(strata.y)
    shuffled[strata.by_stratum] = strata.y[np.lexsort((rng.random(len(shuffled)), strata.z))]
    return shuffled
