"""What a run is given beside its data, passed on as one."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from mmg_nb.runs.events import Listener, silent
from mmg_nb.runs.keeper import Keeper, Unkept

__all__ = ["RunContext"]


@dataclass(frozen=True, eq=False, kw_only=True)
class RunContext:
    """Seed, device, listener and keeper of a run.

    Attributes:
        seed: Seed of everything random.
        device: Where to compute, as asked for: `auto`, `cpu`, `cuda` or `cuda:<index>`.
        listen: Gets the events of the run; a true answer asks the run to stop.
        keep: Keeps the trainings of the run, or has kept them.
    """

    seed: int = 0
    device: str = "auto"
    listen: Listener = silent
    keep: Keeper = field(default_factory=Unkept)

    def rng(self) -> np.random.Generator:
        """A new generator of random numbers, always from the same seed."""
        return np.random.default_rng(self.seed)

    def heard_by(self, listen: Listener) -> RunContext:
        """The same with another listener."""
        return replace(self, listen=listen)
