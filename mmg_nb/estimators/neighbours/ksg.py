"""Nearest-neighbour estimate: no model and no training, for few columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import psi

from mmg_nb.data.marginals import NormalScores, Standardize, heavy_tailed
from mmg_nb.data.pairs import Pairs
from mmg_nb.data.yeo_johnson import YeoJohnson, skewed
from mmg_nb.errors import MMGError
from mmg_nb.estimators.base import Estimator
from mmg_nb.estimators.neighbours.contingency import cells, closed_form
from mmg_nb.estimators.neighbours.search import Dense, Neighbours, Trees
from mmg_nb.fields import field
from mmg_nb.polling import Stopped, polled
from mmg_nb.results.curves import PointwiseMI
from mmg_nb.results.finding import Finding
from mmg_nb.results.status import Status
from mmg_nb.runs.context import RunContext
from mmg_nb.runs.events import Listener, Phase, Step

__all__ = ["KSG"]

JITTER = 1e-8  # standard deviations: far below the resolution of data, far above rounding
MANY_COLUMNS = 10
NEAR = 0.8  # fraction of the largest possible value, from which a note warns
CHUNK = 500  # rows between two calls of the listener, at most
DISTANCES = 2**24  # at a time: held in memory for each variable, or computed for each column

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class KSG(Estimator):
    """Mutual information from k-th nearest neighbours (Kraskov, Stögbauer & Grassberger 2004).

    The terms are equations 8 (variant 1) and 9 (variant 2) of PRE 69:066138. The joint distance
    is the larger one of the distances in x and in y. With a condition z the terms are
    ψ(k) + ψ(n_z) − ψ(n_xz) − ψ(n_yz) (Frenzel & Pompe 2007, PRL 99:204101), where n_… counts the
    rows that are nearer in those variables.

    Rows of different categories are infinitely far apart (Ross 2014, PLOS ONE 9:e87357). If all
    columns are categories, the estimate is the closed form of their table. Repeated values are
    separated by a tiny jitter that depends on the seed.

    Each column is standardized. By default, columns with heavy tails or outliers become normal
    scores instead: otherwise a few rows would set the scale, and dependence among the others
    would be lost (`mmg_nb.data.marginals.heavy_tailed`). Other skewed columns become nearly
    symmetric (`mmg_nb.data.yeo_johnson.YeoJohnson`), because rows of their long tail are too far
    apart for the same neighbourhood.

    The standard error is the spread of the terms. It is approximate because neighbouring rows
    share neighbours. It does not include the bias. In many columns, or for strong dependence, the
    bias is far larger than the standard error, and the estimate is too low.
    """

    name: ClassVar[str] = "ksg"
    summary: ClassVar[str] = "Nearest neighbours: seconds, good up to about 10 columns"
    accepts: ClassVar[frozenset[str]] = frozenset({"given", "discrete"})

    k: int = field(
        10,
        "number of neighbours; a larger k has less variance and more bias",
        low=1,
        high=1000,
    )
    variant: int = field(
        1,
        "1: one neighbour distance per row; 2: one in x and one in y",
        choices=(1, 2),
    )
    metric: str = field(
        "euclidean",
        "norm within x and within y; chebyshev is faster for many rows and few columns",
        choices=("euclidean", "chebyshev"),
    )
    transform: str = field(
        "auto",
        "map of each column; auto: normal_scores for heavy tails or outliers, a power for other "
        "skewed columns, else standardize",
        choices=("auto", "standardize", "normal_scores", "none"),
    )

    def estimate(self, pairs: Pairs, run: RunContext) -> Finding:
        """Estimate I(x; y); see `mmg_nb.estimators.base.Estimator`.

        Raises:
            MMGError: There are fewer than k + 2 rows, or variant 2 is combined with a condition
                or categories.
        """
        if pairs.n_samples <= self.k + 1:
            what = f"ksg with k={self.k} needs at least {self.k + 2} rows; got {pairs.n_samples}."
            raise MMGError(what, "Use a smaller k or more rows.")
        if _all_categories(pairs):
            return closed_form(pairs, run.seed)
        if self.variant == 2 and (pairs.dim_z or pairs.discrete_x or pairs.discrete_y):
            what = "ksg takes conditions and categories with variant 1 only; got variant=2."
            raise MMGError(what, "Leave out variant=, or use variant=1.")
        rng = run.rng()
        columns = (
            (pairs.x, pairs.discrete_x),
            (pairs.y, pairs.discrete_y),
            (pairs.z, pairs.discrete_z),
        )
        numbers = [_distinct(self._map(np.delete(v, d, axis=1)), rng) for v, d in columns]
        categories = [cells(v[:, list(d)]) for v, d in columns]
        run.listen(Phase("neighbours"))
        rows, terms = self._terms(numbers, categories, rng, run.listen)
        stopped = len(rows) < pairs.n_samples
        mi = math.fsum(terms) / len(terms)  # exact, so that the order of rows does not matter
        return Finding(
            mi=mi,
            stderr=float(terms.std() / math.sqrt(len(terms))),
            pointwise=PointwiseMI(rows, terms, np.full(len(rows), np.nan)),
            status=Status.INTERRUPTED if stopped else Status.CONVERGED,
            notes=_notes(pairs) + self._ceiling(pairs, mi),
        )

    def _ceiling(self, pairs: Pairs, mi: float) -> tuple[str, ...]:
        """A note if the estimate is near its upper limit ψ(n) − ψ(k): no count is below k."""
        most = float(psi(pairs.n_samples) - psi(self.k))
        if pairs.dim_z or pairs.discrete_x or pairs.discrete_y or mi < NEAR * most:
            return ()
        return (
            f"With {pairs.n_samples} rows and k={self.k} ksg cannot give more than {most:.2f} "
            "nats, and this estimate is close to that limit. Mutual information may be far "
            "larger, or infinite if one variable is a function of the other. Compare with mmg.",
        )

    def _map(self, values: Array) -> Array:
        if self.transform == "none" or not values.shape[1]:
            return values
        values = values / np.abs(values).max(axis=0)  # squares of extreme units would overflow
        if self.transform == "auto":
            return _by_shape(values)
        kind = NormalScores if self.transform == "normal_scores" else Standardize
        return kind.fit(values)(values)

    def _terms(
        self,
        numbers: Sequence[Array],
        categories: Sequence[NDArray[np.int64]],
        rng: np.random.Generator,
        listen: Listener,
    ) -> tuple[NDArray[np.int64], Array]:
        """Rows in random order, up to a stop by the user, and the term of each row."""
        n = len(numbers[0])
        single = max(v.shape[1] for v in numbers) == 1  # then both norms are the same
        neighbours: Neighbours
        if any(label.any() for label in categories):
            neighbours = Dense(numbers[0], numbers[1], numbers[2], categories)
        else:
            kind = Trees if single or self.metric == "chebyshev" else Dense
            neighbours = kind(numbers[0], numbers[1], numbers[2])
        order = rng.permutation(n)
        terms: list[Array] = []
        trees = isinstance(neighbours, Trees)
        columns = sum(v.shape[1] for v in numbers) if trees else 1
        chunk = max(1, min(CHUNK, DISTANCES // (n * columns)))
        try:
            for done in range(0, n, chunk):
                if listen(Step(done, n)) and done:
                    break
                terms.append(self._chunk(neighbours, order[done : done + chunk], n))
        except Stopped:
            if not terms:
                raise
        values = np.concatenate(terms)
        return order[: len(values)], values

    def _chunk(self, neighbours: Neighbours, rows: NDArray[np.int64], n: int) -> Array:
        if neighbours.conditional:
            k, xz, yz, z = neighbours.given(rows, self.k)
            terms = psi(np.maximum(k, 1)) + psi(z + 1) - psi(xz + 1) - psi(yz + 1)
            return np.where(k > 0, terms, 0.0)
        if self.variant == 1:
            k, x, y = neighbours.first(rows, self.k)
            terms = psi(np.maximum(k, 1)) + psi(n) - psi(x + 1) - psi(y + 1)
            return np.where(k > 0, terms, 0.0)
        x, y = neighbours.second(rows, self.k)
        return psi(self.k) - 1 / self.k + psi(n) - psi(x) - psi(y)


def _all_categories(pairs: Pairs) -> bool:
    counts = len(pairs.discrete_x), len(pairs.discrete_y), len(pairs.discrete_z)
    return counts == (pairs.dim_x, pairs.dim_y, pairs.dim_z)


def _by_shape(values: Array) -> Array:
    """The standardized columns; but another map of those with heavy tails or skewness."""
    out = Standardize.fit(values)(values)
    heavy = heavy_tailed(values)
    for columns, kind in (heavy, NormalScores), (skewed(values) & ~heavy, YeoJohnson):
        if columns.any():
            out[:, columns] = kind.fit(values[:, columns])(values[:, columns])
    return out


def _distinct(values: Array, rng: np.random.Generator) -> Array:
    """The columns, with repeated values separated by `JITTER`; other values do not change."""
    out = values.copy()
    for column in polled(out.T):
        _, group, counts = np.unique(column, return_inverse=True, return_counts=True)
        tied = counts[group.reshape(-1)] > 1
        column[tied] += JITTER * column.std() * rng.standard_normal(int(tied.sum()))
    return out


def _notes(pairs: Pairs) -> tuple[str, ...]:
    notes: tuple[str, ...] = ()
    parts = (pairs.x, pairs.discrete_x), (pairs.y, pairs.discrete_y), (pairs.z, pairs.discrete_z)
    columns = (column for v, d in parts for column in np.delete(v, d, axis=1).T)
    if any(len(np.unique(column)) < pairs.n_samples for column in columns):
        notes += (
            "Values repeat, so a tiny jitter separates them: ksg assumes continuous columns. If "
            "the values are categories, pass `discrete`.",
        )
    count = pairs.dim_x + pairs.dim_y + pairs.dim_z
    if count > MANY_COLUMNS:
        names = "x, y and z" if pairs.dim_z else "x and y"
        notes += (
            f"{names} have {count} columns together, so nearest neighbours are far apart. The "
            "estimate is too low, by more than the standard error. Use mmg.",
        )
    return notes
