"""Random invertible maps of the columns of one variable."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "Map",
    "embedding",
    "monotone",
    "network",
    "of_the_first",
    "order",
    "rotation",
    "triangular",
    "units",
]

Map = Callable[["NDArray[np.float64]"], "NDArray[np.float64]"]
"""From `(n, dim)` to `(n, dim')`, injective."""

_HIDDEN = 16  # hidden units of a random network
_MOST_RANGE = 3.0  # decimal logarithm of the largest factor between units


def monotone(dim: int, generator: np.random.Generator) -> Map:
    """Another increasing function for each column."""
    functions = [_INCREASING[i] for i in generator.integers(len(_INCREASING), size=dim)]
    strength = generator.uniform(0.3, 1.0, size=dim)
    shift = generator.normal(size=dim)

    def apply(z: NDArray[np.float64]) -> NDArray[np.float64]:
        columns = zip(functions, z.T, strength, shift, strict=True)
        return np.column_stack([function(c, s, b) for function, c, s, b in columns])

    return apply


def rotation(dim: int, generator: np.random.Generator) -> Map:
    """A random rotation or reflection."""
    q, r = np.linalg.qr(generator.standard_normal((dim, dim)))
    matrix = q * np.sign(np.diag(r))
    return lambda z: z @ matrix


def triangular(dim: int, generator: np.random.Generator) -> Map:
    """Column i is stretched and shifted by functions of the columns before it."""
    stretch, shift = np.triu(generator.normal(size=(2, dim, dim)), k=1) / math.sqrt(dim)

    def apply(z: NDArray[np.float64]) -> NDArray[np.float64]:
        bounded = np.tanh(z)
        return z * np.exp(0.7 * np.tanh(bounded @ stretch)) + 2 * np.tanh(2 * bounded @ shift)

    return apply


def network(dim: int, generator: np.random.Generator) -> Map:
    """Two coupling layers between rotations: half of the columns stretches and shifts the rest.

    Dinh et al. 2017, "Density estimation using Real NVP" (arXiv 1605.08803).
    """
    kept = dim // 2
    layers = [
        (
            rotation(dim, generator),
            generator.normal(size=(kept, _HIDDEN)) / math.sqrt(max(kept, 1)),
            generator.normal(size=(_HIDDEN, 2 * (dim - kept))) / math.sqrt(_HIDDEN),
        )
        for _ in range(2)
    ]

    def apply(z: NDArray[np.float64]) -> NDArray[np.float64]:
        for turn, first, second in layers:
            z = turn(z)
            stretch, shift = np.split(
                np.tanh(1.5 * np.tanh(z[:, :kept]) @ first) @ second, 2, axis=1
            )
            rest = z[:, kept:] * np.exp(0.5 * np.tanh(stretch)) + shift
            z = np.hstack([z[:, :kept], rest])
        return z

    return apply


def embedding(dim: int, wide: int, generator: np.random.Generator) -> Map:
    """A bounded function of each of `wide` random combinations of the columns.

    It is injective, because `wide` is at least `dim` and the bounded function is.
    """
    mix = generator.normal(size=(dim, wide)) / math.sqrt(dim)
    shift = 0.5 * generator.normal(size=wide)

    def apply(z: NDArray[np.float64]) -> NDArray[np.float64]:
        combined = z @ mix + shift
        return combined / (1 + np.abs(combined))

    return apply


def units(dim: int, generator: np.random.Generator) -> Map:
    """Another unit and origin for each column."""
    factor = 10.0 ** generator.uniform(-_MOST_RANGE, _MOST_RANGE, size=dim)
    origin = generator.normal(size=dim)
    return lambda z: factor * (z + origin)


def order(dim: int, generator: np.random.Generator) -> Map:
    """The columns in a random order."""
    places = generator.permutation(dim)
    return lambda z: z[:, places]


def of_the_first(dim: int, change: Map) -> Map:
    """`change` of the first `dim` columns; the others stay as they are."""
    return lambda z: np.hstack([change(z[:, :dim]), z[:, dim:]])


def _skewed(z: NDArray[np.float64], strength: float, shift: float) -> NDArray[np.float64]:
    return np.sinh(strength * np.arcsinh(z) + 0.5 * shift)


def _wavy(z: NDArray[np.float64], strength: float, shift: float) -> NDArray[np.float64]:
    return z + 0.3 * strength * np.sin(3 * z + shift)


def _powered(z: NDArray[np.float64], strength: float, shift: float) -> NDArray[np.float64]:
    return np.sign(z) * np.abs(z) ** (1 + strength)


def _bounded(z: NDArray[np.float64], strength: float, shift: float) -> NDArray[np.float64]:
    moved = strength * z + 0.5 * shift
    return moved / (1 + np.abs(moved))


def _rising(z: NDArray[np.float64], strength: float, shift: float) -> NDArray[np.float64]:
    return np.log1p(np.exp(-np.abs(2 * z))) + np.maximum(2 * z, 0) + 0.2 * strength * z


_INCREASING = (_skewed, _wavy, _powered, _bounded, _rising)
