"""The inputs of the stages of `mmg`, and the fit that each stage passes to the next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import numpy as np
from torch import Tensor

from mmg_nb.denoisers.anchor import Anchor
from mmg_nb.denoisers.members import Rows
from mmg_nb.denoisers.residual import AnchorSummary, RadialDenoiser, RefinedDenoiser
from mmg_nb.estimators.denoising_run import DenoisingRun
from mmg_nb.estimators.mmg.fields import MMG
from mmg_nb.results.curves import TrainingHistory
from mmg_nb.runs.events import Event, Listener, Snapshot, Step
from mmg_nb.training.loop import TrainingOutcome
from mmg_nb.training.stopping import Ended, Record
from mmg_nb.training.validation import Validation

__all__ = [
    "Fit",
    "Problem",
    "Stage",
    "TransformedData",
    "concatenated",
    "interrupted",
    "offset_steps",
]


@dataclass(frozen=True, eq=False)
class Problem:
    """The data and the estimator.

    Attributes:
        config: The estimator.
        run: The data, the device, and the cross-fit.
        stages: The stages of the method, in order; see `STAGES`.
    """

    config: MMG
    run: DenoisingRun
    stages: Sequence[Stage]

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return self.run.pairs.n_samples

    @property
    def noises_y(self) -> bool:
        """Whether y is noised instead of x."""
        return self.config.noises_y(self.run.pairs.dim_x, self.run.pairs.dim_y)

    @property
    def dim_noised(self) -> int:
        """Columns of the noised variable, before redundant ones are dropped."""
        return self.run.pairs.dim_y if self.noises_y else self.run.pairs.dim_x


@dataclass(frozen=True, eq=False)
class TransformedData:
    """Transformed data on the device, float64; x is the noised variable.

    The last `condition` columns of y are those of the condition.
    """

    x: Tensor
    y: Tensor
    condition: int
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Fit:
    """The result of the stages so far.

    Attributes:
        data: The transformed data.
        anchor: The regression of x on y, one for each member.
        variance: Residual variance of the anchor, `(members, 1, dim_x)`, float64.
        sensitivity: Sensitivity of the anchors; see `AnchorSummary`.
        rows: Training rows of every member.
        validation: Fixed validation set.
        start: Denoiser that the next stage corrects; None for the Gaussian posterior. At first,
            that is a mixture if y is a label.
        training: All trainings so far, joined into one; None before the first.
    """

    data: TransformedData
    anchor: Anchor
    variance: Tensor
    sensitivity: Tensor | None
    rows: Rows
    validation: Validation
    start: RefinedDenoiser | None = None
    training: TrainingOutcome | None = None

    @property
    def dims(self) -> tuple[int, int]:
        """Columns of x and of y."""
        return self.data.x.shape[1], self.data.y.shape[1]

    @property
    def anchor_summary(self) -> AnchorSummary:
        """What a denoiser is built from, on the host."""
        variance = self.variance.float().cpu()
        return AnchorSummary(variance, self.dims[1], self.data.condition, self.sensitivity)

    @property
    def steps(self) -> int:
        """Training steps so far."""
        return 0 if self.training is None else self.training.steps

    @property
    def stopped(self) -> bool:
        """Whether the user has stopped the run."""
        return self.training is not None and self.training.ended is Ended.INTERRUPTED

    def trained(self, outcome: TrainingOutcome) -> Fit:
        """This fit after another training, which started where the last one ended."""
        denoiser = outcome.denoiser
        assert isinstance(denoiser, RefinedDenoiser)
        start = denoiser if outcome.kept_at else self.start
        # A network that learned nothing adds 0, and is left out: evaluation then takes less time.
        outcome = replace(outcome, denoiser=start or denoiser.reference)
        before = self.training
        whole = outcome if before is None else concatenated(before, outcome)
        return replace(self, start=start, training=whole)


class Stage(Protocol):
    """One stage of the method.

    Attributes:
        phase: Name that the user sees while it runs.
    """

    phase: ClassVar[str]

    def applies(self, problem: Problem, fit: Fit | None) -> bool:
        """Whether the stage runs for these data.

        Args:
            problem: The data and the estimator.
            fit: The result of the stages before it; None before the first.
        """
        ...

    def planned_steps(self, config: MMG, n_samples: int, dim_x: int) -> int:
        """Maximum training steps, as far as they are known before the run.

        Args:
            config: The estimator.
            n_samples: Number of rows.
            dim_x: Columns of the noised variable.
        """
        ...

    def run(self, problem: Problem, fit: Fit | None, listen: Listener) -> Fit:
        """Run the stage.

        Args:
            problem: The data and the estimator.
            fit: The result of the stages before it.
            listen: Gets the events; it adds the steps of the other stages to the count.

        Returns:
            The fit, extended by this stage.
        """
        ...


def interrupted(problem: Problem, fit: Fit) -> Fit:
    """What is known when the user stops: the last training, or that of the anchor alone."""
    if fit.training is not None:
        return replace(fit, training=replace(fit.training, ended=Ended.INTERRUPTED))
    generator = problem.run.random.host
    untrained = RadialDenoiser(fit.anchor_summary, generator=generator, start=fit.start)
    training = TrainingOutcome(
        untrained.to(problem.run.device),
        fit.validation.grid,
        Ended.INTERRUPTED,
        Record().history(),
        steps=0,
        kept_at=0,
        late_gain=None,
        too_few_steps=True,
    )
    return replace(fit, training=training)


def offset_steps(listen: Listener, earlier: int, later: int) -> Listener:
    """A listener that counts the steps of one training together with earlier and later ones."""

    def relay(event: Event) -> bool | None:
        if isinstance(event, Step):
            event = Step(event.step + earlier, event.total_steps + earlier + later)
        elif isinstance(event, Snapshot):
            event = replace(event, step=event.step + earlier)
        return listen(event)

    return relay


def concatenated(first: TrainingOutcome, second: TrainingOutcome) -> TrainingOutcome:
    """Join two trainings into one; the second one started where the first one ended.

    `kept_at` is that of the second training: 0 if it improved nothing.
    """
    a, b = first.history, second.history
    history = TrainingHistory(
        np.concatenate([a.step, b.step + first.steps]),
        np.concatenate([a.loss, b.loss]),
        np.concatenate([a.mi, b.mi]),
    )
    # If the second training improved anything, its own late gain replaces that of the first.
    late_gain = second.late_gain if second.kept_at else first.late_gain
    return replace(
        second,
        history=history,
        steps=first.steps + second.steps,
        late_gain=late_gain,
        too_few_steps=first.too_few_steps and second.too_few_steps,
    )
