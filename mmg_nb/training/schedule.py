"""How long and in what rhythm a network trains."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mmg_nb.training.stopping import PLATEAU, StoppingRule

__all__ = ["EMA_DECAY", "Schedule", "trapezoid"]

EMA_DECAY = 0.998  # of averaged weights a step; not measured
RISE, END = 0.05, 0.01  # share of the steps that the rate rises; its last factor; not measured


@dataclass(frozen=True, kw_only=True)
class Schedule(StoppingRule):
    """The stopping rule, with what else there is to know of the steps.

    Attributes:
        batch: Rows a step and member.
        rate: Factor of the learning rate at a fraction of the steps.
        ema: Decay of the averaged weights that are validated and kept.
    """

    batch: int
    rate: Callable[[float], float]
    ema: float = EMA_DECAY

    def is_due(self, step: int) -> bool:
        """Whether to validate before the first step, now and then, or after the last."""
        return step % self.check_every == 0 or step == self.steps

    def until_due(self, step: int) -> int:
        """How many steps there are from one step to the next validation."""
        return min(self.check_every - step % self.check_every, self.steps - step)


def trapezoid(fraction: float) -> float:
    """A short rise, a plateau, a linear fall: factor of the learning rate."""
    fall = (1 - END) * max(0.0, fraction - PLATEAU) / (1 - PLATEAU)
    return min(1.0, fraction / RISE + 1e-3) * (1 - fall)
