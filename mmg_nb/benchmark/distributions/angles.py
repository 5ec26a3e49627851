"""Two angles on circles, one of them a noisy copy of the other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.special import i0e, i1e

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NoisyAngle"]


@dataclass(frozen=True, kw_only=True)
class NoisyAngle:
    """x is a uniform random point of the unit circle. y is x, turned by a von Mises angle.

    The points of x, and of y, fill a curve in the plane. They have no density there.

    Attributes:
        concentration: Concentration κ of the von Mises distribution, above 0.
    """

    gaussian: ClassVar[bool] = False
    dim_x: ClassVar[int] = 2
    dim_y: ClassVar[int] = 2

    concentration: float

    def mi(self) -> float:
        """I = κ I₁(κ)/I₀(κ) − ln I₀(κ), in nats."""
        k = self.concentration
        return k * float(i1e(k) / i0e(k)) - self._log_bessel()

    def sample(
        self, n: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw `n` rows: x `(n, 2)` and y `(n, 2)`, cosine and sine of each angle."""
        angle = generator.uniform(0, 2 * np.pi, size=n)
        turned = angle + generator.vonmises(0, self.concentration, size=n)
        return _on_circle(angle), _on_circle(turned)

    def log_ratio(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pointwise MI of each row, `(n,)`, in nats."""
        return self.concentration * np.sum(x * y, axis=1) - self._log_bessel()

    def _log_bessel(self) -> float:
        """The logarithm of I₀(κ). Scaling avoids overflow."""
        return self.concentration + math.log(i0e(self.concentration))


def _on_circle(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.column_stack([np.cos(angle), np.sin(angle)])
