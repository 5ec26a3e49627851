"""Residual multilayer perceptron conditioned on log-SNR."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Generator, Tensor, nn

from mmg_nb.nets.layers import FourierFeatures, StackedLinear, StackedUpdate, repeat_antithetic

__all__ = ["ResidualMLP"]


class _Block(nn.Module):
    """h + outer·SiLU(inner·normalised h + shift). The shift depends on the log-SNR."""

    def __init__(self, members: int, width: int, generator: Generator) -> None:
        super().__init__()
        self.inner = StackedUpdate(members, width, width, generator)
        self.outer = StackedUpdate(members, width, width, generator, zero=True)

    def forward(self, h: Tensor, shift: Tensor) -> Tensor:
        normalised = F.layer_norm(h, h.shape[-1:])
        return self.outer(h, F.silu(self.inner(shift, normalised)))


class ResidualMLP(nn.Module):
    """Residual blocks between two affine maps. The initial output is zero.

    Args:
        members: Number of independent networks.
        dim_in: Input features.
        dim_out: Output features.
        width: Hidden features.
        blocks: Number of residual blocks.
        generator: Source of the initial weights.
        dim_time: Number of Fourier features of the log-SNR.
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
        self.shift = StackedLinear(members, dim_time, blocks * width, generator)
        self.blocks = nn.ModuleList(_Block(members, width, generator) for _ in range(blocks))
        self.leave = StackedLinear(members, width, dim_out, generator, zero=True)

    def hidden_matrices(self) -> list[nn.Parameter]:
        """The square weight matrices between hidden features. Muon optimises these."""
        square = ("inner.weight", "outer.weight")
        return [p for name, p in self.blocks.named_parameters() if name.endswith(square)]

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        """Map x to output features, given features of the log-SNR.

        Args:
            x: `(members, batch, dim_in)`.
            features: `(members, batch, dim_time)`, or `(members, batch / 2, dim_time)` if both
                halves of the batch have the same log-SNRs.

        Returns:
            `(members, batch, dim_out)`.
        """
        shift = repeat_antithetic(self.shift(F.silu(self.embed(features))), x)
        h = self.enter(x)
        for block, part in zip(self.blocks, shift.chunk(len(self.blocks), dim=-1), strict=True):
            h = block(h, part)
        out: Tensor = self.leave(F.silu(h))
        return out
