"""What a denoiser is, and the exact one of Gaussian variables."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmg_nb.denoisers.channel import scales
from mmg_nb.nets.layers import doubled

__all__ = [
    "Denoiser",
    "GaussianDenoiser",
    "Posterior",
    "Prepared",
    "Samples",
    "gaussian_mse",
]

Prepared = dict[str, Tensor]
"""All that predictions need but the weights: `(members or 1, batch or half of it, …)`."""


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

    def repeated(self, times: int) -> Samples:
        """All rows so many times, one set after the other."""
        return Samples(*(v.repeat(1, times, 1) for v in (self.x, self.residual, self.y)))

    def take(self, index: Tensor) -> Samples:
        """Rows `index`, `(members, batch)`, of each member."""
        member = torch.arange(len(index), device=index.device).unsqueeze(1)
        return Samples(self.x[member, index], self.residual[member, index], self.y[member, index])


class Denoiser(nn.Module):
    """Predicts the noise ε from z at a log-SNR, with y or without.

    In two steps where that pays: what no training changes is prepared, for many batches at once,
    and the weights make a prediction of it. `forward` is both.
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
        """What `predict` needs besides the weights: nothing in it depends on what is trained.

        Args:
            samples: As for `forward`, like the others.
            eps: The noise.
            logsnr: λ of all rows, or of a half of them that counts for the other half, too.
            given: Whether the prediction may use y.
        """
        rows = {"x": samples.x, "residual": samples.residual, "y": samples.y}
        return {**rows, "eps": eps, "logsnr": doubled(logsnr, eps), "given": given}

    def predict(self, prepared: Prepared) -> Tensor:
        """Predict the noise from what `prepare` gave, all of it or some of the batch."""
        samples = Samples(prepared["x"], prepared["residual"], prepared["y"])
        return self(samples, prepared["eps"], prepared["logsnr"], prepared["given"])

    @property
    def reference(self) -> GaussianDenoiser | None:
        """A denoiser close to it whose means over the noise are known, if there is one."""
        return None


@dataclass(frozen=True, eq=False)
class Posterior:
    """A linear-Gaussian posterior of ε at draws of the noise, all `(members, batch, dim_x)`.

    Attributes:
        z: What the channel lets through.
        mean: Posterior mean of ε, σ·w/d with w = z − α·m and d = α²·v + σ².
        whitened: w/√d.
        deviation: Of ε, α·√(v/d).
        spread: Of x, σ·√(v/d).
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
        """With residual variances v `(members, 1, dim_x)`; other arguments as for `Denoiser`."""
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
        return Posterior.of(self.variance, samples, eps, logsnr, given).mean

    def moments(self, samples: Samples, logsnr: Tensor) -> Tensor:
        """Exact means over the noise of ‖ε − u‖², ‖ε − c‖², ⟨ε − u, c − u⟩ and ‖c − u‖².

        Both predictions, u without and c with y, are linear in ε: what they leave of it is known.

        Args:
            samples: As for `forward`, like `logsnr`.
            logsnr: λ.

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
