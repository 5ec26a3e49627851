"""The one training loop."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Generator, Tensor

from mmg_nb.denoisers import Denoiser, Samples
from mmg_nb.events import Listener, Snapshot, Step
from mmg_nb.logsnr import BinnedProposal, Proposal
from mmg_nb.results import Status, TrainingHistory

__all__ = ["Optimiser", "Outcome", "Rows", "Schedule", "Validation", "train", "trapezoid"]

EMA_DECAY = 0.998
NOT_WORTH_MORE_STEPS = 0.005  # nats that the last fifth of the steps may still have gained
BETTER = 0.002  # nats by which a validation error must fall to count as better


class Optimiser(Protocol):
    """Updates parameters from their gradients."""

    def step(self, scale: float) -> None:
        """One update, learning rates multiplied by `scale`."""
        ...


@dataclass(frozen=True, eq=False)
class Rows:
    """Samples of every member, padded to one length, and the true lengths `(members,)`."""

    samples: Samples
    count: Tensor


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and in what rhythm to train.

    Attributes:
        steps: Most training steps.
        batch: Rows a step and member.
        check_every: Steps between validations.
        grace: Steps before training may stop early; None to train all steps.
        overtrain: The weights kept are those at this multiple of the step with the least
            validation error, 1 for the least itself; None for the last. The inner form of the
            gap is biased by what is not learnt yet, not by overfitting, so it gains from more.
        rate: Factor of the learning rate at a fraction of the steps.
        ema: Decay of the averaged weights that are validated and kept.
    """

    steps: int
    batch: int
    check_every: int
    grace: int | None
    overtrain: float | None
    rate: Callable[[float], float]
    ema: float = EMA_DECAY

    def keeps(self, step: int, best: int) -> bool:
        """Whether the weights at `step` replace those kept, the best step so far being `best`."""
        return self.overtrain is None or step <= self.overtrain * best

    def is_over(self, step: int, best: int) -> bool:
        """Whether it is time to stop early."""
        if self.grace is None or self.overtrain is None:
            return False
        return step >= max(self.grace, max(2.0, self.overtrain) * best)


def trapezoid(fraction: float) -> float:
    """A short rise, a plateau, a linear fall: factor of the learning rate."""
    return min(1.0, fraction / 0.05 + 1e-3) * (1 - 0.99 * max(0.0, fraction - 0.3) / 0.7)


@dataclass(frozen=True, eq=False)
class Validation:
    """Fixed noise on the validation rows, the same at every check, so that checks compare.

    Attributes:
        samples: Rows repeated to `(members, draws, …)`.
        eps: Their noise.
        logsnr: Their λ, stratified uniformly over the bins, `(members, draws)`.
        bins: Bin of each λ.
        grid: The bins.
    """

    samples: Samples
    eps: Tensor
    logsnr: Tensor
    bins: Tensor
    grid: BinnedProposal

    @classmethod
    def prepare(
        cls, rows: Rows, grid: BinnedProposal, draws: int, generator: Generator
    ) -> Validation:
        """Draw the noise.

        Args:
            rows: Validation rows of every member.
            grid: Bins, with their span.
            draws: Rows × repeats for each member.
            generator: Source of the noise.

        Returns:
            The fixed validation set.
        """
        members, device = len(rows.count), rows.count.device
        order = torch.arange(draws, device=device).expand(members, draws)
        samples = rows.samples.take(order % rows.count.unsqueeze(1))
        shape = members, draws
        jitter = torch.rand(shape, generator=generator, device=device, dtype=torch.float64)
        strata = torch.rand(shape, generator=generator, device=device).argsort(dim=1)
        level = grid.low + (grid.high - grid.low) * (strata + jitter) / draws
        eps = torch.randn(samples.x.shape, generator=generator, device=device)
        return cls(samples, eps, level.float(), grid.bins(level), grid)

    @torch.no_grad()
    def measure(self, denoiser: Denoiser) -> tuple[Tensor, Tensor]:
        """Errors and gap of the present weights.

        Returns:
            The mean squared ε-error of each member, both branches together, `(members,)`, and the
            means over bins of both errors and of the inner gap, `(3, k)`.
        """
        none = torch.zeros(1, 1, 1, dtype=torch.bool, device=self.eps.device)
        u = denoiser(self.samples, self.eps, self.logsnr, none)
        c = denoiser(self.samples, self.eps, self.logsnr, ~none)
        error_u, error_c = ((self.eps - v).square().sum(-1) for v in (u, c))
        inner = ((self.eps - u) * (c - u)).sum(-1)
        values = torch.stack([error_u, error_c, inner]).flatten(1).double()
        k, bins = len(self.grid.mass), self.bins.flatten()
        sums = torch.zeros(3, k, dtype=torch.float64, device=bins.device)
        sums.index_add_(1, bins, values)
        return (error_u + error_c).mean(1), sums / torch.bincount(bins, minlength=k).clamp_min(1)


