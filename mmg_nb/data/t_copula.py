"""Columns that are large together: the t copula, and the map that makes it normal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

__all__ = ["ATOM", "TCopula", "largest_atom"]

Array = NDArray[np.float64]
DOFS = 2.0 ** np.arange(5.0, -0.5, -0.5)  # above 32 hardly differs from the normal
FIT_ROWS = 5000  # enough to tell the degrees of freedom
LEAST_ROWS = 10  # a column; fewer tell too little of the scatter matrix
ATOM = 0.05  # share of the rows with one value, from which a column is not taken for continuous
EVIDENCE = 10.0  # nats by which a t copula must be likelier than a normal one
SWEEPS = 4  # of the fixed-point iteration at each of the degrees of freedom
SINGULAR = 1e-6  # share of the largest eigenvalue of the scatter
FARTHEST = 25.0  # score, beyond which squares of Cauchy scores overflow


@dataclass(frozen=True, eq=False)
class TCopula:
    """Normal scores of columns that are large together, made into independent normal ones.

    Under a t copula (Demarta & McNeil 2005, Int. Stat. Rev. 73:111) the t scores of the columns
    are jointly Student's t. White, they keep their directions, and their lengths become those of
    normal vectors: the radial Gaussianisation of Lyu & Simoncelli (2009, Neural Comput. 21:1485).
    It can be undone, so mutual information stays the same. Rows of one scale are spherical then,
    so that a denoiser which is told lengths only has to shrink; normal scores of theirs huddle
    at the corners of a cube.

    Attributes:
        dof: Degrees of freedom ν.
        whitening: Symmetric root of the inverse scatter of the t scores, `(d, d)`.
    """

    dof: float
    whitening: Array

    @classmethod
    def fit(cls, scores: Array) -> TCopula | None:
        """The likeliest to `(n, d)` normal scores; None if it is not clearly likelier than ν = ∞.

        None also for a single column, for few rows, and if one column is constant, a copy of
        others, or holds a value that is repeated a lot.
        """
        scores = scores[:: -(-len(scores) // FIT_ROWS)]
        n, d = scores.shape
        if d < 2 or n < LEAST_ROWS * d or largest_atom(scores) > ATOM:
            return None
        scatter = scores.T @ scores / n
        if _singular(scatter):
            return None
        normal = stats.multivariate_normal(cov=scatter).logpdf(scores).sum()
        enough = normal - stats.norm.logpdf(scores).sum() + EVIDENCE
        best, found = -np.inf, None
        for dof in DOFS:  # the likelihood has one peak
            t = _t_scores(scores, dof)
            scatter = _t_scatter(t, dof, scatter)
            if _singular(scatter):
                break
            joint = stats.multivariate_t(shape=scatter, df=dof).logpdf(t).sum()
            likelihood = joint - stats.t.logpdf(t, dof).sum()
            if not likelihood > best:
                break
            best, found = likelihood, cls(float(dof), _inverse_root(scatter))
        return found if best > enough else None

    def __call__(self, scores: Array) -> Array:
        """Map `(n, d)` normal scores to as many independent ones."""
        white = _t_scores(scores, self.dof) @ self.whitening
        d = white.shape[1]
        square = np.square(white).sum(axis=1, keepdims=True)
        ratio = square / d  # has an F distribution
        # Either tail by itself: far out the other one is 1 up to rounding.
        below = special.gammaincinv(d / 2, special.fdtr(d, self.dof, np.minimum(ratio, 1.0)))
        above = special.gammainccinv(d / 2, special.fdtrc(d, self.dof, np.maximum(ratio, 1.0)))
        normal = 2 * np.where(ratio < 1, below, above)
        normal /= np.maximum(square, np.finfo(np.float64).tiny)
        return white * np.sqrt(normal).astype(np.float64)


def largest_atom(values: Array) -> float:
    """Share of the rows that have the commonest value of a column, for the worst column."""
    counts = (np.unique(column, return_counts=True)[1].max() for column in values.T)
    return float(max(counts)) / len(values)


def _t_scores(scores: Array, dof: float) -> Array:
    level = special.ndtr(-np.minimum(np.abs(scores), FARTHEST))
    lower: Array = np.asarray(special.stdtrit(dof, level), np.float64)
    return np.copysign(lower, scores)


def _t_scatter(t: Array, dof: float, start: Array) -> Array:
    """Of greatest likelihood for t scores: rows count less the farther out they are."""
    n, d = t.shape
    scatter = start
    for _ in range(SWEEPS):
        distance = np.sum((t @ np.linalg.pinv(scatter, hermitian=True)) * t, axis=1)
        weight = (dof + d) / (dof + distance)
        scatter = (t * weight[:, None]).T @ t / n
    return scatter


def _singular(scatter: Array) -> bool:
    variances = np.linalg.eigvalsh(scatter)
    return bool(variances[0] <= SINGULAR * variances[-1])


def _inverse_root(scatter: Array) -> Array:
    variances, directions = np.linalg.eigh(scatter)
    root: Array = (directions / np.sqrt(variances)) @ directions.T
    return root
