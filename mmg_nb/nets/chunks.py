"""Many rows, some at a time: all at once would take a multiple of their memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["chunks", "row_by_row", "stacked"]

CHUNK = 2**14  # rows at a time


def chunks(count: int, size: int = CHUNK) -> Iterator[slice]:
    """Slices of so many rows, of a size at most."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))


def row_by_row(compute: Callable[[slice], Tensor], like: Tensor) -> Tensor:
    """What is computed of some rows at a time, of the shape of `like`."""
    out = torch.empty_like(like)
    for rows in chunks(len(like)):
        out[rows] = compute(rows)
    return out


def stacked(
    rows: Sequence[NDArray[np.int64]],
    width: int,
    device: torch.device,
    compute: Callable[[int, Tensor], Tensor],
) -> Tensor:
    """Values of the rows of every member, padded with zeros to one length.

    Args:
        rows: One index array a member.
        width: Values a row.
        device: Where to put them.
        compute: Values `(k, width)` of a member, by its number, for k rows, by their indices.

    Returns:
        `(members, longest, width)`, float32.
    """
    out = torch.zeros(len(rows), max(map(len, rows)), width, device=device)
    for member, index in enumerate(rows):
        for part in chunks(len(index)):
            some = torch.as_tensor(index[part], device=device)
            out[member, part] = compute(member, some).float()
    return out
