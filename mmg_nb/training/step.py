"""Training steps: gradient, update, running average, and the loop of every training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from mmg_nb.nets.cuda_graph import Replay
from mmg_nb.runs.devices import team_size
from mmg_nb.runs.events import Listener, Step
from mmg_nb.training.batches import PreparedBatch
from mmg_nb.training.state import Optimiser, RestorableOptimiser, follow, newest_share
from mmg_nb.training.team import Team

__all__ = ["Direct", "Replayed", "Stepper", "descend", "keep_better", "stepper"]


def descend(
    learn: Stepper,
    draw: Callable[[int], PreparedBatch],
    is_over: Callable[[int, bool], bool],
    *,
    steps: int,
    rate: Callable[[int], float],
    ema: float,
    listen: Listener,
    first: int = 0,
) -> None:
    """The loop of every training: take steps until it is over.

    Args:
        learn: Takes a step.
        draw: Returns the batch of the next step, from the number of steps done.
        is_over: Called before each step and after the last one, with the number of steps done and
            whether the listener asked to stop. It validates if that is due, keeps what is worth
            keeping, and returns whether the training ends.
        steps: Planned steps.
        rate: Factor of the learning rates, from the number of steps done.
        ema: Decay of the running average of the weights.
        listen: Gets a `Step` after each step.
        first: Steps done before, in a resumed training.
    """
    step, stopped = first, False
    while not is_over(step, stopped):
        learn(draw(step), rate(step), newest_share(step, ema))
        step += 1
        stopped = bool(listen(Step(step, steps)))


class Stepper(Protocol):
    """Takes one training step."""

    def __call__(self, lesson: PreparedBatch, scale: float, share: float) -> None:
        """Take a step.

        Args:
            lesson: The prepared batch with its loss.
            scale: Factor of the learning rates.
            share: Fraction of the new weights in their running average.
        """
        ...


@runtime_checkable
class Replayable(Optimiser, Protocol):
    """An optimiser whose updates can be replayed as a CUDA graph."""

    def advance(self) -> int:
        """Count a step, and return its kind; different kinds compute different updates."""
        ...

    def update(self, scale: float | Tensor, kind: int) -> None:
        """Update the weights; `scale` multiplies the learning rates and may be on the device."""
        ...


def stepper(
    parameters: Sequence[nn.Parameter], averages: Sequence[Tensor], optimiser: Optimiser
) -> Stepper:
    """The fastest implementation of training steps on the device of the weights."""
    device = parameters[0].device.type
    if device == "cuda" and isinstance(optimiser, Replayable):
        return Replayed(parameters, averages, optimiser)
    direct, threads = Direct(parameters, averages, optimiser), team_size()
    if device == "cpu" and threads > 1 and isinstance(optimiser, RestorableOptimiser):
        return Team(direct, [*parameters, *averages], optimiser, threads)
    return direct


@torch.no_grad()
def keep_better(kept: nn.Module, new: nn.Module, better: Tensor) -> None:
    """Replace the kept weights of those members that are better.

    Args:
        kept: The kept weights; changed in place.
        new: The current weights.
        better: Which members are better, `(members,)`, bool.
    """
    for old, parameter in zip(kept.parameters(), new.parameters(), strict=True):
        old.copy_(torch.where(better.view(-1, 1, 1), parameter, old))


@dataclass(frozen=True, eq=False)
class Direct:
    """Runs each training step directly, without a CUDA graph.

    Attributes:
        parameters: The current weights.
        averages: Their running averages; empty for none.
        optimiser: Updates the weights from their gradients.
    """

    parameters: Sequence[nn.Parameter]
    averages: Sequence[Tensor]
    optimiser: Optimiser

    def __call__(self, lesson: PreparedBatch, scale: float, share: float) -> None:
        """Take a step; see `Stepper`."""
        _backward(self.parameters, lesson)
        self.optimiser.step(scale)
        follow(self.averages, self.parameters, share)


class Replayed:
    """Steps whose kernels the device replays in one call; see `Replay`.

    The batch and the numbers of each step are copied to the same memory every time.

    Args:
        parameters: The current weights.
        averages: Running averages of the weights; empty for none.
        optimiser: Updates the weights.
    """

    def __init__(
        self,
        parameters: Sequence[nn.Parameter],
        averages: Sequence[Tensor],
        optimiser: Replayable,
    ) -> None:
        self._optimiser = optimiser
        self._work = _Work(parameters, averages, optimiser)
        self._replay = Replay(self._work, parameters[0].device)

    def __call__(self, lesson: PreparedBatch, scale: float, share: float) -> None:
        """Take a step; see `Stepper`."""
        self._work.load(lesson, scale, share)
        self._replay(self._optimiser.advance())


class _Work:
    """The replayed work; a separate object without reference cycles, so memory is freed early."""

    def __init__(
        self,
        parameters: Sequence[nn.Parameter],
        averages: Sequence[Tensor],
        optimiser: Replayable,
    ) -> None:
        self._parameters, self._averages = parameters, averages
        self._optimiser = optimiser
        self._lesson: PreparedBatch | None = None
        self._scale, self._share = (
            torch.zeros((), device=parameters[0].device, dtype=torch.float32) for _ in "ab"
        )

    def load(self, lesson: PreparedBatch, scale: float, share: float) -> None:
        self._scale.fill_(scale)
        self._share.fill_(share)
        if self._lesson is None:
            self._lesson = replace(lesson, inputs={k: v.clone() for k, v in lesson.inputs.items()})
            return
        places = self._lesson.inputs
        torch._foreach_copy_(list(places.values()), [lesson.inputs[name] for name in places])

    def __call__(self, kind: int) -> None:
        assert self._lesson is not None, "load a lesson first"
        _backward(self._parameters, self._lesson)
        self._optimiser.update(self._scale, kind)
        follow(self._averages, self._parameters, self._share)


def _backward(parameters: Sequence[nn.Parameter], lesson: PreparedBatch) -> None:
    for parameter in parameters:
        parameter.grad = None
    lesson().backward()
