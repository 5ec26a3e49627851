"""Gaussian copula: closed form, exact for Gaussian copulas, blind to everything else."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import psi
from scipy.stats import norm, rankdata

from mmg_nb.data import Pairs
from mmg_nb.errors import MMGError
from mmg_nb.events import Listener, Started
from mmg_nb.fields import field
from mmg_nb.provenance import provenance
from mmg_nb.results import Estimate, MIResult

__all__ = ["GCMI", "gaussian_mi", "remarks"]

Array = NDArray[np.float64]

SINGULAR = 1e-12  # of the largest variance: what float64 can tell from 0
LARGEST = 12.0  # nats; about what one direction without noise comes to at that floor
FUNCTION = (
    "One variable is nearly a linear function of the other: their mutual information may be "
    "infinite, and this is only the largest value that can be computed."
)


@dataclass(frozen=True, kw_only=True)
class GCMI:
    """Gaussian-copula mutual information (Ince et al. 2017, Human Brain Mapping 38:1541).

    Each coordinate is rank-transformed to a Gaussian; the log-determinant formula is then exact
    if the joint distribution is a Gaussian copula, and a lower bound in the limit otherwise.
    """

    name: ClassVar[str] = "gcmi"
    summary: ClassVar[str] = "Gaussian copula in closed form: instant, sees no other dependence"
    accepts: ClassVar[frozenset[str]] = frozenset({"given"})

    correct_bias: bool = field(True, "remove the exact small-sample bias of Gaussian data")

    def estimate(
        self, pairs: Pairs, *, seed: int, listen: Listener, device: str = "auto"
    ) -> MIResult:
        """Estimate I(x; y); see `mmg_nb.estimators.base.Estimator`.

        Raises:
            MMGError: There are not more rows than columns.
        """
        began = time.perf_counter()
        sizes = pairs.n_samples, pairs.dim_x, pairs.dim_y
        listen(Started(self.name, *sizes, "cpu", 0, pairs.dim_z))
        _check_size(pairs)
        x, y, z = (_scores(values) for values in (pairs.x, pairs.y, pairs.z))
        estimate = gaussian_mi(x, y, z, correct_bias=self.correct_bias)
        return MIResult(
            mi=estimate.mi,
            stderr=estimate.stderr,
            estimator=self.name,
            n_samples=pairs.n_samples,
            dim_x=pairs.dim_x,
            dim_y=pairs.dim_y,
            notes=pairs.notes + remarks(estimate),
            fields=asdict(self),
            provenance=provenance(seed, "cpu", time.perf_counter() - began),
            dim_z=pairs.dim_z,
        )


def remarks(estimate: Estimate) -> tuple[str, ...]:
    """What is to be said of a Gaussian estimate: a note where it is as large as can be."""
    return (FUNCTION,) if estimate.mi > LARGEST else ()


def _check_size(pairs: Pairs) -> None:
    needed = pairs.dim_x + pairs.dim_y + pairs.dim_z + 2
    if pairs.n_samples < needed:
        what = (
            f"gcmi needs more rows than columns; got {pairs.n_samples} rows, {needed - 2} columns."
        )
        raise MMGError(what, "Use fewer columns or more rows.")


def _scores(values: Array) -> Array:
    scores = norm.ppf(rankdata(values, axis=0) / (len(values) + 1))
    return (scores - scores.mean(axis=0)) / scores.std(axis=0)


def gaussian_mi(x: Array, y: Array, z: Array, *, correct_bias: bool = True) -> Estimate:
    """Mutual information of Gaussian samples, with the standard error of its pointwise mean.

    I(x; y | z) = H(x, z) + H(y, z) − H(x, y, z) − H(z), where H(z) = 0 without a condition.

    Args:
        x: `(n, dim_x)`.
        y: `(n, dim_y)`.
        z: The condition, `(n, dim_z)`; without columns for I(x; y).
        correct_bias: Remove the bias of the sample covariance; exact for Gaussian data.

    Returns:
        Estimate and standard error, nats.
    """
    n, dim_x, dim_y, dim_z = len(x), x.shape[1], y.shape[1], z.shape[1]
    joint = np.concatenate([x, z, y], axis=1)
    joint = joint - joint.mean(axis=0)
    xz, yz, only_z = joint[:, : dim_x + dim_z], joint[:, dim_x:], joint[:, dim_x : dim_x + dim_z]
    floor = SINGULAR * float(joint.var(axis=0).max())
    terms = (_log_density(values, floor) for values in (joint, only_z, xz, yz))
    log_ratio = next(terms) + next(terms) - next(terms) - next(terms)
    bias = _wishart_bias(n, dim_x, dim_y, dim_z) if correct_bias else 0.0
    return Estimate(float(log_ratio.mean() - bias), float(log_ratio.std() / np.sqrt(n)))


def _log_density(values: Array, floor: float) -> Array:
    """Log of the fitted Gaussian density, `(n,)`, up to a constant linear in the dimension.

    Variances below the floor count as the floor: a copied column then cancels between the joint
    density and the one that it is in, and y = x comes out very large rather than without its part.
    """
    if not values.shape[1]:
        return np.zeros(len(values))
    covariance = values.T @ values / len(values)
    variances, directions = np.linalg.eigh(covariance)
    variances = np.maximum(variances, floor)
    white = values @ directions / np.sqrt(variances)
    return -0.5 * (np.log(variances).sum() + np.sum(white**2 - 1, axis=1))


def _wishart_bias(n: int, dim_x: int, dim_y: int, dim_z: int) -> float:
    """Expected excess of the log-determinant formula for Gaussian data with an unknown mean."""

    def half_digammas(dim: int) -> float:
        return 0.5 * float(psi((n - np.arange(1, dim + 1)) / 2).sum())

    apart = half_digammas(dim_x + dim_z) + half_digammas(dim_y + dim_z)
    return apart - half_digammas(dim_x + dim_y + dim_z) - half_digammas(dim_z)
