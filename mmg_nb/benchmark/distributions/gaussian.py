"""Jointly Gaussian x and y with unit variances."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from mmg_nb.benchmark.distributions.columns import EqualColumns

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["CorrelatedPairs", "ExchangeableNormal", "interaction"]


@dataclass(frozen=True, kw_only=True)
class CorrelatedPairs(EqualColumns):
    """x, y ~ N(0, I), where x_i and y_i are correlated for the first `n_pairs` coordinates.

    Attributes:
        dim: Columns of x, and of y.
        n_pairs: Number of correlated pairs (x_i, y_i), from 0 to `dim`.
        rho: Their correlation, |ρ| < 1.
    """

    gaussian: ClassVar[bool] = True

    n_pairs: int
    rho: float

    def __post_init__(self) -> None:
        """Refuse parameters outside their range."""
        if not 0 <= self.n_pairs <= self.dim:
            raise ValueError(f"n_pairs must be from 0 to dim = {self.dim}, got {self.n_pairs}")
        if not abs(self.rho) < 1:
            raise ValueError(f"rho must be between -1 and 1 (both excluded), got {self.rho}")

    def mi(self) -> float:
        """I = −½ n_pairs ln(1 − ρ²), in nats."""
        return -0.5 * self.n_pairs * math.log1p(-(self.rho**2))

    def sample(
        self, n: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw `n` rows: x `(n, dim)` and y `(n, dim)`."""
        x = generator.standard_normal((n, self.dim))
        y = generator.standard_normal((n, self.dim))
        k = self.n_pairs
        y[:, :k] = self.rho * x[:, :k] + math.sqrt(1 - self.rho**2) * y[:, :k]
        return x, y

    def log_ratio(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pointwise MI of each row, `(n,)`, in nats."""
        x, y = x[:, : self.n_pairs], y[:, : self.n_pairs]
        noise = (y - self.rho * x) ** 2 / (1 - self.rho**2)
        ratio = self.mi() + 0.5 * np.sum(y**2 - noise, axis=1)
        return np.asarray(ratio, dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class ExchangeableNormal(EqualColumns):
    """Every two of the 2·dim coordinates of (x, y) have the same correlation.

    Attributes:
        dim: Columns of x, and of y.
        rho: The correlation, 0 ≤ ρ < 1.
    """

    gaussian: ClassVar[bool] = True

    rho: float

    def __post_init__(self) -> None:
        """Refuse parameters outside their range."""
        if not 0 <= self.rho < 1:
            raise ValueError(f"rho must be at least 0 and below 1, got {self.rho}")

    def mi(self) -> float:
        """I = ½ (2 ln det S_dim − ln det S_2dim), in nats."""
        return self._log_det(self.dim) - 0.5 * self._log_det(2 * self.dim)

    def sample(
        self, n: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw `n` rows: x `(n, dim)` and y `(n, dim)`."""
        own = generator.standard_normal((n, 2 * self.dim))
        shared = generator.standard_normal((n, 1))
        z = math.sqrt(self.rho) * shared + math.sqrt(1 - self.rho) * own
        return z[:, : self.dim], z[:, self.dim :]

    def log_ratio(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pointwise MI of each row, `(n,)`, in nats."""
        z = np.hstack([x, y])
        return self._log_density(z) - self._log_density(x) - self._log_density(y)

    def _log_det(self, k: int) -> float:
        """Logarithm of the determinant of the k × k matrix (1 − ρ) I + ρ 11ᵀ."""
        return (k - 1) * math.log1p(-self.rho) + math.log1p(self.rho * (k - 1))

    def _log_density(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logarithm of N(z; 0, (1 − ρ) I + ρ 11ᵀ), without −½ k ln 2π, which cancels; `(n,)`."""
        k = z.shape[1]
        common = self.rho * np.sum(z, axis=1) ** 2 / (1 + self.rho * (k - 1))
        square = (np.sum(z**2, axis=1) - common) / (1 - self.rho)
        return np.asarray(-0.5 * (square + self._log_det(k)), dtype=np.float64)


def interaction(strength: float) -> float:
    """The correlation s²/(1 + s²) of x = s·h + N(0, 1) and y = s·h + N(0, 1), h ~ N(0, 1)."""
    return strength**2 / (1 + strength**2)
