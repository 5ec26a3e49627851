"""Noise channels that no monotone transforms of x and y make Gaussian."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.special import ive, k0e

from mmg_nb.benchmark.distributions.quadrature import panels, periodic_normal_density, phases

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Heteroscedastic", "MultiplicativeNoise", "Ring", "Sine"]

_LOG_2PI = math.log(2 * math.pi)


class _PeriodicChannel:
    """x ~ U(0, 1), y ~ N(mean(x), scale(x)²). `mean` and `scale` have period 1."""

    gaussian: ClassVar[bool] = False
    dim_x: ClassVar[int] = 1
    dim_y: ClassVar[int] = 1

    def mean(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        raise NotImplementedError

    def scale(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        raise NotImplementedError

    def mi(self) -> float:
        """I = h(y) − h(y | x) by quadrature, in nats."""
        phase = phases()
        reach = np.max(np.abs(self.mean(phase))) + 12 * np.max(self.scale(phase))
        y, weight = panels(np.linspace(-reach, reach, 101))
        density = self._density(y)
        entropy = -float(weight @ (density * np.log(np.maximum(density, 1e-300))))
        return entropy - 0.5 * (1 + _LOG_2PI) - float(np.mean(np.log(self.scale(phase))))

    def sample(
        self, n: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw `n` rows: x `(n, 1)` and y `(n, 1)`."""
        x = generator.uniform(size=(n, 1))
        return x, self.mean(x) + self.scale(x) * generator.standard_normal((n, 1))

    def log_ratio(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pointwise MI of each row, `(n,)`, in nats."""
        scale = self.scale(x)
        likelihood = -0.5 * ((y - self.mean(x)) / scale) ** 2 - np.log(scale) - 0.5 * _LOG_2PI
        return np.asarray(likelihood[:, 0] - np.log(self._density(y[:, 0])), dtype=np.float64)

    def _density(self, y: NDArray[np.float64]) -> NDArray[np.float64]:
        phase = phases()
        return periodic_normal_density(y, self.mean(phase), self.scale(phase))


@dataclass(frozen=True, kw_only=True)
class Sine(_PeriodicChannel):
    """x ~ U(0, 1), y = sin(2π·periods·x) + N(0, noise²).

    Attributes:
        periods: Whole periods over the range of x.
        noise: Standard deviation of the noise, above 0.
    """

    periods: int
    noise: float

    def mean(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """E[y | x], with the shape of x."""
        return np.sin(2 * np.pi * self.periods * x)

    def scale(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standard deviation of y given x, with the shape of x."""
        return np.full_like(x, self.noise)


@dataclass(frozen=True, kw_only=True)
class Heteroscedastic(_PeriodicChannel):
    """x ~ U(0, 1), y ~ N(0, σ(x)²) with ln σ(x) = log_range·sin(2πx).

    Attributes:
        log_range: Amplitude of the natural logarithm of the noise scale.
    """

    log_range: float

    def mean(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """E[y | x] = 0, with the shape of x."""
        return np.zeros_like(x)

    def scale(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Standard deviation of y given x, with the shape of x."""
        return np.exp(self.log_range * np.sin(2 * np.pi * x))


@dataclass(frozen=True, kw_only=True)
class MultiplicativeNoise:
    """x, ε ~ N(0, 1), y = |x|·ε. x and y are uncorrelated, and y has the density K₀(|y|)/π."""

    gaussian: ClassVar[bool] = False
    dim_x: ClassVar[int] = 1
    dim_y: ClassVar[int] = 1

    def mi(self) -> float:
        """I = h(y) − ½ ln 2πe − E ln|x|, with h(y) by quadrature over ln|y|, in nats."""
        t, weight = panels(np.linspace(-45, 5, 101))
        y = np.exp(t)  # ln|y| as variable resolves the singularity at y = 0
        log_density = self._log_density(y)
        entropy = -2 * float(weight @ (np.exp(log_density + t) * log_density))
        mean_log_x = -0.5 * (float(np.euler_gamma) + math.log(2))
        return entropy - 0.5 * (1 + _LOG_2PI) - mean_log_x

    def sample(
        self, n: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw `n` rows: x `(n, 1)` and y `(n, 1)`."""
        x = generator.standard_normal((n, 1))
        return x, np.abs(x) * generator.standard_normal((n, 1))

    def log_ratio(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pointwise MI of each row, `(n,)`, in nats."""
        likelihood = -0.5 * (y / x) ** 2 - np.log(np.abs(x)) - 0.5 * _LOG_2PI
        return (likelihood - self._log_density(np.abs(y)))[:, 0]

    def _log_density(self, size: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logarithm of the density of y at |y| = `size`."""
        return np.log(k0e(size)) - size - math.log(math.pi)


@dataclass(frozen=True, kw_only=True)
class Ring:
    """A point (x, y) on the unit circle with uniform angle, plus noise N(0, noise² I).

    Attributes:
        noise: Standard deviation of the noise, above 0.
    """

    gaussian: ClassVar[bool] = False
    dim_x: ClassVar[int] = 1
    dim_y: ClassVar[int] = 1

    noise: float

    def mi(self) -> float:
        """I = h(x) + h(y) − h(x, y) by quadrature over x and over the radius, in nats."""
        reach = 1 + 12 * self.noise
        x, weight = panels(np.linspace(-reach, reach, 101))
        margin = self._margin(x)
        margin_entropy = -float(weight @ (margin * np.log(np.maximum(margin, 1e-300))))
        r, weight = panels(np.linspace(0, reach, 101))
        log_joint = self._log_joint(r)
        joint_entropy = -2 * np.pi * float(weight @ (r * np.exp(log_joint) * log_joint))
        return 2 * margin_entropy - joint_entropy

    def sample(
        self, n: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw `n` rows: x `(n, 1)` and y `(n, 1)`."""
        angle = generator.uniform(0, 2 * np.pi, size=(n, 1))
        noise = self.noise * generator.standard_normal((n, 2))
        return np.cos(angle) + noise[:, :1], np.sin(angle) + noise[:, 1:]

    def log_ratio(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pointwise MI of each row, `(n,)`, in nats."""
        margins = np.log(self._margin(x[:, 0])) + np.log(self._margin(y[:, 0]))
        return np.asarray(self._log_joint(np.hypot(x, y)[:, 0]) - margins, dtype=np.float64)

    def _margin(self, z: NDArray[np.float64]) -> NDArray[np.float64]:
        angles = np.cos(2 * np.pi * phases())
        return periodic_normal_density(z, angles, np.full_like(angles, self.noise))

    def _log_joint(self, r: NDArray[np.float64]) -> NDArray[np.float64]:
        """Logarithm of e^(−(r² + 1)/2σ²) I₀(r/σ²)/(2πσ²). Scaling I₀ avoids overflow."""
        variance = self.noise**2
        log_bessel = np.log(ive(0, r / variance))
        log_joint = -0.5 * (r - 1) ** 2 / variance + log_bessel - _LOG_2PI - math.log(variance)
        return np.asarray(log_joint, dtype=np.float64)
