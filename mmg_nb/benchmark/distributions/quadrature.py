"""Nodes and weights for integrals without closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["panels", "periodic_normal_density", "phases"]

_PHASES = 256  # equally spaced phases of one period
_ROWS = 4096  # points per block in `periodic_normal_density`


def panels(
    edges: Sequence[float] | NDArray[np.float64], order: int = 24
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gauss–Legendre quadrature on the intervals between consecutive edges.

    Args:
        edges: Ends of the intervals, in increasing order.
        order: Number of nodes per interval.

    Returns:
        Nodes and weights, each `((len(edges) − 1) · order,)`.
    """
    unit_nodes, unit_weights = np.polynomial.legendre.leggauss(order)
    half = 0.5 * np.diff(edges)[:, None]
    middle = (np.asarray(edges)[:-1, None] + half).astype(np.float64)
    return (middle + half * unit_nodes).ravel(), (half * unit_weights).ravel()


def periodic_normal_density(
    z: NDArray[np.float64], mean: NDArray[np.float64], scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Density of a normal variable whose mean and scale depend on a uniform random phase.

    The mean over equally spaced phases converges exponentially for smooth periodic functions.

    Args:
        z: Points, `(n,)`.
        mean: Mean at equally spaced phases of one period, `(phases,)`.
        scale: Standard deviation at the same phases, `(phases,)`.

    Returns:
        The density at `z`, `(n,)`.
    """
    density = np.empty(len(z))
    for start in range(0, len(z), _ROWS):  # blocks keep the (n, phases) table small
        rows = slice(start, start + _ROWS)
        standard = (z[rows, None] - mean) / scale
        density[rows] = np.mean(np.exp(-0.5 * standard**2) / scale, axis=1)
    return np.asarray(density / np.sqrt(2 * np.pi), dtype=np.float64)


def phases() -> NDArray[np.float64]:
    """Equally spaced phases of one period, `(256,)`, in [0, 1)."""
    return np.arange(_PHASES) / _PHASES
