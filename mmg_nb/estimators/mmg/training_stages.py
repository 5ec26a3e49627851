"""The stages that train a denoiser, from what is simple to everything.

Each starts from what the stage before it has learned, and is kept only as far as validation rows
confirm it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

from mmg_nb.denoisers.logsnr import LogisticProposal
from mmg_nb.denoisers.residual import (
    PairFeatures,
    RadialDenoiser,
    RefinedDenoiser,
    ResidualDenoiser,
    crowding,
)
from mmg_nb.estimators.mmg.fields import MMG
from mmg_nb.estimators.mmg.fit import Fit, Problem
from mmg_nb.estimators.mmg.sizes import (
    ROWS_PER_COLUMN,
    batch_for,
    focuses,
    share_without_y,
    steps_for,
    width_for,
)
from mmg_nb.runs.events import Listener
from mmg_nb.training.batches import antithetic_pairs, even_batch
from mmg_nb.training.loop import TrainingTask, train
from mmg_nb.training.optimisers import ClippedMuon
from mmg_nb.training.schedule import Schedule, trapezoid
from mmg_nb.training.stopping import FEW_STEPS, SIGNIFICANT, Weights

__all__ = ["FullNetwork", "InformativeDirections", "RadialGain", "TrainingStage"]


@dataclass(frozen=True, kw_only=True)
class TrainingStage:
    """One training of a denoiser.

    Attributes:
        share_of_steps: Steps of this stage, in units of those of the full network.
        rate: Learning rate of this stage, in units of that of the estimator.
        evidence: Standard errors from which something counts as learned at first (LOG.md, "What
            stops training").
        grace_steps: Steps in which signs of learning must show (LOG.md, "What stops training").
        grace_share: The same as a share of the steps of this stage, for short trainings.
        check_every: Steps between validations. Not measured.
    """

    phase: ClassVar[str] = "training"

    share_of_steps: float = 1.0
    rate: float = 1.0
    evidence: float = SIGNIFICANT
    grace_steps: int = 1000
    grace_share: float = 1 / 3
    check_every: int = 100

    def suits(self, n_samples: int, dim_x: int, dim_y: int) -> bool:
        """Whether data of such a size have this stage."""
        raise NotImplementedError

    def build(self, problem: Problem, fit: Fit) -> RefinedDenoiser:
        """The denoiser to train, at its start."""
        raise NotImplementedError

    def yields_above(self, config: MMG) -> float | None:
        """See `StoppingRule`."""
        return None

    def rate_for(self, dim_x: int) -> float:
        """Learning rate, in units of that of the estimator."""
        return self.rate

    def applies(self, problem: Problem, fit: Fit | None) -> bool:
        """Whether the data have this stage; see `Stage`."""
        return fit is not None and self.suits(problem.n_samples, *fit.dims)

    def planned_steps(self, problem: Problem, dim_x: int) -> int:
        """Steps at most; see `Stage`."""
        if not self.suits(problem.n_samples, dim_x, 1):
            return 0
        return round(self.share_of_steps * steps_for(problem.config, problem.n_samples))

    def run(self, problem: Problem, fit: Fit | None, listen: Listener) -> Fit:
        """Train; see `Stage`."""
        assert fit is not None, "an anchor comes first"
        denoiser = self.build(problem, fit).to(problem.run.device)
        return fit.trained(train(self.task(problem, fit, denoiser), listen, problem.run.keep))

    def task(self, problem: Problem, fit: Fit, denoiser: RefinedDenoiser) -> TrainingTask:
        """What is trained, on what, with the shares of this stage.

        Args:
            problem: The data and the estimator.
            fit: What training stands on.
            denoiser: The denoiser at its start.
        """
        config, n_samples = problem.config, problem.n_samples
        grid = fit.validation.grid
        share = share_without_y(n_samples, conditional=fit.data.condition > 0)
        adaptive = config.proposal == "adaptive"
        return TrainingTask(
            denoiser=denoiser,
            optimiser=ClippedMuon(
                [p for p in denoiser.parameters() if p.requires_grad],
                denoiser.net.hidden_matrices(),
                learning_rate=self.rate_for(fit.dims[0]) * config.learning_rate,
                weight_decay=config.weight_decay,
            ),
            rows=fit.rows,
            validation=replace(fit.validation, significant=self.evidence),
            proposal=grid if adaptive else LogisticProposal(config.loc, config.scale, config.clip),
            schedule=self.schedule(config, n_samples, int(fit.rows.count.min())),
            draw=partial(antithetic_pairs, without=share),
            generator=problem.run.random.device,
            adapt=grid.reaching if adaptive else None,
        )

    def schedule(self, config: MMG, n_samples: int, fewest_rows: int) -> Schedule:
        """How long and in what rhythm.

        Args:
            config: The estimator.
            n_samples: Rows.
            fewest_rows: Rows of the member that has the fewest.
        """
        steps = round(self.share_of_steps * steps_for(config, n_samples))
        shortest = round(self.share_of_steps * FEW_STEPS)
        return Schedule(
            steps=steps,
            batch=even_batch(batch_for(config, n_samples) // 2, fewest_rows),
            check_every=self.check_every,
            grace=min(self.grace_steps, max(shortest, round(self.grace_share * steps))),
            weights=Weights.LEARNT if config.gap == "inner" else Weights.BEST,
            rate=trapezoid,
            yields_above=self.yields_above(config),
        )


@dataclass(frozen=True, kw_only=True)
class RadialGain(TrainingStage):
    """Train one gain a row, which depends on lengths only: few inputs need few rows.

    A single column is its own length up to the sign, and with many rows the full network learns
    as much, and more.

    Attributes:
        max_rows: Rows up to which it is worth it (LOG.md, "Lengths first").
        share_of_steps: LOG.md, "Lengths first".
        rate: Not measured.
    """

    max_rows: int = 2500
    share_of_steps: float = 0.5
    rate: float = 2.5

    def suits(self, n_samples: int, dim_x: int, dim_y: int) -> bool:
        """Several columns and few rows; see `TrainingStage`."""
        return dim_x > 1 and n_samples <= self.max_rows

    def build(self, problem: Problem, fit: Fit) -> RefinedDenoiser:
        """See `TrainingStage`."""
        return RadialDenoiser(
            fit.variance.float().cpu(),
            fit.dims[1],
            generator=problem.run.random.host,
            condition=fit.data.condition,
        )


@dataclass(frozen=True, kw_only=True)
class FullNetwork(TrainingStage):
    """Train shift and gain of everything that the denoiser sees.

    Attributes:
        still_improving: Nats that the last doubling of the steps gained when the learning rate is
            about to fall, from which training yields to canonical pairs (LOG.md, "Very much to
            learn"). Only if the estimator seeks pairs.
    """

    still_improving: float = 0.2

    def suits(self, n_samples: int, dim_x: int, dim_y: int) -> bool:
        """All data; see `TrainingStage`."""
        return True

    def yields_above(self, config: MMG) -> float | None:
        """See `StoppingRule`."""
        return self.still_improving if config.seeks_pairs else None

    def build(self, problem: Problem, fit: Fit) -> RefinedDenoiser:
        """See `TrainingStage`."""
        return self.network(problem, fit)

    def network(
        self,
        problem: Problem,
        fit: Fit,
        *,
        focused: bool = False,
        pairs: PairFeatures | None = None,
    ) -> ResidualDenoiser:
        """The network at its start, see `ResidualDenoiser`."""
        return ResidualDenoiser(
            fit.variance.float().cpu(),
            fit.dims[1],
            width=width_for(problem.config, problem.n_samples),
            blocks=problem.config.blocks,
            generator=problem.run.random.host,
            condition=fit.data.condition,
            start=fit.start,
            sensitivity=fit.sensitivity,
            focused=focused,
            pairs=pairs,
        )


@dataclass(frozen=True, kw_only=True)
class InformativeDirections(FullNetwork):
    """Train first on the directions in which the anchor has found something, of many columns.

    The more columns there are to overfit, the lower the learning rate. A network that sees little
    else may be believed a little earlier.

    Attributes:
        rows_per_column: Rows a column of x from which it is worth it (LOG.md, "Many columns").
        evidence: LOG.md, "Many columns".
    """

    rows_per_column: int = ROWS_PER_COLUMN
    evidence: float = 3.5

    def suits(self, n_samples: int, dim_x: int, dim_y: int) -> bool:
        """Many columns, and rows enough; see `TrainingStage`."""
        return focuses(n_samples, dim_x, dim_y, self.rows_per_column)

    def rate_for(self, dim_x: int) -> float:
        """See `TrainingStage` (LOG.md, "Many columns")."""
        return 1 / math.sqrt(crowding(dim_x))

    def yields_above(self, config: MMG) -> float | None:
        """Never: the full network comes after it."""
        return None

    def build(self, problem: Problem, fit: Fit) -> RefinedDenoiser:
        """See `TrainingStage`."""
        return self.network(problem, fit, focused=True)
