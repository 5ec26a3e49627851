"""Denoisers: an exact linear-Gaussian posterior, alone or with a learned residual."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from mmg_nb.channel import scales
from mmg_nb.nets.mlp import ResidualMLP

__all__ = ["Denoiser", "GaussianDenoiser", "ResidualDenoiser", "Samples", "gaussian_mse"]

POWERS = 3  # of z, of the whitened innovation, of y


@dataclass(frozen=True, eq=False)
class Samples:
    """Rows as the members see them, each member in its own coordinates of x.

    Attributes:
        x: `(members, batch, dim_x)`.
        residual: x − m(y), formed in float64 before it was rounded, of the shape of x. At high
            log-SNR it is as small as the noise, and z − α·m(y) would lose it to rounding.
        y: `(members, batch, dim_y)`, the columns of a condition last.
    """

    x: Tensor
    residual: Tensor
    y: Tensor

    def take(self, index: Tensor) -> Samples:
        """Rows `index`, `(members, batch)`, of each member."""
        member = torch.arange(len(index), device=index.device).unsqueeze(1)
        return Samples(self.x[member, index], self.residual[member, index], self.y[member, index])


class Denoiser(nn.Module):
    """Predicts the noise ε from z at a log-SNR, with y or without."""

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


class GaussianDenoiser(Denoiser):
    """The exact posterior mean of ε when x ~ N(0, I) and x − m(y) ~ N(0, diag v) given y.

    ε̂ = σ·(z − α·m) / (α²·v + σ²), with m = 0 and v = 1 when y is not given. For jointly Gaussian
    variables, with the right anchor m and in the eigenbasis of the residual covariance, this is
    the optimum: the oracle of the tests and the start of the learned denoiser.

    Args:
        variance: v, `(members, 1, dim_x)`.
    """

    def __init__(self, variance: Tensor) -> None:
        super().__init__()
        self.register_buffer("variance", variance)
        self.variance: Tensor

    def forward(self, samples: Samples, eps: Tensor, logsnr: Tensor, given: Tensor) -> Tensor:
        """Predict the noise, see `Denoiser`."""
        alpha, sigma = scales(logsnr)
        signal = torch.where(given, samples.residual, samples.x)
        variance = torch.where(given, self.variance, 1.0)
        return sigma * (alpha * signal + sigma * eps) / (alpha**2 * variance + sigma**2)


class ResidualDenoiser(Denoiser):
    """The Gaussian posterior plus a network that learns what is left of it.

    ε̂ = σ·w/d + α·√(v/d)·(a + b∘w/√d), with the innovation w = z − α·m, d = α²·v + σ², and shift
    a and gain b from net(z, w/√d, m, y, log-powers; λ). The factor in front is the deviation of
    ε under the Gaussian posterior, so that the network's target is of order one at every log-SNR.
    For a mixture of Gaussians the posterior mean is linear in w with weights that depend on how
    large z, w and y are: hence the gain, and the logarithms of their mean squares as inputs.
    One network serves both branches; without y it gets a learned null instead,
    but still the condition.

    Args:
        variance: v, `(members, 1, dim_x)`.
        dim_y: Dimensions of y.
        width: Hidden features of the network.
        blocks: Residual blocks of the network.
        generator: Source of the starting weights.
        condition: Columns of the condition, the last ones of y, which both branches see.
    """

    def __init__(
        self,
        variance: Tensor,
        dim_y: int,
        *,
        width: int,
        blocks: int,
        generator: Generator,
        condition: int = 0,
    ) -> None:
        super().__init__()
        members, _, dim_x = variance.shape
        self.register_buffer("variance", variance)
        known = torch.arange(dim_y) >= dim_y - condition
        self.register_buffer("known", known.repeat(members, 1, 1))
        self.variance: Tensor
        self.known: Tensor
        self.null = nn.Parameter(torch.zeros(members, 1, dim_y))
        self.net = ResidualMLP(
            members,
            3 * dim_x + dim_y + POWERS + 1,
            2 * dim_x,
            width=width,
            blocks=blocks,
            generator=generator,
        )

    def forward(self, samples: Samples, eps: Tensor, logsnr: Tensor, given: Tensor) -> Tensor:
        """Predict the noise, see `Denoiser`."""
        alpha, sigma = scales(logsnr)
        noise = sigma * eps
        z = alpha * samples.x + noise
        innovation = torch.where(given, alpha * samples.residual + noise, z)
        variance = torch.where(given, self.variance, 1.0)
        denominator = alpha**2 * variance + sigma**2
        whitened = innovation * denominator.rsqrt()
        y = torch.where(given | self.known, samples.y, self.null)
        inputs = [
            z,
            whitened,
            torch.where(given, samples.x - samples.residual, 0.0),
            y,
            *(_log_power(v) for v in (z, whitened, y)),
            given.to(z.dtype).expand(*z.shape[:-1], 1),
        ]
        shift, gain = self.net(torch.cat(inputs, dim=-1), logsnr).chunk(2, dim=-1)
        gaussian = sigma * innovation / denominator
        return gaussian + alpha * (variance / denominator).sqrt() * (shift + gain * whitened)


def _log_power(v: Tensor) -> Tensor:
    """Logarithm of the mean square, `(…, dim)` to `(…, 1)`, with a floor far below one."""
    return (v.square().mean(-1, keepdim=True) + 0.01).log()


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
