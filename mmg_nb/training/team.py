"""Training steps on several threads, where that is faster and gives the same digits.

On an idle machine, two threads take a quarter less time. Beside other work, each operation waits
for the slowest thread, and a step can take forty times as long. So some steps are taken both ways
and timed, and the faster way goes on until it no longer is. Beside other work, these trials cost
up to a tenth of a short run (LOG.md, "Two threads").
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mmg_nb.training.batches import PreparedBatch
from mmg_nb.training.state import RestorableOptimiser

__all__ = ["Team"]

FIRST_WAIT = 20  # steps before the first trial, in which memory is allocated
PAUSE = 250  # steps until the next trial; twice as many after each one; not measured
TRIALS = 4  # steps that are taken both ways; with `mmg`, one of them orthogonalises
WORTHWHILE = 0.9  # of the time of one thread; above, a team wastes the other core
HOPELESS = 3.0  # times as long as one thread: ends a trial, or the team
BLOCK = 20  # steps of a team after which it must still be faster


@dataclass(eq=False)
class Team:
    """Takes each step on one thread or on several, whichever is faster.

    A team is used only if its weights equal those of one thread in every bit, in the steps of a
    trial. All steps of a training have the same shapes, so this is expected of the others, too.

    Attributes:
        learn: Takes a step, with the arguments of `Stepper`.
        tensors: Weights and averages that a step changes.
        optimiser: The optimiser that a step changes.
        threads: Threads of a team.
        clock: Seconds; monotonic.
    """

    learn: Callable[[PreparedBatch, float, float], None]
    tensors: Sequence[Tensor]
    optimiser: RestorableOptimiser
    threads: int
    clock: Callable[[], float] = time.perf_counter
    together: bool = False
    _wait: float = FIRST_WAIT
    _pause: int = PAUSE
    _trials: list[tuple[float, float]] = field(default_factory=list)
    _alone: float = 0.0  # seconds of a step on one thread
    _block: list[float] = field(default_factory=list)

    def __call__(self, lesson: PreparedBatch, scale: float, share: float) -> None:
        """Take a step; see `Stepper`."""
        step = lesson, scale, share
        if self._wait > 0:
            self._wait -= 1
            self.learn(*step)
        elif self.together:
            self._go_on(self._timed(self.threads, *step))
        else:
            self._both_ways(*step)

    def _timed(self, threads: int, lesson: PreparedBatch, scale: float, share: float) -> float:
        """Take a step on so many threads; returns its seconds."""
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            began = self.clock()
            self.learn(lesson, scale, share)
            return self.clock() - began
        finally:
            torch.set_num_threads(before)

    def _both_ways(self, lesson: PreparedBatch, scale: float, share: float) -> None:
        """Take a step with the team, and again alone. What was learned alone counts."""
        before = self._copy()
        team = self._timed(self.threads, lesson, scale, share)
        found = self._copy()
        self._restore(before)
        alone = self._timed(1, lesson, scale, share)
        self._trials.append((team, alone))
        if not all(map(torch.equal, found.values(), self._state().values())):
            self._wait = float("inf")
        elif team > HOPELESS * alone:
            self._rest()
        elif len(self._trials) == TRIALS:
            self._decide()

    def _decide(self) -> None:
        team, alone = (sum(each) for each in zip(*self._trials, strict=True))
        self._alone = alone / TRIALS
        self.together = team < WORTHWHILE * alone
        self._trials.clear()
        if not self.together:
            self._rest()

    def _go_on(self, seconds: float) -> None:
        """Check that the team is still faster."""
        self._block.append(seconds)
        slow = seconds > HOPELESS * self._alone
        if slow or (len(self._block) == BLOCK and sum(self._block) > BLOCK * self._alone):
            self._rest()
        elif len(self._block) == BLOCK:
            self._block.clear()
            self._pause = PAUSE

    def _rest(self) -> None:
        """Go on alone for a while, and for longer after each trial."""
        self.together = False
        self._trials.clear()
        self._block.clear()
        self._wait, self._pause = self._pause, 2 * self._pause

    def _state(self) -> dict[str, Tensor]:
        """All that a step changes, by name."""
        own = {f"tensor {k}": each.detach() for k, each in enumerate(self.tensors)}
        return {**own, **self.optimiser.state()}

    def _copy(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self._state().items()}

    def _restore(self, before: dict[str, Tensor]) -> None:
        for k, each in enumerate(self.tensors):
            each.detach().copy_(before[f"tensor {k}"])
        self.optimiser.restore(before)
