"""The run behind `MMG`: prepare, anchor, train, measure, judge."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Generator, Tensor

from mmg_nb.anchor import Anchor, fit_anchor
from mmg_nb.conditioning import without_condition
from mmg_nb.data import Pairs
from mmg_nb.denoisers import RadialDenoiser, ResidualDenoiser, crowding
from mmg_nb.devices import pick_device, threads_for
from mmg_nb.estimators.mmg import MMG, Y_IS_NOISED
from mmg_nb.estimators.report import report
from mmg_nb.evaluation import Model, measure
from mmg_nb.events import Event, Listener, Phase, Snapshot, Started, Step
from mmg_nb.keeping import Keeper, Unkept
from mmg_nb.logsnr import BinnedProposal, LogisticProposal, uniform_bins
from mmg_nb.members import Rows, member_rows, stack_pairs
from mmg_nb.optimisers import ClippedMuon
from mmg_nb.provenance import provenance
from mmg_nb.randomness import Sources
from mmg_nb.results import MIResult, Status, TrainingHistory
from mmg_nb.splits import Plan, make_plan
from mmg_nb.training import (
    FEW_STEPS,
    Outcome,
    Schedule,
    Weights,
    antithetic_halves,
    even_batch,
    train,
    trapezoid,
)
from mmg_nb.transforms import fit_transform
from mmg_nb.validation import Validation

__all__ = ["run"]

BIN_WIDTH = 0.5
TAIL = 2e-3  # nats that a Gaussian with the anchor's residual may lose at each end of the range
NARROWEST = (-8.0, 12.0)
WIDEST = (-16.0, 24.0)
VALIDATION_DRAWS = 2048  # in few columns
COLUMNS_OF_DRAWS = 256  # from which there are no more than in few, for the sake of memory
ANCHOR_SHARE, ANCHOR_STEPS = 0.5, 3000  # of the training steps, at most
LENGTHS_ROWS = 2500  # up to which lengths are learnt first
RADIAL_SHARE, RADIAL_RATE = 0.5, 2.5  # of the training steps, and of the learning rate
GRACE, GRACE_SHARE = 1000, 1 / 3  # steps in which there must be signs of learning, and of all
SENSITIVITY_PASSES = 32_768  # of a row for a column of x, from which to tell what y matters
WIDEST_FOCUS = 256  # columns of y, beyond which it costs more than the network
DRAWS_WHEN_STOPPED = 8


@dataclass(frozen=True, eq=False)
class _Prepared:
    """Transformed data on the device, float64, and who trains on what; x is what is noised.

    The last columns of y, as many as `condition` says, are those of the condition.
    """

    x: Tensor
    y: Tensor
    condition: int
    plan: Plan
    notes: tuple[str, ...]


def run(
    config: MMG,
    pairs: Pairs,
    *,
    seed: int,
    listen: Listener,
    device: str,
    keep: Keeper | None = None,
) -> MIResult:
    """Estimate I(x; y) with the fields of `config`; see `MMG`."""
    where = pick_device(device)
    with threads_for(config.folds_for(pairs.n_samples) * config.batch * config.width, where):
        return _run(config, pairs, seed, listen, where, keep or Unkept())


def _run(
    config: MMG,
    pairs: Pairs,
    seed: int,
    listen: Listener,
    where: torch.device,
    keep: Keeper,
) -> MIResult:
    began = time.perf_counter() - keep.seconds
    random = Sources.of(seed, where)
    sizes = pairs.n_samples, pairs.dim_x, pairs.dim_y
    listen(Started(config.name, *sizes, str(where), _most_steps(config, pairs), pairs.dim_z))
    listen(Phase("anchor"))
    data = _prepare(config, pairs, random, where)
    keep.confirm(data.plan.fingerprint)
    fitted = keep.once("anchor", lambda: _fit_anchor(config, data, random.device), random.device)
    anchor, variance = Anchor.restored(fitted), fitted["variance"]
    listen(Phase("training"))
    grid = _grid(config, variance, where)
    outcome = _train(config, data, anchor, variance, grid, random, listen, keep)
    listen(Phase("evaluation"))
    model = Model(anchor, outcome.denoiser)
    stopped, draws = outcome.status is Status.INTERRUPTED, config.draws_for(pairs.n_samples)
    measurement = measure(
        model,
        data.x,
        data.y,
        pairs.blocks,
        data.plan.readings,
        outcome.proposal,
        grid,
        draws=min(draws, DRAWS_WHEN_STOPPED) if stopped else draws,
        generator=random.device,
        listen=listen,
        noised="y" if config.noises_y(pairs.dim_x, pairs.dim_y) else "x",
    )
    origin = provenance(seed, str(where), time.perf_counter() - began)
    return report(config, pairs, measurement, outcome, data.notes, origin)


def _prepare(
    config: MMG,
    pairs: Pairs,
    random: Sources,
    device: torch.device,
) -> _Prepared:
    plan = make_plan(
        pairs, config.folds_for(pairs.n_samples), config.gap == "cross", random.splits
    )
    rows = plan.transform_rows
    mapped_x, notes_x = fit_transform(pairs.x, "x", config.transform, rows, pairs.discrete_x)
    mapped_y, notes_y = fit_transform(pairs.y, "y", config.transform, rows, pairs.discrete_y)
    notes = notes_x + notes_y
    x, y = (torch.as_tensor(v, dtype=torch.float64, device=device) for v in (mapped_x, mapped_y))
    names = ("x", "y")
    if config.noises_y(pairs.dim_x, pairs.dim_y):
        x, y, names = y, x, ("y", "x")
        notes += (Y_IS_NOISED,)
    if pairs.given is None:
        return _Prepared(x, y, 0, plan, notes)
    given, notes_z = fit_transform(pairs.given, "given", config.transform, rows, pairs.discrete_z)
    z = torch.as_tensor(given, dtype=torch.float64, device=device)
    member = plan.members[0]
    x, y = (
        without_condition(
            values,
            z,
            member,
            name,
            width=config.width,
            steps=_anchor_steps(config, pairs.n_samples),
            batch=min(config.batch, len(member.fit)),
            generator=random.device,
        )
        for values, name in zip((x, y), names, strict=True)
    )
    return _Prepared(x, torch.cat([y, z], dim=1), z.shape[1], plan, notes + notes_z)


def _anchor_steps(config: MMG, n_samples: int) -> int:
    return min(ANCHOR_STEPS, round(ANCHOR_SHARE * config.steps_for(n_samples)))


def _fit_anchor(config: MMG, data: _Prepared, generator: Generator) -> dict[str, Tensor]:
    """The anchor's tensors, and the variance of what it leaves."""
    members = data.plan.members
    fit = stack_pairs(data.x, data.y, [member.fit for member in members])
    anchor, variance = fit_anchor(
        fit,
        stack_pairs(data.x, data.y, [member.validation for member in members]),
        width=config.width,
        steps=_anchor_steps(config, len(data.x)),
        batch=even_batch(config.batch, fit[2]),
        generator=generator,
    )
    return {**anchor.state_dict(), "variance": variance}


