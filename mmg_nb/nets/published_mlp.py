"""The network of the published set-up, with the same number of parameters."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from mmg_nb.nets.layers import StackedLinear

__all__ = ["PublishedMLP", "published_width"]

GROUPS = 8  # groups of features in each group normalisation


def published_width(dim_x: int, dim_y: int) -> int:
    """Hidden features: 64 up to 10 columns of x and y together, 128 up to 50, else 256."""
    total = dim_x + dim_y
    return 64 if total <= 10 else 128 if total <= 50 else 256


class _GroupNorm(nn.Module):
    def __init__(self, members: int, dim: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(members, 1, dim, dtype=torch.float32))
        self.shift = nn.Parameter(torch.zeros(members, 1, dim, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        groups = x.unflatten(-1, (GROUPS, -1))
        return F.layer_norm(groups, groups.shape[-1:]).flatten(-2) * self.scale + self.shift


class _Block(nn.Module):
    def __init__(self, members: int, dim_in: int, dim_out: int, generator: Generator) -> None:
        super().__init__()
        self.first_norm = _GroupNorm(members, dim_in)
        self.first = StackedLinear(members, dim_in, dim_out, generator)
        self.time = StackedLinear(members, dim_out, dim_out, generator)
        self.second_norm = _GroupNorm(members, dim_out)
        self.second = StackedLinear(members, dim_out, dim_out, generator)
        self.skip = (
            StackedLinear(members, dim_in, dim_out, generator)
            if dim_in != dim_out
            else nn.Identity()
        )

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        h = self.first(F.silu(self.first_norm(x))) + self.time(time)
        out: Tensor = self.second(F.silu(self.second_norm(h))) + self.skip(x)
        return out


class PublishedMLP(nn.Module):
    """Two residual blocks, a concatenation with the first activation, and one more block.

    It has 55 361 parameters for 1 + 1 dimensions, 226 457 for 25 + 25 and 898 098 for 50 + 50.

    Args:
        members: Number of independent networks.
        dim_x: Columns of x, and of the output.
        dim_y: Columns of y.
        width: Hidden features, a multiple of 8.
        generator: Source of the initial weights.
    """

    def __init__(
        self, members: int, dim_x: int, dim_y: int, width: int, generator: Generator
    ) -> None:
        super().__init__()
        self.embed_in = StackedLinear(members, 1, width, generator)
        self.embed_out = StackedLinear(members, width, width, generator)
        self.enter = StackedLinear(members, dim_x + dim_y, width, generator)
        self.down = nn.ModuleList(_Block(members, width, width, generator) for _ in range(2))
        self.up = _Block(members, 2 * width, width, generator)
        self.norm = _GroupNorm(members, width)
        self.leave = StackedLinear(members, width, dim_x, generator)

    def forward(self, x: Tensor, logsnr: Tensor) -> Tensor:
        """Predict the noise ε̂ `(members, batch, dim_x)`.

        Args:
            x: Noisy x and y, `(members, batch, dim_x + dim_y)`.
            logsnr: Log-SNR λ of each row, `(members, batch)`.
        """
        time = self.embed_out(F.gelu(self.embed_in(logsnr.unsqueeze(-1))))
        first = h = self.enter(x)
        for block in self.down:
            h = block(h, time)
        h = self.up(torch.cat([h, first], dim=-1), time)
        out: Tensor = self.leave(F.silu(self.norm(h)))
        return out
