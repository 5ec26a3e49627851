"""Independent x and y, and dependence that no single pair of columns has."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from mmg_nb.benchmark.distributions.columns import EqualColumns

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Independent", "Parity"]

_SHARED = 0.5  # share of the variance of x that is common to all its columns
_DOF = 5.0  # degrees of freedom of y


@dataclass(frozen=True, kw_only=True)
class Independent(EqualColumns):
    """Independent x and y, each with dependent columns.

    x is normal with equal correlations. y is Student-t.

    Attributes:
        dim: Columns of x, and of y.
    """

    gaussian: ClassVar[bool] = False

    def mi(self) -> float:
        """I = 0 nats."""
        return 0.0

    def sample(
        self, n: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw `n` rows: x `(n, dim)` and y `(n, dim)`."""
        shared = math.sqrt(_SHARED) * generator.standard_normal((n, 1))
        x = shared + math.sqrt(1 - _SHARED) * generator.standard_normal((n, self.dim))
        scale = np.sqrt(generator.chisquare(_DOF, size=(n, 1)) / _DOF)
        return x, generator.standard_normal((n, self.dim)) / scale

    def log_ratio(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pointwise MI of each row, zeros `(n,)`, in nats."""
        return np.zeros(len(x))


@dataclass(frozen=True, kw_only=True)
class Parity:
    """The sign of y is that of x_1·…·x_dim, flipped with probability `error`.

    x ~ N(0, I) and y ~ N(0, 1). y is independent of every proper subset of the columns of x.

    Attributes:
        dim_x: Columns of x, at least 2.
        error: Probability of a wrong sign, 0 < error < 1.
    """

    gaussian: ClassVar[bool] = False
    dim_y: ClassVar[int] = 1

    dim_x: int
    error: float

    def mi(self) -> float:
        """I = ln 2 − H(error), in nats."""
        e = self.error
        return math.log(2) + e * math.log(e) + (1 - e) * math.log1p(-e)

    def sample(
        self, n: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw `n` rows: x `(n, dim_x)` and y `(n, 1)`."""
        x = generator.standard_normal((n, self.dim_x))
        flip = np.where(generator.uniform(size=(n, 1)) < self.error, -1.0, 1.0)
        sign = flip * np.prod(np.sign(x), axis=1, keepdims=True)
        return x, sign * np.abs(generator.standard_normal((n, 1)))

    def log_ratio(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pointwise MI of each row, `(n,)`, in nats."""
        agrees = np.prod(np.sign(x), axis=1) * y[:, 0] > 0
        ratio = np.log(2 * np.where(agrees, 1 - self.error, self.error))
        return np.asarray(ratio, dtype=np.float64)
