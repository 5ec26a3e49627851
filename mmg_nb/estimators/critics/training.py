"""The training loop of critics and density networks."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Generator, Tensor, nn

from mmg_nb.polling import Stopped
from mmg_nb.results.curves import TrainingHistory
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Listener, Snapshot
from mmg_nb.training.batches import PreparedBatch
from mmg_nb.training.schedule import Schedule
from mmg_nb.training.state import Optimiser, trained
from mmg_nb.training.step import Direct, descend, keep_better
from mmg_nb.training.stopping import Record

__all__ = ["CriticOutcome", "Learner", "Stack", "train"]

WORTH_MORE_STEPS = 0.01  # gain in loss over the last fifth of the steps; above: step limit
BETTER = 0.001  # a validation loss counts as better if it falls by more than this
_NO_CURVE = np.zeros(0)


class Learner(Protocol):
    """How a network is trained and evaluated; x and y are `(members, n, …)`."""

    def loss(self, net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        """Training loss of a batch, summed over members."""
        ...

    def check(self, net: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, float]:
        """Validation loss of each member, `(members,)`, and the mean of their estimates, nats."""
        ...


@dataclass(frozen=True, eq=False)
class Stack:
    """Rows of every member, float32, padded to one length; `count` is the true length of each."""

    x: Tensor
    y: Tensor
    count: Tensor

    def batches(self, size: int, generator: Generator) -> Iterator[tuple[Tensor, Tensor]]:
        """Endless batches of `size` distinct rows, in a new random order every epoch."""
        members, longest = self.x.shape[:2]
        device = self.x.device
        padding = torch.arange(longest, device=device) >= self.count.unsqueeze(1)
        member = torch.arange(members, device=device).unsqueeze(1)
        whole = int(self.count.min()) // size
        while True:
            keys = torch.rand(
                members, longest, generator=generator, device=device, dtype=torch.float32
            )
            order = keys.masked_fill_(padding, 2.0).argsort(1)
            for rows in order[:, : whole * size].split(size, dim=1):
                yield self.x[member, rows], self.y[member, rows]


@dataclass(frozen=True, eq=False)
class CriticOutcome:
    """The result of training: best weights of each member, status, and validation record."""

    net: nn.Module
    status: Status
    history: TrainingHistory


def train(
    net: nn.Module,
    learner: Learner,
    optimiser: Optimiser,
    fit: Stack,
    held: Stack,
    schedule: Schedule,
    generator: Generator,
    listen: Listener,
) -> CriticOutcome:
    """Train all members at once, and keep the weights of each with the lowest validation loss.

    Args:
        net: Starting weights; changed in place.
        learner: Computes training loss and validation loss.
        optimiser: Updates the parameters of `net`.
        fit: Training rows.
        held: Validation rows, the same number for every member.
        schedule: Number of steps, learning rate, and stopping rule.
        generator: Source of the batches.
        listen: Gets a `Step` after each step and a `Snapshot` after each validation. If it
            returns true, training stops and keeps its weights.

    Returns:
        The outcome.

    Raises:
        Stopped: The user has stopped the run before the first validation.
    """
    average = copy.deepcopy(net).requires_grad_(False)
    parameters, averages = trained(net, average)
    state = _State(average, copy.deepcopy(average))
    batches = fit.batches(schedule.batch, generator)

    def draw(step: int) -> PreparedBatch:
        x, y = next(batches)
        return PreparedBatch(
            lambda rows: learner.loss(net, rows["x"], rows["y"]), {"x": x, "y": y}
        )

    def is_over(step: int, stopped: bool) -> bool:
        if stopped or schedule.is_due(step):
            with torch.no_grad():
                loss, mi = learner.check(average, held.x, held.y)
            state.status = state.after(step, loss, mi, stopped, schedule, listen)
        return state.status is not None

    try:
        descend(
            Direct(parameters, averages, optimiser),
            draw,
            is_over,
            steps=schedule.steps,
            rate=schedule.at,
            ema=schedule.ema,
            listen=listen,
        )
    except Stopped:  # in a validation, which then does not count
        if not state.record.step:
            raise
        state.status = Status.INTERRUPTED
    assert state.status is not None, "training goes on"
    return CriticOutcome(state.kept, state.status, state.record.history())


@dataclass(eq=False)
class _State:
    """Averaged and kept weights, all validations, the least losses, and how training ended."""

    average: nn.Module
    kept: nn.Module
    record: Record = field(default_factory=Record)
    least: Tensor = field(default_factory=lambda: torch.tensor(math.inf, dtype=torch.float32))
    best: int = 0
    status: Status | None = None

    def after(
        self,
        step: int,
        loss: Tensor,
        mi: float,
        stopped: bool,
        schedule: Schedule,
        listen: Listener,
    ) -> Status | None:
        """Keep what is better, and decide whether training ends, after a validation."""
        if step and not bool(loss.isfinite().all()):
            return Status.DIVERGED
        if step and bool((loss < self.least - BETTER).any()):
            self.best = step
        keep_better(self.kept, self.average, loss < self.least)
        self.least = torch.minimum(self.least.to(loss), loss)
        self.record.add(step, float(loss.mean()), mi)
        listen(Snapshot(step, mi, self.record.loss[-1], *[_NO_CURVE] * 5))
        if stopped:
            return Status.INTERRUPTED
        if schedule.is_over(step, self.best):
            return Status.CONVERGED
        return self.record.verdict(WORTH_MORE_STEPS).status if step == schedule.steps else None
