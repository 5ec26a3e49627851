"""Layers with one set of weights per member. Tensors are `(members, batch, features)`."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from mmg_nb.polling import poll

__all__ = [
    "FourierFeatures",
    "SplitProduct",
    "StackedConv",
    "StackedLinear",
    "StackedTrunk",
    "StackedUpdate",
    "repeat_antithetic",
    "selected",
]

MIN_WIDTH = 12  # output features; below this MKL computes the transposed product much faster
MIN_PART_ROWS = 128  # rows per part of `SplitProduct`
MIN_PARTS = 4  # with fewer parts `SplitProduct` is not faster

Module = TypeVar("Module", bound=nn.Module)


class StackedLinear(nn.Module):
    """One affine map per member, with PyTorch's default uniform initial weights or zeros.

    Args:
        members: Number of independent maps.
        dim_in: Input features.
        dim_out: Output features.
        generator: Source of the initial weights.
        zero: Start at zero instead.
    """

    def __init__(
        self, members: int, dim_in: int, dim_out: int, generator: Generator, *, zero: bool = False
    ) -> None:
        super().__init__()
        bound = 0.0 if zero else 1 / math.sqrt(dim_in)
        self.weight = nn.Parameter(_uniform((members, dim_in, dim_out), bound, generator))
        self.bias = nn.Parameter(_uniform((members, 1, dim_out), bound, generator))

    def forward(self, x: Tensor) -> Tensor:
        """Map `(members, batch, dim_in)` to `(members, batch, dim_out)`."""
        if self.weight.shape[2] < MIN_WIDTH and x.device.type == "cpu":
            return torch.baddbmm(self.bias.mT, self.weight.mT, x.mT).mT
        return _affine(self.bias, x, self.weight)


class StackedUpdate(nn.Module):
    """One linear map per member, whose output is added to a given tensor in the same operation.

    Args:
        members: Number of independent maps.
        dim_in: Input features.
        dim_out: Output features.
        generator: Source of the initial weights.
        zero: Start at zero instead.
    """

    def __init__(
        self, members: int, dim_in: int, dim_out: int, generator: Generator, *, zero: bool = False
    ) -> None:
        super().__init__()
        bound = 0.0 if zero else 1 / math.sqrt(dim_in)
        self.weight = nn.Parameter(_uniform((members, dim_in, dim_out), bound, generator))

    def forward(self, base: Tensor, x: Tensor) -> Tensor:
        """Add the map of x `(members, batch, dim_in)` to base `(members, batch, dim_out)`."""
        return _affine(base, x, self.weight)


class SplitProduct(torch.autograd.Function):
    """base + x @ weight, with gradients that sum over rows in several parts.

    A batch has many more rows than features. One product over all rows would occupy only a few
    of the more than one hundred multiprocessors of a GPU.
    """

    @staticmethod
    def forward(context: Any, base: Tensor, x: Tensor, weight: Tensor, parts: int) -> Tensor:
        """Compute `StackedUpdate`. `base` may be a bias `(members, 1, dim_out)`."""
        context.save_for_backward(x, weight)
        context.parts, context.one_for_all = parts, base.shape[1] < x.shape[1]
        return torch.baddbmm(base, x, weight)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Compute the gradients for base, x and weight."""
        (gradient,) = gradients
        x, weight = context.saved_tensors
        members, parts = len(x), context.parts
        pieces, piece_of_x = (v.reshape(members * parts, -1, v.shape[2]) for v in (gradient, x))
        for_base = gradient
        if context.one_for_all:
            for_base = pieces.sum(1).unflatten(0, (members, parts)).sum(1, keepdim=True)
        for_x = gradient @ weight.mT if context.needs_input_grad[1] else None
        for_weight = (piece_of_x.mT @ pieces).unflatten(0, (members, parts)).sum(1)
        return for_base, for_x, for_weight, None


