"""When training stops, and which weights it keeps: all rules and thresholds.

A network changes the prediction that it started from. Validation compares this change with the
error of the start. The fraction of the change that also holds on validation rows is the *learned
fraction*; the rest is overfitting. What is not learned yet biases the inner form of the gap.
Overfitting only adds variance to it. So `mmg` continues to train while the learned fraction stays
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
    "HINTS",
    "MIN_LEARNED_FRACTION",
    "PLATEAU",
    "SIGNIFICANT",
    "WORTH_MORE_STEPS",
    "Ended",
    "KeepWeights",
    "Record",
    "StoppingRule",
    "evidence_of",
    "learned_fraction",
]

# Evidence: notebooks/results/LOG.md, "What stops training", unless a line says otherwise.
SIGNIFICANT = 2.0  # standard errors from which an improvement counts as learned
MIN_LEARNED_FRACTION = 0.2  # training stops if the learned fraction is smaller
BETTER = 0.002  # nats by which a validation loss must fall to count as better; not measured
WORTH_MORE_STEPS = 0.005  # nats gained over the last fifth of the steps; above: step limit
HINTS = {0.5: 1.0, 0.7: 1.5}  # fraction of the grace -> standard errors needed there to go on
FEW_STEPS = 200  # with fewer steps, no conclusion if nothing was learned; not measured
PLATEAU = 0.3  # fraction of the steps after which the learning rate falls; not measured


class KeepWeights(StrEnum):
    """Which weights are kept, and when training may stop early."""

    LAST = "last"
    """Keep the weights of the last step. Training never stops early."""
    BEST = "best"
    """Keep the weights with the lowest validation loss. Training stops at twice their step."""
    GENERALISING = "learnt"
    """Keep the last weights whose learned fraction is at least `MIN_LEARNED_FRACTION`. Training
    stops if the fraction is smaller."""


class Ended(StrEnum):
    """How a training ended; `status` is the corresponding status of the result.

    `EARLY_STOPPED`: it ended before its last step, because validation rows showed no further
    improvement. The result has then converged, too.
    """

    CONVERGED = "converged"
    STEP_LIMIT = "step_limit"
    EARLY_STOPPED = "early_stopped"
    INTERRUPTED = "interrupted"
    DIVERGED = "diverged"
    STILL_IMPROVING = "still_improving"
    """Training stopped before its last step, so that canonical pairs can be fitted."""

    @property
    def status(self) -> Status:
        """The status of a result that rests on this training."""
        if self is Ended.STILL_IMPROVING:
            return Status.STEP_LIMIT
        return Status.CONVERGED if self is Ended.EARLY_STOPPED else Status(self.value)


@dataclass(eq=False)
class Record:
    """All validations so far; the progress loss is that of `Measured`."""

    step: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    mi: list[float] = field(default_factory=list)
    progress_loss: list[float] = field(default_factory=list)

    def add(self, step: int, loss: float, mi: float, progress_loss: float | None = None) -> None:
        """Record a validation; by default, the loss measures progress."""
        self.step.append(step)
        self.loss.append(loss)
        self.mi.append(mi)
        self.progress_loss.append(loss if progress_loss is None else progress_loss)

    def history(self) -> TrainingHistory:
        """The record as part of a result."""
        return TrainingHistory(
            np.asarray(self.step, dtype=np.int64), np.asarray(self.loss), np.asarray(self.mi)
        )

    def late_gain(self, step: int) -> float:
        """Gain of the estimate in the second half of the training up to a step.

        Networks converge slowly, so the gain of the last doubling of the steps is the scale of
        what further steps would add.

        Args:
            step: Step of the kept weights.

        Returns:
            The gain in nats; 0 if the estimate did not rise.
        """
        half, end = np.interp([step / 2, step], self.step, self.mi)
        return max(0.0, float(end - half))

    def verdict(self, worth: float) -> Ended:
        """Decide how a training ended that used all its steps.

        Args:
            worth: Threshold for the fall of the progress loss over the last fifth of the steps.

        Returns:
            `STEP_LIMIT` if the loss fell by more, else `CONVERGED`.
        """
        steps = zip(self.step, self.progress_loss, strict=True)
        earlier = min(loss for step, loss in steps if step <= 0.8 * self.step[-1])
        gained = earlier - min(self.progress_loss)
        enough = math.isfinite(gained) and gained > worth
        return Ended.STEP_LIMIT if enough else Ended.CONVERGED


class _Progress(Protocol):
    """The part of the training state that the rules use."""

    step: int
    kept_at: int
    record: Record


@dataclass(frozen=True, kw_only=True)
class StoppingRule:
    """When a training stops.

    Attributes:
        steps: Maximum training steps.
        check_every: Steps between validations.
        grace: Steps before training may stop early; None to train all steps.
        weights: Which weights to keep.
        yields_above: Training ends as `STILL_IMPROVING` if the last doubling of its steps gained
            more nats than this, just before the learning rate falls. None for never.
    """

    steps: int
    check_every: int
    grace: int | None
    weights: KeepWeights
    yields_above: float | None = None

    def keeps(self, step: int, best: int, fraction: float) -> bool:
        """Whether the weights at `step` replace the kept ones.

        Args:
            step: Steps done.
            best: Step of the lowest validation loss so far.
            fraction: The learned fraction.
        """
        if self.weights is KeepWeights.GENERALISING:
            return fraction >= MIN_LEARNED_FRACTION
        return self.weights is KeepWeights.LAST or step == best

    def is_over(
        self,
        step: int,
        best: int,
        fraction: float = 1.0,
        evidence: float = math.inf,
    ) -> bool:
        """Whether training stops early.

        Args:
            step: Steps done.
            best: Step of the lowest validation loss so far.
            fraction: The learned fraction.
            evidence: Largest number of standard errors so far by which learning differs from 0.
        """
        if self.grace is None or self.weights is KeepWeights.LAST:
            return False
        if step < self.grace:
            needed = [errors for share, errors in HINTS.items() if step >= share * self.grace]
            return step >= FEW_STEPS and bool(needed) and evidence < max(needed)
        if self.weights is KeepWeights.GENERALISING:
            return fraction < MIN_LEARNED_FRACTION
        return step >= 2 * best

    def still_improving(self, state: _Progress) -> bool:
        """Whether training yields: the estimate still rises when the learning rate begins to fall.

        Args:
            state: The training state after a validation.
        """
        falls = state.step - self.check_every < PLATEAU * self.steps <= state.step
        if self.yields_above is None or not falls or state.kept_at < state.step:
            return False
        return state.record.late_gain(state.step) > self.yields_above


def learned_fraction(along: Tensor, size: Tensor, evidence: float) -> tuple[float, float]:
    """Fall of the error at the best multiple of a correction, and that multiple, at most 1.

    Learning increases the product of the correction with the error of the start. Overfitting only
    increases the size of the correction. A product that is not significant counts as 0.

    Args:
        along: Product at each draw, `(members, draws)`.
        size: Square of the correction, of the same shape.
        evidence: See `evidence_of`.

    Returns:
        Fall of the mean squared error, and the learned fraction.
    """
    total, whole = float(along.sum()), float(size.sum())
    if not evidence > SIGNIFICANT:
        return 0.0, 0.0
    fraction = min(1.0, total / whole)
    return (2 * fraction * total - fraction**2 * whole) / along.numel(), fraction


def evidence_of(along: Tensor, cluster: Tensor, n_clusters: int) -> float:
    """Number of standard errors by which the sum of products differs from 0; 0 without a spread.

    Args:
        along: See `learned_fraction`.
        cluster: Cluster of each draw, of the same shape.
        n_clusters: Number of clusters in all members together.
    """
    if n_clusters < 2:
        return 0.0
    total = float(along.sum())
    by_cluster = torch.zeros_like(along).scatter_add_(1, cluster, along)
    variance = float(by_cluster.square().sum()) - total**2 / n_clusters
    spread = math.sqrt(max(0.0, variance) * n_clusters / (n_clusters - 1))
    return total / spread if spread else math.copysign(math.inf, total) if total else 0.0
