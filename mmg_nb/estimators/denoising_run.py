"""The skeleton of every run that trains denoisers: open it, evaluate, report.

A run opens, fits in its own way, measures what it has fitted, and reports:

    with opened(pairs, context, ...) as run:
        fitted = ...                                   # the estimator's own part
        return report(config, run, fitted, evaluate(run, fitted, draws=20))
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from mmg_nb.data.pairs import Pairs
from mmg_nb.data.splits import Plan, make_plan
from mmg_nb.denoisers.anchor import Anchor, ImageAnchor
from mmg_nb.denoisers.logsnr import BinnedProposal
from mmg_nb.mmse.evaluation import Design, EvaluationRows, Measurement, Model, measure
from mmg_nb.results.status import Status
from mmg_nb.runs.context import RunContext
from mmg_nb.runs.devices import pick_device, threads_for
from mmg_nb.runs.events import Listener, Phase, Started
from mmg_nb.runs.keeper import Keeper
from mmg_nb.runs.randomness import Sources
from mmg_nb.training.loop import Outcome

__all__ = ["DenoisingRun", "Fitted", "evaluate", "opened"]


@dataclass(frozen=True, eq=False)
class DenoisingRun:
    """A run on its device, with its rows assigned.

    Attributes:
        pairs: The data.
        plan: Which member trains on which rows, and which rows evaluate it.
        random: Sources of random numbers.
        device: Where it computes.
        listen: Gets its events.
        keep: Keeps its trainings.
    """

    pairs: Pairs
    plan: Plan
    random: Sources
    device: torch.device
    listen: Listener
    keep: Keeper

    def started(self, name: str, steps: int) -> None:
        """Say that the run begins.

        Args:
            name: Name of the estimator.
            steps: Training steps planned.
        """
        pairs = self.pairs
        sizes = pairs.n_samples, pairs.dim_x, pairs.dim_y
        self.listen(Started(name, *sizes, str(self.device), steps, pairs.dim_z))


@dataclass(frozen=True, eq=False)
class Fitted:
    """What training leaves behind, with the data as the denoisers have seen them.

    Attributes:
        x: The noised variable, transformed, `(n, dim_x)`, float64.
        y: The other one, with the condition in its last columns, `(n, dim_y)`, float64.
        anchor: The anchors of all members.
        grid: Bins of log-SNR.
        outcome: How training went.
        notes: Remarks from preparing the data.
    """

    x: Tensor
    y: Tensor
    anchor: Anchor | ImageAnchor
    grid: BinnedProposal
    outcome: Outcome
    notes: tuple[str, ...] = ()

    @property
    def stopped(self) -> bool:
        """Whether the user has stopped the run."""
        return self.outcome.status is Status.INTERRUPTED


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
    """Pick the device, seed the sources, assign the rows.

    Args:
        pairs: The data.
        context: What the run is given.
        activations: Members × batch × width, see `threads_for`.
        folds: Folds of the cross-fit.
        crossed: Whether two disjoint sets of members are wanted, for the cross form.
        evaluation_share: Share of the rows that evaluate, with one fold; None: the usual one.

    Yields:
        The run.
    """
    device = pick_device(context.device)
    with threads_for(activations, device):
        random = Sources.of(context.seed, device)
        share = {} if evaluation_share is None else {"evaluation_share": evaluation_share}
        plan = make_plan(pairs, folds, crossed, random.splits, **share)
        context.keep.confirm(plan.fingerprint)
        yield DenoisingRun(pairs, plan, random, device, context.listen, context.keep)


def evaluate(
    run: DenoisingRun,
    fitted: Fitted,
    *,
    draws: int,
    noised: str = "x",
    paired: bool = True,
    chunk: int | None = None,
) -> Measurement:
    """Measure the gap on rows that the members were not trained on.

    Args:
        run: The run.
        fitted: What it has fitted.
        draws: Log-SNRs a point.
        noised: The user's name of the variable that is noised.
        paired: See `Design`.
        chunk: See `Design`.

    Returns:
        The measurement.
    """
    run.listen(Phase("evaluation"))
    return measure(
        Model(fitted.anchor, fitted.outcome.denoiser),
        EvaluationRows(fitted.x, fitted.y, run.pairs.blocks, run.plan.readings),
        Design(
            proposal=fitted.outcome.proposal,
            bins=fitted.grid,
            draws=draws,
            paired=paired,
            chunk=chunk,
        ),
        run.random.device,
        run.listen,
        noised,
    )
