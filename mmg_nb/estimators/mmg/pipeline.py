"""The run behind `MMG`: prepare, anchor, train, measure, judge."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mmg_nb.data.marginals import fit_transform, suited_transform
from mmg_nb.data.pairs import Pairs
from mmg_nb.data.splits import Plan, make_plan
from mmg_nb.denoisers.anchor import Anchor, fit_anchor
from mmg_nb.denoisers.canonical_pairs import CanonicalPairs
from mmg_nb.denoisers.conditioning import without_condition
from mmg_nb.denoisers.logsnr import HIGHEST, BinnedProposal, LogisticProposal, uniform_bins
from mmg_nb.denoisers.members import Rows, member_rows
from mmg_nb.estimators.mmg.canonical_stage import NoPairs, fit_pairs
from mmg_nb.estimators.mmg.fields import MMG, Y_IS_NOISED
from mmg_nb.estimators.mmg.neighbour_check import by_neighbours
from mmg_nb.estimators.mmg.stages import (
    ROWS_A_COLUMN,
    Ground,
    Stage,
    counted,
    joined,
    sensitivity,
    stage_with,
    stages,
    steps_of,
    train_stages,
    validation_draws,
)
from mmg_nb.estimators.report import report
from mmg_nb.mmse.evaluation import Model, measure
from mmg_nb.results.provenance import provenance
from mmg_nb.results.result import MIResult, Status
from mmg_nb.runs.devices import pick_device, threads_for
from mmg_nb.runs.events import Listener, Phase, Started
from mmg_nb.runs.randomness import Sources
from mmg_nb.training.batches import even_batch
from mmg_nb.training.keeper import Keeper, Unkept
from mmg_nb.training.loop import Outcome
from mmg_nb.training.validation import Validation

__all__ = ["run"]

BIN_WIDTH = 0.5
TAIL = 2e-3  # nats that a Gaussian with the anchor's residual may lose at each end of the range
NARROWEST = (-8.0, 12.0)
WIDEST = (-16.0, HIGHEST)
DRAWS_WHEN_STOPPED = 8
ROWS_FOR_PAIRS = 300  # a column of x; with fewer, pairs of many columns are learnt by heart
PRECISE, LATE = 3.0, 0.5  # nats in all, and gained late, from which precision is what is wanting
MOST_PAIRS = 4  # that are learnt together; some may be functions of the others
PAIR_STEPS = 1.1  # as many times the steps of the denoiser
PAIR_BATCH = 4  # as many times the rows of a regression


@dataclass(frozen=True, eq=False)
class _Prepared:
    """Transformed data on the device, float64; x is what is noised.

    The last columns of y, as many as `condition` says, are those of the condition.
    """

    x: Tensor
    y: Tensor
    condition: int
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Run:
    """What all parts of a run are given; `plan` says who trains on what."""

    config: MMG
    pairs: Pairs
    plan: Plan
    random: Sources
    device: torch.device
    listen: Listener
    keep: Keeper


class _Base(NamedTuple):
    """Data with what training starts from: anchor, its residual variance, rows to fit and held."""

    data: _Prepared
    anchor: Anchor
    variance: Tensor
    rows: Rows
    held: Rows


class _Learnt(NamedTuple):
    """What training leaves behind, with the data as it has seen them."""

    data: _Prepared
    anchor: Anchor
    grid: BinnedProposal
    outcome: Outcome


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
    plan = make_plan(
        pairs, config.folds_for(pairs.n_samples), config.gap == "cross", random.splits
    )
    keep.confirm(plan.fingerprint)
    run = _Run(config, pairs, plan, random, where, listen, keep)
    learnt = _learn(run)
    if _wants_pairs(config, learnt.outcome, pairs.n_samples / learnt.data.x.shape[1]):
        learnt = _learn_with_pairs(run, learnt)
    data, anchor, grid, outcome = learnt
    listen(Phase("evaluation"))
    model = Model(anchor, outcome.denoiser)
    stopped, draws = outcome.status is Status.INTERRUPTED, config.draws_for(pairs.n_samples)
    measurement = measure(
        model,
        data.x,
        data.y,
        pairs.blocks,
        plan.readings,
        outcome.proposal,
        grid,
        draws=min(draws, DRAWS_WHEN_STOPPED) if stopped else draws,
        generator=random.device,
        listen=listen,
        noised="y" if config.noises_y(pairs.dim_x, pairs.dim_y) else "x",
    )
    opinion = None if stopped else by_neighbours(pairs)
    origin = provenance(seed, str(where), time.perf_counter() - began)
    return report(config, pairs, measurement, outcome, data.notes, origin, opinion)


def _learn(run: _Run) -> _Learnt:
    base = _base(run, smooth=False)
    data = base.data
    plan = stages(len(data.x), data.x.shape[1], data.y.shape[1])
    return _train(run, base, base.variance, plan, run.listen)


def _wants_pairs(config: MMG, outcome: Outcome, rows_a_column: float) -> bool:
    """Whether training has given way, or has come to much, much of it late, by what is simpler."""
    broken_off = outcome.status in (Status.INTERRUPTED, Status.DIVERGED)
    few = rows_a_column < ROWS_FOR_PAIRS
    if outcome.outgrown or broken_off or few or not config.seeks_pairs:
        return outcome.outgrown
    late, mi = outcome.late_gain or 0.0, float(outcome.history.mi[-1])
    return mi > PRECISE and late > LATE


def _learn_with_pairs(run: _Run, before: _Learnt) -> _Learnt:
    """Once more, where so much is to be learnt that precision is what it takes.

    From smooth scores, and from features of x and of y that tell each other of.
    """
    run.listen(Phase("canonical pairs"))
    base = _base(run, smooth=True)
    try:
        state = run.keep.once("pairs", lambda: _fit_pairs(run, base), run.random.device)
    except NoPairs as reason:
        return _instead(before, reason.status)
    pairs = CanonicalPairs.restored(state)
    variance = torch.cat([base.variance, pairs.variance], dim=2)
    listen = counted(run.listen, before.outcome.steps, 0)
    learnt = _train(run, base, variance, (stage_with(pairs),), listen)
    outcome = learnt.outcome
    gain = float(outcome.history.mi[-1] - before.outcome.history.mi[-1])
    if not gain >= 0:  # stopped early, or diverged
        return _instead(before, outcome.status)
    # What they lack is hardly more than what they have told.
    lacking = min(gain, float(pairs.imprecision.mean()))
    return learnt._replace(outcome=replace(joined(before.outcome, outcome), imprecision=lacking))


def _instead(before: _Learnt, status: Status) -> _Learnt:
    """What was learnt without pairs, which have come to nothing.

    It is complete as it is, unless it gave way to them when more steps were wanted.
    """
    if status is not Status.INTERRUPTED:
        status = Status.STEP_LIMIT if before.outcome.outgrown else before.outcome.status
    return before._replace(outcome=replace(before.outcome, status=status))


def _train(
    run: _Run, base: _Base, variance: Tensor, plan: tuple[Stage, ...], listen: Listener
) -> _Learnt:
    """Train in stages, at log-SNRs for such residual variances."""
    run.listen(Phase("training"))
    grid = _grid(run.config, variance, run.device)
    outcome = train_stages(_ground(run, base, grid), plan, listen)
    return _Learnt(base.data, base.anchor, grid, outcome)


def _base(run: _Run, *, smooth: bool) -> _Base:
    data = _prepare(run, smooth=smooth)
    fitted = _fit_anchor(run, data, "smooth anchor" if smooth else "anchor")
    anchor, members = Anchor.restored(fitted), run.plan.members
    fit, held = (
        member_rows(data.x, data.y, anchor, rows)
        for rows in ([m.fit for m in members], [m.validation for m in members])
    )
    return _Base(data, anchor, fitted["variance"], fit, held)


def _prepare(run: _Run, *, smooth: bool) -> _Prepared:
    config, pairs, random = run.config, run.pairs, run.random
    rows = run.plan.transform_rows
    transform = config.transform
    if transform == "auto" and pairs.given is None:
        transform = suited_transform(pairs.x, pairs.y, rows, pairs.discrete_x, pairs.discrete_y)
    elif transform == "auto":  # single columns may go along with those of the condition
        transform = "normal_scores"
    fit = partial(
        fit_transform,
        transform=transform,
        fit_rows=rows,
        smooth=smooth and config.transform == "auto",
    )
    mapped_x, notes_x = fit(pairs.x, "x", discrete=pairs.discrete_x)
    mapped_y, notes_y = fit(pairs.y, "y", discrete=pairs.discrete_y)
    notes = notes_x + notes_y
    x, y = (
        torch.as_tensor(v, dtype=torch.float64, device=run.device) for v in (mapped_x, mapped_y)
    )
    names = ("x", "y")
    if config.noises_y(pairs.dim_x, pairs.dim_y):
        x, y, names = y, x, ("y", "x")
        notes += (Y_IS_NOISED,)
    if pairs.given is None:
        return _Prepared(x, y, 0, notes)
    given, notes_z = fit(pairs.given, "given", discrete=pairs.discrete_z)
    z = torch.as_tensor(given, dtype=torch.float64, device=run.device)
    member = run.plan.members[0]
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
    return _Prepared(x, torch.cat([y, z], dim=1), z.shape[1], notes + notes_z)


def _fit_anchor(run: _Run, data: _Prepared, name: str) -> dict[str, Tensor]:
    """The anchor's tensors, and the variance of what it leaves, kept by a name."""
    config, members = run.config, run.plan.members

    def fit() -> dict[str, Tensor]:
        anchor, variance = fit_anchor(
            data.x,
            data.y,
            members,
            width=config.full_width,
            steps=config.anchor_steps,
            batch=even_batch(config.full_batch, min(len(member.fit) for member in members)),
            generator=run.random.device,
        )
        return {**anchor.state_dict(), "variance": variance}

    return run.keep.once(name, fit, run.random.device)


