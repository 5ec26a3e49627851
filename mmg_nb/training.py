"""The one training loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from mmg_nb.denoisers import Denoiser, Samples
from mmg_nb.events import Listener, Snapshot, Step
from mmg_nb.keeping import Keeper
from mmg_nb.logsnr import BinnedProposal, Proposal
from mmg_nb.results import Status, TrainingHistory
from mmg_nb.training_state import RestorableOptimiser, TrainingState, follow

__all__ = [
    "Outcome",
    "Rows",
    "Schedule",
    "Validation",
    "even_batch",
    "paired_halves",
    "train",
    "trapezoid",
]

EMA_DECAY = 0.998
NOT_WORTH_MORE_STEPS = 0.005  # nats that the last fifth of the steps may still have gained
BETTER = 0.002  # nats by which a validation error must fall to count as better


@dataclass(frozen=True, eq=False)
class Rows:
    """Samples of every member, padded to one length, and the true lengths `(members,)`."""

    samples: Samples
    count: Tensor

    def draw(self, batch: int, generator: Generator) -> Samples:
        """A random batch for every member."""
        uniform = torch.rand(len(self.count), batch, generator=generator, device=self.count.device)
        return self.samples.take((uniform * self.count.unsqueeze(1)).long())


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

    def is_due(self, step: int) -> bool:
        """Whether to validate before the first step, now and then, or after the last."""
        return step % self.check_every == 0 or step == self.steps

    def keeps(self, step: int, best: int) -> bool:
        """Whether the weights at `step` replace those kept, the best step so far being `best`."""
        return self.overtrain is None or step <= self.overtrain * best

    def is_over(self, step: int, best: int) -> bool:
        """Whether it is time to stop early."""
        if self.grace is None or self.overtrain is None:
            return False
        return step >= max(self.grace, max(2.0, self.overtrain) * best)


def even_batch(wanted: int, count: Tensor) -> int:
    """Rows a step: even, so that half goes to each branch, and no more than any member has.

    Args:
        wanted: As asked for.
        count: Rows of each member, `(members,)`.

    Returns:
        At least 2.
    """
    return max(2, min(wanted, int(count.min())) // 2 * 2)


def paired_halves(
    denoiser: Denoiser, samples: Samples, generator: Generator, proposal: Proposal
) -> Tensor:
    """Training loss: ε-error of a batch, the first half without y, the second with y.

    Args:
        denoiser: Of all members.
        samples: `(members, batch, …)`, batch even.
        generator: Source of the noise.
        proposal: Where the log-SNRs are drawn, stratified.

    Returns:
        ‖ε − ε̂‖², mean over the batch and sum over members.
    """
    members, batch, _ = samples.x.shape
    half, device = batch // 2, samples.x.device
    jitter = torch.rand(members, 2, half, generator=generator, device=device)
    u = (torch.arange(half, device=device) + jitter) / half
    logsnr = proposal.quantile(u.view(members, batch)).float()
    given = (torch.arange(batch, device=device) >= half).view(1, batch, 1)
    eps = torch.randn(samples.x.shape, generator=generator, device=device)
    error = eps - denoiser(samples, eps, logsnr, given)
    return error.square().sum(-1).mean(-1).sum()


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
    optimiser: RestorableOptimiser,
    rows: Rows,
    validation: Validation,
    proposal: Proposal,
    schedule: Schedule,
    loss: Callable[[Denoiser, Samples, Generator, Proposal], Tensor],
    adapt: Callable[[Tensor], Proposal] | None,
    generator: Generator,
    listen: Listener,
    keep: Keeper,
) -> Outcome:
    """Train all members at once.

    Nothing in the loop waits for the device except the validations. What is kept is always a
    state between two steps, before the validation that is due there: so a stop, which validates
    at a step of its own, leaves no trace in a run that is resumed.

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
        keep: Gets the state between steps, and may have one to go on from.

    Returns:
        The outcome.
    """
    state = TrainingState.start(denoiser, optimiser, proposal, generator)
    keep.begin(state)
    stopped = False
    while state.status is None:
        keep.offer(state, urgent=stopped)
        if stopped or schedule.is_due(state.step):
            state.status = _validate(state, validation, schedule, adapt, stopped, listen)
            if state.status is not None:
                break
        value = loss(denoiser, rows.draw(schedule.batch, generator), generator, state.proposal)
        denoiser.zero_grad(set_to_none=True)
        value.backward()
        optimiser.step(schedule.rate(state.step / schedule.steps))
        follow(state.average, denoiser, state.step, schedule.ema)
        state.step += 1
        stopped = bool(listen(Step(state.step, schedule.steps)))
    if not stopped:
        keep.offer(state, urgent=True)
    return Outcome(state.kept, state.proposal, state.status, state.record.history(), state.step)


def _validate(
    state: TrainingState,
    validation: Validation,
    schedule: Schedule,
    adapt: Callable[[Tensor], Proposal] | None,
    stopped: bool,
    listen: Listener,
) -> Status | None:
    """Look at the validation points, draw the consequences, and say whether this is the end."""
    found, curves = validation.measure(state.average)
    if state.step and not bool(found.isfinite().all()):
        return Status.DIVERGED
    error, grid = float(found.mean()), validation.grid
    if error < state.least - BETTER / (0.5 * (grid.high - grid.low)):
        state.least, state.best = error, state.step
    if schedule.keeps(state.step, state.best):
        _copy(state.kept, state.average)
    if adapt is not None and state.step:
        state.proposal = adapt(curves[2])
    _report(state, error, curves, grid, listen)
    if stopped:
        return Status.INTERRUPTED
    if schedule.is_over(state.step, state.best):
        return Status.EARLY_STOPPED
    if state.step < schedule.steps:
        return None
    if state.step == 0:
        return Status.STEP_LIMIT
    return state.record.verdict(NOT_WORTH_MORE_STEPS / (0.5 * (grid.high - grid.low)))


@torch.no_grad()
def _copy(target: Denoiser, source: Denoiser) -> None:
    for old, new in zip(target.parameters(), source.parameters(), strict=True):
        old.copy_(new)


def _report(
    state: TrainingState, error: float, curves: Tensor, grid: BinnedProposal, listen: Listener
) -> None:
    mi = float(0.5 * (curves[2] * grid.widths).sum())
    state.record.step.append(state.step)
    state.record.loss.append(error)
    state.record.mi.append(mi)
    error_u, error_c, gap = curves.cpu().numpy()
    density = state.proposal.density(grid.centres).cpu().numpy()
    centres = grid.centres.cpu().numpy()
    listen(Snapshot(state.step, mi, error, centres, error_u, error_c, gap, density))
