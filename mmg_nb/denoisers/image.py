"""The denoiser of images."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from mmg_nb.data.columns import Shape
from mmg_nb.denoisers.channel import scales
from mmg_nb.denoisers.gaussian import Denoiser, Samples
from mmg_nb.nets.layers import FourierFeatures, StackedLinear
from mmg_nb.nets.unet import ImageEncoder, UNet

__all__ = ["ImageDenoiser"]

CODE = 64  # features of the codes of y and of the log-SNR
DIM_TIME = 32
# An image of D pixels emerges from the noise at a log-SNR of about −ln D. A little above, y adds
# nothing about positions, and somewhat higher it adds nothing at all. The gates start there.
ANCHOR_ENDS, CORRECTION_ENDS = 1.5, 4.5


class ImageDenoiser(Denoiser):
    """A U-Net for the image alone, plus a gated correction that depends on y.

    ε̂ = σ·z + α·(a(z) + g·b(z, m, a(z), y) − h·m), where a and b are U-Nets, m = m(y) is the
    anchor, and the gates h and g are functions of the log-SNR only. Without y, b gets a learned
    null and m is 0. At high log-SNR the noisy image itself contains what y could add. There the
    predictions with and without y have the same errors, so the inner form of the gap vanishes
    although a is far from exact.

    Args:
        members: Number of independent denoisers.
        shape_x: Channels, height and width of x.
        dim_y: Dimensions of y.
        shape_y: Channels, height and width of y if it is an image, else None.
        width: Features of the U-Nets at full resolution.
        generator: Source of the initial weights.
    """

    def __init__(
        self,
        members: int,
        shape_x: Shape,
        dim_y: int,
        shape_y: Shape | None,
        *,
        width: int,
        generator: Generator,
    ) -> None:
        super().__init__()
        channels, height, breadth = shape_x
        self.features = FourierFeatures(members, DIM_TIME, generator)
        self.time_a, self.time_b = (
            StackedLinear(members, DIM_TIME, CODE, generator) for _ in range(2)
        )
        self.gates = StackedLinear(members, CODE, 2, generator, zero=True)
        self.encoder: nn.Module = (
            nn.Sequential(
                StackedLinear(members, dim_y, CODE, generator),
                nn.SiLU(),
                StackedLinear(members, CODE, CODE, generator),
            )
            if shape_y is None
            else ImageEncoder(members, shape_y, CODE, width=width, generator=generator)
        )
        self.null = nn.Parameter(torch.zeros(members, 1, CODE, dtype=torch.float32))
        wide = 3 * channels, height, breadth
        self.a = UNet(members, shape_x, channels, CODE, width=width, generator=generator)
        self.b = UNet(members, wide, channels, CODE, width=width, generator=generator)
        self._told = -math.log(math.prod(shape_x))

    def forward(self, samples: Samples, eps: Tensor, logsnr: Tensor, given: Tensor) -> Tensor:
        """Predict the noise; see `Denoiser`."""
        alpha, sigma = scales(logsnr)
        z = alpha * samples.x + sigma * eps
        features = self.features(logsnr)
        alone = self.a(z, F.silu(self.time_a(features)))
        time = self.time_b(features)
        code = F.silu(time + torch.where(given, self.encoder(samples.y), self.null))
        h, g = self._gates(time, logsnr)
        anchor = torch.where(given, samples.x - samples.residual, 0.0)
        # Pixels are stored channel by channel, so this concatenates channels.
        correction = self.b(torch.cat([z, anchor, alone], dim=-1), code)
        return sigma * z + alpha * (alone + g * correction - h * anchor)

    def _gates(self, time: Tensor, logsnr: Tensor) -> tuple[Tensor, Tensor]:
        """Gates h and g: 1 at low log-SNR, 0 at high log-SNR; each `(members, batch, 1)`."""
        past = logsnr.unsqueeze(-1) - self._told
        h, g = self.gates(F.silu(time)).chunk(2, dim=-1)
        return torch.sigmoid(ANCHOR_ENDS - past + h), torch.sigmoid(CORRECTION_ENDS - past + g)
