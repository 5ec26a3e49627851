"""When training stops, and which weights it keeps: every rule and threshold of it.

Validation compares what a network has changed of the prediction that it started from with what was
left to explain there. The share of the change that also holds on validation rows is the *learned
fraction*; the rest is overfitting. The inner form of the gap is biased by what is not learned yet,
not by overfitting, which only adds variance: so `mmg` trains on while the learned fraction stays
above `MIN_LEARNED_FRACTION`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from mmg_nb.results.curves import TrainingHistory
from mmg_nb.results.status import Status

__all__ = [
    "BETTER",
    "FEW_STEPS",
    "MIN_LEARNED_FRACTION",
    "PLATEAU",
    "SIGNIFICANT",
    "STILL_SIGNIFICANT",
    "WORTH_MORE_STEPS",
    "Ended",
    "Record",
    "StoppingRule",
    "Weights",
    "learned_fraction",
]

# Evidence: notebooks/results/LOG.md, "What stops training", unless it says otherwise.
SIGNIFICANT = 4.0  # standard errors from which something counts as learned at first
STILL_SIGNIFICANT = 2.0  # standard errors from which it still does, once it has
MIN_LEARNED_FRACTION = 0.2  # of the change of the prediction; below it training stops
BETTER = 0.002  # nats by which a validation error must fall to count as better; not measured
WORTH_MORE_STEPS = 0.005  # nats gained over the last fifth of the steps; above: step limit
FEW_STEPS = 200  # from which nothing learned means that there is nothing to learn; not measured
PLATEAU = 0.3  # share of the steps after which the learning rate falls; not measured


class Weights(StrEnum):
    """Which weights are kept, and with that when training may stop early."""

    LAST = "last"
    """Those after the last step; training never stops early."""
    BEST = "best"
    """Those of the least validation error; over at twice the steps that it took."""
    LEARNT = "learnt"
    """The last of which at least `MIN_LEARNED_FRACTION` is learned rather than overfitted; over
    with less, or, while nothing is learned, at twice the steps of the last sign of it."""


class Ended(StrEnum):
    """How a training ended, in its own terms; `status` is what users are told."""

    CONVERGED = "converged"
    STEP_LIMIT = "step_limit"
    EARLY_STOPPED = "early_stopped"
    INTERRUPTED = "interrupted"
    DIVERGED = "diverged"
    STILL_IMPROVING = "still_improving"
    """Before its last step, since so much is still gained that another method is needed."""

    @property
    def status(self) -> Status:
        """The status of a result that rests on this training."""
        if self is Ended.STILL_IMPROVING:
            return Status.STEP_LIMIT
        return Status(self.value)


@dataclass(eq=False)
class Record:
    """What validation has said so far; `judged` is the loss by which progress is judged."""

    step: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    mi: list[float] = field(default_factory=list)
    judged: list[float] = field(default_factory=list)

    def add(self, step: int, loss: float, mi: float, judged: float | None = None) -> None:
        """Note a validation; progress is judged by the loss if by nothing else."""
        self.step.append(step)
        self.loss.append(loss)
        self.mi.append(mi)
        self.judged.append(loss if judged is None else judged)

    def history(self) -> TrainingHistory:
        """The record as part of a result."""
        return TrainingHistory(
            np.asarray(self.step, dtype=np.int64), np.asarray(self.loss), np.asarray(self.mi)
        )

    def late_gain(self, step: int) -> float:
        """What the second half of the training up to a step added to the estimate.

        Networks approach the optimum slowly: what the last doubling of the steps still gained is
        the scale of what the next ones would.

        Args:
            step: Of the weights in question.

        Returns:
            Nats; 0 if the estimate did not rise.
        """
        half, end = np.interp([step / 2, step], self.step, self.mi)
        return max(0.0, float(end - half))

    def verdict(self, worth: float) -> Ended:
        """How training ended that did all its steps.

        Args:
            worth: Fall of the judged loss over the last fifth of the steps from which more of
                them are worth having.

        Returns:
            `STEP_LIMIT` if it fell by more, else `CONVERGED`.
        """
        steps = zip(self.step, self.judged, strict=True)
        earlier = min(loss for step, loss in steps if step <= 0.8 * self.step[-1])
        gained = earlier - min(self.judged)
        enough = math.isfinite(gained) and gained > worth
        return Ended.STEP_LIMIT if enough else Ended.CONVERGED


class _Progress(Protocol):
    """The part of a training's state that the rules read."""

    step: int
    kept_at: int
    record: Record


@dataclass(frozen=True, kw_only=True)
class StoppingRule:
    """When a training stops.

    Attributes:
        steps: Most training steps.
        check_every: Steps between validations.
        grace: Steps before training may stop early; None to train all steps.
        weights: Which weights to keep.
        yields_above: Nats: training ends as `STILL_IMPROVING` if the last doubling of its steps
            gained more, when the learning rate is about to fall; None: never.
    """

    steps: int
    check_every: int
    grace: int | None
    weights: Weights
    yields_above: float | None = None

    def keeps(self, step: int, best: int, share: float) -> bool:
        """Whether the weights at `step` replace those kept.

        Args:
            step: Steps done.
            best: The step of the least validation error so far.
            share: The learned fraction.
        """
        if self.weights is Weights.LEARNT:
            return share >= MIN_LEARNED_FRACTION
        return self.weights is Weights.LAST or step == best

    def is_over(self, step: int, best: int, share: float = 1.0, hopeful_at: int = 0) -> bool:
        """Whether it is time to stop early.

        Args:
            step: Steps done.
            best: The step of the least validation error so far.
            share: The learned fraction.
            hopeful_at: Last step with signs of something learned while nothing is kept yet.
        """
        if self.grace is None or step < self.grace or self.weights is Weights.LAST:
            return False
        if self.weights is Weights.LEARNT:
            return share < MIN_LEARNED_FRACTION and step >= 2 * hopeful_at
        return step >= 2 * best

    def still_improving(self, state: _Progress) -> bool:
        """Whether so much is still gained when the rate begins to fall that training yields.

        Args:
            state: After a validation.
        """
        falls = state.step - self.check_every < PLATEAU * self.steps <= state.step
        if self.yields_above is None or not falls or state.kept_at < state.step:
            return False
        return state.record.late_gain(state.step) > self.yields_above


def learned_fraction(
    along: Tensor, size: Tensor, block: Tensor, blocks: int, least: float
) -> tuple[float, float]:
    """Fall of the error at the best multiple of a correction, and that multiple, up to 1.

    What is learned shows in the product of the correction with the error at the start, what is
    overfitted only in its size. A product that may be chance counts as none.

    Args:
        along: The product at each draw, `(members, draws)`.
        size: The square of the correction, likewise.
        block: Block of dependent rows of each draw, likewise.
        blocks: How many blocks there are in all members together.
        least: Standard errors that a product must exceed.

    Returns:
        Fall of the mean squared error, and the learned fraction.
    """
    by_block = torch.zeros_like(along).scatter_add_(1, block, along)
    total = float(along.sum())
    if blocks < 2:
        return 0.0, 0.0
    variance = float(by_block.square().sum()) - total**2 / blocks
    if not total > least * math.sqrt(max(0.0, variance) * blocks / (blocks - 1)):
        return 0.0, 0.0
    whole = float(size.sum())
    share = min(1.0, total / whole)
    return (2 * share * total - share**2 * whole) / along.numel(), share
