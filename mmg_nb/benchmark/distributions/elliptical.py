"""Normal and Student-t pairs with given canonical correlations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import digamma, gammaln

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["EllipticalPairs"]


@dataclass(frozen=True, kw_only=True)
class EllipticalPairs:
    """(x, y) = z/√w, where z is normal with unit variances and all columns of a row share one w.

    Column i of x and column i of y have the correlation `rhos[i]` in z. All other columns of z
    are independent. w ~ χ²(dof)/dof, and w = 1 where `dof` is infinite.

    Attributes:
        dim_x: Columns of x.
        dim_y: Columns of y.
        rhos: Correlations, each |ρ| < 1, at most as many as x and y have columns.
        dof: Degrees of freedom, above 0. Up to 2, the variance is infinite.
    """

    dim_x: int
    dim_y: int
    rhos: tuple[float, ...] = ()
    dof: float = math.inf

    def __post_init__(self) -> None:
        """Refuse parameters outside their range."""
        if len(self.rhos) > min(self.dim_x, self.dim_y):
            raise ValueError(f"{len(self.rhos)} correlations do not fit the columns")
        if not all(abs(rho) < 1 for rho in self.rhos):
            raise ValueError(f"rhos must be between -1 and 1 (both excluded), got {self.rhos}")
        if not self.dof > 0:
            raise ValueError(f"dof must be above 0, got {self.dof}")

    @property
    def gaussian(self) -> bool:
        """Whether (x, y) is jointly Gaussian."""
        return math.isinf(self.dof)

    def mi(self) -> float:
        """I = −½ Σ ln(1 − ρ²), plus what the shared w adds: h(x) + h(y) − h(x, y) for ρ = 0."""
        if self.gaussian:
            return self._log_determinant()
        whole = self._entropy(self.dim_x + self.dim_y)
        return (
            self._log_determinant() + self._entropy(self.dim_x) + self._entropy(self.dim_y) - whole
        )

    def sample(
        self, n: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw `n` rows: x `(n, dim_x)` and y `(n, dim_y)`."""
        z = generator.standard_normal((n, self.dim_x + self.dim_y))
        x, y = z[:, : self.dim_x], z[:, self.dim_x :]
        rho, k = np.asarray(self.rhos), len(self.rhos)
        y[:, :k] = rho * x[:, :k] + np.sqrt(1 - rho**2) * y[:, :k]
        if not self.gaussian:
            z /= np.sqrt(generator.chisquare(self.dof, size=(n, 1)) / self.dof)
        return x, y

    def log_ratio(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pointwise MI of each row, `(n,)`, in nats."""
        rho, k = np.asarray(self.rhos), len(self.rhos)
        in_x, in_y = np.sum(x**2, axis=1), np.sum(y**2, axis=1)
        noise = (y[:, :k] - rho * x[:, :k]) ** 2 / (1 - rho**2)
        both = in_x + in_y + np.sum(noise - y[:, :k] ** 2, axis=1)
        tails = self._log_tail(both, self.dim_x + self.dim_y)
        tails -= self._log_tail(in_x, self.dim_x) + self._log_tail(in_y, self.dim_y)
        return np.asarray(self._log_determinant() + tails, dtype=np.float64)

    def _log_determinant(self) -> float:
        return -0.5 * sum(math.log1p(-(rho**2)) for rho in self.rhos)

    def _log_constant(self, k: int) -> float:
        half = 0.5 * self.dof
        log_volume = 0.5 * k * math.log(self.dof * math.pi)
        return float(gammaln(half + 0.5 * k) - gammaln(half)) - log_volume

    def _entropy(self, k: int) -> float:
        """Entropy of k columns with ρ = 0 and finite `dof`."""
        a = 0.5 * (self.dof + k)
        return a * float(digamma(a) - digamma(0.5 * self.dof)) - self._log_constant(k)

    def _log_tail(self, square: NDArray[np.float64], k: int) -> NDArray[np.float64]:
        """Logarithm of the density of k columns with the squared norm `square`.

        Factors that cancel are left out.
        """
        if self.gaussian:
            return -0.5 * square
        return self._log_constant(k) - 0.5 * (self.dof + k) * np.log1p(square / self.dof)
