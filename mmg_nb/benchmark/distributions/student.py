"""Multivariate Student-t pairs: uncorrelated, but dependent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.special import digamma, gammaln

from mmg_nb.benchmark.distributions.columns import EqualColumns

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["StudentPair"]


@dataclass(frozen=True, kw_only=True)
class StudentPair(EqualColumns):
    """(x, y) = z/√w with z ~ N(0, I). All coordinates of a row share one w ~ χ²(dof)/dof.

    Attributes:
        dim: Columns of x, and of y.
        dof: Degrees of freedom, above 0. Up to 2, the variance is infinite.
    """

    gaussian: ClassVar[bool] = False

    dof: float

    def __post_init__(self) -> None:
        """Refuse parameters outside their range."""
        if not self.dof > 0:
            raise ValueError(f"dof must be above 0, got {self.dof}")

    def mi(self) -> float:
        """I = h(x) + h(y) − h(x, y), in nats."""
        return 2 * self._entropy(self.dim) - self._entropy(2 * self.dim)

    def sample(
        self, n: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw `n` rows: x `(n, dim)` and y `(n, dim)`."""
        z = generator.standard_normal((n, 2 * self.dim))
        w = generator.chisquare(self.dof, size=(n, 1)) / self.dof
        z /= np.sqrt(w)
        return z[:, : self.dim], z[:, self.dim :]

    def log_ratio(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pointwise MI of each row, `(n,)`, in nats."""
        z = np.hstack([x, y])
        return self._log_density(z) - self._log_density(x) - self._log_density(y)

    def _log_constant(self, k: int) -> float:
        half = 0.5 * self.dof
        log_volume = 0.5 * k * math.log(self.dof * math.pi)
        return float(gammaln(half + 0.5 * k) - gammaln(half)) - log_volume

    def _entropy(self, k: int) -> float:
        """Entropy of k coordinates."""
        a = 0.5 * (self.dof + k)
        return a * float(digamma(a) - digamma(0.5 * self.dof)) - self._log_constant(k)

    def _log_density(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        k = z.shape[1]
        spread = np.log1p(np.sum(z**2, axis=1) / self.dof)
        return np.asarray(self._log_constant(k) - 0.5 * (self.dof + k) * spread, dtype=np.float64)