@dataclass(eq=False)
class _Record:
    """What validation has said so far."""

    step: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    mi: list[float] = field(default_factory=list)

    def history(self) -> TrainingHistory:
        return TrainingHistory(
            np.asarray(self.step, dtype=np.int64), np.asarray(self.loss), np.asarray(self.mi)
        )


@dataclass(frozen=True, eq=False)
class Outcome:
    """What training leaves behind.

    Attributes:
        denoiser: The weights to evaluate, one set per member.
        proposal: The last proposal, adapted or as given.
        status: How training ended.
        history: Validation record.
        steps: Steps done.
    """

    denoiser: Denoiser
    proposal: Proposal
    status: Status
    history: TrainingHistory
    steps: int


def train(
    denoiser: Denoiser,
    optimiser: Optimiser,
    rows: Rows,
    validation: Validation,
    proposal: Proposal,
    schedule: Schedule,
    loss: Callable[[Denoiser, Samples, Generator, Proposal], Tensor],
    adapt: Callable[[Tensor], Proposal] | None,
    generator: Generator,
    listen: Listener,
) -> Outcome:
    """Train all members at once.

    Nothing in the loop waits for the device except the validations.

    Args:
        denoiser: Starting weights; changed in place.
        optimiser: Updates the denoiser's parameters.
        rows: Rows to fit, of every member.
        validation: Fixed validation set.
        proposal: First density of the log-SNRs.
        schedule: How long and in what rhythm.
        loss: Training loss of a batch, summed over members.
        adapt: New proposal from the inner gap in each bin; None to keep the first.
        generator: Source of the batches and their noise.
        listen: Gets a `Step` after each step and a `Snapshot` after each validation; a true
            answer stops training and keeps what was learnt.

    Returns:
        The outcome.
    """
    average = copy.deepcopy(denoiser).requires_grad_(False)
    kept = copy.deepcopy(average)
    record, status, step, best = _Record(), None, 0, 0
    found, curves = validation.measure(average)
    least = float(found.mean())
    worth = BETTER / (0.5 * (validation.grid.high - validation.grid.low))
    _report(record, 0, found, curves, proposal, validation.grid, listen)
    while step < schedule.steps and status is None:
        uniform = torch.rand(
            len(rows.count), schedule.batch, generator=generator, device=rows.count.device
        )
        index = (uniform * rows.count.unsqueeze(1)).long()
        value = loss(denoiser, rows.samples.take(index), generator, proposal)
        denoiser.zero_grad(set_to_none=True)
        value.backward()
        optimiser.step(schedule.rate(step / schedule.steps))
        _follow(average, denoiser, min(schedule.ema, (1 + step / 10) / (10 + step / 10)))
        step += 1
        stopped = bool(listen(Step(step, schedule.steps)))
        if not (stopped or step % schedule.check_every == 0 or step == schedule.steps):
            continue
        found, curves = validation.measure(average)
        if not bool(found.isfinite().all()):
            status = Status.DIVERGED
            break
        if float(found.mean()) < least - worth:
            least, best = float(found.mean()), step
        if schedule.keeps(step, best):
            _copy(kept, average)
        if adapt is not None:
            proposal = adapt(curves[2])
        _report(record, step, found, curves, proposal, validation.grid, listen)
        if stopped:
            status = Status.INTERRUPTED
        elif schedule.is_over(step, best):
            status = Status.EARLY_STOPPED
    return Outcome(
        kept, proposal, status or _verdict(record, validation.grid), record.history(), step
    )


@torch.no_grad()
def _follow(average: Denoiser, denoiser: Denoiser, decay: float) -> None:
    torch._foreach_lerp_(list(average.parameters()), list(denoiser.parameters()), 1 - decay)


@torch.no_grad()
def _copy(target: Denoiser, source: Denoiser) -> None:
    for old, new in zip(target.parameters(), source.parameters(), strict=True):
        old.copy_(new)


def _report(
    record: _Record,
    step: int,
    loss: Tensor,
    curves: Tensor,
    proposal: Proposal,
    grid: BinnedProposal,
    listen: Listener,
) -> None:
    mi = float(0.5 * (curves[2] * grid.widths).sum())
    record.step.append(step)
    record.loss.append(float(loss.mean()))
    record.mi.append(mi)
    error_u, error_c, gap = curves.cpu().numpy()
    density = proposal.density(grid.centres).cpu().numpy()
    centres = grid.centres.cpu().numpy()
    listen(Snapshot(step, mi, record.loss[-1], centres, error_u, error_c, gap, density))


def _verdict(record: _Record, grid: BinnedProposal) -> Status:
    """Whether the last fifth of the steps still lowered the error by something worth having."""
    if len(record.loss) < 2:
        return Status.STEP_LIMIT
    earlier = [
        v for s, v in zip(record.step, record.loss, strict=True) if s <= 0.8 * record.step[-1]
    ]
    gained = 0.5 * (grid.high - grid.low) * (min(earlier) - min(record.loss))
    worth = math.isfinite(gained) and gained > NOT_WORTH_MORE_STEPS
    return Status.STEP_LIMIT if worth else Status.CONVERGED
