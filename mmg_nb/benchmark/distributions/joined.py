"""Distributions side by side, and columns of noise beside a distribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmg_nb.benchmark.tasks import JointDistribution

__all__ = ["SideBySide", "WithNoise"]


@dataclass(frozen=True, eq=False, kw_only=True)
class SideBySide:
    """Independent distributions. The columns of x, and of y, stand side by side.

    Attributes:
        parts: The distributions.
    """

    parts: tuple[JointDistribution, ...]

    @property
    def gaussian(self) -> bool:
        """Whether (x, y) is jointly Gaussian."""
        return all(part.gaussian for part in self.parts)

    @property
    def dim_x(self) -> int:
        """Number of columns of x."""
        return sum(part.dim_x for part in self.parts)

    @property
    def dim_y(self) -> int:
        """Number of columns of y."""
        return sum(part.dim_y for part in self.parts)

    def mi(self) -> float:
        """I is the sum over the parts, in nats."""
        return sum(part.mi() for part in self.parts)

    def sample(self, n: int, generator: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
        """Draw `n` rows: x `(n, dim_x)` and y `(n, dim_y)`."""
        drawn = [part.sample(n, generator) for part in self.parts]
        return np.hstack([x for x, _ in drawn]), np.hstack([y for _, y in drawn])

    def log_ratio(self, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float64]:
        """Pointwise MI of each row, `(n,)`, in nats."""
        ratio = np.zeros(len(x))
        i = j = 0
        for part in self.parts:
            ratio += part.log_ratio(x[:, i : i + part.dim_x], y[:, j : j + part.dim_y])
            i, j = i + part.dim_x, j + part.dim_y
        return ratio


@dataclass(frozen=True, eq=False, kw_only=True)
class WithNoise:
    """A distribution, with independent normal columns after those of x and of y.

    Attributes:
        base: The distribution.
        noise_x: Columns added to x.
        noise_y: Columns added to y.
    """

    base: JointDistribution
    noise_x: int
    noise_y: int

    @property
    def gaussian(self) -> bool:
        """Whether (x, y) is jointly Gaussian."""
        return self.base.gaussian

    @property
    def dim_x(self) -> int:
        """Number of columns of x."""
        return self.base.dim_x + self.noise_x

    @property
    def dim_y(self) -> int:
        """Number of columns of y."""
        return self.base.dim_y + self.noise_y

    def mi(self) -> float:
        """I is that of the distribution, in nats."""
        return self.base.mi()

    def sample(self, n: int, generator: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
        """Draw `n` rows: x `(n, dim_x)` and y `(n, dim_y)`."""
        x, y = self.base.sample(n, generator)
        return _widened(x, self.noise_x, generator), _widened(y, self.noise_y, generator)

    def log_ratio(self, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float64]:
        """Pointwise MI of each row, `(n,)`, in nats."""
        return self.base.log_ratio(x[:, : self.base.dim_x], y[:, : self.base.dim_y])


def _widened(z: NDArray[Any], columns: int, generator: np.random.Generator) -> NDArray[Any]:
    """`z` itself without added columns, so that whole numbers stay whole."""
    return np.hstack([z, generator.standard_normal((len(z), columns))]) if columns else z
