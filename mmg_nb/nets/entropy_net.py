"""Parametric densities of y and of y given x, with independent coordinates."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from mmg_nb.nets.layers import StackedLinear, StackedTrunk

__all__ = ["HEADS", "EntropyNet"]


def gaussian(t: Tensor, log_scale: Tensor) -> Tensor:
    """Log-density of N(0, s²) at s·t."""
    return -0.5 * t.square() - log_scale - 0.5 * math.log(2 * math.pi)


def logistic(t: Tensor, log_scale: Tensor) -> Tensor:
    """Log-density of the logistic distribution of scale s at s·t."""
    return F.logsigmoid(t) + F.logsigmoid(-t) - log_scale


HEADS = {"gaussian": gaussian, "logistic": logistic}


class EntropyNet(nn.Module):
    """The log-densities ln q(y) and ln q(y | x). Coordinates of y are independent in both.

    Each coordinate of y has a location and a scale. For q(y), these are free parameters. For
    q(y | x), a network computes them from x.

    Args:
        members: Number of independent networks.
        dim_x: Dimensions of x.
        dim_y: Dimensions of y.
        head: Family of the densities, one of `HEADS`.
        width: Hidden features.
        blocks: Residual layers.
        generator: Source of the initial weights.
    """

    def __init__(
        self,
        members: int,
        dim_x: int,
        dim_y: int,
        *,
        head: str,
        width: int,
        blocks: int,
        generator: Generator,
    ) -> None:
        super().__init__()
        self._log_density = HEADS[head]
        self.alone = nn.Parameter(torch.zeros(members, 1, 2 * dim_y, dtype=torch.float32))
        self.enter = StackedLinear(members, dim_x, width, generator)
        self.trunk = StackedTrunk(members, width, blocks, generator)
        self.leave = StackedLinear(members, width, 2 * dim_y, generator, zero=True)

    def hidden_matrices(self) -> list[nn.Parameter]:
        """The square weight matrices between hidden features. Muon optimises these."""
        return [p for name, p in self.trunk.named_parameters() if name.endswith("weight")]

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Compute ln q(y) and ln q(y | x), each `(members, n)`, for y `(members, n, dim_y)`."""
        shift: Tensor = self.leave(self.trunk(self.enter(x)))
        return self._density(y, self.alone), self._density(y, self.alone + shift)

    def _density(self, y: Tensor, parameters: Tensor) -> Tensor:
        location, log_scale = parameters.chunk(2, dim=-1)
        return self._log_density((y - location) * (-log_scale).exp(), log_scale).sum(-1)
