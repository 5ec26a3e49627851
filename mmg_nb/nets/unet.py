"""A small U-Net for images, with one set of weights per member."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from mmg_nb.nets.layers import StackedConv, StackedLinear

__all__ = ["ImageEncoder", "UNet", "halvings"]

MIN_SIDE = 4  # pixels; the shorter side is halved to about this length


def halvings(height: int, width: int) -> int:
    """Number of halvings after which the shorter side has about four pixels."""
    count, side = 0, min(height, width)
    while side >= 2 * MIN_SIDE:
        count, side = count + 1, -(-side // 2)
    return count


def _halved(size: tuple[int, int], times: int) -> tuple[int, int]:
    """Height and width after `times` halvings, rounded up like padded convolutions."""
    return -(-size[0] // 2**times), -(-size[1] // 2**times)


class ImageEncoder(nn.Module):
    """Maps each image to a code, by strided convolutions and an affine map.

    Args:
        members: Number of independent encoders.
        shape: Channels, height and width.
        code: Features of the code.
        width: Channels of the convolutions.
        generator: Source of the initial weights.
    """

    def __init__(
        self,
        members: int,
        shape: tuple[int, int, int],
        code: int,
        *,
        width: int,
        generator: Generator,
    ) -> None:
        super().__init__()
        self.shape = shape
        channels, *size = shape
        depth = halvings(*size)
        height, breadth = _halved(shape[1:], depth)
        sizes = [channels] + [width] * (depth + 1)
        self.convolutions = nn.ModuleList(
            StackedConv(members, a, b, generator, stride=1 if k == 0 else 2)
            for k, (a, b) in enumerate(pairwise(sizes))
        )
        self.leave = StackedLinear(members, width * height * breadth, code, generator)

    def forward(self, flat: Tensor) -> Tensor:
        """Map images `(members, batch, c·h·w)` to codes `(members, batch, code)`."""
        members = len(flat)
        h = side_by_side(flat, self.shape)
        for convolution in self.convolutions:
            h = F.silu(convolution(h))
        return self.leave(apart(h, members))


class UNet(nn.Module):
    """Maps images to images, given a code. The initial output is zero.

    The code scales and shifts the features of every block. At the lowest resolution, the code is
    added to a summary of the feature map. An affine map of this sum is added to the feature map,
    so the code can determine positions in the image.

    Args:
        members: Number of independent networks.
        shape: Channels, height and width of the input.
        channels_out: Output channels.
        code: Features of the code.
        width: Channels at full resolution. All lower resolutions have twice as many.
        generator: Source of the initial weights.
    """

    def __init__(
        self,
        members: int,
        shape: tuple[int, int, int],
        channels_out: int,
        code: int,
        *,
        width: int,
        generator: Generator,
    ) -> None:
        super().__init__()
        channels, *size = shape
        self.shape = shape
        depth = halvings(*size)
        widths = [width] + [2 * width] * depth
        height, breadth = _halved(shape[1:], depth)
        bottom = widths[-1] * height * breadth
        self.enter = StackedConv(members, channels, width, generator)
        self.down = nn.ModuleList(
            StackedConv(members, a, b, generator, stride=2) for a, b in pairwise(widths)
        )
        self.before = nn.ModuleList(_Block(members, w, code, generator) for w in widths)
        self.read = StackedLinear(members, bottom, code, generator)
        self.write = StackedLinear(members, code, bottom, generator, zero=True)
        self.merge = nn.ModuleList(
            StackedConv(members, a + b, a, generator) for a, b in pairwise(widths)
        )
        self.after = nn.ModuleList(_Block(members, w, code, generator) for w in widths)
        self.leave = StackedConv(members, width, channels_out, generator, zero=True)

    def forward(self, flat: Tensor, code: Tensor) -> Tensor:
        """Map `(members, batch, c·h·w)` with codes to `(members, batch, c_out·h·w)`."""
        members = len(flat)
        h = self.before[0](self.enter(side_by_side(flat, self.shape)), code)
        passed = [h]
        for down, block in zip(self.down, self.before[1:], strict=True):
            h = block(down(h), code)
            passed.append(h)
        bottleneck = F.silu(self.read(apart(h, members)) + code)
        written = self.write(bottleneck)
        h = self.after[-1](h + side_by_side(written, (-1, *h.shape[2:])), code)
        for k in reversed(range(len(self.merge))):
            larger = F.interpolate(h, size=passed[k].shape[2:], mode="nearest")
            h = self.after[k](self.merge[k](joined(passed[k], larger, members)), code)
        return apart(self.leave(F.silu(h)), members)


class _Block(nn.Module):
    """h + outer∗SiLU(inner∗SiLU(normalised h), scaled and shifted by the code)."""

    def __init__(self, members: int, width: int, code: int, generator: Generator) -> None:
        super().__init__()
        self.inner = StackedConv(members, width, width, generator)
        self.outer = StackedConv(members, width, width, generator, zero=True)
        self.modulation = StackedLinear(members, code, 2 * width, generator)

    def forward(self, h: Tensor, code: Tensor) -> Tensor:
        members = len(code)
        scale, shift = (
            side_by_side(part, (-1, 1, 1)) for part in self.modulation(code).chunk(2, dim=-1)
        )
        inner = self.inner(F.silu(F.group_norm(h, members)))
        return h + self.outer(F.silu(inner * (1 + scale) + shift))


def side_by_side(flat: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Reshape `(members, batch, c·h·w)` to `(batch, members·c, h, w)` for grouped convolution."""
    members, batch, _ = flat.shape
    wide = flat.view(members, batch, *shape).transpose(0, 1)
    return wide.reshape(batch, -1, *shape[1:])


def apart(images: Tensor, members: int) -> Tensor:
    """Reshape `(batch, members·c, h, w)` to `(members, batch, c·h·w)`."""
    batch = len(images)
    return images.view(batch, members, -1).transpose(0, 1).contiguous()


def joined(first: Tensor, second: Tensor, members: int) -> Tensor:
    """Concatenate the channels of both images within each member."""
    batch, _, height, width = first.shape
    parts = [v.view(batch, members, -1, height, width) for v in (first, second)]
    return torch.cat(parts, dim=2).flatten(1, 2)
