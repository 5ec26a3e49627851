"""The training loop of critics and density networks."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Generator, Tensor, nn

from mmg_nb.results.curves import TrainingHistory
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Listener, Snapshot, Step
from mmg_nb.training.schedule import Schedule
from mmg_nb.training.state import Optimiser, follow, newest_share, trained
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
            keys = torch.rand(members, longest, generator=generator, device=device)
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
    """
    average = copy.deepcopy(net).requires_grad_(False)
    kept = copy.deepcopy(average)
    parameters, averages = trained(net, average)
    record, status, step, best = Record(), None, 0, 0
    least, mi = _check(learner, average, held)
    _report(record, 0, least, mi, listen)
    batches = fit.batches(schedule.batch, generator)
    while step < schedule.steps and status is None:
        value = learner.loss(net, *next(batches))
        for parameter in parameters:
            parameter.grad = None
        value.backward()
        optimiser.step(schedule.rate(step / schedule.steps))
        follow(averages, parameters, newest_share(step, schedule.ema))
        step += 1
        stopped = bool(listen(Step(step, schedule.steps)))
        if not (stopped or step % schedule.check_every == 0 or step == schedule.steps):
            continue
        loss, mi = _check(learner, average, held)
        if not bool(loss.isfinite().all()):
            status = Status.DIVERGED
            break
        if bool((loss < least - BETTER).any()):
            best = step
        _keep(kept, average, loss < least)
        least = torch.minimum(least, loss)
        _report(record, step, loss, mi, listen)
        if stopped:
            status = Status.INTERRUPTED
        elif schedule.is_over(step, best):
            status = Status.EARLY_STOPPED
    return CriticOutcome(kept, status or record.verdict(WORTH_MORE_STEPS).status, record.history())


@torch.no_grad()
def _check(learner: Learner, net: nn.Module, held: Stack) -> tuple[Tensor, float]:
    return learner.check(net, held.x, held.y)


def _report(record: Record, step: int, loss: Tensor, mi: float, listen: Listener) -> None:
    record.add(step, float(loss.mean()), mi)
    listen(Snapshot(step, mi, record.loss[-1], *[_NO_CURVE] * 5))


@torch.no_grad()
def _keep(kept: nn.Module, new: nn.Module, better: Tensor) -> None:
    """Replace the kept weights of those members that are better, `(members,)`."""
    for old, parameter in zip(kept.parameters(), new.parameters(), strict=True):
        old.copy_(torch.where(better.view(-1, 1, 1), parameter, old))
