"""The run behind `PublishedMMG`."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Generator, Tensor

from mmg_nb.data.marginals import Standardize
from mmg_nb.data.pairs import Pairs
from mmg_nb.data.splits import Plan, make_plan
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
from mmg_nb.estimators.published.fields import SMALL_DIM, PublishedMMG
from mmg_nb.estimators.report import report
from mmg_nb.mmse.evaluation import Model, measure
from mmg_nb.nets.published_mlp import PublishedMLP, published_width
from mmg_nb.results.provenance import provenance
from mmg_nb.results.result import MIResult, Status
from mmg_nb.runs.devices import pick_device, threads_for
from mmg_nb.runs.events import Listener, Phase, Started
from mmg_nb.runs.randomness import Sources
from mmg_nb.training.batches import Lesson, by_step, steps_ahead
from mmg_nb.training.keeper import Keeper, Unkept
from mmg_nb.training.loop import Outcome, Schedule, Weights, train
from mmg_nb.training.optimisers import moments, restore_moments
from mmg_nb.training.validation import Validation

__all__ = ["PublishedDenoiser", "run"]

EVALUATION_SHARE = 1 / 11  # 10 000 beside 100 000
EXPERT_BOUNDARY = 5.0
BIN_WIDTH = 0.25
VALIDATION_DRAWS = 2048
CHECKS = 20


class PublishedDenoiser(Denoiser):
    """The network predicts ε directly; "no y" is zeros, the mean of y after standardising.

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
        """Predict the noise, see `Denoiser`."""
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
    """What both trainings of one run share."""

    config: PublishedMMG
    x: Tensor
    y: Tensor
    plan: Plan
    anchor: Anchor
    random: Sources
    listen: Listener
    keep: Keeper


def run(
    config: PublishedMMG,
    pairs: Pairs,
    *,
    seed: int,
    listen: Listener,
    device: str,
    keep: Keeper | None = None,
) -> MIResult:
    """Estimate I(x; y) with the fields of `config`; see `PublishedMMG`."""
    where = pick_device(device)
    width = published_width(pairs.dim_x, pairs.dim_y)
    with threads_for(config.experts * (config.batch or 256) * width, where):
        return _run(config, pairs, seed, listen, where, keep or Unkept())


def _run(
    config: PublishedMMG,
    pairs: Pairs,
    seed: int,
    listen: Listener,
    where: torch.device,
    keep: Keeper,
) -> MIResult:
    began = time.perf_counter() - keep.seconds
    random = Sources.of(seed, where)
    plan = make_plan(pairs, 1, False, random.splits, evaluation_share=EVALUATION_SHARE)
    keep.confirm(plan.fingerprint)
    x, y = (_standardized(values, plan, where) for values in (pairs.x, pairs.y))
    anchor = Anchor(x.new_zeros(1, y.shape[1], x.shape[1]))
    this = _Setting(config, x, y, plan, anchor, random, listen, keep)
    trainings = 2 if config.adaptive else 1
    steps = trainings * _steps(this)
    listen(Started(config.name, pairs.n_samples, pairs.dim_x, pairs.dim_y, str(where), steps))
    proposal = LogisticProposal(config.loc, config.scale, config.clip)
    outcome = _train(this, proposal)
    if config.adaptive and outcome.status is not Status.INTERRUPTED:
        proposal = _adapted(this, outcome, proposal)
        outcome = _train(this, proposal)
    listen(Phase("evaluation"))
    measurement = measure(
        Model(anchor, outcome.denoiser),
        x,
        y,
        pairs.blocks,
        plan.readings,
        proposal,
        _bins(proposal, where),
        draws=config.draws,
        generator=random.device,
        listen=listen,
        paired=False,
    )
    origin = provenance(seed, str(where), time.perf_counter() - began)
    return report(config, pairs, measurement, outcome, (), origin)


def _standardized(values: np.ndarray, plan: Plan, device: torch.device) -> Tensor:
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


def _train(this: _Setting, proposal: LogisticProposal) -> Outcome:
    config, member = this.config, this.plan.members[0]
    this.listen(Phase("training"))
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
        weights=Weights.LAST,
        rate=lambda fraction: 1.0,
        ema=config.ema,
    )
    return train(
        denoiser,
        _Adam(denoiser, rate, config.weight_decay),
        member_rows(this.x, this.y, this.anchor, [member.fit]),
        _validation(this, proposal, held),
        proposal,
        schedule,
        draw=_likelihood_lessons,
        adapt=None,
        generator=this.random.device,
        listen=this.listen,
        keep=this.keep,
    )


class _Adam:
    """Adam at a constant rate."""

    def __init__(self, denoiser: Denoiser, rate: float, weight_decay: float) -> None:
        parameters = list(denoiser.parameters())
        cuda = parameters[0].device.type == "cuda"
        self._inner = torch.optim.Adam(
            parameters, lr=rate, weight_decay=weight_decay, fused=cuda, capturable=cuda
        )

    def step(self, scale: float) -> None:
        self.update(scale, self.advance())

    def advance(self) -> int:
        return 0

    def update(self, scale: float | Tensor, kind: int) -> None:
        self._inner.step()

    def state(self) -> dict[str, Tensor]:
        return moments(self._inner)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        restore_moments(self._inner, state)


def _likelihood_lessons(
    denoiser: Denoiser,
    rows: Rows,
    batch: int,
    proposal: Proposal,
    generator: Generator,
    most: int,
) -> Sequence[Lesson]:
    """½ E[‖ε − ε̂‖² / q(λ)], y kept or dropped for the whole batch; see `Draw`."""
    shape, dim_x, device = (1, batch), rows.samples.x.shape[2], rows.count.device

    def draw(size: tuple[int, ...]) -> Tensor:
        return torch.rand(size, generator=generator, device=device)

    count = steps_ahead(rows, batch, most)
    drawn = []
    for _ in range(count):
        index, u = rows.pick(batch, generator), draw(shape)
        eps = torch.randn(*shape, dim_x, generator=generator, device=device)
        drawn.append((index, u, eps, (draw((1, 1, 1)) < 0.5).expand(*shape, 1)))
    index, u, eps, given = (torch.cat(each, dim=1) for each in zip(*drawn, strict=True))
    logsnr = proposal.quantile(u)
    inputs = {
        **denoiser.prepare(rows.samples.take(index), eps, logsnr.float(), given),
        "eps": eps,
        "density": proposal.density(logsnr).float(),
    }
    loss = partial(_likelihood_loss, denoiser)
    return [Lesson(loss, each) for each in by_step(inputs, count, batch)]


def _likelihood_loss(denoiser: Denoiser, inputs: Prepared) -> Tensor:
    error = (inputs["eps"] - denoiser.predict(inputs)).square().sum(-1)
    return 0.5 * (error / inputs["density"]).mean()


def _adapted(this: _Setting, outcome: Outcome, proposal: LogisticProposal) -> LogisticProposal:
    """The next proposal, from the conditional error of the preliminary model."""
    member = this.plan.members[0]
    held = member_rows(this.x, this.y, this.anchor, [member.validation])
    validation = _validation(this, proposal, held)
    curves = validation.measure(outcome.denoiser).curves
    dim_x = this.x.shape[1]
    return adapted_logistic(validation.grid.centres.cpu(), curves[1].cpu(), dim_x, proposal.clip)
