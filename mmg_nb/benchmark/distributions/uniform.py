"""Pairs of uniform variables."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["AdditiveUniform", "Checkerboard", "LabelUniform"]

_ROUNDING = 1e-12  # tolerance for rounding at the edge of the support of y − x


@dataclass(frozen=True, kw_only=True)
class AdditiveUniform:
    """x ~ U(0, 1), y = x + U(−ε, ε).

    Attributes:
        epsilon: Half-width ε of the noise, above 0.
    """

    gaussian: ClassVar[bool] = False
    dim_x: ClassVar[int] = 1
    dim_y: ClassVar[int] = 1

    epsilon: float

    def __post_init__(self) -> None:
        """Refuse parameters outside their range."""
        if not self.epsilon > 0:
            raise ValueError(f"epsilon must be above 0, got {self.epsilon}")

    def mi(self) -> float:
        """I = ε − ln 2ε if ε ≤ ½, and 1/(4ε) otherwise, in nats."""
        if self.epsilon <= 0.5:
            return self.epsilon - math.log(2 * self.epsilon)
        return 0.25 / self.epsilon

    def sample(
        self, n: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw `n` rows: x `(n, 1)` and y `(n, 1)`."""
        x = generator.uniform(size=(n, 1))
        return x, x + generator.uniform(-self.epsilon, self.epsilon, size=(n, 1))

    def log_ratio(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pointwise MI of each row, `(n,)`, in nats; −∞ where y is impossible given x."""
        overlap = np.minimum(1, y + self.epsilon) - np.maximum(0, y - self.epsilon)
        possible = np.abs(y - x) <= self.epsilon + _ROUNDING
        ratio = np.where(possible, -np.log(np.maximum(overlap, np.finfo(float).tiny)), -np.inf)
        return ratio[:, 0]


@dataclass(frozen=True, kw_only=True)
class Checkerboard:
    """A checkerboard with uniform margins.

    (x, y) lies on a black square with probability 1 − error, otherwise on a white square.

    Attributes:
        size: Number of squares per side, even.
        error: Probability of a white square, 0 < error < 1.
    """

    gaussian: ClassVar[bool] = False
    dim_x: ClassVar[int] = 1
    dim_y: ClassVar[int] = 1

    size: int
    error: float

    def __post_init__(self) -> None:
        """Refuse parameters outside their range."""
        if self.size < 2 or self.size % 2:
            raise ValueError(f"size must be an even number from 2 on, got {self.size}")

    def mi(self) -> float:
        """I = ln 2 − H(error), in nats."""
        e = self.error
        return math.log(2) + e * math.log(e) + (1 - e) * math.log1p(-e)

    def sample(
        self, n: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw `n` rows: x `(n, 1)` and y `(n, 1)`."""
        x = generator.uniform(size=(n, 1))
        white = generator.uniform(size=(n, 1)) < self.error
        odd = (self._square(x) + white) % 2
        row = 2 * generator.integers(self.size // 2, size=(n, 1)) + odd
        return x, (row + generator.uniform(size=(n, 1))) / self.size

    def log_ratio(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pointwise MI of each row, `(n,)`, in nats."""
        white = (self._square(x) + self._square(y)) % 2 == 1
        ratio = np.log(2 * np.where(white, self.error, 1 - self.error))
        return np.asarray(ratio[:, 0], dtype=np.float64)

    def _square(self, z: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.floor(self.size * z).astype(np.int64)


@dataclass(frozen=True, kw_only=True)
class LabelUniform:
    """x is a uniform label in 0 … n_labels − 1, and y ~ U(x, x + 2).

    Gao et al. 2017, "Estimating Mutual Information for Discrete-Continuous Mixtures"
    (arXiv 1709.06212), section 5.

    Attributes:
        n_labels: Number of labels, at least 2.
    """

    gaussian: ClassVar[bool] = False
    dim_x: ClassVar[int] = 1
    dim_y: ClassVar[int] = 1

    n_labels: int

    def mi(self) -> float:
        """I = ln m − (m − 1)/m · ln 2 for m labels, in nats."""
        return math.log(self.n_labels) - (1 - 1 / self.n_labels) * math.log(2)

    def sample(
        self, n: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Draw `n` rows: x `(n, 1)` of int64 and y `(n, 1)`."""
        x = generator.integers(self.n_labels, size=(n, 1))
        return x, x + generator.uniform(0, 2, size=(n, 1))

    def log_ratio(self, x: NDArray[Any], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pointwise MI of each row, `(n,)`, in nats; −∞ where y is impossible given x."""
        last = np.minimum(np.floor(y), self.n_labels - 1)
        first = np.maximum(np.floor(y) - 1, 0)
        possible = (x <= y) & (y <= x + 2)
        log_ratio = np.log(self.n_labels / np.maximum(last - first + 1, 1))
        return np.where(possible, log_ratio, -np.inf)[:, 0]
