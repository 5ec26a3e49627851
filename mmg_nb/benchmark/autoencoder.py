"""A small auto-encoder: images in, a few numbers a piece out."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Generator, Tensor

__all__ = ["LATENTS", "latents"]

HIDDEN, LATENTS = 400, 16  # of MINDE and MMG (arXiv 2310.09031, 2509.20609)
STEPS, BATCH, RATE = 500, 128, 1e-3


def latents(images: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Train pixels–400–ReLU–16 and its mirror image on the images, and encode them.

    Args:
        images: `(n, height, width)`.
        seed: Of starting weights and batches.

    Returns:
        `(n, 16)`, each column of mean 0 and variance 1; zeros where the images do not differ.
    """
    # Imported here because a list of tasks must not load torch.
    import torch

    from mmg_nb.runs.devices import threads_for

    if not np.ptp(images, axis=0).any():
        return np.zeros((len(images), LATENTS))
    pixels = torch.tensor(images.reshape(1, len(images), -1), dtype=torch.float32)
    with threads_for(0, torch.device("cpu")):  # with more threads the last digits differ
        code = _encoded(pixels, torch.Generator().manual_seed(seed)).double().numpy()
    spread = code.std(axis=0)
    return (code - code.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


def _encoded(pixels: Tensor, generator: Generator) -> Tensor:
    """Train on `(1, n, pixels)` by mean squared error; the code is `(n, 16)`."""
    import torch
    from torch import nn

    from mmg_nb.nets.layers import StackedLinear

    _, count, width = pixels.shape
    sizes = (width, HIDDEN, LATENTS, HIDDEN, width)
    a, b, c, d = (StackedLinear(1, i, o, generator) for i, o in pairwise(sizes))
    encoder, decoder = nn.Sequential(a, nn.ReLU(), b), nn.Sequential(c, nn.ReLU(), d)
    optimiser = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=RATE)
    for _ in range(STEPS):
        batch = pixels[:, torch.randint(count, (BATCH,), generator=generator)]
        loss = (decoder(encoder(batch)) - batch).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        return encoder(pixels)[0]
