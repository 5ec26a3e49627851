"""What the stages of `mmg` are given, and what each hands on to the next."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import numpy as np
from torch import Tensor

from mmg_nb.denoisers.anchor import Anchor
from mmg_nb.denoisers.members import Rows
from mmg_nb.denoisers.residual import RefinedDenoiser
from mmg_nb.estimators.denoising_run import DenoisingRun
from mmg_nb.estimators.mmg.fields import MMG
from mmg_nb.results.curves import TrainingHistory
from mmg_nb.runs.events import Event, Listener, Snapshot, Step
from mmg_nb.training.loop import Outcome
from mmg_nb.training.stopping import Ended
from mmg_nb.training.validation import Validation

__all__ = ["Fit", "Prepared", "Problem", "Stage", "concatenated", "offset_steps"]


@dataclass(frozen=True, eq=False)
class Problem:
    """What is to be estimated, and how.

    Attributes:
        config: The estimator.
        run: The data, on their device, with their rows assigned.
    """

    config: MMG
    run: DenoisingRun

    @property
    def n_samples(self) -> int:
        """Rows."""
        return self.run.pairs.n_samples

    @property
    def noises_y(self) -> bool:
        """Whether y is noised rather than x."""
        return self.config.noises_y(self.run.pairs.dim_x, self.run.pairs.dim_y)

    @property
    def dim_noised(self) -> int:
        """Columns of the variable that is noised, before superfluous ones are dropped."""
        return self.run.pairs.dim_y if self.noises_y else self.run.pairs.dim_x


@dataclass(frozen=True, eq=False)
class Prepared:
    """Transformed data on the device, float64; x is what is noised.

    The last columns of y, as many as `condition` says, are those of the condition.
    """

    x: Tensor
    y: Tensor
    condition: int
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Fit:
    """What the stages so far have fitted.

    Attributes:
        data: The data as the denoisers see them.
        anchor: The regression of x on y, one for each member.
        variance: Variance of what the anchor leaves, `(members, 1, dim_x)`, float64.
        sensitivity: Of the anchors, see `ResidualDenoiser`.
        rows: Rows to fit, of every member.
        validation: Fixed validation set.
        start: Denoiser that the next stage corrects; None for the Gaussian posterior.
        training: All trainings so far, as one; None before the first.
    """

    data: Prepared
    anchor: Anchor
    variance: Tensor
    sensitivity: Tensor | None
    rows: Rows
    validation: Validation
    start: RefinedDenoiser | None = None
    training: Outcome | None = None

    @property
    def dims(self) -> tuple[int, int]:
        """Columns of x and of y."""
        return self.data.x.shape[1], self.data.y.shape[1]

    @property
    def steps(self) -> int:
        """Training steps so far."""
        return 0 if self.training is None else self.training.steps

    @property
    def stopped(self) -> bool:
        """Whether the user has stopped the run."""
        return self.training is not None and self.training.ended is Ended.INTERRUPTED

    def trained(self, outcome: Outcome) -> Fit:
        """This, after another training that began where the last one ended."""
        before = self.training
        whole = outcome if before is None else concatenated(before, outcome)
        start = outcome.denoiser if outcome.kept_at else self.start
        assert start is None or isinstance(start, RefinedDenoiser)
        return replace(self, start=start, training=whole)


class Stage(Protocol):
    """One step of the method.

    Attributes:
        phase: What the user sees while it runs.
    """

    phase: ClassVar[str]

    def applies(self, problem: Problem, fit: Fit | None) -> bool:
        """Whether there is something for it to do.

        Args:
            problem: The data and the estimator.
            fit: What the stages before it have fitted; None before the first.
        """
        ...

    def planned_steps(self, problem: Problem, dim_x: int) -> int:
        """Training steps that it is going to take, as far as is known before the run.

        Args:
            problem: The data and the estimator.
            dim_x: Columns of the variable noised.
        """
        ...

    def run(self, problem: Problem, fit: Fit | None, listen: Listener) -> Fit:
        """Do it.

        Args:
            problem: The data and the estimator.
            fit: What the stages before it have fitted.
            listen: Gets its events; steps are counted with those of the other stages.

        Returns:
            The fit that came in, with what this stage adds.
        """
        ...


def offset_steps(listen: Listener, earlier: int, later: int) -> Listener:
    """A listener to one training that counts its steps with those before and after it."""

    def relay(event: Event) -> bool | None:
        if isinstance(event, Step):
            event = Step(event.step + earlier, event.total_steps + earlier + later)
        elif isinstance(event, Snapshot):
            event = replace(event, step=event.step + earlier)
        return listen(event)

    return relay


def concatenated(first: Outcome, second: Outcome) -> Outcome:
    """Two trainings as one, the second of which began where the first ended.

    `kept_at` is that of the second: 0 if it added nothing.
    """
    a, b = first.history, second.history
    history = TrainingHistory(
        np.concatenate([a.step, b.step + first.steps]),
        np.concatenate([a.loss, b.loss]),
        np.concatenate([a.mi, b.mi]),
    )
    # What the first still gained late, the second had time to make up for if it learned anything.
    late_gain = second.late_gain if second.kept_at else first.late_gain
    return replace(
        second,
        history=history,
        steps=first.steps + second.steps,
        late_gain=late_gain,
        hasty=first.hasty and second.hasty,
    )
