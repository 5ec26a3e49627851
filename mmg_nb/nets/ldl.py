"""LDLᵀ decomposition of many small matrices, by elementary arithmetic."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["eliminate"]


def eliminate(matrix: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    """Decompose M = L·D·Lᵀ, and return D and L⁻¹·R for right-hand sides R.

    These give log |M| = Σ log D and Aᵀ·M⁻¹·B = (L⁻¹·A)ᵀ·D⁻¹·(L⁻¹·B). PyTorch's batched solvers
    synchronise the GPU, so a CUDA graph cannot contain them. Elementary arithmetic can be
    recorded and is equally fast.

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
