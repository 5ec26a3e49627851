"""The first stage: transform the data, and regress the noised variable on the other one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mmg_nb.data.equal_values import spread_out
from mmg_nb.data.transform_choice import fit_transform, suited_transform
from mmg_nb.denoisers.anchor import Anchor
from mmg_nb.denoisers.logsnr import HIGHEST, BinnedProposal, uniform_bins
from mmg_nb.denoisers.members import Rows, member_rows
from mmg_nb.denoisers.mixture import MixtureDenoiser
from mmg_nb.estimators.mmg.conditioning import without_condition
from mmg_nb.estimators.mmg.fields import MMG, Y_IS_NOISED
from mmg_nb.estimators.mmg.fit import Fit, Problem, TransformedData, interrupted
from mmg_nb.estimators.mmg.sizes import (
    VALIDATION_DRAWS,
    WIDEST_FOCUS,
    anchor_steps,
    full_batch,
    full_width,
)
from mmg_nb.estimators.mmg.training_stages import TrainingStage
from mmg_nb.polling import Stopped
from mmg_nb.runs.events import Listener
from mmg_nb.training.anchor_fit import AnchorStopped, fit_anchor
from mmg_nb.training.batches import even_batch
from mmg_nb.training.validation import Validation

__all__ = ["Base", "RegressionAnchor", "based", "laid_out", "prepared", "regressed"]

BIN_WIDTH = 0.5  # of log-SNR; not measured
TAIL = 2e-3  # nats that may be lost at each end of the range, for a Gaussian with this residual
NARROWEST = (-8.0, 12.0)  # log-SNRs that are always covered; not measured
WIDEST = (-16.0, HIGHEST)  # log-SNRs outside of this range are never covered
MOST_LEVELS = 64  # of a label whose mixture is the start; limits the memory
SENSITIVITY_PASSES = 32_768  # rows times columns of x from which the sensitivity is computed


class Base(NamedTuple):
    """The start of training: anchor, residual variance, training rows and validation rows."""

    data: TransformedData
    anchor: Anchor
    variance: Tensor
    rows: Rows
    held: Rows


@dataclass(frozen=True)
class RegressionAnchor:
    """Regress the noised variable on the other one, with a linear map and a small network.

    `effort` sets the training steps of the network; see `sizes.anchor_steps` (LOG.md, "How many
    steps, and how long for the anchor").
    """

    phase: ClassVar[str] = "anchor"

    def applies(self, problem: Problem, fit: Fit | None) -> bool:
        """Always, and first; see `Stage`."""
        return fit is None

    def planned_steps(self, config: MMG, n_samples: int, dim_x: int) -> int:
        """0: the steps of the regression are not counted; see `Stage`."""
        return 0

    def run(self, problem: Problem, fit: Fit | None, listen: Listener) -> Fit:
        """Prepare the data, fit the anchor, draw the validation set; see `Stage`."""
        data = prepared(problem)
        try:
            anchor, variance = regressed(problem, data, "anchor")
        except AnchorStopped as known:
            return _at_stop(problem, data, known.anchor, known.variance)
        try:
            fit = laid_out(problem, based(problem, data, anchor, variance), variance)
            return replace(fit, start=_mixture(problem, fit))
        except Stopped:
            return _at_stop(problem, data, anchor, variance)


def _mixture(problem: Problem, fit: Fit) -> MixtureDenoiser | None:
    """The mixture of the levels of y; None if y is no label, or has many levels."""
    pairs, data, anchor = problem.run.pairs, fit.data, fit.anchor
    discrete, columns = (
        (pairs.discrete_x, pairs.dim_x) if problem.noises_y else (pairs.discrete_y, pairs.dim_y)
    )
    if data.condition or len(discrete) < columns:
        return None
    levels, level = torch.unique(data.y, dim=0, return_inverse=True)
    if len(levels) > MOST_LEVELS:
        return None
    members = problem.run.plan.members
    counts = torch.stack([torch.bincount(level[m.fit], minlength=len(levels)) for m in members])
    every = levels.expand(len(members), *levels.shape)
    means = (anchor.mean(every) @ anchor.rotation).float()
    start = MixtureDenoiser(fit.anchor_summary, means, (counts + 0.5).log().float())
    return start.to(problem.run.device)


def _at_stop(problem: Problem, data: TransformedData, anchor: Anchor, variance: Tensor) -> Fit:
    """The fit of the anchor alone, without what only the training needs."""
    run = problem.run
    held = member_rows(data.x, data.y, anchor, [each.validation for each in run.plan.members])
    grid = _grid(variance, run.device)
    validation = Validation.prepare(held, grid, len(grid.mass), run.random.device)
    return interrupted(problem, Fit(data, anchor, variance, None, held, validation))


def regressed(problem: Problem, data: TransformedData, name: str) -> tuple[Anchor, Tensor]:
    """Fit the anchor, or restore it from the checkpoint.

    Args:
        problem: The data and the estimator.
        data: The transformed data.
        name: Name in the checkpoint.

    Returns:
        The anchor, and its residual variance, `(members, 1, dim_x)`.

    Raises:
        AnchorStopped: The user has stopped its training.
    """
    run = problem.run
    fitted = run.keep.cached(name, partial(_fit_anchor, problem, data), run.random.device)
    return Anchor.restored(fitted), fitted["variance"]


def based(problem: Problem, data: TransformedData, anchor: Anchor, variance: Tensor) -> Base:
    """The start of training, with the rows of every member."""
    members = problem.run.plan.members
    rows, held = (
        member_rows(data.x, data.y, anchor, sets)
        for sets in ([m.fit for m in members], [m.validation for m in members])
    )
    return Base(data, anchor, variance, rows, held)


def laid_out(problem: Problem, base: Base, variance: Tensor) -> Fit:
    """Choose the range of log-SNRs and draw the validation set.

    Args:
        problem: The data and the estimator.
        base: Data and anchor.
        variance: Residual variances that set the range of log-SNRs, `(members, 1, …)`.

    Returns:
        The fit before the first training.
    """
    run, data, held = problem.run, base.data, base.held
    grid = _grid(variance, run.device)
    draws = max(_validation_draws(problem, data), held.samples.x.shape[1])
    sensitivity = _sensitivity(base.anchor, base.rows)
    clusters = run.plan.validation_clusters
    return Fit(
        data=data,
        anchor=base.anchor,
        variance=base.variance,
        sensitivity=sensitivity,
        rows=base.rows,
        validation=Validation.prepare(held, grid, draws, run.random.device, clusters),
    )


def prepared(problem: Problem) -> TransformedData:
    """Transform the data."""
    config, pairs = problem.config, problem.run.pairs
    rows = problem.run.plan.transform_rows
    fit = partial(
        fit_transform,
        transform=_transform(problem),
        fit_rows=rows,
        smooth=config.transform == "auto",
    )
    values = {"x": pairs.x, "y": pairs.y}
    noised = "y" if problem.noises_y else "x"
    if config.transform != "none":
        values[noised] = spread_out(values[noised], np.random.default_rng(0))
    mapped_x, notes_x = fit(values["x"], "x", discrete=pairs.discrete_x)
    mapped_y, notes_y = fit(values["y"], "y", discrete=pairs.discrete_y)
    notes = notes_x + notes_y
    x, y = (_on_device(problem, values) for values in (mapped_x, mapped_y))
    names = ("x", "y")
    if problem.noises_y:
        x, y, names = y, x, ("y", "x")
        notes += (Y_IS_NOISED,)
    if pairs.given is None:
        return TransformedData(x, y, 0, notes)
    given, notes_z = fit(pairs.given, "given", discrete=pairs.discrete_z)
    z = _on_device(problem, given)
    x, y = _less_condition(problem, (x, y), z, names)
    return TransformedData(x, torch.cat([y, z], dim=1), z.shape[1], notes + notes_z)


def _transform(problem: Problem) -> str:
    """The transform of each variable; for auto, the one that fits the data."""
    config, pairs = problem.config, problem.run.pairs
    if config.transform != "auto":
        return config.transform
    if pairs.given is not None:  # a column may share its scale with one of the condition
        return "normal_scores"
    rows = problem.run.plan.transform_rows
    return suited_transform(pairs.x, pairs.y, rows, pairs.discrete_x, pairs.discrete_y)


def _on_device(problem: Problem, values: np.ndarray) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float64, device=problem.run.device)


def _less_condition(
    problem: Problem, variables: Sequence[Tensor], z: Tensor, names: Sequence[str]
) -> tuple[Tensor, Tensor]:
    """Residuals of x and y after regression on the condition."""
    config, run = problem.config, problem.run
    member = run.plan.members[0]
    x, y = (
        without_condition(
            values,
            z,
            member,
            name,
            width=full_width(config),
            steps=anchor_steps(config),
            batch=min(full_batch(config), len(member.fit)),
            generator=run.random.device,
        )
        for values, name in zip(variables, names, strict=True)
    )
    return x, y


def _fit_anchor(problem: Problem, data: TransformedData) -> dict[str, Tensor]:
    """The tensors of the anchor, and the variance of its residual."""
    config, members = problem.config, problem.run.plan.members
    anchor, variance = fit_anchor(
        data.x,
        data.y,
        members,
        width=full_width(config),
        steps=anchor_steps(config),
        batch=even_batch(full_batch(config), min(len(member.fit) for member in members)),
        generator=problem.run.random.device,
    )
    return {**anchor.state_dict(), "variance": variance}


def _grid(variance: Tensor, device: torch.device) -> BinnedProposal:
    """Bins over the range in which the MMSE gap is relevant.

    For a Gaussian with residual variances v, the integral above λ is about ½ e^−λ Σ(1/v − 1), and
    below λ about ½ e^λ Σ(1 − v). Both ends follow from `TAIL`, within `NARROWEST` and `WIDEST`.
    """
    v = variance.squeeze(1)
    above = float((1 / v - 1).sum(1).max())
    below = float((1 - v).sum(1).max())
    high = float(np.log(max(above, 1e-12) / (2 * TAIL)))
    low = -float(np.log(max(below, 1e-12) / (2 * TAIL)))
    low = min(NARROWEST[0], max(low, WIDEST[0]))
    high = max(NARROWEST[1], min(high, WIDEST[1]))
    return uniform_bins(low, high, BIN_WIDTH, device)


def _validation_draws(problem: Problem, data: TransformedData) -> int:
    """Validation draws; the stage that needs most sets their number."""
    sizes = len(data.x), data.x.shape[1], data.y.shape[1]
    training = [stage for stage in problem.stages if isinstance(stage, TrainingStage)]
    return max((s.validation_draws(*sizes) for s in training), default=VALIDATION_DRAWS)


def _sensitivity(anchor: Anchor, rows: Rows) -> Tensor | None:
    """Sensitivity of the anchor, from some of the rows; None if y has too many columns."""
    few, (_, _, dim_x) = int(rows.count.min()), rows.samples.x.shape
    if rows.samples.y.shape[2] > WIDEST_FOCUS:
        return None
    every = -(-few * dim_x // SENSITIVITY_PASSES)
    return anchor.sensitivity(rows.samples.y[:, :few:every].double()).cpu()
