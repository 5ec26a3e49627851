"""The interface of denoisers, and the exact denoiser of Gaussian variables."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmg_nb.denoisers.channel import scales
from mmg_nb.nets.layers import repeat_antithetic

__all__ = [
    "Denoiser",
    "GaussianDenoiser",
    "Posterior",
    "Prepared",
    "Samples",
    "gaussian_mse",
]

Prepared = dict[str, Tensor]
"""All inputs of predictions except the weights: `(members or 1, batch or half of it, …)`."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Rows of all members; each member has its own coordinates of x.

    Attributes:
        x: `(members, batch, dim_x)`.
        residual: x − m(y), with the shape of x. It is computed in float64 and then rounded,
            because z − α·m(y) would lose it to rounding at high log-SNR.
        y: `(members, batch, dim_y)`; the last columns are those of a condition.
    """

    x: Tensor
    residual: Tensor
    y: Tensor

    def repeated(self, times: int) -> Samples:
        """All rows, repeated `times` times, one copy after the other."""
        return Samples(*(v.repeat(1, times, 1) for v in (self.x, self.residual, self.y)))

    def take(self, index: Tensor) -> Samples:
        """Rows `index`, `(members, batch)`, of each member."""
        member = torch.arange(len(index), device=index.device).unsqueeze(1)
        return Samples(self.x[member, index], self.residual[member, index], self.y[member, index])


class Denoiser(nn.Module):
    """Predicts the noise ε from z at a log-SNR, with or without y.

    Prediction has two steps. `prepare` computes all tensors that do not depend on the weights, for
    many batches at once. `predict` applies the weights. `forward` does both.
    """

    def forward(self, samples: Samples, eps: Tensor, logsnr: Tensor, given: Tensor) -> Tensor:
        """Send samples through the channel and predict the noise.

        Args:
            samples: Rows, `(members, batch, …)`.
            eps: The noise, `(members, batch, dim_x)`, in the members' coordinates.
            logsnr: λ, `(members, batch)`, float32.
            given: Whether the prediction may use y, `(members, batch, 1)`, bool.

        Returns:
            ε̂, `(members, batch, dim_x)`.
        """
        raise NotImplementedError

    def prepare(self, samples: Samples, eps: Tensor, logsnr: Tensor, given: Tensor) -> Prepared:
        """Compute the inputs of `predict` that do not depend on the weights.

        Args:
            samples: As for `forward`.
            eps: The noise, as for `forward`.
            logsnr: λ of all rows, or of the first half if the second half has the same.
            given: Whether the prediction may use y, as for `forward`.
        """
        rows = {"x": samples.x, "residual": samples.residual, "y": samples.y}
        return {**rows, "eps": eps, "logsnr": repeat_antithetic(logsnr, eps), "given": given}

    def predict(self, prepared: Prepared) -> Tensor:
        """Predict the noise from the output of `prepare`, or from a part of its rows."""
        samples = Samples(prepared["x"], prepared["residual"], prepared["y"])
        return self(samples, prepared["eps"], prepared["logsnr"], prepared["given"])

    @property
    def reference(self) -> GaussianDenoiser | None:
        """A similar denoiser whose means over the noise are known in closed form, or None."""
        return None


@dataclass(frozen=True, eq=False)
class Posterior:
    """A linear-Gaussian posterior of ε at draws of the noise, all `(members, batch, dim_x)`.

    Attributes:
        z: Output of the channel.
        mean: Posterior mean of ε, σ·w/d with w = z − α·m and d = α²·v + σ².
        whitened: Whitened innovation w/√d.
        deviation: Standard deviation of ε, α·√(v/d).
        spread: Standard deviation of x, σ·√(v/d).
    """

    z: Tensor
    mean: Tensor
    whitened: Tensor
    deviation: Tensor
    spread: Tensor

    @classmethod
    def of(
        cls, variance: Tensor, samples: Samples, eps: Tensor, logsnr: Tensor, given: Tensor
    ) -> Posterior:
        """The posterior for residual variances v, `(members, 1, dim_x)`; see `Denoiser`."""
        alpha, sigma = scales(logsnr)
        noise = sigma * eps
        z = alpha * samples.x + noise
        innovation = torch.where(given, alpha * samples.residual + noise, z)
        variance = torch.where(given, variance, 1.0)
        denominator = alpha**2 * variance + sigma**2
        unexplained = (variance / denominator).sqrt()
        return cls(
            z,
            sigma * innovation / denominator,
            innovation * denominator.rsqrt(),
            alpha * unexplained,
            sigma * unexplained,
        )


class GaussianDenoiser(Denoiser):
    """The exact posterior mean of ε when x ~ N(0, I) and x − m(y) ~ N(0, diag v) given y.

    ε̂ = σ·(z − α·m) / (α²·v + σ²), with m = 0 and v = 1 if y is not given. For jointly Gaussian
    variables this is optimal, if m is the exact anchor and x is in the eigenbasis of the residual
    covariance. It serves as the oracle in tests and as the start of the trained denoisers.

    Args:
        variance: v, `(members, 1, dim_x)`.
    """

    def __init__(self, variance: Tensor) -> None:
        super().__init__()
        self.register_buffer("variance", variance)
        self.variance: Tensor

    @property
    def reference(self) -> GaussianDenoiser:
        """Itself."""
        return self

    def forward(self, samples: Samples, eps: Tensor, logsnr: Tensor, given: Tensor) -> Tensor:
        """Predict the noise; see `Denoiser`."""
        return Posterior.of(self.variance, samples, eps, logsnr, given).mean

    def moments(self, samples: Samples, logsnr: Tensor) -> Tensor:
        """Exact means over the noise of ‖ε − u‖², ‖ε − c‖², ⟨ε − u, c − u⟩ and ‖c − u‖².

        Both predictions, u without and c with y, are linear in ε, so these means are known.

        Args:
            samples: As for `forward`.
            logsnr: λ, as for `forward`.

        Returns:
            `(4, members, batch)`.
        """
        silence = torch.zeros_like(samples.x)
        none = torch.zeros(1, 1, 1, dtype=torch.bool, device=silence.device)
        u, c = (self(samples, silence, logsnr, given) for given in (none, ~none))
        alpha, sigma = scales(logsnr)
        left_u = (alpha**2).expand_as(u)
        left_c = alpha**2 * self.variance / (alpha**2 * self.variance + sigma**2)
        means = [
            u**2 + left_u**2,
            c**2 + left_c**2,
            u * (u - c) + left_u * (left_u - left_c),
            (u - c) ** 2 + (left_u - left_c) ** 2,
        ]
        return torch.stack([mean.sum(-1) for mean in means])


def gaussian_mse(variance: Tensor, logsnr: Tensor) -> Tensor:
    """ε-error of the exact denoiser of N(0, diag v): Σⱼ α²·vⱼ / (α²·vⱼ + σ²).

    Args:
        variance: v, `(dim_x,)`.
        logsnr: λ, `(k,)`.

    Returns:
        `(k,)`.
    """
    alpha2, sigma2 = torch.sigmoid(logsnr).unsqueeze(-1), torch.sigmoid(-logsnr).unsqueeze(-1)
    return (alpha2 * variance / (alpha2 * variance + sigma2)).sum(-1)
