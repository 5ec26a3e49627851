"""The schedule of training: number of steps, batch size, learning rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mmg_nb.training.stopping import PLATEAU, StoppingRule

__all__ = ["EMA_DECAY", "Schedule", "trapezoid"]

EMA_DECAY = 0.998  # decay per step of the averaged weights; not measured
RISE, END = 0.05, 0.01  # fraction of the steps in which the rate rises; final factor; not measured


@dataclass(frozen=True, kw_only=True)
class Schedule(StoppingRule):
    """The stopping rule with batch size, learning rate and weight averaging.

    Attributes:
        batch: Rows per step and member.
        rate: Factor of the learning rate, as a function of the fraction of steps done.
        ema: Decay of the averaged weights, which are validated and kept.
    """

    batch: int
    rate: Callable[[float], float]
    ema: float = EMA_DECAY

    def is_due(self, step: int) -> bool:
        """Whether a validation is due: every `check_every` steps, and after the last step."""
        return step % self.check_every == 0 or step == self.steps

    def at(self, step: int) -> float:
        """Factor of the learning rate after some steps."""
        return self.rate(step / self.steps)

    def until_due(self, step: int) -> int:
        """Number of steps until the next validation."""
        return min(self.check_every - step % self.check_every, self.steps - step)


def trapezoid(fraction: float) -> float:
    """Factor of the learning rate: a short rise, a plateau, and a linear fall."""
    fall = (1 - END) * max(0.0, fraction - PLATEAU) / (1 - PLATEAU)
    return min(1.0, fraction / RISE + 1e-3) * (1 - fall)
