"""Archimedean copulas with tail dependence. Their MI has a closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from scipy.special import exp1

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Clayton", "Gumbel"]


@dataclass(frozen=True, kw_only=True)
class Clayton:
    """The Clayton copula C(x, y) = (x^−θ + y^−θ − 1)^(−1/θ), with lower tail dependence.

    The margins are uniform.

    Attributes:
        theta: Strength θ, above 0.
    """

    gaussian: ClassVar[bool] = False
    dim_x: ClassVar[int] = 1
    dim_y: ClassVar[int] = 1

    theta: float

    def mi(self) -> float:
        """I = ln(1 + θ) − θ/(1 + θ), in nats.

        It follows from E ln x = −1 and E ln(x^−θ + y^−θ − 1) = θ + θ/(1 + θ). The second
        expectation follows from the gamma frailty in `sample`.
        """
        return math.log1p(self.theta) - self.theta / (1 + self.theta)

    def sample(
        self, n: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw `n` rows, x `(n, 1)` and y `(n, 1)`, from exponentials and one gamma frailty."""
        frailty = generator.gamma(1 / self.theta, size=(n, 1))
        e = generator.exponential(size=(n, 2)) / frailty
        u = np.exp(-np.log1p(e) / self.theta)
        return u[:, :1], u[:, 1:]

    def log_ratio(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pointwise MI of each row, `(n,)`, in nats."""
        log_product = np.log(x) + np.log(y)
        log_sum = np.log(x**-self.theta + y**-self.theta - 1)
        ratio = (
            math.log1p(self.theta)
            - (1 + self.theta) * log_product
            - (2 + 1 / self.theta) * log_sum
        )
        return np.asarray(ratio[:, 0], dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class Gumbel:
    """The Gumbel copula with standard Gumbel margins and upper tail dependence.

    Its distribution function is P(x ≤ s, y ≤ t) = exp(−(e^−θs + e^−θt)^(1/θ)). With a = e^−x and
    b = e^−y, the variables r = (a^θ + b^θ)^(1/θ) and w = (a/r)^θ are independent. w is uniform,
    and r has the density e^−r (r + θ − 1)/θ.

    Attributes:
        theta: Strength θ, above 1.
    """

    gaussian: ClassVar[bool] = False
    dim_x: ClassVar[int] = 1
    dim_y: ClassVar[int] = 1

    theta: float

    def mi(self) -> float:
        """I = γ − 1 + ln(θ − 1) + (1 + e^(θ−1) E₁(θ − 1))/θ in nats. γ is Euler's constant."""
        c = self.theta - 1
        tail = 1 + math.exp(c) * float(exp1(c))
        return float(np.euler_gamma) - 1 + math.log(c) + tail / self.theta

    def sample(
        self, n: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw `n` rows: x `(n, 1)` and y `(n, 1)`."""
        w = generator.uniform(size=(n, 1))
        two_terms = generator.uniform(size=(n, 1)) < 1 / self.theta
        log_r = np.log(generator.gamma(np.where(two_terms, 2.0, 1.0)))
        return -log_r - np.log(w) / self.theta, -log_r - np.log1p(-w) / self.theta

    def log_ratio(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pointwise MI of each row, `(n,)`, in nats."""
        t = self.theta
        log_r = np.logaddexp(-t * x, -t * y) / t
        r = np.exp(log_r)
        log_joint = -r + (1 - 2 * t) * log_r + np.log(r + t - 1) - (t - 1) * (x + y)
        return np.asarray((log_joint + np.exp(-x) + np.exp(-y))[:, 0], dtype=np.float64)
