"""The run behind `MMG` where what is noised is an image."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmg_nb.data.columns import Shape
from mmg_nb.data.marginals import fit_transform, image_transform
from mmg_nb.data.pairs import Pairs
from mmg_nb.data.splits import Plan, make_plan
from mmg_nb.denoisers.anchor import ImageAnchor, fit_image_anchor
from mmg_nb.denoisers.image import ImageDenoiser
from mmg_nb.denoisers.logsnr import BinnedProposal, uniform_bins
from mmg_nb.denoisers.members import member_rows, stack_pairs
from mmg_nb.errors import MMGError
from mmg_nb.estimators.mmg.fields import DRAWS, MMG, Y_IS_NOISED
from mmg_nb.estimators.report import report
from mmg_nb.mmse.evaluation import Model, measure
from mmg_nb.results.provenance import provenance
from mmg_nb.results.result import MIResult, Status
from mmg_nb.runs.devices import pick_device, threads_for
from mmg_nb.runs.events import Listener, Phase, Started
from mmg_nb.runs.randomness import Sources
from mmg_nb.training.batches import antithetic_pairs, even_batch
from mmg_nb.training.keeper import Unkept
from mmg_nb.training.loop import Outcome, Schedule, Weights, train, trapezoid
from mmg_nb.training.optimisers import ClippedMuon
from mmg_nb.training.validation import Validation

__all__ = ["run"]

EFFORT_STEPS = {"quick": 500, "normal": 2500, "high": 10_000}
FOLDS = 2
# A step costs a hundred times as much as one of vectors: of the fields, these shares are taken.
BATCH_SHARE, WIDTH_SHARE = 1 / 4, 1 / 8
RATE_FACTOR = 2.0
DRAWS_SHARE, DRAWS_WHEN_STOPPED = 1 / 5, 2
BIN_WIDTH = 0.5
TAIL = 2e-3  # nats that the range may lose at its lower end
HIGHEST = 8.0  # log-SNR at which pixels are as good as clean
VALIDATION_DRAWS = 1024
CHUNK_PIXELS = 2**18  # pixels at a time in the evaluation
ANCHOR_STEPS, ANCHOR_WIDTH = 600, 128
GRACE = 1000  # steps in which there must be signs of learning


@dataclass(frozen=True, eq=False)
class _Setting:
    """Scaled data on the device, float64; x holds the images that are noised."""

    config: MMG
    x: Tensor
    y: Tensor
    shape_x: Shape
    shape_y: Shape | None
    plan: Plan
    random: Sources
    listen: Listener

    @property
    def batch(self) -> int:
        return max(2, round(BATCH_SHARE * self.config.full_batch))

    @property
    def width(self) -> int:
        return max(2, round(WIDTH_SHARE * self.config.full_width))


def run(
    config: MMG, pairs: Pairs, *, seed: int, listen: Listener, device: str, noised: str
) -> MIResult:
    """Estimate I(x; y), noising the images of x or of y; see `MMG`.

    Raises:
        MMGError: Fields ask for what there is for rows of numbers only.
    """
    for name, value in (("gap", "cross"), ("proposal", "logistic")):
        if getattr(config, name) == value:
            what = f"{name}={value!r} is for rows of numbers; here images are noised."
            raise MMGError(what, f"Leave {name} out.")
    where = pick_device(device)
    pixels = pairs.dim_x if noised == "x" else pairs.dim_y
    folds = config.folds or FOLDS
    with threads_for(folds * config.full_batch * config.full_width * pixels // 128, where):
        return _run(config, pairs, seed, listen, where, noised)


def _run(
    config: MMG, pairs: Pairs, seed: int, listen: Listener, where: torch.device, noised: str
) -> MIResult:
    began = time.perf_counter()
    steps = EFFORT_STEPS[config.effort] if config.steps is None else config.steps
    listen(Started(config.name, pairs.n_samples, pairs.dim_x, pairs.dim_y, str(where), steps))
    listen(Phase("anchor"))
    this, notes = _prepare(config, pairs, Sources.of(seed, where), where, noised, listen)
    anchor = _fit_anchor(this, min(ANCHOR_STEPS, steps))
    listen(Phase("training"))
    grid = _grid(this)
    outcome = _train(this, anchor, grid, steps)
    listen(Phase("evaluation"))
    draws = max(2, round(DRAWS_SHARE * (config.draws or DRAWS)))
    stopped = outcome.status is Status.INTERRUPTED
    measurement = measure(
        Model(anchor, outcome.denoiser),
        this.x,
        this.y,
        pairs.blocks,
        this.plan.readings,
        outcome.proposal,
        grid,
        draws=DRAWS_WHEN_STOPPED if stopped else draws,
        chunk=max(this.batch, CHUNK_PIXELS // this.x.shape[1]),
        generator=this.random.device,
        listen=listen,
        noised=noised,
    )
    origin = provenance(seed, str(where), time.perf_counter() - began)
    return report(config, pairs, measurement, outcome, notes, origin)


def _prepare(
    config: MMG,
    pairs: Pairs,
    random: Sources,
    device: torch.device,
    noised: str,
    listen: Listener,
) -> tuple[_Setting, tuple[str, ...]]:
    plan = make_plan(pairs, config.folds or FOLDS, False, random.splits)
    x, notes_x = _scaled(config, pairs.x, pairs.shape_x, "x", pairs.discrete_x, plan)
    y, notes_y = _scaled(config, pairs.y, pairs.shape_y, "y", pairs.discrete_y, plan)
    shapes = pairs.shape_x, pairs.shape_y
    notes = notes_x + notes_y
    if noised == "y":
        x, y, shapes = y, x, shapes[::-1]
        notes += (Y_IS_NOISED,)
    assert shapes[0] is not None
    wide, other = (torch.as_tensor(v, dtype=torch.float64, device=device) for v in (x, y))
    return _Setting(config, wide, other, shapes[0], shapes[1], plan, random, listen), notes


def _scaled(
    config: MMG,
    values: NDArray[np.float64],
    shape: Shape | None,
    name: str,
    discrete: tuple[int, ...],
    plan: Plan,
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    if shape is not None:
        return image_transform(values, name, plan.transform_rows), ()
    transform = "normal_scores" if config.transform == "auto" else config.transform
    return fit_transform(values, name, transform, plan.transform_rows, discrete)


def _fit_anchor(this: _Setting, steps: int) -> ImageAnchor:
    members = this.plan.members
    fit = stack_pairs(this.x, this.y, [member.fit for member in members])
    return fit_image_anchor(
        fit,
        stack_pairs(this.x, this.y, [member.validation for member in members]),
        width=ANCHOR_WIDTH,
        steps=steps,
        batch=even_batch(2 * this.batch, int(fit[2].min())),
        generator=this.random.device,
    )


def _grid(this: _Setting) -> BinnedProposal:
    """Bins over the range in which the gap can matter; below it is at most α² a pixel."""
    low = math.log(2 * TAIL / this.x.shape[1])
    return uniform_bins(low, HIGHEST, BIN_WIDTH, this.x.device)


def _train(this: _Setting, anchor: ImageAnchor, grid: BinnedProposal, steps: int) -> Outcome:
    config, members, random = this.config, this.plan.members, this.random
    denoiser = ImageDenoiser(
        len(members),
        this.shape_x,
        this.y.shape[1],
        this.shape_y,
        width=this.width,
        generator=random.host,
    ).to(this.x.device)
    rows = member_rows(this.x, this.y, anchor, [member.fit for member in members])
    held = member_rows(this.x, this.y, anchor, [member.validation for member in members])
    return train(
        denoiser,
        ClippedMuon(
            denoiser.parameters(),
            [],
            learning_rate=RATE_FACTOR * config.learning_rate,
            weight_decay=config.weight_decay,
        ),
        rows,
        Validation.prepare(
            held, grid, VALIDATION_DRAWS, random.device, this.plan.validation_blocks
        ),
        grid,
        Schedule(
            steps=steps,
            batch=even_batch(this.batch // 2, int(rows.count.min())),
            check_every=100,
            grace=min(GRACE, max(1, steps // 2)),
            weights=Weights.LEARNT if config.gap == "inner" else Weights.BEST,
            rate=trapezoid,
        ),
        draw=antithetic_pairs,
        adapt=grid.adapted,
        generator=random.device,
        listen=this.listen,
        keep=Unkept(),
    )
