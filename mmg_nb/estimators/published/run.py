"""The run behind `PublishedMMG`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Generator, Tensor

from mmg_nb.data.marginals import Standardize
from mmg_nb.data.pairs import Pairs
from mmg_nb.data.splits import CrossFit
from mmg_nb.denoisers.anchor import Anchor
from mmg_nb.denoisers.channel import transmit
from mmg_nb.denoisers.gaussian import Denoiser, Prepared, Samples
from mmg_nb.denoisers.logsnr import (
    BinnedProposal,
    LogisticProposal,
    Proposal,
    adapted_logistic,
    uniform_bins,
)
from mmg_nb.denoisers.members import Rows, member_rows
from mmg_nb.estimators.denoising_run import DenoisingRun, Fitted, evaluate, opened
from mmg_nb.estimators.published.fields import SMALL_DIM, PublishedMMG
from mmg_nb.estimators.report import report
from mmg_nb.nets.published_mlp import PublishedMLP, published_width
from mmg_nb.results.finding import Finding
from mmg_nb.results.status import Status
from mmg_nb.runs.context import RunContext
from mmg_nb.runs.events import Phase
from mmg_nb.runs.randomness import Sources
from mmg_nb.training.batches import PreparedBatch, by_step, steps_ahead
from mmg_nb.training.loop import TrainingOutcome, TrainingTask, train
from mmg_nb.training.optimisers import Adam
from mmg_nb.training.schedule import Schedule
from mmg_nb.training.stopping import KeepWeights
from mmg_nb.training.validation import Validation

__all__ = ["PublishedDenoiser", "run"]

EVALUATION_SHARE = 1 / 11  # the paper has 10 000 for 100 000 training rows
EXPERT_BOUNDARY = 5.0
BIN_WIDTH = 0.25
VALIDATION_DRAWS = 2048
CHECKS = 20


class PublishedDenoiser(Denoiser):
    """A network that predicts ε directly; without y it gets zeros, the mean of standardised y.

    Args:
        dim_x: Dimensions of x.
        dim_y: Dimensions of y.
        experts: 1, or 2 for separate networks below and above log-SNR 5.
        generator: Source of the starting weights.
    """

    def __init__(self, dim_x: int, dim_y: int, experts: int, generator: Generator) -> None:
        super().__init__()
        width = published_width(dim_x, dim_y)
        self.nets = torch.nn.ModuleList(
            PublishedMLP(1, dim_x, dim_y, width, generator) for _ in range(experts)
        )

    def forward(self, samples: Samples, eps: Tensor, logsnr: Tensor, given: Tensor) -> Tensor:
        """Predict the noise; see `Denoiser`."""
        z = transmit(samples.x, eps, logsnr)
        inputs = torch.cat([z, torch.where(given, samples.y, 0.0)], dim=-1)
        low: Tensor = self.nets[0](inputs, logsnr)
        if len(self.nets) == 1:
            return low
        return torch.where(
            logsnr.unsqueeze(-1) < EXPERT_BOUNDARY, low, self.nets[1](inputs, logsnr)
        )


@dataclass(frozen=True, eq=False)
class _Setting:
    """What the two trainings of one run share."""

    config: PublishedMMG
    run: DenoisingRun
    x: Tensor
    y: Tensor
    anchor: Anchor

    @property
    def random(self) -> Sources:
        return self.run.random

    @property
    def plan(self) -> CrossFit:
        return self.run.plan


def run(config: PublishedMMG, pairs: Pairs, context: RunContext) -> Finding:
    """Estimate I(x; y); see `PublishedMMG`."""
    width = published_width(pairs.dim_x, pairs.dim_y)
    with opened(
        pairs,
        context,
        activations=config.experts * (config.batch or 256) * width,
        folds=1,
        evaluation_share=EVALUATION_SHARE,
    ) as run:
        fitted = _fit(config, run)
        fitted, measurement = evaluate(run, fitted, draws=config.draws, paired=False)
        return report(config, run, fitted, measurement)


def _fit(config: PublishedMMG, run: DenoisingRun) -> Fitted:
    x, y = (_standardized(v, run.plan, run.device) for v in (run.pairs.x, run.pairs.y))
    anchor = Anchor(x.new_zeros(1, y.shape[1], x.shape[1]))
    this = _Setting(config, run, x, y, anchor)
    run.started(config.name, (2 if config.adaptive else 1) * _steps(this))
    proposal = LogisticProposal(config.loc, config.scale, config.clip)
    outcome = _train(this, proposal)
    if config.adaptive and outcome.status is not Status.INTERRUPTED:
        proposal = _adapted(this, outcome, proposal)
        outcome = _train(this, proposal)
    return Fitted(x, y, anchor, _bins(proposal, run.device), outcome)


def _standardized(values: np.ndarray, plan: CrossFit, device: torch.device) -> Tensor:
    fitted = Standardize.fit(values[plan.transform_rows])
    return torch.as_tensor(fitted(values), dtype=torch.float64, device=device)


def _small(this: _Setting) -> bool:
    return this.x.shape[1] <= SMALL_DIM


def _batch(this: _Setting) -> int:
    wanted = this.config.batch or (128 if _small(this) else 256)
    return min(wanted, len(this.plan.members[0].fit))


def _steps(this: _Setting) -> int:
    if this.config.steps is not None:
        return this.config.steps
    epochs = this.config.epochs or (500 if _small(this) else 750)
    return epochs * max(1, len(this.plan.members[0].fit) // _batch(this))


def _bins(proposal: Proposal, device: torch.device) -> BinnedProposal:
    return uniform_bins(proposal.low, proposal.high, BIN_WIDTH, device)


def _validation(this: _Setting, proposal: Proposal, rows: Rows) -> Validation:
    draws = max(VALIDATION_DRAWS, rows.samples.x.shape[1])
    return Validation.prepare(rows, _bins(proposal, this.x.device), draws, this.random.device)


def _train(this: _Setting, proposal: LogisticProposal) -> TrainingOutcome:
    config, member = this.config, this.plan.members[0]
    this.run.listen(Phase("training"))
    denoiser = PublishedDenoiser(
        this.x.shape[1], this.y.shape[1], config.experts, this.random.host
    ).to(this.x.device)
    rate = config.learning_rate
    if rate is None:
        rate = 1e-3 if _small(this) else 2e-3
    held = member_rows(this.x, this.y, this.anchor, [member.validation])
    steps = _steps(this)
    schedule = Schedule(
        steps=steps,
        batch=_batch(this),
        check_every=max(1, steps // CHECKS),
        grace=None,
        weights=KeepWeights.LAST,
        rate=lambda fraction: 1.0,
        ema=config.ema,
    )
    task = TrainingTask(
        denoiser=denoiser,
        optimiser=Adam(
            denoiser.parameters(),
            learning_rate=rate,
            weight_decay=config.weight_decay,
            decoupled=False,
        ),
        rows=member_rows(this.x, this.y, this.anchor, [member.fit]),
        validation=_validation(this, proposal, held),
        proposal=proposal,
        schedule=schedule,
        draw=_likelihood_lessons,
        generator=this.random.device,
    )
    return train(task, this.run.listen, this.run.keep)


def _likelihood_lessons(
    denoiser: Denoiser,
    rows: Rows,
    batch: int,
    proposal: Proposal,
    generator: Generator,
    most: int,
) -> Sequence[PreparedBatch]:
    """½ E[‖ε − ε̂‖² / q(λ)], with or without y for the whole batch; see `Draw`."""
    shape, dim_x, device = (1, batch), rows.samples.x.shape[2], rows.count.device

    def draw(size: tuple[int, ...]) -> Tensor:
        return torch.rand(size, generator=generator, device=device, dtype=torch.float32)

    count = steps_ahead(rows, batch, most)
    drawn = []
    for _ in range(count):
        index, u = rows.pick(batch, generator), draw(shape)
        eps = torch.randn(*shape, dim_x, generator=generator, device=device, dtype=torch.float32)
        drawn.append((index, u, eps, (draw((1, 1, 1)) < 0.5).expand(*shape, 1)))
    index, u, eps, given = (torch.cat(each, dim=1) for each in zip(*drawn, strict=True))
    logsnr = proposal.quantile(u)
    inputs = {
        **denoiser.prepare(rows.samples.take(index), eps, logsnr.float(), given),
        "eps": eps,
        "density": proposal.density(logsnr).float(),
    }
    loss = partial(_likelihood_loss, denoiser)
    return [PreparedBatch(loss, each) for each in by_step(inputs, count, batch)]


def _likelihood_loss(denoiser: Denoiser, inputs: Prepared) -> Tensor:
    error = (inputs["eps"] - denoiser.predict(inputs)).square().sum(-1)
    return 0.5 * (error / inputs["density"]).mean()


def _adapted(
    this: _Setting, outcome: TrainingOutcome, proposal: LogisticProposal
) -> LogisticProposal:
    """The second proposal, from the conditional error of the first model."""
    member = this.plan.members[0]
    held = member_rows(this.x, this.y, this.anchor, [member.validation])
    validation = _validation(this, proposal, held)
    curves = validation.measure(outcome.denoiser).curves
    dim_x = this.x.shape[1]
    return adapted_logistic(
        validation.grid.centres.cpu(), curves.error_c.cpu(), dim_x, proposal.clip
    )