def _grid(config: MMG, variance: Tensor, device: torch.device) -> BinnedProposal:
    """Bins over the range in which the MMSE gap can matter.

    For a Gaussian with residual variances v the integral beyond λ is about ½ e^−λ Σ(1/v − 1), and
    before λ about ½ e^λ Σ(1 − v): the ends follow from `TAIL`, with guards on both sides.
    """
    if config.proposal == "logistic":
        fixed = LogisticProposal(config.loc, config.scale, config.clip)
        return uniform_bins(fixed.low, fixed.high, BIN_WIDTH, device)
    v = variance.squeeze(1)
    above = float((1 / v - 1).sum(1).max())
    below = float((1 - v).sum(1).max())
    high = float(np.log(max(above, 1e-12) / (2 * TAIL)))
    low = -float(np.log(max(below, 1e-12) / (2 * TAIL)))
    low = min(NARROWEST[0], max(low, WIDEST[0]))
    high = max(NARROWEST[1], min(high, WIDEST[1]))
    return uniform_bins(low, high, BIN_WIDTH, device)


def _train(
    config: MMG,
    data: _Prepared,
    anchor: Anchor,
    variance: Tensor,
    grid: BinnedProposal,
    random: Sources,
    listen: Listener,
    keep: Keeper,
) -> Outcome:
    """Learn what lengths tell, then everything else."""
    members = data.plan.members
    rows = member_rows(data.x, data.y, anchor, [member.fit for member in members])
    held = member_rows(data.x, data.y, anchor, [member.validation for member in members])
    draws = max(_validation_draws(data.x.shape[1]), held.samples.x.shape[1])
    blocks = data.plan.validation_blocks
    validation = Validation.prepare(held, grid, draws, random.device, blocks)
    ground = _Ground(config, len(data.x), rows, validation, random.device, keep)
    variance, radial, first = variance.float().cpu(), None, None
    if _lengths_first(*data.x.shape):
        later = config.steps_for(len(data.x))
        radial, first = _train_radial(
            ground, data, variance, random, _counted(listen, later=later)
        )
        if first.status is Status.INTERRUPTED:
            return first
        listen = _counted(listen, earlier=first.steps)
    denoiser = ResidualDenoiser(
        variance,
        data.y.shape[1],
        width=config.width,
        blocks=config.blocks,
        generator=random.host,
        condition=data.condition,
        radial=radial,
        sensitivity=_sensitivity(anchor, rows),
    )
    # The more columns, the more there is to learn by heart.
    rate = 1 / math.sqrt(crowding(data.x.shape[1]))
    outcome = ground.train(denoiser.to(data.x.device), 1.0, rate, listen)
    return outcome if first is None else _joined(first, outcome)


