"""Residual multilayer perceptron conditioned on log-SNR."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Generator, Tensor, nn

from mmg_nb.nets.layers import FourierFeatures, StackedLayerNorm, StackedLinear

__all__ = ["ResidualMLP"]


class _Block(nn.Module):
    def __init__(self, members: int, width: int, dim_time: int, generator: Generator) -> None:
        super().__init__()
        self.norm = StackedLayerNorm(members, width)
        self.inner = StackedLinear(members, width, width, generator)
        self.time = StackedLinear(members, dim_time, width, generator)
        self.outer = StackedLinear(members, width, width, generator, zero=True)

    def forward(self, h: Tensor, time: Tensor) -> Tensor:
        return h + self.outer(F.silu(self.inner(self.norm(h)) + self.time(time)))


class ResidualMLP(nn.Module):
    """A network that starts at zero: `blocks` residual blocks between two affine maps.

    Args:
        members: Number of independent networks.
        dim_in: Features in.
        dim_out: Features out.
        width: Hidden features.
        blocks: Residual blocks.
        generator: Source of the starting weights.
        dim_time: Features of the log-SNR.
    """

    def __init__(
        self,
        members: int,
        dim_in: int,
        dim_out: int,
        *,
        width: int,
        blocks: int,
        generator: Generator,
        dim_time: int = 32,
    ) -> None:
        super().__init__()
        self.features = FourierFeatures(members, dim_time, generator)
        self.embed = StackedLinear(members, dim_time, dim_time, generator)
        self.enter = StackedLinear(members, dim_in, width, generator)
        self.blocks = nn.ModuleList(
            _Block(members, width, dim_time, generator) for _ in range(blocks)
        )
        self.leave = StackedLinear(members, width, dim_out, generator, zero=True)

    def hidden_matrices(self) -> list[nn.Parameter]:
        """The square weights between hidden features, the ones Muon is made for."""
        square = ("inner.weight", "outer.weight")
        return [p for name, p in self.blocks.named_parameters() if name.endswith(square)]

    def forward(self, x: Tensor, logsnr: Tensor) -> Tensor:
        """Map `(members, batch, dim_in)` at λ `(members, batch)` to dim_out features."""
        time = F.silu(self.embed(self.features(logsnr)))
        h = self.enter(x)
        for block in self.blocks:
            h = block(h, time)
        out: Tensor = self.leave(F.silu(h))
        return out
