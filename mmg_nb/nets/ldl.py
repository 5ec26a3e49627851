"""Gaussian elimination of many small matrices, by plain arithmetic."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["eliminate"]


def eliminate(matrix: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """What LDLᵀ of a matrix M is made of, for right-hand sides R: D, and L⁻¹·R.

    With both, log |M| = Σ log D and Aᵀ·M⁻¹·B = (L⁻¹·A)ᵀ·D⁻¹·(L⁻¹·B). PyTorch's solvers of many
    systems synchronise a GPU and cannot be recorded as a graph; arithmetic can, and is as quick.

    Args:
        matrix: M, `(…, k, k)`, symmetric and positive definite.
        right: R, `(…, k, m)`.

    Returns:
        The diagonal of D, `(…, k, 1)`, and L⁻¹·R, `(…, k, m)`.
    """
    pivots, reduced = [], []
    for _ in range(matrix.shape[-1]):
        pivot, first = matrix[..., :1, :1], right[..., :1, :]
        pivots.append(pivot)
        reduced.append(first)
        factor = matrix[..., 1:, :1] / pivot
        matrix = matrix[..., 1:, 1:] - factor * matrix[..., :1, 1:]
        right = right[..., 1:, :] - factor * first
    return torch.cat(pivots, dim=-2), torch.cat(reduced, dim=-2)
