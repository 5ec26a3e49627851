"""The training loop of all denoisers."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from mmg_nb.denoisers.gaussian import Denoiser
from mmg_nb.denoisers.logsnr import BinnedProposal, Proposal
from mmg_nb.denoisers.members import Rows
from mmg_nb.polling import Stopped
from mmg_nb.results.curves import TrainingHistory
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Listener, Snapshot
from mmg_nb.runs.keeper import Keeper
from mmg_nb.training.batches import Draw, PreparedBatch
from mmg_nb.training.schedule import Schedule
from mmg_nb.training.state import RestorableOptimiser, TrainingState, trained
from mmg_nb.training.step import descend, stepper
from mmg_nb.training.stopping import (
    BETTER,
    FEW_STEPS,
    WORTH_MORE_STEPS,
    Ended,
    KeepWeights,
)
from mmg_nb.training.validation import Measured, Validation

__all__ = ["TrainingOutcome", "TrainingTask", "train"]

MOST_AT_STOP = 0.15  # seconds that a user who stops the training waits for one more validation


@dataclass(frozen=True, eq=False)
class TrainingOutcome:
    """The outcome of training.

    Attributes:
        denoiser: The kept weights, one set per member.
        proposal: The last density of the log-SNRs, adapted or as given.
        ended: How training ended.
        history: Validation record.
        steps: Steps done.
        kept_at: Step of the kept weights; 0 if nothing was learned.
        late_gain: See `Record.late_gain`; None unless weights are kept by
            `KeepWeights.GENERALISING`, because other rules do not show how much more steps add.
        too_few_steps: Whether nothing was learned, in too few steps to conclude anything.
        pair_error: Nats that more precise canonical pairs might add; None without pairs.
    """

    denoiser: Denoiser
    proposal: Proposal
    ended: Ended
    history: TrainingHistory
    steps: int
    kept_at: int
    late_gain: float | None
    too_few_steps: bool
    pair_error: float | None = None

    @property
    def status(self) -> Status:
        """The status of a result that rests on this training."""
        return self.ended.status


@dataclass(frozen=True, eq=False, kw_only=True)
class TrainingTask:
    """A denoiser, its data, and how it trains.

    Attributes:
        denoiser: Initial weights; changed in place.
        optimiser: Updates the parameters of the denoiser.
        rows: Training rows of every member.
        validation: Fixed validation set.
        proposal: First density of the log-SNRs.
        schedule: Number of steps, learning rate, and stopping rule.
        draw: Draws the batches.
        generator: Source of the batches and their noise.
        adapt: Returns a new proposal for the inner gap in each bin; None to keep the first.
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

    def lessons(self, state: TrainingState, step: int) -> Sequence[PreparedBatch]:
        """The next batches: one or more, up to the next validation."""
        most = self.schedule.until_due(step)
        batch = self.schedule.batch
        return self.draw(self.denoiser, self.rows, batch, state.proposal, self.generator, most)


def train(task: TrainingTask, listen: Listener, keep: Keeper) -> TrainingOutcome:
    """Train all members at once.

    Only validations wait for the device. The saved state is always that between two steps, before
    the validation that is due there. A stop adds a validation at an extra step, unless that takes
    long. The saved state does not include it, so a resumed run equals an uninterrupted one.

    Args:
        task: The denoiser, its data, and how it trains.
        listen: Gets a `Step` after each step and a `Snapshot` after each validation. If it
            returns true, training stops and keeps its weights.
        keep: Saves the state between steps, and restores it in a resumed run.

    Returns:
        The outcome.

    Raises:
        Stopped: The user has stopped the run before the first validation.
    """
    schedule = task.schedule
    state = TrainingState.start(task.denoiser, task.optimiser, task.proposal, task.generator)
    validation = task.validation
    if schedule.weights is KeepWeights.GENERALISING:
        validation = validation.starting_from(task.denoiser)
    keep.track(state)
    validation = validation.prepared_for(state.average)
    weights, averages = trained(task.denoiser, state.average)
    going = _Going(task, state, validation, listen, keep)
    try:
        descend(
            stepper(weights, averages, task.optimiser),
            going.draw,
            going.is_over,
            steps=schedule.steps,
            rate=schedule.at,
            ema=schedule.ema,
            listen=listen,
            first=state.step,
        )
    except Stopped:  # in a step or a validation, which then does not count
        if not state.record.step:
            raise
        keep.maybe_save(state, urgent=True)
        state.ended = Ended.INTERRUPTED
    return _outcome(state, schedule)


