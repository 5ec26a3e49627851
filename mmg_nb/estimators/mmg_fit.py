"""The run behind `MMG`: prepare, anchor, train, measure, judge."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor

from mmg_nb.anchor import Anchor, fit_anchor
from mmg_nb.batches import even_batch
from mmg_nb.conditioning import without_condition
from mmg_nb.data import Pairs
from mmg_nb.devices import pick_device, threads_for
from mmg_nb.estimators.mmg import MMG, Y_IS_NOISED
from mmg_nb.estimators.mmg_stages import (
    ROWS_A_COLUMN,
    Ground,
    sensitivity,
    stages,
    steps_of,
    train_stages,
    validation_draws,
)
from mmg_nb.estimators.report import report
from mmg_nb.evaluation import Model, measure
from mmg_nb.events import Listener, Phase, Started
from mmg_nb.keeping import Keeper, Unkept
from mmg_nb.logsnr import HIGHEST, BinnedProposal, LogisticProposal, uniform_bins
from mmg_nb.members import member_rows
from mmg_nb.provenance import provenance
from mmg_nb.randomness import Sources
from mmg_nb.results import MIResult, Status
from mmg_nb.splits import Plan, make_plan
from mmg_nb.training import Outcome
from mmg_nb.transforms import fit_transform, suited_transform
from mmg_nb.validation import Validation

__all__ = ["run"]

BIN_WIDTH = 0.5
TAIL = 2e-3  # nats that a Gaussian with the anchor's residual may lose at each end of the range
NARROWEST = (-8.0, 12.0)
WIDEST = (-16.0, HIGHEST)
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
    rows = config.folds_for(pairs.n_samples) * config.batch_for(pairs.n_samples)
    with threads_for(rows * config.full_width, where):
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
    transform = config.transform
    if transform == "auto" and pairs.given is None:
        transform = suited_transform(pairs.x, pairs.y, rows, pairs.discrete_x, pairs.discrete_y)
    elif transform == "auto":  # single columns may go along with those of the condition
        transform = "normal_scores"
    mapped_x, notes_x = fit_transform(pairs.x, "x", transform, rows, pairs.discrete_x)
    mapped_y, notes_y = fit_transform(pairs.y, "y", transform, rows, pairs.discrete_y)
    notes = notes_x + notes_y
    x, y = (torch.as_tensor(v, dtype=torch.float64, device=device) for v in (mapped_x, mapped_y))
    names = ("x", "y")
    if config.noises_y(pairs.dim_x, pairs.dim_y):
        x, y, names = y, x, ("y", "x")
        notes += (Y_IS_NOISED,)
    if pairs.given is None:
        return _Prepared(x, y, 0, plan, notes)
    given, notes_z = fit_transform(pairs.given, "given", transform, rows, pairs.discrete_z)
    z = torch.as_tensor(given, dtype=torch.float64, device=device)
    member = plan.members[0]
    x, y = (
        without_condition(
            values,
            z,
            member,
            name,
            width=config.full_width,
            steps=config.anchor_steps,
            batch=min(config.full_batch, len(member.fit)),
            generator=random.device,
        )
        for values, name in zip((x, y), names, strict=True)
    )
    return _Prepared(x, torch.cat([y, z], dim=1), z.shape[1], plan, notes + notes_z)


def _fit_anchor(config: MMG, data: _Prepared, generator: Generator) -> dict[str, Tensor]:
    """The anchor's tensors, and the variance of what it leaves."""
    members = data.plan.members
    anchor, variance = fit_anchor(
        data.x,
        data.y,
        members,
        width=config.full_width,
        steps=config.anchor_steps,
        batch=even_batch(config.full_batch, min(len(member.fit) for member in members)),
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
    members, (n_samples, dim_x) = data.plan.members, data.x.shape
    rows = member_rows(data.x, data.y, anchor, [member.fit for member in members])
    held = member_rows(data.x, data.y, anchor, [member.validation for member in members])
    draws = max(validation_draws(n_samples, dim_x, data.y.shape[1]), held.samples.x.shape[1])
    blocks = data.plan.validation_blocks
    ground = Ground(
        config=config,
        n_samples=n_samples,
        condition=data.condition,
        variance=variance.float().cpu(),
        sensitivity=sensitivity(anchor, rows),
        rows=rows,
        validation=Validation.prepare(held, grid, draws, random.device, blocks),
        host=random.host,
        generator=random.device,
        keep=keep,
    )
    return train_stages(ground, stages(n_samples, dim_x, data.y.shape[1]), listen)


def _most_steps(config: MMG, pairs: Pairs) -> int:
    """Whatever columns turn out to be superfluous: fewer may be worth more stages."""
    n_samples = pairs.n_samples
    dim = pairs.dim_y if config.noises_y(pairs.dim_x, pairs.dim_y) else pairs.dim_x
    fewer = max(1, min(dim, n_samples // ROWS_A_COLUMN))
    return max(
        sum(steps_of(config, n_samples, stage) for stage in stages(n_samples, columns, 1))
        for columns in (dim, fewer)
    )
