"""The common parts of all runs that train denoisers: open, evaluate, report.

The estimator supplies only the fit in between:

    with opened(pairs, context, ...) as run:
        fitted = ...                                   # depends on the estimator
        return report(config, run, *evaluate(run, fitted, draws=20))
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mmg_nb.data.pairs import Pairs
from mmg_nb.data.splits import CrossFit, make_cross_fit
from mmg_nb.denoisers.anchor import Anchor, ImageAnchor
from mmg_nb.denoisers.logsnr import BinnedProposal
from mmg_nb.mmse.evaluation import (
    DRAWS_IN_HASTE,
    Design,
    EvaluationRows,
    Measurement,
    Model,
    measure,
)
from mmg_nb.polling import Stopped
from mmg_nb.results.status import Status
from mmg_nb.runs.context import RunContext
from mmg_nb.runs.devices import pick_device, threads_for
from mmg_nb.runs.events import Listener, Phase, Started
from mmg_nb.runs.keeper import Keeper
from mmg_nb.runs.randomness import Sources
from mmg_nb.training.loop import TrainingOutcome
from mmg_nb.training.stopping import Ended

__all__ = ["DenoisingRun", "Fitted", "evaluate", "opened"]


@dataclass(frozen=True, eq=False)
class DenoisingRun:
    """A run on its device, with the cross-fit of its rows.

    Attributes:
        pairs: The data.
        plan: The training, validation and evaluation rows of each member.
        random: Sources of random numbers.
        device: Device of the computation.
        listen: Gets the events.
        keep: Saves and restores the trainings.
    """

    pairs: Pairs
    plan: CrossFit
    random: Sources
    device: torch.device
    listen: Listener
    keep: Keeper

    def started(self, name: str, steps: int) -> None:
        """Announce the start of the run to the listener.

        Args:
            name: Name of the estimator.
            steps: Planned training steps.
        """
        pairs = self.pairs
        sizes = pairs.n_samples, pairs.dim_x, pairs.dim_y
        self.listen(Started(name, *sizes, str(self.device), steps, pairs.dim_z))


@dataclass(frozen=True, eq=False)
class Fitted:
    """The result of training, with the transformed data.

    Attributes:
        x: The noised variable, transformed, `(n, dim_x)`, float64.
        y: The other one, with the condition in its last columns, `(n, dim_y)`, float64.
        anchor: The regressions of x on y that training started from, one for each member (set of
            training rows).
        grid: Bins of log-SNR, by which errors are averaged.
        outcome: What training leaves: weights, history, and how it ended.
        notes: Notes on the transforms of the data.
        condition: Columns of the condition.
    """

    x: Tensor
    y: Tensor
    anchor: Anchor | ImageAnchor
    grid: BinnedProposal
    outcome: TrainingOutcome
    notes: tuple[str, ...] = ()
    condition: int = 0

    @property
    def stopped(self) -> bool:
        """Whether the user stopped the run."""
        return self.outcome.status is Status.INTERRUPTED

    def interrupted(self) -> Fitted:
        """The same, if the user stops the run now."""
        return replace(self, outcome=replace(self.outcome, ended=Ended.INTERRUPTED))


@contextmanager
def opened(
    pairs: Pairs,
    context: RunContext,
    *,
    activations: int,
    folds: int,
    crossed: bool = False,
    evaluation_share: float | None = None,
) -> Iterator[DenoisingRun]:
    """Choose the device, seed the random sources, and split the rows.

    Args:
        pairs: The data.
        context: Seed, device, listener and keeper.
        activations: Members × batch × width; see `threads_for`.
        folds: Number of cross-fitting folds.
        crossed: Whether the cross form needs two members per fold, trained on disjoint rows.
        evaluation_share: Fraction of evaluation rows with one fold; None for the default.

    Yields:
        The run.
    """
    device = pick_device(context.device)
    with threads_for(activations, device):
        random = Sources.of(context.seed, device)
        share = {} if evaluation_share is None else {"evaluation_share": evaluation_share}
        plan = make_cross_fit(pairs, folds, crossed, random.splits, **share)
        context.keep.check_split(plan.fingerprint)
        yield DenoisingRun(pairs, plan, random, device, context.listen, context.keep)


def evaluate(
    run: DenoisingRun,
    fitted: Fitted,
    *,
    draws: int,
    noised: str = "x",
    paired: bool = True,
    chunk: int | None = None,
) -> tuple[Fitted, Measurement]:
    """Measure the gap on rows that the members were not trained on.

    After a stop, before or during the measurement, few rows and log-SNRs are measured.

    Args:
        run: The run.
        fitted: The result of training.
        draws: Log-SNRs per row.
        noised: The user's name of the noised variable.
        paired: See `Design`.
        chunk: See `Design`.

    Returns:
        The result of training, interrupted if the measurement was, and the measurement.
    """
    run.listen(Phase("evaluation"))
    design = Design(
        proposal=fitted.outcome.proposal,
        bins=fitted.grid,
        draws=draws,
        paired=paired,
        chunk=chunk,
    )
    few = None if chunk is None else max(1, chunk // 16)
    hasty = replace(design, draws=min(draws, DRAWS_IN_HASTE), chunk=few, haste=True)

    def measured(design: Design) -> Measurement:
        return measure(
            Model(fitted.anchor, fitted.outcome.denoiser),
            EvaluationRows(fitted.x, fitted.y, run.pairs.clusters, run.plan.evaluation_folds),
            design,
            run.random.device,
            run.listen,
            noised,
        )

    if fitted.stopped:
        return fitted, measured(hasty)
    try:
        found = measured(design)
    except Stopped:
        return fitted.interrupted(), measured(hasty)
    return fitted if found.complete else fitted.interrupted(), found
