"""y is a whole number whose probabilities depend on x."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.special import rel_entr

from mmg_nb.benchmark.distributions.functions import uniform_points

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["WholeNumbers"]


@dataclass(frozen=True, eq=False, kw_only=True)
class WholeNumbers:
    """x is uniform on the unit cube, and y is 0, 1, …, with probabilities that depend on x.

    Attributes:
        dim_x: Columns of x, 1 to 3: means over x are sums over a low-discrepancy sequence.
        probabilities: From rows of x `(n, dim_x)` to the probability of each number, `(n, k)`.
    """

    gaussian: ClassVar[bool] = False
    dim_y: ClassVar[int] = 1

    dim_x: int
    probabilities: Callable[[NDArray[np.float64]], NDArray[np.float64]]

    def mi(self) -> float:
        """I = Σ over numbers and points of x of p ln(p/mean p), in nats."""
        p = self.probabilities(uniform_points(self.dim_x))
        occurs = self._margin > 0  # the mean of the least positive numbers is rounded to 0
        return float(np.sum(np.mean(rel_entr(p, self._margin)[:, occurs], axis=0)))

    def sample(
        self, n: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Draw `n` rows: x `(n, dim_x)` and y `(n, 1)`, whole numbers."""
        x = generator.uniform(size=(n, self.dim_x))
        below = np.cumsum(self.probabilities(x), axis=1)[:, :-1]
        y = np.sum(generator.uniform(size=(n, 1)) > below, axis=1)
        return x, y[:, None].astype(np.int64)

    def log_ratio(self, x: NDArray[np.float64], y: NDArray[np.int64]) -> NDArray[np.float64]:
        """Pointwise MI of each row, `(n,)`, in nats."""
        p = np.take_along_axis(self.probabilities(x), y, axis=1)[:, 0]
        return np.asarray(np.log(p / self._margin[y[:, 0]]), dtype=np.float64)

    @cached_property
    def _margin(self) -> NDArray[np.float64]:
        """Probability of each number, `(k,)`."""
        return np.mean(self.probabilities(uniform_points(self.dim_x)), axis=0)
