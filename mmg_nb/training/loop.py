"""The one training loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from mmg_nb.denoisers.gaussian import Denoiser
from mmg_nb.denoisers.logsnr import BinnedProposal, Proposal
from mmg_nb.denoisers.members import Rows
from mmg_nb.results.curves import TrainingHistory
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Listener, Snapshot, Step
from mmg_nb.runs.keeper import Keeper
from mmg_nb.training.batches import Draw, Lesson
from mmg_nb.training.schedule import Schedule
from mmg_nb.training.state import RestorableOptimiser, TrainingState, newest_share, trained
from mmg_nb.training.step import stepper
from mmg_nb.training.stopping import (
    BETTER,
    FEW_STEPS,
    MIN_LEARNED_FRACTION,
    WORTH_MORE_STEPS,
    Ended,
    Weights,
)
from mmg_nb.training.validation import Measured, Validation

__all__ = ["Outcome", "TrainingTask", "train"]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What training leaves behind.

    Attributes:
        denoiser: The weights to evaluate, one set per member.
        proposal: The last proposal, adapted or as given.
        ended: How training ended, in its own terms.
        history: Validation record.
        steps: Steps done.
        kept_at: Step of the weights to evaluate; 0 if nothing was learnt.
        late_gain: See `Record.late_gain`; None but for weights kept as long as they learn, for the
            others do not tell how much more training would help.
        hasty: Whether nothing was learnt in so few steps that this tells nothing.
        imprecision: Nats that canonical pairs, learnt before, may lack; None without any.
    """

    denoiser: Denoiser
    proposal: Proposal
    ended: Ended
    history: TrainingHistory
    steps: int
    kept_at: int
    late_gain: float | None
    hasty: bool
    imprecision: float | None = None

    @property
    def status(self) -> Status:
        """How training ended, as users are told."""
        return self.ended.status


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainingTask:
    """What is trained, on what, and how.

    Attributes:
        denoiser: Starting weights; changed in place.
        optimiser: Updates the denoiser's parameters.
        rows: Rows to fit, of every member.
        validation: Fixed validation set.
        proposal: First density of the log-SNRs.
        schedule: How long and in what rhythm.
        draw: Draws what the steps learn from.
        generator: Source of the batches and their noise.
        adapt: New proposal from the inner gap in each bin; None to keep the first.
    """

    denoiser: Denoiser
    optimiser: RestorableOptimiser
    rows: Rows
    validation: Validation
    proposal: Proposal
    schedule: Schedule
    draw: Draw
    generator: Generator
    adapt: Callable[[Tensor], Proposal] | None = None

    def lessons(self, state: TrainingState, step: int) -> Sequence[Lesson]:
        """What the next steps learn from: one lesson or more, up to the next validation."""
        most = self.schedule.until_due(step)
        batch = self.schedule.batch
        return self.draw(self.denoiser, self.rows, batch, state.proposal, self.generator, most)


def train(task: TrainingTask, listen: Listener, keep: Keeper) -> Outcome:
    """Train all members at once.

    Nothing in the loop waits for the device except the validations. What is kept is always a
    state between two steps, before the validation that is due there: so a stop, which validates
    at a step of its own, leaves no trace in a run that is resumed.

    Args:
        task: What is trained, on what, and how.
        listen: Gets a `Step` after each step and a `Snapshot` after each validation; a true
            answer stops training and keeps what was learnt.
        keep: Gets the state between steps, and may have one to go on from.

    Returns:
        The outcome.
    """
    schedule, generator, validation = task.schedule, task.generator, task.validation
    state = TrainingState.start(task.denoiser, task.optimiser, task.proposal, generator)
    if schedule.weights is Weights.LEARNT:
        validation = validation.starting_from(task.denoiser)
    keep.begin(state)
    validation = validation.prepared_for(state.average)
    weights, averages = trained(task.denoiser, state.average)
    learn = stepper(weights, averages, task.optimiser)
    stopped = False
    ahead = deque[Lesson]()
    if state.step > state.drawn_at:
        # A resumed run, even one that has ended: the generator is to be where it was, too.
        ahead += task.lessons(state, state.drawn_at)[state.step - state.drawn_at :]
    while state.ended is None:
        keep.offer(state, urgent=stopped)
        if stopped or schedule.is_due(state.step):
            state.ended = _validate(state, validation, task, stopped, listen)
            if state.ended is not None:
                break
        if not ahead:
            state.drawn_at, state.drawn_from = state.step, generator.get_state()
            ahead += task.lessons(state, state.step)
        rate = schedule.rate(state.step / schedule.steps)
        learn(ahead.popleft(), rate, newest_share(state.step, schedule.ema))
        state.step += 1
        stopped = bool(listen(Step(state.step, schedule.steps)))
    if not stopped:
        keep.offer(state, urgent=True)
    return _outcome(state, schedule)


def _outcome(state: TrainingState, schedule: Schedule) -> Outcome:
    assert state.ended is not None, "training goes on"
    record, learned = state.record, schedule.weights is Weights.LEARNT
    return Outcome(
        state.kept,
        state.proposal,
        state.ended,
        record.history(),
        state.step,
        state.kept_at,
        record.late_gain(state.kept_at) if learned else None,
        hasty=state.kept_at == 0 and state.step < FEW_STEPS,
    )


def _validate(
    state: TrainingState,
    validation: Validation,
    task: TrainingTask,
    stopped: bool,
    listen: Listener,
) -> Ended | None:
    """Look at the validation points, draw the consequences, and say whether this is the end."""
    schedule = task.schedule
    found, grid = validation.measure(state.average, begun=state.kept_at > 0), validation.grid
    if state.step and not bool(found.error.isfinite().all()):
        return Ended.DIVERGED
    if found.judged < state.least - BETTER / (0.5 * (grid.high - grid.low)):
        state.least, state.best = found.judged, state.step
    if schedule.keeps(state.step, state.best, found.share):
        _copy(state.kept, state.average)
        state.kept_at, state.hopeful_at = state.step, 0
    elif state.kept_at == 0 and found.likely >= MIN_LEARNED_FRACTION:
        state.hopeful_at = state.step
    if task.adapt is not None and state.step:
        state.proposal = task.adapt(found.curves.gap)
    _report(state, found, grid, listen)
    if stopped:
        return Ended.INTERRUPTED
    if schedule.is_over(state.step, state.best, found.share, state.hopeful_at):
        return Ended.EARLY_STOPPED
    if state.step < schedule.steps:
        return Ended.STILL_IMPROVING if schedule.still_improving(state) else None
    if state.step == 0:
        return Ended.STEP_LIMIT
    return state.record.verdict(WORTH_MORE_STEPS / (0.5 * (grid.high - grid.low)))


@torch.no_grad()
def _copy(target: Denoiser, source: Denoiser) -> None:
    for old, new in zip(target.parameters(), source.parameters(), strict=True):
        old.copy_(new)


def _report(state: TrainingState, found: Measured, grid: BinnedProposal, listen: Listener) -> None:
    error = float(found.error.mean())
    mi = float(0.5 * (found.curves.gap * grid.widths).sum())
    state.record.add(state.step, error, mi, found.judged)
    error_u, error_c, gap = (curve.cpu().numpy() for curve in found.curves)
    density = state.proposal.density(grid.centres).cpu().numpy()
    centres = grid.centres.cpu().numpy()
    listen(Snapshot(state.step, mi, error, centres, error_u, error_c, gap, density))
