"""The one training loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import torch
from torch import Generator, Tensor

from mmg_nb.denoisers.gaussian import Denoiser
from mmg_nb.denoisers.logsnr import BinnedProposal, Proposal
from mmg_nb.denoisers.members import Rows
from mmg_nb.results.result import Status, TrainingHistory
from mmg_nb.runs.events import Listener, Phase, Snapshot, Step
from mmg_nb.training.batches import Draw, Lesson
from mmg_nb.training.keeper import Keeper
from mmg_nb.training.state import RestorableOptimiser, TrainingState, newest_share, trained
from mmg_nb.training.step import stepper
from mmg_nb.training.validation import Measured, Validation

__all__ = [
    "FEW_STEPS",
    "Outcome",
    "Schedule",
    "Weights",
    "train",
    "trapezoid",
]

EMA_DECAY = 0.998
NOT_WORTH_MORE_STEPS = 0.005  # nats that the last fifth of the steps may still have gained
BETTER = 0.002  # nats by which a validation error must fall to count as better
FEW_STEPS = 200  # from which nothing learnt means that there is nothing to learn
LEAST_SHARE = 0.2  # of the correction that must be learnt rather than overfitted
PLATEAU = 0.3  # share of the steps after which the learning rate falls
WORTH_TWICE_THE_STEPS = 0.2  # nats that their last doubling gained while the rate was full


class Weights(StrEnum):
    """Which weights are kept, and with that when training may stop early."""

    LAST = "last"
    """Those after the last step; training never stops early."""
    BEST = "best"
    """Those of the least validation error; over at twice the steps that it took."""
    LEARNT = "learnt"
    """The last of which at least `LEAST_SHARE` is learnt rather than overfitted, see
    `Measured.share`; over with less, or, while nothing is learnt, at twice the steps at which
    there were signs of it. The inner form of the gap is biased by what is not learnt
    yet, not by overfitting, which only makes it noisy."""


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and in what rhythm to train.

    Attributes:
        steps: Most training steps, unless they are raised.
        batch: Rows a step and member.
        check_every: Steps between validations.
        grace: Steps before training may stop early; None to train all steps.
        weights: Which weights to keep.
        rate: Factor of the learning rate at a fraction of the steps.
        ema: Decay of the averaged weights that are validated and kept.
        longest: To how many the steps may be raised, see `outgrown`, where the rate is a
            `trapezoid`; 0 to leave them.
        gives_way: Whether training is over instead when it is outgrown.
    """

    steps: int
    batch: int
    check_every: int
    grace: int | None
    weights: Weights
    rate: Callable[[float], float]
    ema: float = EMA_DECAY
    longest: int = 0
    gives_way: bool = False

    def outgrown(self, state: TrainingState) -> bool:
        """Whether more steps are wanted: much is still learnt when the rate begins to fall.

        What is learnt so slowly is a great deal, and learnt to a precision that takes its time.

        Args:
            state: After a validation.
        """
        falls = state.step - self.check_every < PLATEAU * self.steps <= state.step
        allowed = self.gives_way or self.steps < self.longest
        if not falls or not allowed or state.kept_at < state.step:
            return False
        return state.record.late_gain(state.step) > WORTH_TWICE_THE_STEPS

    def lengthened(self) -> Schedule:
        """The same with twice as many steps, or `longest` if those are fewer."""
        return replace(self, steps=min(2 * self.steps, self.longest))

    def is_due(self, step: int) -> bool:
        """Whether to validate before the first step, now and then, or after the last."""
        return step % self.check_every == 0 or step == self.steps

    def until_due(self, step: int) -> int:
        """How many steps there are from one step to the next validation."""
        return min(self.check_every - step % self.check_every, self.steps - step)

    def keeps(self, step: int, best: int, share: float) -> bool:
        """Whether the weights at `step` replace those kept.

        Args:
            step: Steps done.
            best: The step of the least validation error so far.
            share: See `Measured.share`.
        """
        if self.weights is Weights.LEARNT:
            return share >= LEAST_SHARE
        return self.weights is Weights.LAST or step == best

    def is_over(self, step: int, best: int, share: float = 1.0, hopeful_at: int = 0) -> bool:
        """Whether it is time to stop early.

        Args:
            step: Steps done.
            best: The step of the least validation error so far.
            share: See `Measured.share`.
            hopeful_at: Last step with signs of something learnt while nothing is kept yet.
        """
        if self.grace is None or step < self.grace or self.weights is Weights.LAST:
            return False
        if self.weights is Weights.LEARNT:
            return share < LEAST_SHARE and step >= 2 * hopeful_at
        return step >= 2 * best


