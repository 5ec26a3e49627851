"""The random generators of a run, all from one seed; global generators are never used."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator

__all__ = ["Sources"]


@dataclass(frozen=True, eq=False)
class Sources:
    """The random generators of one run.

    Attributes:
        splits: For the splits of the rows.
        device: For batches and noise, on the device of the run.
        host: For the initial weights. They are drawn on the host, so that they are the same on
            every device.
    """

    splits: np.random.Generator
    device: Generator
    host: Generator

    @classmethod
    def of(cls, seed: int, device: torch.device) -> Sources:
        """The generators of a seed on a device."""
        splits = np.random.default_rng(seed)
        first, second = (int(splits.integers(2**62)) for _ in range(2))
        return cls(splits, Generator(device).manual_seed(first), Generator().manual_seed(second))
