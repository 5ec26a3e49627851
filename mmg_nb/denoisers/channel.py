"""The Gaussian noise channel z = √σ(λ)·x + √σ(−λ)·ε at log-SNR λ (variance preserving)."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["scales", "transmit"]


def scales(logsnr: Tensor) -> tuple[Tensor, Tensor]:
    """Signal and noise scale, with a trailing axis to multiply samples.

    Each scale has its own sigmoid, so that rounding does not lose the smaller one.

    Args:
        logsnr: λ, `(...)`.

    Returns:
        α = √σ(λ) and σ = √σ(−λ), each `(..., 1)`.
    """
    alpha = torch.sigmoid(logsnr).sqrt().unsqueeze(-1)
    sigma = torch.sigmoid(-logsnr).sqrt().unsqueeze(-1)
    return alpha, sigma


def transmit(x: Tensor, eps: Tensor, logsnr: Tensor) -> Tensor:
    """Send samples through the channel.

    Args:
        x: `(..., dim_x)`.
        eps: Standard normal noise of the same shape.
        logsnr: λ, `(...)`.

    Returns:
        z, with the shape of x.
    """
    alpha, sigma = scales(logsnr)
    return alpha * x + sigma * eps