def _validation_draws(dim_x: int) -> int:
    """More for more columns, where what can be learnt is faint beside what is learnt by heart."""
    return round(VALIDATION_DRAWS * min(crowding(dim_x), max(1.0, COLUMNS_OF_DRAWS / dim_x)))


def _lengths_first(n_samples: int, dim_x: int) -> bool:
    """Whether to learn first what lengths tell.

    They are simpler than columns, but for a single one, which is its own length up to the sign.
    Where rows are plenty the whole network learns as much, and more.
    """
    return dim_x > 1 and n_samples <= LENGTHS_ROWS


def _most_steps(config: MMG, pairs: Pairs) -> int:
    steps = config.steps_for(pairs.n_samples)
    dim = pairs.dim_y if config.noises_y(pairs.dim_x, pairs.dim_y) else pairs.dim_x
    return steps + round(RADIAL_SHARE * steps) if _lengths_first(pairs.n_samples, dim) else steps


def _sensitivity(anchor: Anchor, rows: Rows) -> Tensor | None:
    """That of the anchor on some of the rows; None for too many columns to be worth it."""
    few, (_, _, dim_x) = int(rows.count.min()), rows.samples.x.shape
    if rows.samples.y.shape[2] > WIDEST_FOCUS:
        return None
    every = -(-few * dim_x // SENSITIVITY_PASSES)
    return anchor.sensitivity(rows.samples.y[:, :few:every].double()).cpu()


def _train_radial(
    ground: _Ground, data: _Prepared, variance: Tensor, random: Sources, listen: Listener
) -> tuple[RadialDenoiser | None, Outcome]:
    """What lengths tell, if it is anything; and how learning it ended."""
    radial = RadialDenoiser(
        variance, data.y.shape[1], generator=random.host, condition=data.condition
    ).to(data.x.device)
    outcome = ground.train(radial, RADIAL_SHARE, RADIAL_RATE, listen)
    if outcome.kept_at == 0:
        return None, outcome
    radial.load_state_dict(outcome.denoiser.state_dict())
    return radial.requires_grad_(False), outcome


def _counted(listen: Listener, *, earlier: int = 0, later: int = 0) -> Listener:
    """Gets the events of one of two trainings, and counts the steps of both."""

    def relay(event: Event) -> bool | None:
        if isinstance(event, Step):
            event = Step(event.step + earlier, event.total_steps + earlier + later)
        elif isinstance(event, Snapshot):
            event = replace(event, step=event.step + earlier)
        return listen(event)

    return relay


def _joined(first: Outcome, second: Outcome) -> Outcome:
    """Of two trainings the second of which began where the first ended."""
    a, b = first.history, second.history
    history = TrainingHistory(
        np.concatenate([a.step, b.step + first.steps]),
        np.concatenate([a.loss, b.loss]),
        np.concatenate([a.mi, b.mi]),
    )
    # What the first still gained late, the second had time to make up for if it learnt anything.
    late_gain = second.late_gain if second.kept_at else first.late_gain
    steps = first.steps + second.steps
    return replace(second, history=history, steps=steps, late_gain=late_gain)


@dataclass(frozen=True, eq=False)
class _Ground:
    """What both trainings stand on."""

    config: MMG
    n_samples: int
    rows: Rows
    validation: Validation
    generator: Generator
    keep: Keeper

    def train(
        self,
        denoiser: RadialDenoiser | ResidualDenoiser,
        share: float,
        rate: float,
        listen: Listener,
    ) -> Outcome:
        """`train` with shares of the steps and the learning rate of the estimator."""
        config, grid = self.config, self.validation.grid
        steps = round(share * config.steps_for(self.n_samples))
        adaptive = config.proposal == "adaptive"
        logistic = LogisticProposal(config.loc, config.scale, config.clip)
        return train(
            denoiser,
            ClippedMuon(
                [p for p in denoiser.parameters() if p.requires_grad],
                denoiser.net.hidden_matrices(),
                learning_rate=rate * config.learning_rate,
                weight_decay=config.weight_decay,
            ),
            self.rows,
            self.validation,
            grid if adaptive else logistic,
            Schedule(
                steps=steps,
                batch=even_batch(config.batch // 2, self.rows.count),
                check_every=100,
                grace=min(GRACE, max(round(share * FEW_STEPS), round(GRACE_SHARE * steps))),
                weights=Weights.LEARNT if config.gap == "inner" else Weights.BEST,
                rate=trapezoid,
            ),
            loss=antithetic_halves,
            adapt=grid.adapted if adaptive else None,
            generator=self.generator,
            listen=listen,
            keep=self.keep,
        )
