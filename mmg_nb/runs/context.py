"""The inputs of a run besides its data, in one object."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from mmg_nb.runs.events import Listener, silent
from mmg_nb.runs.keeper import Keeper, NoCheckpoint

__all__ = ["RunContext"]


@dataclass(frozen=True, eq=False, kw_only=True)
class RunContext:
    """Seed, device, listener and keeper of a run.

    Attributes:
        seed: Seed of all random numbers.
        device: Requested device: `auto`, `cpu`, `cuda` or `cuda:<index>`.
        listen: Gets the events of the run; if it returns true, the run stops.
        keep: Saves the trainings of the run, and restores them in a resumed run.
    """

    seed: int = 0
    device: str = "auto"
    listen: Listener = silent
    keep: Keeper = field(default_factory=NoCheckpoint)

    def rng(self) -> np.random.Generator:
        """A new random generator, always with the same seed."""
        return np.random.default_rng(self.seed)
