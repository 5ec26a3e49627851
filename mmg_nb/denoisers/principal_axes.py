"""Eigenvectors of a covariance, the same on every processor."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["oriented", "principal_axes"]

TIE = 1e-8  # of the mean eigenvalue: far above rounding, far below what a sample can tell


def principal_axes(covariance: Tensor) -> Tensor:
    """Orthonormal eigenvectors in columns, by rising eigenvalue.

    Equal eigenvalues, as of all directions that a regression of low rank does not explain, leave
    their eigenvectors undetermined, and each library and processor returns others. Here ties are
    broken in favour of the coordinates as they come.

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
    """The same directions in columns, with signs by a rule: rounding would choose them else.

    Args:
        directions: `(d, k)`.

    Returns:
        Each column or its negative.
    """
    weight = 1 / torch.arange(1, len(directions) + 1).to(directions)
    return directions * torch.where(weight @ directions < 0, -1.0, 1.0)
