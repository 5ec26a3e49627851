"""y is a function of x plus noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.interpolate import CubicSpline

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NoisyFunction", "uniform_points"]

_LOG_2PI = math.log(2 * math.pi)
_POINTS = 14  # 2¹⁴ points of x for means over x
_REACH = 10.0  # standard deviations of the noise beyond all values of the function
_NODES = 8  # nodes of y per standard deviation of the least noise
_BLOCK = 512  # nodes of y at a time

Columns = Callable[["NDArray[np.float64]"], "NDArray[np.float64]"]
"""A function of rows of x, from `(n, dim_x)` to `(n,)`."""


@dataclass(frozen=True, eq=False, kw_only=True)
class NoisyFunction:
    """x is uniform on the unit cube, and y ~ N(mean(x), scale(x)²).

    Attributes:
        dim_x: Columns of x, 1 to 3: means over x are sums over a low-discrepancy sequence.
        mean: Mean of y given x.
        scale: Standard deviation of y given x, above 0.
    """

    gaussian: ClassVar[bool] = False
    dim_y: ClassVar[int] = 1

    dim_x: int
    mean: Columns
    scale: Columns

    def mi(self) -> float:
        """I = h(y) − h(y | x), in nats. The density of y is a mean over points of x."""
        nodes, density = self._density
        step = nodes[1] - nodes[0]
        entropy = -step * float(np.sum(density * np.log(np.maximum(density, 1e-300))))
        mean_log_scale = float(np.mean(np.log(self.scale(uniform_points(self.dim_x)))))
        return entropy - 0.5 * (1 + _LOG_2PI) - mean_log_scale

    def sample(
        self, n: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw `n` rows: x `(n, dim_x)` and y `(n, 1)`."""
        x = generator.uniform(size=(n, self.dim_x))
        y = self.mean(x) + self.scale(x) * generator.standard_normal(n)
        return x, y[:, None]

    def log_ratio(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pointwise MI of each row, `(n,)`, in nats."""
        scale = self.scale(x)
        likelihood = -0.5 * ((y[:, 0] - self.mean(x)) / scale) ** 2 - np.log(scale)
        return np.asarray(likelihood - 0.5 * _LOG_2PI - self._log_density(y[:, 0]))

    @cached_property
    def _density(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Equally spaced values of y, and the density of y there."""
        points = uniform_points(self.dim_x)
        mean, scale = self.mean(points), self.scale(points)
        beyond = _REACH * float(np.max(scale))
        low, high = float(np.min(mean)) - beyond, float(np.max(mean)) + beyond
        nodes = np.linspace(low, high, math.ceil((high - low) / np.min(scale) * _NODES))
        density = np.empty_like(nodes)
        for start in range(0, len(nodes), _BLOCK):
            rows = slice(start, start + _BLOCK)
            standard = (nodes[rows, None] - mean) / scale
            density[rows] = np.mean(np.exp(-0.5 * standard**2) / scale, axis=1)
        return nodes, density / math.sqrt(2 * math.pi)

    @cached_property
    def _log_density(self) -> CubicSpline:
        nodes, density = self._density
        return CubicSpline(nodes, np.log(np.maximum(density, 1e-300)))


def uniform_points(dim: int) -> NDArray[np.float64]:
    """2¹⁴ points that fill the unit cube evenly, `(2¹⁴, dim)`. None is on its faces."""
    if dim == 1:
        return (np.arange(2**_POINTS)[:, None] + 0.5) / 2**_POINTS
    from scipy.stats import qmc  # takes half a second to load

    points = qmc.Sobol(dim, scramble=False).random_base2(_POINTS)
    return np.asarray(points + 0.5 ** (_POINTS + 1), dtype=np.float64)
