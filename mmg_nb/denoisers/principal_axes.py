"""Eigenvectors of a covariance that are the same on every processor."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["oriented", "principal_axes"]

TIE = 1e-8  # relative to the mean eigenvalue: far above rounding, far below sampling noise


def principal_axes(covariance: Tensor) -> Tensor:
    """Orthonormal eigenvectors in columns, by increasing eigenvalue.

    If eigenvalues are equal, their eigenvectors are undetermined, and results differ between
    libraries and processors. This happens for all directions that a regression of low rank does
    not explain. Here ties are broken by the order of the coordinates.

    Args:
        covariance: Symmetric, positive semi-definite, `(d, d)`, float64.

    Returns:
        `(d, d)`.
    """
    d = len(covariance)
    scale = covariance.diagonal().mean()
    scale = torch.where(scale > 0, scale, 1.0)
    ties = TIE * scale * torch.arange(1, d + 1).to(covariance) / d
    return oriented(torch.linalg.eigh(covariance + torch.diag(ties)).eigenvectors)


def oriented(directions: Tensor) -> Tensor:
    """The same directions in columns, with signs set by a rule; else rounding would set them.

    Args:
        directions: `(d, k)`.

    Returns:
        Each column or its negative.
    """
    weight = 1 / torch.arange(1, len(directions) + 1).to(directions)
    return directions * torch.where(weight @ directions < 0, -1.0, 1.0)
