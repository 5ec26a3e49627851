"""Layers with one set of weights per member: `(members, batch, features)` in and out."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

__all__ = [
    "FourierFeatures",
    "SplitProduct",
    "StackedConv",
    "StackedLinear",
    "StackedTrunk",
    "StackedUpdate",
    "doubled",
    "selected",
]

NARROW = 12  # features out, below which MKL is several times faster at the transposed product
PART, LEAST_PARTS = 128, 4  # least rows a part of `SplitProduct`, and parts from which it pays

Module = TypeVar("Module", bound=nn.Module)


class StackedLinear(nn.Module):
    """An affine map per member, with PyTorch's usual uniform start, or zeros.

    Args:
        members: Number of independent maps.
        dim_in: Features in.
        dim_out: Features out.
        generator: Source of the starting weights.
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
        if self.weight.shape[2] < NARROW and x.device.type == "cpu":
            return torch.baddbmm(self.bias.mT, self.weight.mT, x.mT).mT
        return _affine(self.bias, x, self.weight)


class StackedUpdate(nn.Module):
    """A linear map per member whose output is added to something: one pass over memory, not two.

    Args:
        members: Number of independent maps.
        dim_in: Features in.
        dim_out: Features out.
        generator: Source of the starting weights.
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
    """base + x @ weight, where the gradients that are sums over the rows are summed in parts.

    The rows of a batch are many more than the features: one product over all of them occupies a
    few multiprocessors of a GPU, of which it has more than a hundred.
    """

    @staticmethod
    def forward(context: Any, base: Tensor, x: Tensor, weight: Tensor, parts: int) -> Tensor:
        """Map, see `StackedUpdate`; base may be a bias `(members, 1, dim_out)`."""
        context.save_for_backward(x, weight)
        context.parts, context.one_for_all = parts, base.shape[1] < x.shape[1]
        return torch.baddbmm(base, x, weight)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients for base, x and weight."""
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
    """A convolution per member, 3 × 3 and padded; images of the members lie side by side.

    Args:
        members: Number of independent convolutions.
        channels_in: Channels in.
        channels_out: Channels out.
        generator: Source of the starting weights.
        stride: 1, or 2 to halve the image.
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
        members, channels, fan_in = self.weight.shape
        kernel = self.weight.view(members * channels, fan_in // 9, 3, 3)
        bias = self.bias.flatten()
        return F.conv2d(x, kernel, bias, stride=self.stride, padding=1, groups=members)


class StackedTrunk(nn.Module):
    """Residual layers, each h + W·silu(h), and a last silu.

    Args:
        members: Number of independent trunks.
        width: Features in and out.
        blocks: Layers.
        generator: Source of the starting weights.
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
        dim: Features out, even.
        generator: Source of the frequencies.
        spread: Standard deviation of the frequencies, per unit log-SNR.
    """

    def __init__(
        self, members: int, dim: int, generator: Generator, *, spread: float = 0.3
    ) -> None:
        super().__init__()
        frequencies = spread * torch.randn(members, 1, dim // 2, generator=generator)
        self.register_buffer("frequencies", frequencies)
        self.frequencies: Tensor

    def forward(self, logsnr: Tensor) -> Tensor:
        """Map `(members, batch)` to `(members, batch, dim)`."""
        angle = logsnr.unsqueeze(-1) * self.frequencies
        return torch.cat([angle.sin(), angle.cos()], dim=-1)


def selected(module: Module, members: Sequence[int]) -> Module:
    """A copy of some of the members, on weights of its own.

    Args:
        module: Parameters and buffers all have a leading axis of members.
        members: Which to keep; one may be named twice.

    Returns:
        The copy.
    """
    index, part = list(members), copy.deepcopy(module)
    for tensor in (*part.parameters(), *part.buffers()):
        tensor.data = tensor.data[index]
    return part


def doubled(values: Tensor, like: Tensor) -> Tensor:
    """Values of half a batch, `(members, half, …)`, for both halves; those of a whole batch alone.

    Args:
        values: Of all rows or of half of them.
        like: `(members, batch, …)`.
    """
    return torch.cat([values, values], dim=1) if values.shape[1] < like.shape[1] else values


def _affine(base: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    rows = x.shape[1]
    if x.device.type == "cpu" or rows < PART * LEAST_PARTS:
        return torch.baddbmm(base, x, weight)
    parts = next(k for k in range(rows // PART, 0, -1) if rows % k == 0)
    out: Tensor = SplitProduct.apply(base, x, weight, parts)
    return out


def _uniform(shape: tuple[int, ...], bound: float, generator: Generator) -> Tensor:
    return (2 * torch.rand(shape, generator=generator) - 1) * bound
