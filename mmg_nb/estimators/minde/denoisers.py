"""Denoisers that start from N(0, I) for every variable, without an anchor."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from mmg_nb.denoisers.channel import scales, transmit
from mmg_nb.denoisers.gaussian import Denoiser, Samples
from mmg_nb.nets.mlp import ResidualMLP

__all__ = ["ConditionalDenoiser", "JointDenoiser", "gaussian_eps"]


def gaussian_eps(z: Tensor, logsnr: Tensor) -> Tensor:
    """E[ε | z] for x ~ N(0, I): σ·z; z `(…, d)`, λ `(…)`."""
    return scales(logsnr)[1] * z


class ConditionalDenoiser(Denoiser):
    """ε̂ = σ·z + α·net(z, y; λ). To predict without y, a learned null takes its place.

    Args:
        members: Number of members.
        dim_x: Dimensions of x.
        dim_y: Dimensions of y.
        width: Hidden features of the network.
        blocks: Residual blocks of the network.
        generator: Source of the starting weights.
    """

    def __init__(
        self,
        members: int,
        dim_x: int,
        dim_y: int,
        *,
        width: int,
        blocks: int,
        generator: Generator,
    ) -> None:
        super().__init__()
        self.null = nn.Parameter(torch.zeros(members, 1, dim_y, dtype=torch.float32))
        self.net = ResidualMLP(
            members, dim_x + dim_y + 1, dim_x, width=width, blocks=blocks, generator=generator
        )

    def forward(self, samples: Samples, eps: Tensor, logsnr: Tensor, given: Tensor) -> Tensor:
        """Predict the noise; see `Denoiser`."""
        z = transmit(samples.x, eps, logsnr)
        known = torch.where(given, samples.y, self.null)
        flag = given.to(z.dtype).expand(*z.shape[:-1], 1)
        learned = self.net(torch.cat([z, known, flag], dim=-1), self.net.features(logsnr))
        return gaussian_eps(z, logsnr) + scales(logsnr)[0] * learned


class JointDenoiser(Denoiser):
    """Predicts the noise of x and y: from both noisy, or of each one from the other one clean.

    `samples.x` holds (x, y). If `given` is false, the prediction is that of p(x, y). If it is
    true, the prediction is that of p(x | y) for x, and that of p(y | x) for y. The gap of the two
    is then that of H(x, y) − H(x | y) − H(y | x) = I(x; y).

    Args:
        members: Number of members.
        dim_x: Dimensions of x.
        dim_y: Dimensions of y.
        width: Hidden features of the network.
        blocks: Residual blocks of the network.
        generator: Source of the starting weights.
    """

    def __init__(
        self,
        members: int,
        dim_x: int,
        dim_y: int,
        *,
        width: int,
        blocks: int,
        generator: Generator,
    ) -> None:
        super().__init__()
        self.dim_x = dim_x
        both = dim_x + dim_y
        self.net = ResidualMLP(
            members, both + 2, both, width=width, blocks=blocks, generator=generator
        )

    def forward(self, samples: Samples, eps: Tensor, logsnr: Tensor, given: Tensor) -> Tensor:
        """Predict the noise of x and y; see `Denoiser`."""
        z = transmit(samples.x, eps, logsnr)
        is_x = torch.arange(z.shape[-1], device=z.device) < self.dim_x
        first = self._learned(z, samples.x, is_x, given, logsnr)
        second = self._learned(z, samples.x, ~is_x, given, logsnr)
        learned = torch.where(given & ~is_x, second, first)
        return gaussian_eps(z, logsnr) + scales(logsnr)[0] * learned

    def _learned(
        self, z: Tensor, clean: Tensor, noised: Tensor, given: Tensor, logsnr: Tensor
    ) -> Tensor:
        """The output of the network; if given, only the `noised` coordinates are noisy."""
        values = torch.where(given & ~noised, clean, z)
        only_x, only_y = given & noised[0], given & ~noised[0]
        flags = [flag.to(z.dtype).expand(*z.shape[:-1], 1) for flag in (only_x, only_y)]
        out: Tensor = self.net(torch.cat([values, *flags], dim=-1), self.net.features(logsnr))
        return out
