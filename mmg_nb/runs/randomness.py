"""Where a run's randomness comes from: one seed, and never the global generators."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator

__all__ = ["Sources"]


@dataclass(frozen=True, eq=False)
class Sources:
    """The generators of one run.

    Attributes:
        splits: Who gets which rows.
        device: Batches and noise, on the device of the run.
        host: Starting weights of what estimates, drawn on the host, so that they are the same on
            every device.
    """

    splits: np.random.Generator
    device: Generator
    host: Generator

    @classmethod
    def of(cls, seed: int, device: torch.device) -> Sources:
        """The generators that a seed stands for on a device."""
        splits = np.random.default_rng(seed)
        first, second = (int(splits.integers(2**62)) for _ in range(2))
        return cls(splits, Generator(device).manual_seed(first), Generator().manual_seed(second))