class _Going:
    """A training that goes on: the batches drawn ahead, and what happens between two steps."""

    def __init__(
        self,
        task: TrainingTask,
        state: TrainingState,
        validation: Validation,
        listen: Listener,
        keep: Keeper,
    ) -> None:
        self._task, self._state, self._validation = task, state, validation
        self._listen, self._keep = listen, keep
        self._seconds = 0.0  # of the last validation
        self._ahead = deque[PreparedBatch]()
        # In a resumed run, even an ended one, the generator must reach its earlier state. One draw
        # may not be enough: a longer training validates at other steps.
        while state.step > state.drawn_at + len(self._ahead):
            self._ahead += task.lessons(state, state.drawn_at + len(self._ahead))
        for _ in range(state.step - state.drawn_at):
            self._ahead.popleft()

    def draw(self, step: int) -> PreparedBatch:
        """The next batch."""
        state = self._state
        if not self._ahead:
            state.drawn_at, state.drawn_from = step, self._task.generator.get_state()
            self._ahead += self._task.lessons(state, step)
        return self._ahead.popleft()

    def is_over(self, step: int, stopped: bool) -> bool:
        """Save and validate if that is due. Returns whether the training has ended."""
        state = self._state
        state.step = step
        if state.ended is None:
            self._keep.maybe_save(state, urgent=stopped)
            if stopped and self._seconds > MOST_AT_STOP:
                state.ended = Ended.INTERRUPTED
            elif stopped or self._task.schedule.is_due(step):
                began = time.thread_time()
                state.ended = _validate(state, self._validation, self._task, stopped, self._listen)
                self._seconds = time.thread_time() - began
        if state.ended is not None and not stopped:
            self._keep.maybe_save(state, urgent=True)
        return state.ended is not None


def _outcome(state: TrainingState, schedule: Schedule) -> TrainingOutcome:
    assert state.ended is not None, "training goes on"
    record, learned = state.record, schedule.weights is KeepWeights.GENERALISING
    return TrainingOutcome(
        state.kept,
        state.proposal,
        state.ended,
        record.history(),
        state.step,
        state.kept_at,
        record.late_gain(state.kept_at) if learned else None,
        too_few_steps=state.kept_at == 0 and state.step < FEW_STEPS,
    )


def _validate(
    state: TrainingState,
    validation: Validation,
    task: TrainingTask,
    stopped: bool,
    listen: Listener,
) -> Ended | None:
    """Validate, update what is kept and the proposal, and decide whether training ends."""
    schedule = task.schedule
    found, grid = validation.measure(state.average), validation.grid
    if state.step and not bool(found.error.isfinite().all()):
        return Ended.DIVERGED
    if found.progress_loss < state.least - BETTER / (0.5 * (grid.high - grid.low)):
        state.least, state.best = found.progress_loss, state.step
    if schedule.keeps(state.step, state.best, found.learned_fraction):
        _copy(state.kept, state.average)
        state.kept_at = state.step
    if state.step:
        state.evidence = max(state.evidence, found.evidence)
    if task.adapt is not None and state.step:
        state.proposal = task.adapt(found.curves.gap)
    _report(state, found, grid, listen)
    if stopped:
        return Ended.INTERRUPTED
    if schedule.is_over(state.step, state.best, found.learned_fraction, state.evidence):
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
    state.record.add(state.step, error, mi, found.progress_loss)
    error_u, error_c, gap = (curve.cpu().numpy() for curve in found.curves)
    density = state.proposal.density(grid.centres).cpu().numpy()
    centres = grid.centres.cpu().numpy()
    listen(Snapshot(state.step, mi, error, centres, error_u, error_c, gap, density))