class StackedConv(nn.Module):
    """One padded 3 × 3 convolution per member. Members are groups of channels.

    Args:
        members: Number of independent convolutions.
        channels_in: Input channels.
        channels_out: Output channels.
        generator: Source of the initial weights.
        stride: 1, or 2 to halve height and width.
        zero: Start at zero instead.
    """

    def __init__(
        self,
        members: int,
        channels_in: int,
        channels_out: int,
        generator: Generator,
        *,
        stride: int = 1,
        zero: bool = False,
    ) -> None:
        super().__init__()
        fan_in = 9 * channels_in
        bound = 0.0 if zero else 1 / math.sqrt(fan_in)
        self.stride = stride
        self.weight = nn.Parameter(_uniform((members, channels_out, fan_in), bound, generator))
        self.bias = nn.Parameter(_uniform((members, 1, channels_out), bound, generator))

    def forward(self, x: Tensor) -> Tensor:
        """Map `(batch, members·channels_in, h, w)` to `(batch, members·channels_out, …)`."""
        poll()
        members, channels, fan_in = self.weight.shape
        kernel = self.weight.view(members * channels, fan_in // 9, 3, 3)
        bias = self.bias.flatten()
        return F.conv2d(x, kernel, bias, stride=self.stride, padding=1, groups=members)


class StackedTrunk(nn.Module):
    """Residual layers h + W·silu(h), followed by silu.

    Args:
        members: Number of independent trunks.
        width: Input and output features.
        blocks: Number of layers.
        generator: Source of the initial weights.
    """

    def __init__(self, members: int, width: int, blocks: int, generator: Generator) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            StackedLinear(members, width, width, generator) for _ in range(blocks)
        )

    def forward(self, h: Tensor) -> Tensor:
        """Map `(members, batch, width)` to the same shape."""
        for block in self.blocks:
            h = h + block(F.silu(h))
        return F.silu(h)


class FourierFeatures(nn.Module):
    """Sines and cosines of a scalar at fixed random frequencies (Tancik et al. 2020).

    Args:
        members: Number of members.
        dim: Output features, an even number.
        generator: Source of the frequencies.
        spread: Standard deviation of the frequencies, per unit log-SNR.
    """

    def __init__(
        self, members: int, dim: int, generator: Generator, *, spread: float = 0.3
    ) -> None:
        super().__init__()
        frequencies = spread * torch.randn(
            members, 1, dim // 2, generator=generator, dtype=torch.float32
        )
        self.register_buffer("frequencies", frequencies)
        self.frequencies: Tensor

    def forward(self, logsnr: Tensor) -> Tensor:
        """Map `(members, batch)` to `(members, batch, dim)`."""
        angle = logsnr.unsqueeze(-1) * self.frequencies
        return torch.cat([angle.sin(), angle.cos()], dim=-1)


def selected(module: Module, members: Sequence[int]) -> Module:
    """Copy a module with some of its members. The copy has its own weights.

    Args:
        module: A module whose parameters and buffers all have a leading axis of members.
        members: Indices of the members to keep. An index may be repeated.

    Returns:
        The copy.
    """
    index, part = list(members), copy.deepcopy(module)
    for tensor in (*part.parameters(), *part.buffers()):
        tensor.data = tensor.data[index]
    return part


def repeat_antithetic(values: Tensor, like: Tensor) -> Tensor:
    """Repeat the values of half a batch for both halves. Values of a whole batch are unchanged.

    Args:
        values: `(members, batch, …)` or `(members, batch / 2, …)`.
        like: A tensor of the whole batch, `(members, batch, …)`.

    Returns:
        Values `(members, batch, …)`.
    """
    return torch.cat([values, values], dim=1) if values.shape[1] < like.shape[1] else values


def _affine(base: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    rows = x.shape[1]
    if x.device.type == "cpu" or rows < MIN_PART_ROWS * MIN_PARTS:
        return torch.baddbmm(base, x, weight)
    parts = next(k for k in range(rows // MIN_PART_ROWS, 0, -1) if rows % k == 0)
    out: Tensor = SplitProduct.apply(base, x, weight, parts)
    return out


def _uniform(shape: tuple[int, ...], bound: float, generator: Generator) -> Tensor:
    return (2 * torch.rand(shape, generator=generator, dtype=torch.float32) - 1) * bound
