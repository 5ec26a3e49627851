"""The run behind `MMGImages`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmg_nb.data.columns import Shape
from mmg_nb.data.pairs import Pairs
from mmg_nb.data.splits import CrossFit
from mmg_nb.data.transform_choice import fit_transform, image_transform
from mmg_nb.denoisers.anchor import ImageAnchor
from mmg_nb.denoisers.image import ImageDenoiser
from mmg_nb.denoisers.logsnr import BinnedProposal, uniform_bins
from mmg_nb.denoisers.members import member_rows, stack_pairs
from mmg_nb.errors import MMGError
from mmg_nb.estimators.denoising_run import DenoisingRun, Fitted, evaluate, opened
from mmg_nb.estimators.mmg.fields import Y_IS_NOISED
from mmg_nb.estimators.mmg_images.fields import MMGImages
from mmg_nb.estimators.report import report
from mmg_nb.results.finding import Finding
from mmg_nb.runs.context import RunContext
from mmg_nb.runs.events import Phase
from mmg_nb.runs.keeper import NoCheckpoint
from mmg_nb.training.anchor_fit import fit_image_anchor
from mmg_nb.training.batches import antithetic_pairs, even_batch
from mmg_nb.training.loop import TrainingOutcome, TrainingTask, train
from mmg_nb.training.optimisers import ClippedMuon
from mmg_nb.training.schedule import Schedule, trapezoid
from mmg_nb.training.stopping import KeepWeights
from mmg_nb.training.validation import Validation

__all__ = ["run"]

BIN_WIDTH = 0.5  # of log-SNR
TAIL = 2e-3  # nats that may be lost below the range
HIGHEST = 8.0  # log-SNR at which pixels are practically free of noise
VALIDATION_DRAWS = 1024
CHUNK_PIXELS = 2**18  # pixels at a time in the evaluation
ANCHOR_STEPS, ANCHOR_WIDTH = 600, 128
GRACE = 1000  # steps before training may stop early


@dataclass(frozen=True, eq=False)
class _Data:
    """Scaled data on the device, float64; x holds the noised images."""

    x: Tensor
    y: Tensor
    shape_x: Shape
    shape_y: Shape | None
    notes: tuple[str, ...]


def run(config: MMGImages, pairs: Pairs, context: RunContext) -> Finding:
    """Estimate I(x; y) by noising images; see `MMGImages`.

    Args:
        config: The estimator; its field `noised` names the noised variable.
        pairs: The data.
        context: Seed, device, listener and keeper.

    Returns:
        The finding.
    """
    noised = config.noised if config.noised != "auto" else _image(pairs)
    pixels = pairs.dim_x if noised == "x" else pairs.dim_y
    activations = config.folds * (4 * config.batch) * (8 * config.width) * pixels // 128
    with opened(pairs, context, activations=activations, folds=config.folds) as opened_run:
        steps = config.most_steps
        opened_run.started(config.name, steps)
        opened_run.listen(Phase("anchor"))
        data = _prepare(config, opened_run, noised)
        anchor = _fit_anchor(config, opened_run, data, min(ANCHOR_STEPS, steps))
        opened_run.listen(Phase("training"))
        grid = _grid(data)
        outcome = _train(config, opened_run, data, anchor, grid)
        fitted = Fitted(data.x, data.y, anchor, grid, outcome, data.notes)
        fitted, measurement = evaluate(
            opened_run,
            fitted,
            draws=config.draws,
            chunk=max(config.batch, CHUNK_PIXELS // data.x.shape[1]),
            noised=noised,
        )
        return report(config, opened_run, fitted, measurement)


def _image(pairs: Pairs) -> str:
    """The variable that is an image; of two images, the one with fewer pixels."""
    if pairs.shape_x is None or pairs.shape_y is None:
        return "x" if pairs.shape_y is None else "y"
    return "y" if pairs.dim_y < pairs.dim_x else "x"


def _prepare(config: MMGImages, run: DenoisingRun, noised: str) -> _Data:
    pairs, plan = run.pairs, run.plan
    x, notes_x = _scaled(config, pairs.x, pairs.shape_x, "x", pairs.discrete_x, plan)
    y, notes_y = _scaled(config, pairs.y, pairs.shape_y, "y", pairs.discrete_y, plan)
    shapes = pairs.shape_x, pairs.shape_y
    notes = notes_x + notes_y
    if noised == "y":
        x, y, shapes = y, x, shapes[::-1]
        notes += (Y_IS_NOISED,)
    if shapes[0] is None:
        raise MMGError(f"noised must name an image; got {noised!r}.", "Leave out noised=.")
    wide, other = (torch.as_tensor(v, dtype=torch.float64, device=run.device) for v in (x, y))
    return _Data(wide, other, shapes[0], shapes[1], notes)


def _scaled(
    config: MMGImages,
    values: NDArray[np.float64],
    shape: Shape | None,
    name: str,
    discrete: tuple[int, ...],
    plan: CrossFit,
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    if shape is not None:
        return image_transform(values, name, plan.transform_rows), ()
    transform = "normal_scores" if config.transform == "auto" else config.transform
    return fit_transform(values, name, transform, plan.transform_rows, discrete)


def _fit_anchor(config: MMGImages, run: DenoisingRun, data: _Data, steps: int) -> ImageAnchor:
    members = run.plan.members
    fit = stack_pairs(data.x, data.y, [member.fit for member in members])
    return fit_image_anchor(
        fit,
        stack_pairs(data.x, data.y, [member.validation for member in members]),
        width=ANCHOR_WIDTH,
        steps=steps,
        batch=even_batch(2 * config.batch, int(fit[2].min())),
        generator=run.random.device,
    )


def _grid(data: _Data) -> BinnedProposal:
    """Bins over the relevant range of log-SNR; below it the gap is at most α² per pixel."""
    low = math.log(2 * TAIL / data.x.shape[1])
    return uniform_bins(low, HIGHEST, BIN_WIDTH, data.x.device)


def _train(
    config: MMGImages, run: DenoisingRun, data: _Data, anchor: ImageAnchor, grid: BinnedProposal
) -> TrainingOutcome:
    members, random = run.plan.members, run.random
    denoiser = ImageDenoiser(
        len(members),
        data.shape_x,
        data.y.shape[1],
        data.shape_y,
        width=config.width,
        generator=random.host,
    ).to(run.device)
    rows = member_rows(data.x, data.y, anchor, [member.fit for member in members])
    held = member_rows(data.x, data.y, anchor, [member.validation for member in members])
    steps = config.most_steps
    schedule = Schedule(
        steps=steps,
        batch=even_batch(config.batch // 2, int(rows.count.min())),
        check_every=100,
        grace=min(GRACE, max(1, steps // 2)),
        weights=KeepWeights.GENERALISING if config.gap == "inner" else KeepWeights.BEST,
        rate=trapezoid,
    )
    clusters = run.plan.validation_clusters
    task = TrainingTask(
        denoiser=denoiser,
        optimiser=ClippedMuon(
            denoiser.parameters(),
            [],
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
        ),
        rows=rows,
        validation=Validation.prepare(held, grid, VALIDATION_DRAWS, random.device, clusters),
        proposal=grid,
        schedule=schedule,
        draw=antithetic_pairs,
        generator=random.device,
        adapt=grid.adapted,
    )
    return train(task, run.listen, NoCheckpoint())
