"""A small auto-encoder that maps each image to 16 latents."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from mmg_nb.runs.surroundings import usual_surroundings

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Generator, Tensor

__all__ = ["LATENTS", "latents"]

HIDDEN, LATENTS = 400, 16  # units, as in MINDE and MMG (arXiv 2310.09031, 2509.20609)
STEPS, EPOCHS = 300, 8  # training steps: at least so many, and passes over the images
BATCH, RATE = 128, 2e-3  # images per batch, learning rate


@usual_surroundings()
def latents(images: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Train an auto-encoder on images, and encode them.

    The encoder is pixels–400–ReLU–16. The decoder has the reverse order of layers. Pixels that are
    equal in all images are left out.

    Args:
        images: `(n, height, width)`.
        seed: Seed of initial weights and batches.

    Returns:
        Latents `(n, 16)`. Each column has mean 0 and variance 1. All zeros for equal images.
    """
    # Imported here, so that listing tasks does not load torch.
    import torch

    from mmg_nb.runs.devices import threads_for

    varying = images[:, np.ptp(images, axis=0) > 0]  # constant pixels only take time
    if not varying.size:
        return np.zeros((len(images), LATENTS))
    pixels = torch.tensor(varying, dtype=torch.float32).unsqueeze(0)
    with threads_for(0, torch.device("cpu")):  # more threads would change the last digits
        code = _encoded(pixels, torch.Generator().manual_seed(seed)).double().numpy()
    spread = code.std(axis=0)
    return (code - code.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


def _encoded(pixels: Tensor, generator: Generator) -> Tensor:
    """Train on pixels `(1, n, pixels)` by mean squared error. Returns latents `(n, 16)`."""
    import torch
    from torch import nn

    from mmg_nb.nets.layers import StackedLinear

    _, count, width = pixels.shape
    sizes = (width, HIDDEN, LATENTS, HIDDEN, width)
    a, b, c, d = (StackedLinear(1, i, o, generator) for i, o in pairwise(sizes))
    encoder, decoder = nn.Sequential(a, nn.ReLU(), b), nn.Sequential(c, nn.ReLU(), d)
    optimiser = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=RATE)
    for _ in range(max(STEPS, EPOCHS * count // BATCH)):
        batch = pixels[:, torch.randint(count, (BATCH,), generator=generator)]
        loss = (decoder(encoder(batch)) - batch).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        return encoder(pixels)[0]
