"""A benchmark task: a named sampler with its exact mutual information."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from mmg_nb.errors import MMGError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmg_nb.benchmark.transforms import Transform

__all__ = ["REPORTING_TAG", "JointDistribution", "Task"]

REPORTING_TAG = "reporting"
"""Group of tasks that no method may be tuned on."""


class JointDistribution(Protocol):
    """A distribution of (x, y) with a sampler, its exact MI and its exact log-density ratio."""

    @property
    def gaussian(self) -> bool:
        """Whether (x, y) is jointly Gaussian."""

    @property
    def dim_x(self) -> int:
        """Number of columns of x."""

    @property
    def dim_y(self) -> int:
        """Number of columns of y."""

    def mi(self) -> float:
        """I(x; y) in nats, in closed form or by quadrature."""

    def sample(self, n: int, generator: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
        """Draw `n` independent rows: x `(n, dim_x)` and y `(n, dim_y)`."""

    def log_ratio(self, x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float64]:
        """Pointwise MI ln p(x, y) − ln p(x) − ln p(y) of each row, `(n,)`, in nats."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A base distribution, and transforms that leave its mutual information unchanged.

    Each transform is injective in x alone and in y alone. MI and pointwise MI therefore equal
    those of the base distribution.

    Attributes:
        task_id: Id from which `mmg_nb.benchmark.task` builds this task.
        title: Title for tables and plots.
        base: The distribution with exact mutual information.
        transforms: Transforms of the sample of `base`, in order of application.
        groups: Groups of the task, e.g. `"bmi"`, `"high_mi"`, `"discrete"`.
    """

    task_id: str
    title: str
    base: JointDistribution
    transforms: tuple[Transform, ...] = ()
    groups: frozenset[str] = frozenset()

    @property
    def dim_x(self) -> int:
        """Number of columns of x."""
        return self.base.dim_x + sum(t.added_x for t in self.transforms)

    @property
    def dim_y(self) -> int:
        """Number of columns of y."""
        return self.base.dim_y + sum(t.added_y for t in self.transforms)

    @property
    def tags(self) -> frozenset[str]:
        """The groups, and also `"copula"` if (x, y) has an exact Gaussian copula.

        This holds for coordinate-wise monotone transforms of Gaussian data. The Gaussian-copula
        estimator is consistent on these tasks.
        """
        copula = self.base.gaussian and all(t.coordinatewise for t in self.transforms)
        return self.groups | ({"copula"} if copula else set())

    @cached_property
    def mi_true(self) -> float:
        """The exact I(x; y) in nats; NaN if it is unknown. Quadrature runs on first use."""
        return float(self.base.mi())

    def sample(self, n: int, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Draw `n` independent rows.

        Args:
            n: Number of rows, at least 1.
            seed: Equal seeds give equal samples.

        Returns:
            x `(n, dim_x)` and y `(n, dim_y)`, float64. x is int64 in tasks tagged `"discrete"`.

        Raises:
            MMGError: `n` is below 1.
        """
        return self._transformed(*self._sample_base(n, seed))

    def sample_pointwise(
        self, n: int, seed: int
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]:
        """Draw the same sample as `sample(n, seed)`, with its exact pointwise MI.

        Args:
            n: Number of rows, at least 1.
            seed: Equal seeds give equal samples.

        Returns:
            x `(n, dim_x)`, y `(n, dim_y)` and the pointwise MI ln p(x, y)/(p(x) p(y)), `(n,)`,
            in nats. The expectation of the pointwise MI is `mi_true`.

        Raises:
            MMGError: `n` is below 1.
        """
        x, y = self._sample_base(n, seed)
        pointwise_mi = self.base.log_ratio(x, y)
        return *self._transformed(x, y), pointwise_mi

    def _sample_base(self, n: int, seed: int) -> tuple[NDArray[Any], NDArray[Any]]:
        if n < 1:
            raise MMGError(f"n must be at least 1; got {n}.", "Draw one row or more.")
        return self.base.sample(n, np.random.default_rng(seed))

    def _transformed(self, x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        for transform in self.transforms:
            x, y = transform.apply(x, y)
        return x, y
