"""Nearest neighbours: no model and no training, for few dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import psi

from mmg_nb.data.marginals import NormalScores, Standardize
from mmg_nb.data.pairs import Pairs
from mmg_nb.errors import MMGError
from mmg_nb.estimators.base import Estimator
from mmg_nb.estimators.neighbours.contingency import cells, closed_form
from mmg_nb.estimators.neighbours.search import Dense, Neighbours, Trees
from mmg_nb.fields import field
from mmg_nb.results.curves import PointwiseMI
from mmg_nb.results.finding import Finding
from mmg_nb.results.status import Status
from mmg_nb.runs.context import RunContext
from mmg_nb.runs.events import Listener, Phase, Step

__all__ = ["KSG"]

JITTER = 1e-8  # standard deviations: far below what data resolve, far above rounding
MANY_COLUMNS = 10
NEAR = 0.8  # of the largest value there can be
CHUNK = 500  # rows between two looks at the listener, at most
DISTANCES = 2**24  # kept at a time in each variable

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class KSG(Estimator):
    """Mutual information from k-th neighbours (Kraskov, Stögbauer & Grassberger 2004).

    PRE 69:066138, equations 8 (variant 1) and 9 (variant 2); the joint distance is the larger of
    those in x and in y. With a condition z the terms are ψ(k) + ψ(n_z) − ψ(n_xz) − ψ(n_yz)
    (Frenzel & Pompe 2007, PRL 99:204101), n_… the points nearer in those variables. Rows of
    different categories are infinitely far apart (Ross 2014, PLOS ONE 9:e87357); for categories
    alone the closed form of their table is taken. The standard error comes from the spread of the
    per-point terms; neighbouring points share neighbours, so it is approximate, and it knows
    nothing of the bias, which in many dimensions or for strong dependence is far larger and
    towards 0. Repeated values are told apart by a tiny jitter drawn from the seed. Rows are never
    resampled: copies of a row would be each other's neighbours.
    """

    name: ClassVar[str] = "ksg"
    summary: ClassVar[str] = "Nearest neighbours: seconds, good up to about 10 columns"
    accepts: ClassVar[frozenset[str]] = frozenset({"given", "discrete"})

    k: int = field(10, "neighbours; more: less variance, more bias", low=1, high=1000)
    variant: int = field(1, "1: one distance a point; 2: one for each variable", choices=(1, 2))
    metric: str = field(
        "euclidean",
        "norm of x and of y; chebyshev is faster for many rows of few columns",
        choices=("euclidean", "chebyshev"),
    )
    transform: str = field(
        "standardize",
        "map of each coordinate; normal_scores for heavy tails",
        choices=("standardize", "normal_scores", "none"),
    )

    def estimate(self, pairs: Pairs, run: RunContext) -> Finding:
        """Estimate I(x; y); see `mmg_nb.estimators.base.Estimator`.

        Raises:
            MMGError: There are not more rows than neighbours asked for, or variant 2 is to
                condition, for which it has no form.
        """
        if pairs.n_samples <= self.k + 1:
            what = f"ksg with k={self.k} needs at least {self.k + 2} rows; got {pairs.n_samples}."
            raise MMGError(what, "Use a smaller k or more rows.")
        if _all_categories(pairs):
            return closed_form(pairs, run.seed)
        if self.variant == 2 and (pairs.dim_z or pairs.discrete_x or pairs.discrete_y):
            what = "ksg takes conditions and categories by variant 1 only; got variant=2."
            raise MMGError(what, "Leave variant= out.")
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
        mi = math.fsum(terms) / len(terms)  # exact, so that the order of rows cannot matter
        return Finding(
            mi=mi,
            stderr=float(terms.std() / math.sqrt(len(terms))),
            pointwise=PointwiseMI(rows, terms, np.full(len(rows), np.nan)),
            status=Status.INTERRUPTED if stopped else Status.CONVERGED,
            notes=_notes(pairs) + self._ceiling(pairs, mi),
        )

    def _ceiling(self, pairs: Pairs, mi: float) -> tuple[str, ...]:
        """A remark where n rows allow for hardly more: no count is less than k."""
        most = float(psi(pairs.n_samples) - psi(self.k))
        if pairs.dim_z or pairs.discrete_x or pairs.discrete_y or mi < NEAR * most:
            return ()
        return (
            f"With {pairs.n_samples} rows and k={self.k} ksg cannot give more than {most:.2f} "
            "nats: the truth may be far larger, or infinite if one variable is a function of the "
            "other.",
        )

    def _map(self, values: Array) -> Array:
        if self.transform == "none" or not values.shape[1]:
            return values
        values = values / np.abs(values).max(axis=0)  # else squares of extreme units overflow
        kind = Standardize if self.transform == "standardize" else NormalScores
        return kind.fit(values)(values)

    def _terms(
        self,
        numbers: Sequence[Array],
        categories: Sequence[NDArray[np.int64]],
        rng: np.random.Generator,
        listen: Listener,
    ) -> tuple[NDArray[np.int64], Array]:
        """Rows in random order, as many as were done before a stop, and the term of each."""
        n = len(numbers[0])
        single = max(v.shape[1] for v in numbers) == 1  # where both norms are the same
        neighbours: Neighbours
        if any(label.any() for label in categories):
            neighbours = Dense(numbers[0], numbers[1], numbers[2], categories)
        else:
            kind = Trees if single or self.metric == "chebyshev" else Dense
            neighbours = kind(numbers[0], numbers[1], numbers[2])
        order = rng.permutation(n)
        terms: list[Array] = []
        trees = isinstance(neighbours, Trees)
        chunk = CHUNK if trees else max(1, min(CHUNK, DISTANCES // n))
        for done in range(0, n, chunk):
            if listen(Step(done, n)) and done:
                break
            terms.append(self._chunk(neighbours, order[done : done + chunk], n))
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


def _distinct(values: Array, rng: np.random.Generator) -> Array:
    """Repeated values of a coordinate moved apart by `JITTER`; all others as they are."""
    out = values.copy()
    for column in out.T:
        _, group, counts = np.unique(column, return_inverse=True, return_counts=True)
        tied = counts[group.reshape(-1)] > 1
        column[tied] += JITTER * values.std() * rng.standard_normal(int(tied.sum()))
    return out


def _notes(pairs: Pairs) -> tuple[str, ...]:
    notes: tuple[str, ...] = ()
    parts = (pairs.x, pairs.discrete_x), (pairs.y, pairs.discrete_y), (pairs.z, pairs.discrete_z)
    columns = (column for v, d in parts for column in np.delete(v, d, axis=1).T)
    if any(len(np.unique(column)) < pairs.n_samples for column in columns):
        notes += ("Repeated values were told apart by a tiny jitter; ksg is made for densities.",)
    count = pairs.dim_x + pairs.dim_y + pairs.dim_z
    if count > MANY_COLUMNS:
        notes += (
            f"{count} columns: neighbours are far apart in many dimensions, "
            "so the estimate is too low by more than its error says. Try mmg.",
        )
    return notes
