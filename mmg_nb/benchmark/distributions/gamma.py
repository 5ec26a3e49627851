"""Exponential variables with a gamma distributed rate."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.special import digamma

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["GammaExponential", "RadialExponential"]


def _mi(shape: float) -> float:
    """I(rate; y) = ψ(shape + 1) − ln shape for rate ~ Gamma(shape, 1) and y ~ Exp(rate)."""
    return float(digamma(shape + 1)) - math.log(shape)


def _log_ratio(
    rate: NDArray[np.float64], y: NDArray[np.float64], shape: float
) -> NDArray[np.float64]:
    """Logarithm of rate·e^(−rate·y) divided by the Lomax density shape/(1 + y)^(shape + 1)."""
    lomax = math.log(shape) - (shape + 1) * np.log1p(y)
    return np.asarray(np.log(rate) - rate * y - lomax, dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class GammaExponential:
    """x ~ Gamma(shape, 1), y | x ~ Exp(rate x).

    Darbellay and Vajda 2000, "Entropy expressions for multivariate continuous distributions".

    Attributes:
        shape: Shape of the gamma distribution, above 0.
    """

    gaussian: ClassVar[bool] = False
    dim_x: ClassVar[int] = 1
    dim_y: ClassVar[int] = 1

    shape: float

    def mi(self) -> float:
        """I = ψ(shape + 1) − ln shape, in nats."""
        return _mi(self.shape)

    def sample(
        self, n: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw `n` rows: x `(n, 1)` and y `(n, 1)`."""
        x = generator.gamma(self.shape, size=(n, 1))
        return x, generator.exponential(size=(n, 1)) / x

    def log_ratio(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pointwise MI of each row, `(n,)`, in nats."""
        return _log_ratio(x[:, 0], y[:, 0], self.shape)


@dataclass(frozen=True, kw_only=True)
class RadialExponential:
    """x ~ N(0, I), y | x ~ Exp(rate ‖x‖²/2). y depends only on the norm of x.

    The rate has the distribution Gamma(dim_x/2, 1). MI equals that of `GammaExponential`.

    Attributes:
        dim_x: Columns of x.
    """

    gaussian: ClassVar[bool] = False
    dim_y: ClassVar[int] = 1

    dim_x: int

    def mi(self) -> float:
        """I = ψ(dim_x/2 + 1) − ln(dim_x/2), in nats."""
        return _mi(0.5 * self.dim_x)

    def sample(
        self, n: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw `n` rows: x `(n, dim_x)` and y `(n, 1)`."""
        x = generator.standard_normal((n, self.dim_x))
        rate = 0.5 * np.sum(x**2, axis=1, keepdims=True)
        return x, generator.exponential(size=(n, 1)) / rate

    def log_ratio(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pointwise MI of each row, `(n,)`, in nats."""
        return _log_ratio(0.5 * np.sum(x**2, axis=1), y[:, 0], 0.5 * self.dim_x)
