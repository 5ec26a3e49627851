"""Gaussian mixtures whose dependence a single correlation cannot describe."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.special import expit, logsumexp

from mmg_nb.benchmark.distributions.columns import EqualColumns
from mmg_nb.benchmark.distributions.quadrature import panels

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Clusters", "CorrelationMixture"]


@dataclass(frozen=True, kw_only=True)
class CorrelationMixture:
    """x, y ~ N(0, 1), jointly a mixture of bivariate normals with different correlations.

    Attributes:
        weights: Probabilities of the components.
        rhos: Their correlations, each between −1 and 1.
    """

    gaussian: ClassVar[bool] = False
    dim_x: ClassVar[int] = 1
    dim_y: ClassVar[int] = 1

    weights: tuple[float, ...]
    rhos: tuple[float, ...]

    def mi(self) -> float:
        """I = ∫∫ p(x, y) ln p(x, y)/(p(x) p(y)) in nats, as 4 times the integral over a quadrant.

        The quadrant is one of the coordinates (x + y, x − y)/√2.
        """
        node, weight = panels(self._edges())
        u, v = (z.ravel() for z in np.meshgrid(node, node))
        x, y = (u + v)[:, None] / math.sqrt(2), (u - v)[:, None] / math.sqrt(2)
        log_ratio = self.log_ratio(x, y)
        density = np.exp(log_ratio - 0.5 * (u**2 + v**2)) / (2 * np.pi)
        return float(4 * np.outer(weight, weight).ravel() @ (density * log_ratio))

    def sample(
        self, n: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw `n` rows: x `(n, 1)` and y `(n, 1)`."""
        rho = np.asarray(self.rhos)[generator.choice(len(self.rhos), size=(n, 1), p=self.weights)]
        x = generator.standard_normal((n, 1))
        return x, rho * x + np.sqrt(1 - rho**2) * generator.standard_normal((n, 1))

    def log_ratio(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pointwise MI of each row, `(n,)`, in nats."""
        rho, noise = np.asarray(self.rhos), 1 - np.asarray(self.rhos) ** 2
        log_ratio = -0.5 * np.log(noise) + 0.5 * (y**2 - (y - rho * x) ** 2 / noise)
        return np.asarray(logsumexp(log_ratio, axis=1, b=self.weights), dtype=np.float64)

    def _edges(self) -> list[float]:
        """Edges of panels. The first has the width of the narrowest ridge, then widths double."""
        edges = [0.0, math.sqrt(1 - max(abs(rho) for rho in self.rhos))]
        while edges[-1] < 12:
            edges.append(2 * edges[-1])
        return edges


@dataclass(frozen=True, kw_only=True)
class Clusters(EqualColumns):
    """Clusters of x and y at ±shift on two axes. x and y share the axis, but not the sign.

    x = s·shift·e_c + N(0, I) and y = t·shift·e_c + N(0, I), with independent signs s and t. The
    axis c is one of the first two, with equal probability. All correlations of x and y are zero.

    Attributes:
        dim: Columns of x, and of y, at least 2.
        shift: Distance of each cluster from the origin.
    """

    gaussian: ClassVar[bool] = False

    shift: float

    def mi(self) -> float:
        """I = E ln 2[q_x q_y + (1 − q_x)(1 − q_y)] by the trapezoidal rule, in nats."""
        step = 0.25
        z = step * np.arange(-28, 29)
        weight = step * np.exp(-0.5 * z**2) / math.sqrt(2 * np.pi)
        weights = np.outer(weight, weight).ravel()
        on, off = (a.ravel() for a in np.meshgrid(z + self.shift, z, indexing="ij"))
        q = expit(self._evidence(np.column_stack([on, off])))
        return float(
            sum(w * (weights @ _log_agreement(p, q)) for w, p in zip(weights, q, strict=True))
        )

    def sample(
        self, n: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw `n` rows: x `(n, dim)` and y `(n, dim)`."""
        axis = generator.integers(2, size=n)
        x, y = generator.standard_normal((2, n, self.dim))
        for z in (x, y):
            z[np.arange(n), axis] += self.shift * generator.choice([-1.0, 1.0], size=n)
        return x, y

    def log_ratio(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pointwise MI of each row, `(n,)`, in nats."""
        return _log_agreement(expit(self._evidence(x)), expit(self._evidence(y)))

    def _evidence(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log-odds of the first axis against the second axis given `z`, `(n,)`."""
        a = self.shift * z[:, :2]
        log_cosh = np.logaddexp(a, -a)
        return log_cosh[:, 0] - log_cosh[:, 1]


def _log_agreement(p: NDArray[np.float64] | float, q: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithm of the probability that two labels agree, divided by ½, its value by chance."""
    return np.log(2 * (p * q + (1 - p) * (1 - q)))