def trapezoid(fraction: float) -> float:
    """A short rise, a plateau, a linear fall: factor of the learning rate."""
    fall = 0.99 * max(0.0, fraction - PLATEAU) / (1 - PLATEAU)
    return min(1.0, fraction / 0.05 + 1e-3) * (1 - fall)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What training leaves behind.

    Attributes:
        denoiser: The weights to evaluate, one set per member.
        proposal: The last proposal, adapted or as given.
        status: How training ended.
        history: Validation record.
        steps: Steps done.
        kept_at: Step of the weights to evaluate; 0 if nothing was learnt.
        late_gain: See `Record.late_gain`; None but for weights kept as long as they learn, for the
            others do not tell how much more training would help.
        hasty: Whether nothing was learnt in so few steps that this tells nothing.
        lengthened: Whether there were more steps than planned, because much was still learnt.
        outgrown: Whether training gave way for that reason.
        imprecision: Nats that canonical pairs, learnt before, may lack; None without any.
    """

    denoiser: Denoiser
    proposal: Proposal
    status: Status
    history: TrainingHistory
    steps: int
    kept_at: int
    late_gain: float | None
    hasty: bool
    lengthened: bool = False
    outgrown: bool = False
    imprecision: float | None = None


def train(
    denoiser: Denoiser,
    optimiser: RestorableOptimiser,
    rows: Rows,
    validation: Validation,
    proposal: Proposal,
    schedule: Schedule,
    draw: Draw,
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
        draw: Draws what the steps learn from.
        adapt: New proposal from the inner gap in each bin; None to keep the first.
        generator: Source of the batches and their noise.
        listen: Gets a `Step` after each step and a `Snapshot` after each validation; a true
            answer stops training and keeps what was learnt.
        keep: Gets the state between steps, and may have one to go on from.

    Returns:
        The outcome.
    """
    state = TrainingState.start(denoiser, optimiser, proposal, generator, schedule.steps)
    planned = schedule.steps
    learnt = schedule.weights is Weights.LEARNT
    if learnt:
        validation = validation.starting_from(denoiser)
    keep.begin(state)
    schedule = replace(schedule, steps=state.steps)
    validation = validation.prepared_for(state.average)
    weights, averages = trained(denoiser, state.average)
    learn = stepper(weights, averages, optimiser)
    stopped = False

    def lessons(step: int) -> Sequence[Lesson]:
        most = schedule.until_due(step)
        return draw(denoiser, rows, schedule.batch, state.proposal, generator, most)

    ahead = deque[Lesson]()
    if state.step > state.drawn_at:
        # A resumed run, even one that has ended: the generator is to be where it was, too.
        ahead += lessons(state.drawn_at)[state.step - state.drawn_at :]
    while state.status is None:
        keep.offer(state, urgent=stopped)
        if stopped or schedule.is_due(state.step):
            state.status = _validate(state, validation, schedule, adapt, stopped, listen)
            if state.status is not None:
                break
            if schedule.outgrown(state):
                if schedule.gives_way:
                    state.status = Status.EARLY_STOPPED
                    break
                schedule = schedule.lengthened()
                state.steps = schedule.steps
                listen(Phase("longer training"))
        if not ahead:
            state.drawn_at, state.drawn_from = state.step, generator.get_state()
            ahead += lessons(state.step)
        rate = schedule.rate(state.step / schedule.steps)
        learn(ahead.popleft(), rate, newest_share(state.step, schedule.ema))
        state.step += 1
        stopped = bool(listen(Step(state.step, schedule.steps)))
    if not stopped:
        keep.offer(state, urgent=True)
    record = state.record
    late_gain = record.late_gain(state.kept_at) if learnt else None
    return Outcome(
        state.kept,
        state.proposal,
        state.status,
        record.history(),
        state.step,
        state.kept_at,
        late_gain,
        hasty=state.kept_at == 0 and state.step < FEW_STEPS,
        lengthened=state.step > planned,
        outgrown=state.status is Status.EARLY_STOPPED and schedule.outgrown(state),
    )


def _validate(
    state: TrainingState,
    validation: Validation,
    schedule: Schedule,
    adapt: Callable[[Tensor], Proposal] | None,
    stopped: bool,
    listen: Listener,
) -> Status | None:
    """Look at the validation points, draw the consequences, and say whether this is the end."""
    found, grid = validation.measure(state.average, begun=state.kept_at > 0), validation.grid
    if state.step and not bool(found.error.isfinite().all()):
        return Status.DIVERGED
    if found.judged < state.least - BETTER / (0.5 * (grid.high - grid.low)):
        state.least, state.best = found.judged, state.step
    if schedule.keeps(state.step, state.best, found.share):
        _copy(state.kept, state.average)
        state.kept_at, state.hopeful_at = state.step, 0
    elif state.kept_at == 0 and found.likely >= LEAST_SHARE:
        state.hopeful_at = state.step
    if adapt is not None and state.step:
        state.proposal = adapt(found.curves[2])
    _report(state, found, grid, listen)
    if stopped:
        return Status.INTERRUPTED
    if schedule.is_over(state.step, state.best, found.share, state.hopeful_at):
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


def _report(state: TrainingState, found: Measured, grid: BinnedProposal, listen: Listener) -> None:
    error = float(found.error.mean())
    mi = float(0.5 * (found.curves[2] * grid.widths).sum())
    state.record.add(state.step, error, mi, found.judged)
    error_u, error_c, gap = found.curves.cpu().numpy()
    density = state.proposal.density(grid.centres).cpu().numpy()
    centres = grid.centres.cpu().numpy()
    listen(Snapshot(state.step, mi, error, centres, error_u, error_c, gap, density))
