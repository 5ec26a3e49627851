"""Computes many rows in chunks, because intermediate results of all rows need much memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmg_nb.polling import poll

__all__ = ["chunks", "row_by_row", "stacked"]

CHUNK = 2**14  # rows per chunk


def chunks(count: int, size: int = CHUNK) -> Iterator[slice]:
    """Yield slices that cover `count` rows, at most `size` rows each, and poll before each."""
    for start in range(0, count, size):
        poll()
        yield slice(start, min(start + size, count))


def row_by_row(compute: Callable[[slice], Tensor], like: Tensor) -> Tensor:
    """Apply `compute` to all rows in chunks. The result has the shape of `like`."""
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
    """Compute values for the rows of every member, padded with zeros to equal length.

    Args:
        rows: Row indices, one array per member.
        width: Number of values per row.
        device: Device of the result.
        compute: Called with the index of a member and the indices of k rows. Returns `(k, width)`.

    Returns:
        Values `(members, longest, width)`, float32.
    """
    out = torch.zeros(len(rows), max(map(len, rows)), width, device=device, dtype=torch.float32)
    for member, index in enumerate(rows):
        for part in chunks(len(index)):
            some = torch.as_tensor(index[part], device=device)
            out[member, part] = compute(member, some).float()
    return out
