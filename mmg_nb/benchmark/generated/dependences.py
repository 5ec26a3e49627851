"""Random dependences with exact mutual information, one function a kind."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammaln, ndtri, softmax

from mmg_nb.benchmark.distributions.angles import NoisyAngle
from mmg_nb.benchmark.distributions.classes import Classes
from mmg_nb.benchmark.distributions.copulas import Clayton, Gumbel
from mmg_nb.benchmark.distributions.elliptical import EllipticalPairs
from mmg_nb.benchmark.distributions.functions import NoisyFunction, uniform_points
from mmg_nb.benchmark.distributions.joined import SideBySide
from mmg_nb.benchmark.distributions.labels import WholeNumbers
from mmg_nb.benchmark.distributions.mixtures import CorrelationMixture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from mmg_nb.benchmark.tasks import JointDistribution

__all__ = ["KINDS"]

_LEAST, _MOST = 0.01, 8.0  # nats


def normal(generator: np.random.Generator) -> JointDistribution:
    """Normal pairs; a random share of the MI for each canonical correlation."""
    pairs = int(generator.integers(1, 7))
    rhos = _correlations(_amount(generator), pairs, generator)
    return EllipticalPairs(dim_x=pairs, dim_y=pairs, rhos=rhos)


def elliptical(generator: np.random.Generator) -> JointDistribution:
    """Student-t pairs, correlated or not."""
    dim_x, dim_y = generator.integers(1, 6, size=2)
    rhos = _correlations(_amount(generator, most=2.0), int(min(dim_x, dim_y)), generator)
    dof = float(generator.uniform(1, 8))
    return EllipticalPairs(dim_x=int(dim_x), dim_y=int(dim_y), rhos=rhos, dof=dof)


def classes(generator: np.random.Generator) -> JointDistribution:
    """Clusters whose classes depend on each other; partly shared, or y is the class."""
    a, b = generator.integers(2, 9, size=2)
    dims = generator.integers(1, 11, size=2)
    table = generator.dirichlet(np.full(a * b, 0.4)).reshape(a, b)
    shared = min(a, b)
    table[np.arange(shared), np.arange(shared)] += generator.uniform(0, 2) / shared
    centres = [
        generator.normal(size=(k, dim)) * generator.uniform(1, 4) / math.sqrt(min(dim, 3))
        for k, dim in zip((a, b), dims, strict=True)
    ]
    in_y = None if generator.uniform() < 0.3 else centres[1]
    return Classes(table=table / table.sum(), centres_x=centres[0], centres_y=in_y)


def archimedean(generator: np.random.Generator) -> JointDistribution:
    """One to three pairs with the tail dependence of Clayton or Gumbel copulas."""
    parts: list[JointDistribution] = []
    for _ in range(int(generator.integers(1, 4))):
        strength = float(np.exp(generator.uniform(np.log(0.3), np.log(6))))
        one: JointDistribution = Clayton(theta=strength)
        parts.append(one if generator.uniform() < 0.5 else Gumbel(theta=1 + strength))
    return SideBySide(parts=tuple(parts))


def smooth(generator: np.random.Generator) -> JointDistribution:
    """Y is a smooth random function of x with noise, which may depend on x."""
    dim = int(generator.integers(1, 4))
    direction, speed = generator.normal(size=(2, 3, dim))
    size, phase = generator.uniform(0.3, 1, size=3), generator.uniform(0, 6, size=3)

    def mean(x: NDArray[np.float64]) -> NDArray[np.float64]:
        z = ndtri(x)
        waves = np.sin(z @ speed.T + phase) @ size
        return np.asarray(waves + 0.5 * z @ direction[0] / math.sqrt(dim))

    uneven = float(generator.uniform(0, 1.5)) if generator.uniform() < 0.5 else 0.0
    return _noisy(dim, mean, generator, uneven=uneven)


def fine(generator: np.random.Generator) -> JointDistribution:
    """Y is a wave of many periods of x with noise."""
    periods = float(generator.uniform(2, 10))
    bend = float(generator.uniform(0, 1))

    def mean(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.sin(2 * np.pi * periods * x[:, 0]) + bend * x[:, 0])

    return _noisy(1, mean, generator, most=1.5)


def edges(generator: np.random.Generator) -> JointDistribution:
    """Y jumps where columns of x cross thresholds."""
    dim, cuts = int(generator.integers(1, 4)), int(generator.integers(1, 4))
    at = np.sort(generator.uniform(0.15, 0.85, size=(cuts, dim)), axis=0)
    level = generator.normal(size=(cuts + 1,) * dim)

    def mean(x: NDArray[np.float64]) -> NDArray[np.float64]:
        cell = [np.searchsorted(at[:, j], x[:, j]) for j in range(dim)]
        return np.asarray(level[tuple(cell)])

    return _noisy(dim, mean, generator, most=1.2)


def angle(generator: np.random.Generator) -> JointDistribution:
    """An angle and a noisy copy of it, as points of circles."""
    return NoisyAngle(concentration=float(np.exp(generator.uniform(np.log(0.5), np.log(50)))))


def numbers(generator: np.random.Generator) -> JointDistribution:
    """Y is a count or a label whose probabilities depend on x."""
    dim = int(generator.integers(1, 4))
    direction = generator.normal(size=dim)
    direction *= generator.uniform(0.3, 1.2) / np.linalg.norm(direction)
    if generator.uniform() < 0.5:
        return WholeNumbers(dim_x=dim, probabilities=_counts(direction, generator))
    weight = 2 * generator.normal(size=(dim, int(generator.integers(2, 7))))

    def labels(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(softmax(np.sin(2 * ndtri(x)) @ weight, axis=1))

    return WholeNumbers(dim_x=dim, probabilities=labels)


def rare(generator: np.random.Generator) -> JointDistribution:
    """Strong correlation in a few rows, none or the opposite in the others."""
    share = float(np.exp(generator.uniform(np.log(0.03), np.log(0.5))))
    strong = float(1 - np.exp(generator.uniform(np.log(1e-4), np.log(0.1))))
    other = -strong if generator.uniform() < 0.3 else 0.0
    return CorrelationMixture(weights=(1 - share, share), rhos=(other, strong))


KINDS: dict[str, Callable[[np.random.Generator], JointDistribution]] = {
    each.__name__: each
    for each in (
        normal,
        elliptical,
        classes,
        archimedean,
        smooth,
        fine,
        edges,
        angle,
        numbers,
        rare,
    )
}
"""Name of a kind -> its random dependence."""


def _amount(generator: np.random.Generator, most: float = _MOST) -> float:
    """A random MI in nats, from 0.01 to `most`: its median is 1.1 where `most` is 8."""
    return float(_LEAST * (most / _LEAST) ** math.sqrt(generator.uniform()))


def _correlations(mi: float, pairs: int, generator: np.random.Generator) -> tuple[float, ...]:
    """Correlations of normal pairs whose MI adds up to `mi`."""
    shares = mi * generator.dirichlet(np.ones(pairs))
    return tuple(float(rho) for rho in np.sqrt(-np.expm1(-2 * shares)))


def _noisy(
    dim: int,
    mean: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    generator: np.random.Generator,
    *,
    most: float = 3.0,
    uneven: float = 0.0,
) -> NoisyFunction:
    """Noise such that a normal y of the same variance would have a random MI."""
    spread = float(np.std(mean(uniform_points(dim))))
    noise = spread / math.sqrt(math.expm1(2 * _amount(generator, most)))

    def scale(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(noise * np.exp(uneven * np.sin(2 * np.pi * x[:, 0])))

    return NoisyFunction(dim_x=dim, mean=mean, scale=scale)


def _counts(
    direction: NDArray[np.float64], generator: np.random.Generator
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Poisson counts below 200 with a logarithmic link."""
    level = float(generator.uniform(-1, 2))
    k = np.arange(200)

    def counts(x: NDArray[np.float64]) -> NDArray[np.float64]:
        log_rate = np.minimum(level + ndtri(x) @ direction, 4.5)[:, None]
        p = np.exp(k * log_rate - np.exp(log_rate) - gammaln(k + 1))
        return np.asarray(p / p.sum(axis=1, keepdims=True))

    return counts
