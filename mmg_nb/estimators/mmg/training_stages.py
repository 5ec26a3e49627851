"""The stages that train a denoiser, from the simplest to the full network.

Each stage starts from the denoiser of the stage before it. Its weights are kept only if the
validation rows confirm them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from mmg_nb.denoisers.residual import (
    PairFeatures,
    RadialDenoiser,
    RefinedDenoiser,
    ResidualDenoiser,
    dimension_ratio,
)
from mmg_nb.estimators.mmg.fields import MMG
from mmg_nb.estimators.mmg.fit import Fit, Problem
from mmg_nb.estimators.mmg.sizes import (
    VALIDATION_DRAWS,
    WIDEST_FOCUS,
    batch_for,
    share_without_y,
    steps_for,
    validation_draws,
    width_for,
)
from mmg_nb.runs.events import Listener
from mmg_nb.training.batches import antithetic_pairs, even_batch
from mmg_nb.training.loop import TrainingTask, train
from mmg_nb.training.optimisers import ClippedMuon
from mmg_nb.training.schedule import Schedule, trapezoid
from mmg_nb.training.stopping import FEW_STEPS, KeepWeights

__all__ = ["FullNetwork", "InformativeDirections", "RadialGain", "TrainingStage"]


@dataclass(frozen=True, kw_only=True)
class TrainingStage:
    """One training of a denoiser.

    Attributes:
        share_of_steps: Steps of this stage, relative to those of the full network.
        rate: Learning rate of this stage, relative to that of the estimator.
        grace_steps: Steps before training may stop early (LOG.md, "What stops training").
        grace_share: The same as a fraction of the steps of this stage, for short trainings.
        check_every: Steps between validations. Not measured.
        muon_every: Steps per orthogonalisation of Muon (LOG.md, "A shorter run").
    """

    phase: ClassVar[str] = "training"

    share_of_steps: float = 1.0
    rate: float = 1.0
    grace_steps: int = 1000
    grace_share: float = 1 / 3
    check_every: int = 100
    muon_every: int = 4

    def suits(self, n_samples: int, dim_x: int, dim_y: int) -> bool:
        """Whether this stage runs for data of such a size."""
        raise NotImplementedError

    def build(self, problem: Problem, fit: Fit) -> RefinedDenoiser:
        """The untrained denoiser."""
        raise NotImplementedError

    def validation_draws(self, n_samples: int, dim_x: int, dim_y: int) -> int:
        """Validation draws that this stage needs for data of such a size."""
        return VALIDATION_DRAWS

    def yields_above(self, problem: Problem, dim_x: int) -> float | None:
        """See `StoppingRule`."""
        return None

    def rate_for(self, dim_x: int) -> float:
        """Learning rate, relative to that of the estimator."""
        return self.rate

    def applies(self, problem: Problem, fit: Fit | None) -> bool:
        """Whether this stage runs for these data; see `Stage`."""
        return fit is not None and self.suits(problem.n_samples, *fit.dims)

    def planned_steps(self, config: MMG, n_samples: int, dim_x: int) -> int:
        """Maximum steps; see `Stage`."""
        if not self.suits(n_samples, dim_x, 1):
            return 0
        return round(self.share_of_steps * steps_for(config, n_samples))

    def run(self, problem: Problem, fit: Fit | None, listen: Listener) -> Fit:
        """Train; see `Stage`."""
        assert fit is not None, "an anchor comes first"
        denoiser = self.build(problem, fit).to(problem.run.device)
        return fit.trained(train(self.task(problem, fit, denoiser), listen, problem.run.keep))

    def task(self, problem: Problem, fit: Fit, denoiser: RefinedDenoiser) -> TrainingTask:
        """The training task of this stage.

        Args:
            problem: The data and the estimator.
            fit: The result of the stages before it.
            denoiser: The untrained denoiser.
        """
        config, n_samples = problem.config, problem.n_samples
        grid = fit.validation.grid
        share = share_without_y(n_samples, fit.dims[0], conditional=fit.data.condition > 0)
        return TrainingTask(
            denoiser=denoiser,
            optimiser=ClippedMuon(
                [p for p in denoiser.parameters() if p.requires_grad],
                denoiser.net.hidden_matrices(),
                learning_rate=self.rate_for(fit.dims[0]) * config.learning_rate,
                weight_decay=config.weight_decay,
                every=self.muon_every,
            ),
            rows=fit.rows,
            validation=fit.validation,
            proposal=grid,
            schedule=self.schedule(problem, fit.dims[0], int(fit.rows.count.min())),
            draw=partial(antithetic_pairs, without=share),
            generator=problem.run.random.device,
            adapt=grid.reaching,
        )

    def schedule(self, problem: Problem, dim_x: int, fewest_rows: int) -> Schedule:
        """Number of steps, batch size, learning rate, and stopping rule.

        Args:
            problem: The data and the estimator.
            dim_x: Columns of the noised variable.
            fewest_rows: Training rows of the member that has the fewest.
        """
        config, n_samples = problem.config, problem.n_samples
        steps = round(self.share_of_steps * steps_for(config, n_samples))
        shortest = round(self.share_of_steps * FEW_STEPS)
        return Schedule(
            steps=steps,
            batch=even_batch(batch_for(config, n_samples) // 2, fewest_rows),
            check_every=self.check_every,
            grace=min(self.grace_steps, max(shortest, round(self.grace_share * steps))),
            weights=KeepWeights.GENERALISING if config.gap == "inner" else KeepWeights.BEST,
            rate=trapezoid,
            yields_above=self.yields_above(problem, dim_x),
        )


@dataclass(frozen=True, kw_only=True)
class RadialGain(TrainingStage):
    """Train one gain per row that depends on vector lengths only: few inputs need few rows.

    For a single column the stage adds nothing, because its length is its absolute value. With
    many rows the full network learns the same and more.

    Attributes:
        max_rows: Maximum number of rows for this stage (LOG.md, "Lengths first").
        share_of_steps: LOG.md, "Lengths first".
        rate: Not measured.
    """

    max_rows: int = 2500
    share_of_steps: float = 0.5
    rate: float = 2.5

    def suits(self, n_samples: int, dim_x: int, dim_y: int) -> bool:
        """For several columns and few rows; see `TrainingStage`."""
        return dim_x > 1 and n_samples <= self.max_rows

    def build(self, problem: Problem, fit: Fit) -> RefinedDenoiser:
        """See `TrainingStage`."""
        generator = problem.run.random.host
        return RadialDenoiser(fit.anchor_summary, generator=generator, start=fit.start)


@dataclass(frozen=True, kw_only=True)
class FullNetwork(TrainingStage):
    """Train a shift and a gain that depend on all inputs of the denoiser.

    Attributes:
        still_improving: Training yields to canonical pairs if the last doubling of the steps
            gained more nats than this just before the learning rate falls (LOG.md, "Very strong
            dependence"). Only if the estimator fits pairs.
        rows_for_pairs: Minimum rows per column of x for canonical pairs; with 200, they overfit
            (LOG.md, "In many columns"). Not measured in between.
    """

    still_improving: float = 0.2
    rows_for_pairs: int = 300

    def suits(self, n_samples: int, dim_x: int, dim_y: int) -> bool:
        """For all data; see `TrainingStage`."""
        return True

    def yields_above(self, problem: Problem, dim_x: int) -> float | None:
        """See `StoppingRule`."""
        return self.still_improving if self.may_yield(problem, dim_x) else None

    def may_yield(self, problem: Problem, dim_x: int) -> bool:
        """Whether the estimator fits canonical pairs, and there are enough rows for them."""
        enough = problem.n_samples >= self.rows_for_pairs * dim_x
        return problem.config.seeks_pairs and enough

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
        """The untrained network; see `ResidualDenoiser`."""
        return ResidualDenoiser(
            fit.anchor_summary,
            width=width_for(problem.config, problem.n_samples),
            blocks=problem.config.blocks,
            generator=problem.run.random.host,
            start=fit.start,
            focused=focused,
            pairs=pairs,
        )


@dataclass(frozen=True, kw_only=True)
class InformativeDirections(FullNetwork):
    """With many columns, train first on the directions that the anchor found informative.

    More columns allow more overfitting, so the learning rate falls with their number.

    Attributes:
        rows_per_column: Minimum rows per column of x (LOG.md, "Many columns").
    """

    rows_per_column: int = 25

    def suits(self, n_samples: int, dim_x: int, dim_y: int) -> bool:
        """For many columns with enough rows; see `TrainingStage`."""
        enough = n_samples >= self.rows_per_column * dim_x
        return dimension_ratio(dim_x) > 1 and enough and dim_y <= WIDEST_FOCUS

    def validation_draws(self, n_samples: int, dim_x: int, dim_y: int) -> int:
        """More, if this stage runs; see `TrainingStage`."""
        return validation_draws(dim_x) if self.suits(n_samples, dim_x, dim_y) else VALIDATION_DRAWS

    def rate_for(self, dim_x: int) -> float:
        """See `TrainingStage` (LOG.md, "Many columns")."""
        return 1 / math.sqrt(dimension_ratio(dim_x))

    def yields_above(self, problem: Problem, dim_x: int) -> float | None:
        """Never: the full network follows."""
        return None

    def build(self, problem: Problem, fit: Fit) -> RefinedDenoiser:
        """See `TrainingStage`."""
        return self.network(problem, fit, focused=True)
