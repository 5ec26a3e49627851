"""Linear-Gaussian models of three variables and their exact information."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Gaussian3:
    """(x, y, z) ~ N(0, covariance), with the columns of each; written down from the textbook."""

    covariance: np.ndarray
    dims: tuple[int, int, int] = (1, 1, 1)

    @property
    def parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Columns of x, of y and of z."""
        edges = np.cumsum((0, *self.dims))
        x, y, z = (np.arange(a, b) for a, b in itertools.pairwise(edges))
        return x, y, z

    def _logdet(self, *parts: np.ndarray) -> float:
        index = np.concatenate(parts)
        return float(np.linalg.slogdet(self.covariance[np.ix_(index, index)])[1])

    @property
    def given(self) -> float:
        """I(x; y | z), nats."""
        x, y, z = self.parts
        found = self._logdet(x, z) + self._logdet(y, z) - self._logdet(x, y, z) - self._logdet(z)
        return 0.5 * found

    @property
    def alone(self) -> float:
        """I(x; y), nats."""
        x, y, _ = self.parts
        return 0.5 * (self._logdet(x) + self._logdet(y) - self._logdet(x, y))

    def sample(self, n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        root = np.linalg.cholesky(self.covariance)
        values = np.random.default_rng(seed).normal(size=(n, len(root))) @ root.T
        x, y, z = (values[:, part] for part in self.parts)
        return x, y, z


def _structural(weights: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Covariance of v = W v + noise."""
    root = np.linalg.inv(np.eye(len(weights)) - weights)
    return root @ np.diag(noise) @ root.T


def chain(a: float = 0.9, b: float = 0.8) -> Gaussian3:
    """x → z → y: z explains everything."""
    w = np.zeros((3, 3))
    w[2, 0], w[1, 2] = a, b
    return Gaussian3(_structural(w, np.array([1.0, 0.5, 0.5])))


def fork(a: float = 1.2, b: float = -0.9) -> Gaussian3:
    """x ← z → y: z explains everything."""
    w = np.zeros((3, 3))
    w[0, 2], w[1, 2] = a, b
    return Gaussian3(_structural(w, np.array([0.5, 0.4, 1.0])))


def collider(a: float = 1.0, b: float = 1.0) -> Gaussian3:
    """x → z ← y: independent, until z is known."""
    w = np.zeros((3, 3))
    w[2, 0], w[2, 1] = a, b
    return Gaussian3(_structural(w, np.array([1.0, 1.0, 0.5])))


def tangled(dims: tuple[int, int, int] = (3, 2, 4), seed: int = 5) -> Gaussian3:
    """No zeros anywhere, and more columns."""
    rng = np.random.default_rng(seed)
    size = sum(dims)
    mix = rng.normal(size=(size, size)) + 4 * np.eye(size)
    return Gaussian3(mix @ mix.T / size, dims)


MODELS = {"chain": chain(), "fork": fork(), "collider": collider(), "tangled": tangled()}