def _fit_pairs(run: _Run, base: _Base) -> dict[str, Tensor]:
    config, rows, samples = run.config, base.rows, base.rows.samples
    count = min(MOST_PAIRS, samples.x.shape[2], samples.y.shape[2])
    fewest = int(rows.count.min())
    return fit_pairs(
        rows,
        base.held,
        count,
        width=config.full_width,
        steps=round(PAIR_STEPS * config.steps_for(run.pairs.n_samples)),
        batch=even_batch(PAIR_BATCH * config.full_batch, fewest),
        host=run.random.host,
        generator=run.random.device,
        listen=run.listen,
    ).state_dict()


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


def _ground(run: _Run, base: _Base, grid: BinnedProposal) -> Ground:
    data, held = base.data, base.held
    n_samples, dim_x = data.x.shape
    draws = max(validation_draws(n_samples, dim_x, data.y.shape[1]), held.samples.x.shape[1])
    blocks, generator = run.plan.validation_blocks, run.random.device
    return Ground(
        config=run.config,
        n_samples=n_samples,
        condition=data.condition,
        variance=base.variance.float().cpu(),
        sensitivity=sensitivity(base.anchor, base.rows),
        rows=base.rows,
        validation=Validation.prepare(held, grid, draws, generator, blocks),
        host=run.random.host,
        generator=generator,
        keep=run.keep,
    )


def _most_steps(config: MMG, pairs: Pairs) -> int:
    """Whatever columns turn out to be superfluous: fewer may be worth more stages."""
    n_samples = pairs.n_samples
    dim = pairs.dim_y if config.noises_y(pairs.dim_x, pairs.dim_y) else pairs.dim_x
    fewer = max(1, min(dim, n_samples // ROWS_A_COLUMN))
    return max(
        sum(steps_of(config, n_samples, stage) for stage in stages(n_samples, columns, 1))
        for columns in (dim, fewer)
    )
