"""Rows of a plan laid out for training: one stack for all members."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from mmg_nb.anchor import Anchor, ImageAnchor
from mmg_nb.denoisers import Samples

__all__ = ["Rows", "member_rows", "stack", "stack_pairs"]


@dataclass(frozen=True, eq=False)
class Rows:
    """Samples of every member, padded to one length, and the true lengths `(members,)`."""

    samples: Samples
    count: Tensor

    def draw(self, batch: int, generator: Generator) -> Samples:
        """A random batch for every member."""
        return self.samples.take(self.pick(batch, generator))

    def pick(self, batch: int, generator: Generator) -> Tensor:
        """Which rows are in a random batch, `(members, batch)`."""
        uniform = torch.rand(len(self.count), batch, generator=generator, device=self.count.device)
        return (uniform * self.count.unsqueeze(1)).long()


def stack(values: Tensor, rows: Sequence[NDArray[np.int64]]) -> tuple[Tensor, Tensor]:
    """Rows of every member, padded with zeros to one length, and the true lengths.

    Args:
        values: `(n, d)`.
        rows: One index array a member.

    Returns:
        `(members, longest, d)` and `(members,)`.
    """
    longest = max(map(len, rows))
    out = values.new_zeros(len(rows), longest, values.shape[1])
    for member, index in enumerate(rows):
        out[member, : len(index)] = values[torch.as_tensor(index, device=values.device)]
    return out, torch.tensor([len(index) for index in rows], device=values.device)


def stack_pairs(
    x: Tensor, y: Tensor, rows: Sequence[NDArray[np.int64]]
) -> tuple[Tensor, Tensor, Tensor]:
    """`stack` of both variables: x, y and the true lengths."""
    stacked_x, count = stack(x, rows)
    return stacked_x, stack(y, rows)[0], count


def member_rows(
    x: Tensor, y: Tensor, anchor: Anchor | ImageAnchor, rows: Sequence[NDArray[np.int64]]
) -> Rows:
    """Rows as each member sees them.

    Args:
        x: `(n, dim_x)`, float64, common coordinates.
        y: `(n, dim_y)`, float64.
        anchor: The fitted anchor of all members.
        rows: One index array a member.

    Returns:
        The rows, in float32.
    """
    stacked_x, stacked_y, count = stack_pairs(x, y, rows)
    residual = anchor.residual(stacked_x, stacked_y).float()
    return Rows(Samples(anchor.turned(stacked_x).float(), residual, stacked_y.float()), count)
