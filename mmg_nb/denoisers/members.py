"""Rows of all members in one stack, for training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from mmg_nb.denoisers.anchor import Anchor, ImageAnchor
from mmg_nb.denoisers.gaussian import Samples
from mmg_nb.nets.chunks import stacked
from mmg_nb.nets.layers import selected

__all__ = ["Rows", "member_rows", "stack_pairs"]


@dataclass(frozen=True, eq=False)
class Rows:
    """Samples of all members, padded to one length, and their true lengths `(members,)`."""

    samples: Samples
    count: Tensor

    def pick(self, batch: int, generator: Generator) -> Tensor:
        """Indices of the rows of a random batch, `(members, batch)`."""
        uniform = torch.rand(
            len(self.count),
            batch,
            generator=generator,
            device=self.count.device,
            dtype=torch.float32,
        )
        return (uniform * self.count.unsqueeze(1)).long()


def stack_pairs(
    x: Tensor, y: Tensor, rows: Sequence[NDArray[np.int64]]
) -> tuple[Tensor, Tensor, Tensor]:
    """Rows of all members, padded with zeros to one length: x, y and the true lengths."""
    counts = [len(index) for index in rows]
    wide_x, wide_y = (v.new_zeros(len(rows), max(counts), v.shape[1]) for v in (x, y))
    for member, index in enumerate(rows):
        own = torch.as_tensor(index, device=x.device)
        wide_x[member, : len(own)], wide_y[member, : len(own)] = x[own], y[own]
    return wide_x, wide_y, torch.tensor(counts, device=x.device)


def member_rows(
    x: Tensor, y: Tensor, anchor: Anchor | ImageAnchor, rows: Sequence[NDArray[np.int64]]
) -> Rows:
    """Rows in the coordinates of each member.

    Args:
        x: `(n, dim_x)`, float64, common coordinates.
        y: `(n, dim_y)`, float64.
        anchor: The fitted anchor of all members.
        rows: One index array per member.

    Returns:
        The rows, in float32.
    """
    device, ones = x.device, [selected(anchor, [k]) for k in range(len(rows))]

    def stack_of(like: Tensor, compute: Callable[[int, Tensor], Tensor]) -> Tensor:
        return stacked(rows, like.shape[1], device, compute)

    samples = Samples(
        stack_of(x, lambda k, i: ones[k].to_member_basis(x[i])[0]),
        stack_of(x, lambda k, i: ones[k].residual(x[i][None], y[i][None])[0]),
        stack_of(y, lambda _, i: y[i]),
    )
    return Rows(samples, torch.tensor([len(each) for each in rows], device=device))
