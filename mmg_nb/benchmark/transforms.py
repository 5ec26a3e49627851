"""Maps of x and of y that leave the mutual information unchanged.

Each map is injective in x alone and in y alone. All maps except `CUBE` and `ROTATION` are from
Czyż et al. 2023, "Beyond Normal" (arXiv 2306.11078).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = [
    "ASINH",
    "BIMODAL",
    "CUBE",
    "HALF_CUBE",
    "NORMAL_CDF",
    "ROTATION",
    "SPIRAL",
    "SWISSROLL_X",
    "WIGGLY",
    "Transform",
]

_BISECTIONS = 60  # halves a bracket of at most 5 down to the spacing of float64


@dataclass(frozen=True, kw_only=True)
class Transform:
    """An MI-preserving map (x, y) → (x', y').

    Attributes:
        name: Part of a task id that stands for this transform.
        title: Part of a task title that stands for this transform.
        apply: The map, from arrays `(n, dim_x)` and `(n, dim_y)` to arrays with n rows.
        coordinatewise: Whether every output is a monotone function of its own input.
        added_x: Columns of x' minus columns of x.
        added_y: The same of y.
        min_dim: Smallest number of columns of x, and of y, that the transform accepts.
    """

    name: str
    title: str
    apply: Callable[
        [NDArray[np.float64], NDArray[np.float64]],
        tuple[NDArray[np.float64], NDArray[np.float64]],
    ]
    coordinatewise: bool
    added_x: int = 0
    added_y: int = 0
    min_dim: int = 1


def _normal_cdf(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return ndtr(x), ndtr(y)


def _half_cube(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return x * np.sqrt(np.abs(x)), y * np.sqrt(np.abs(y))


def _cube(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return x**3, y**3


def _asinh(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.arcsinh(x), np.arcsinh(y)


def _wiggly(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    # The slopes of the sines add up to less than 1, so both sums increase.
    wiggly_x = x + 0.4 * np.sin(x) + 0.2 * np.sin(1.7 * x + 1.0) + 0.03 * np.sin(3.3 * x - 2.5)
    wiggly_y = (
        y - 0.4 * np.sin(0.4 * y) + 0.17 * np.sin(1.3 * y + 3.5) + 0.02 * np.sin(4.3 * y - 2.5)
    )
    return wiggly_x, wiggly_y


def _bimodal(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return _to_two_normals(x, 0.3, 0.0, 5.0), _to_two_normals(y, 0.5, -1.0, 3.0)


def _to_two_normals(
    z: NDArray[np.float64], weight: float, left: float, right: float
) -> NDArray[np.float64]:
    """Solve w Φ(t − left) + (1 − w) Φ(t − right) = Φ(z) for t, by bisection."""
    side = np.where(z < 0, 1.0, -1.0)  # compute in the nearer tail, where Φ is precise
    target = ndtr(side * z)
    low, high = z + left, z + right
    for _ in range(_BISECTIONS):
        t = 0.5 * (low + high)
        tail = weight * ndtr(side * (t - left)) + (1 - weight) * ndtr(side * (t - right))
        too_low = side * (tail - target) < 0
        low, high = np.where(too_low, t, low), np.where(too_low, high, t)
    return np.asarray(0.5 * (low + high), dtype=np.float64)


def _swissroll_x(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    angle = 1.5 * np.pi * (1 + 2 * x)
    return np.hstack([angle * np.cos(angle), angle * np.sin(angle)]) / 21, y


def _spiral(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return _turned_by_norm(x, 0, 1), _turned_by_norm(y, 1, 2)


def _turned_by_norm(z: NDArray[np.float64], i: int, j: int) -> NDArray[np.float64]:
    """Rotate coordinates (i, j) by ‖z‖²/dim. The norm is unchanged, so the map is invertible."""
    angle = np.mean(z**2, axis=1)
    cos, sin = np.cos(angle), np.sin(angle)
    turned = z.copy()
    turned[:, i] = cos * z[:, i] - sin * z[:, j]
    turned[:, j] = sin * z[:, i] + cos * z[:, j]
    return turned


def _rotation(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return x @ _orthogonal(x.shape[1], seed=1), y @ _orthogonal(y.shape[1], seed=2)


def _orthogonal(dim: int, *, seed: int) -> NDArray[np.float64]:
    """A fixed dense orthogonal matrix `(dim, dim)`, the same on every platform."""
    q, r = np.linalg.qr(np.random.default_rng(seed).standard_normal((dim, dim)))
    return np.asarray(q * np.sign(np.diag(r)), dtype=np.float64)


NORMAL_CDF = Transform(
    name="normal_cdf", title="Normal CDF", apply=_normal_cdf, coordinatewise=True
)
HALF_CUBE = Transform(name="half_cube", title="Half-cube", apply=_half_cube, coordinatewise=True)
CUBE = Transform(name="cube", title="Cube", apply=_cube, coordinatewise=True)
ASINH = Transform(name="asinh", title="Asinh", apply=_asinh, coordinatewise=True)
WIGGLY = Transform(name="wiggly", title="Wiggly", apply=_wiggly, coordinatewise=True)
BIMODAL = Transform(name="bimodal", title="Bimodal", apply=_bimodal, coordinatewise=True)
SWISSROLL_X = Transform(
    name="swissroll_x", title="Swiss roll", apply=_swissroll_x, coordinatewise=False, added_x=1
)
SPIRAL = Transform(name="spiral", title="Spiral", apply=_spiral, coordinatewise=False, min_dim=3)
ROTATION = Transform(name="rotation", title="Rotation", apply=_rotation, coordinatewise=False)
