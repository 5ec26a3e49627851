"""The t copula, for columns with a common scale, and the map that makes it Gaussian."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from mmg_nb.polling import poll

__all__ = ["ATOM", "TCopula", "largest_atom"]

Array = NDArray[np.float64]
DOFS = 2.0 ** np.arange(5.0, -0.5, -0.5)  # degrees of freedom tried; above 32 is nearly Gaussian
MAX_FIT_ROWS = 5000  # rows that are enough to estimate the degrees of freedom
MIN_ROWS_PER_COLUMN = 10  # with fewer, the scatter matrix is too noisy
ATOM = 0.05  # share of rows with one common value; above it a column is not continuous
MIN_EVIDENCE = 10.0  # nats of log-likelihood by which a t copula must beat a Gaussian copula
SCATTER_SWEEPS = 4  # fixed-point iterations for the scatter at each number of degrees of freedom
MIN_EIGENVALUE_SHARE = 1e-6  # of the largest eigenvalue; below it the scatter counts as singular
MAX_SCORE = 25.0  # normal scores are clipped here; beyond it squares of Cauchy scores overflow


@dataclass(frozen=True, eq=False)
class TCopula:
    """A map from normal scores with a t copula to independent normal scores.

    Under a t copula (Demarta & McNeil 2005, Int. Stat. Rev. 73:111), the t scores of the columns
    are jointly Student's t. The map whitens the t scores. It keeps the direction of each row and
    maps its length to that of a normal vector. This is the radial Gaussianisation of
    Lyu & Simoncelli (2009, Neural Comput. 21:1485). The map is invertible, so mutual information
    is unchanged.

    Afterwards, rows with the same scale have a spherical distribution. Their ideal denoiser only
    shrinks each row, by a factor that depends on its length. Without the map, rows with a large
    scale concentrate at the corners of a cube.

    Attributes:
        dof: Degrees of freedom ν.
        whitening: Symmetric square root of the inverse scatter matrix of the t scores, `(d, d)`.
    """

    dof: float
    whitening: Array

    @classmethod
    def fit(cls, scores: Array) -> TCopula | None:
        """Fit by maximum likelihood to `(n, d)` normal scores.

        Returns:
            The t copula. None if it does not fit clearly better than a Gaussian copula (ν = ∞).
            None also for a single column, for too few rows, for a singular scatter matrix, and
            for a column with a frequently repeated value.
        """
        scores = scores[:: -(-len(scores) // MAX_FIT_ROWS)]
        n, d = scores.shape
        if d < 2 or n < MIN_ROWS_PER_COLUMN * d or largest_atom(scores) > ATOM:
            return None
        scatter = scores.T @ scores / n
        if _singular(scatter):
            return None
        from scipy import stats  # slow to import

        poll()
        normal = stats.multivariate_normal(cov=scatter).logpdf(scores).sum()
        enough = normal - stats.norm.logpdf(scores).sum() + MIN_EVIDENCE
        best, found = -np.inf, None
        for dof in DOFS:  # stops at the first decrease: the likelihood has one maximum
            t = _t_scores(scores, dof)
            scatter = _t_scatter(t, dof, scatter)
            if _singular(scatter):
                break
            poll()
            joint = stats.multivariate_t(shape=scatter, df=dof).logpdf(t).sum()
            likelihood = joint - stats.t.logpdf(t, dof).sum()
            if not likelihood > best:
                break
            best, found = likelihood, cls(float(dof), _inverse_root(scatter))
        return found if best > enough else None

    def __call__(self, scores: Array) -> Array:
        """Map `(n, d)` normal scores to independent normal scores of the same shape."""
        white = _t_scores(scores, self.dof) @ self.whitening
        d = white.shape[1]
        square = np.square(white).sum(axis=1, keepdims=True)
        ratio = square / d  # follows an F distribution
        # Each tail is computed directly: far out, 1 minus the other tail would round to 0.
        below = special.gammaincinv(d / 2, special.fdtr(d, self.dof, np.minimum(ratio, 1.0)))
        above = special.gammainccinv(d / 2, special.fdtrc(d, self.dof, np.maximum(ratio, 1.0)))
        normal = 2 * np.where(ratio < 1, below, above)
        normal /= np.maximum(square, np.finfo(np.float64).tiny)
        return white * np.sqrt(normal).astype(np.float64)


def largest_atom(values: Array) -> float:
    """Share of rows with the most frequent value of a column; the largest over columns."""
    counts = (np.unique(column, return_counts=True)[1].max() for column in values.T)
    return float(max(counts)) / len(values)


def _t_scores(scores: Array, dof: float) -> Array:
    poll()
    level = special.ndtr(-np.minimum(np.abs(scores), MAX_SCORE))
    lower: Array = np.asarray(special.stdtrit(dof, level), np.float64)
    return np.copysign(lower, scores)


def _t_scatter(t: Array, dof: float, start: Array) -> Array:
    """Maximum-likelihood scatter matrix of t scores, which gives distant rows less weight."""
    n, d = t.shape
    scatter = start
    for _ in range(SCATTER_SWEEPS):
        poll()
        distance = np.sum((t @ np.linalg.pinv(scatter, hermitian=True)) * t, axis=1)
        weight = (dof + d) / (dof + distance)
        scatter = (t * weight[:, None]).T @ t / n
    return scatter


def _singular(scatter: Array) -> bool:
    variances = np.linalg.eigvalsh(scatter)
    return bool(variances[0] <= MIN_EIGENVALUE_SHARE * variances[-1])


def _inverse_root(scatter: Array) -> Array:
    variances, directions = np.linalg.eigh(scatter)
    root: Array = (directions / np.sqrt(variances)) @ directions.T
    return root
