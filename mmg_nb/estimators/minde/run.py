"""The run behind `MINDE`."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Generator, Tensor

from mmg_nb.data.marginals import fit_transform
from mmg_nb.data.pairs import Pairs
from mmg_nb.data.splits import Plan, make_plan
from mmg_nb.denoisers.anchor import Anchor
from mmg_nb.denoisers.channel import transmit
from mmg_nb.denoisers.gaussian import Denoiser, Samples
from mmg_nb.denoisers.logsnr import BinnedProposal, uniform_bins
from mmg_nb.denoisers.members import member_rows
from mmg_nb.estimators.minde.denoisers import ConditionalDenoiser, JointDenoiser, gaussian_eps
from mmg_nb.estimators.minde.fields import MINDE
from mmg_nb.estimators.report import report
from mmg_nb.mmse.evaluation import Measurement, Model, measure
from mmg_nb.mmse.gap import error_parts, estimate_from_points
from mmg_nb.nets.layers import selected
from mmg_nb.results.provenance import provenance
from mmg_nb.results.result import MIResult, Status
from mmg_nb.runs.devices import pick_device, threads_for
from mmg_nb.runs.events import Listener, Phase, Started
from mmg_nb.runs.randomness import Sources
from mmg_nb.training.batches import antithetic_pairs, even_batch
from mmg_nb.training.keeper import Keeper, Unkept
from mmg_nb.training.loop import Outcome, Schedule, Weights, train, trapezoid
from mmg_nb.training.optimisers import ClippedMuon
from mmg_nb.training.validation import Validation

__all__ = ["run", "schedule_logsnr"]

BETA_LOW, BETA_HIGH, FIRST_TIME = 0.1, 20.0, 1e-3
BIN_WIDTH = 0.5
VALIDATION_DRAWS = 2048
GRACE = 1000  # steps in which something must begin to be learnt
DRAWS_WHEN_STOPPED = 4


def schedule_logsnr(t: float) -> float:
    """Log-SNR at time t of the variance-preserving schedule with linear β.

    Args:
        t: From 0 to 1.

    Returns:
        ln(α²/σ²) with α² = exp(−∫₀ᵗ β).
    """
    lost = BETA_LOW * t + 0.5 * (BETA_HIGH - BETA_LOW) * t**2
    return -math.log(math.expm1(lost))


@dataclass(frozen=True, eq=False)
class _Setting:
    """Transformed data on the device, float64; in the joint form x holds both variables."""

    config: MINDE
    x: Tensor
    y: Tensor
    dims: tuple[int, int]
    plan: Plan
    anchor: Anchor
    grid: BinnedProposal
    generator: Generator
    listen: Listener


def run(
    config: MINDE,
    pairs: Pairs,
    *,
    seed: int,
    listen: Listener,
    device: str,
    keep: Keeper | None = None,
) -> MIResult:
    """Estimate I(x; y) with the fields of `config`; see `MINDE`."""
    where = pick_device(device)
    with threads_for(config.folds_for(pairs.n_samples) * config.batch * config.width, where):
        return _run(config, pairs, seed, listen, where, keep or Unkept())


def _run(
    config: MINDE,
    pairs: Pairs,
    seed: int,
    listen: Listener,
    where: torch.device,
    keep: Keeper,
) -> MIResult:
    began = time.perf_counter() - keep.seconds
    random = Sources.of(seed, where)
    listen(
        Started(config.name, pairs.n_samples, pairs.dim_x, pairs.dim_y, str(where), config.steps)
    )
    this, notes = _prepare(config, pairs, random, where, listen)
    keep.confirm(this.plan.fingerprint)
    listen(Phase("training"))
    outcome = _train(this, random.host, keep)
    listen(Phase("evaluation"))
    stopped = outcome.status is Status.INTERRUPTED
    draws = min(config.draws, DRAWS_WHEN_STOPPED) if stopped else config.draws
    measurement = measure(
        Model(this.anchor, outcome.denoiser),
        this.x,
        this.y,
        pairs.blocks,
        this.plan.readings,
        this.grid,
        this.grid,
        draws=draws,
        generator=random.device,
        listen=listen,
    )
    origin = provenance(seed, str(where), time.perf_counter() - began)
    result = report(config, pairs, measurement, outcome, notes, origin)
    return _in_sigma_form(this, result, measurement, outcome, draws) if config.sigma else result


def _prepare(
    config: MINDE, pairs: Pairs, random: Sources, device: torch.device, listen: Listener
) -> tuple[_Setting, tuple[str, ...]]:
    plan = make_plan(pairs, config.folds_for(pairs.n_samples), False, random.splits)
    x, notes_x = fit_transform(pairs.x, "x", config.transform, plan.transform_rows)
    y, notes_y = fit_transform(pairs.y, "y", config.transform, plan.transform_rows)
    noised = np.concatenate([x, y], axis=1) if config.form == "joint" else x
    wide, other = (torch.as_tensor(v, dtype=torch.float64, device=device) for v in (noised, y))
    # No anchor: every member sees the coordinates as they are.
    anchor = Anchor(wide.new_zeros(len(plan.members), y.shape[1], noised.shape[1]))
    low, high = schedule_logsnr(1.0), schedule_logsnr(FIRST_TIME)
    grid = uniform_bins(low, high, BIN_WIDTH, device)
    dims = x.shape[1], y.shape[1]
    this = _Setting(config, wide, other, dims, plan, anchor, grid, random.device, listen)
    return this, notes_x + notes_y


def _train(this: _Setting, host: Generator, keep: Keeper) -> Outcome:
    config, members = this.config, this.plan.members
    kind = JointDenoiser if config.form == "joint" else ConditionalDenoiser
    denoiser = kind(
        len(members), *this.dims, width=config.width, blocks=config.blocks, generator=host
    ).to(this.x.device)
    rows = member_rows(this.x, this.y, this.anchor, [member.fit for member in members])
    held = member_rows(this.x, this.y, this.anchor, [member.validation for member in members])
    draws = max(VALIDATION_DRAWS, held.samples.x.shape[1])
    schedule = Schedule(
        steps=config.steps,
        batch=even_batch(config.batch // 2, int(rows.count.min())),
        check_every=100,
        grace=min(GRACE, max(1, config.steps // 2)),
        weights=Weights.BEST,
        rate=trapezoid,
    )
    return train(
        denoiser,
        ClippedMuon(
            denoiser.parameters(),
            denoiser.net.hidden_matrices(),
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
        ),
        rows,
        Validation.prepare(held, this.grid, draws, this.generator),
        this.grid,
        schedule,
        draw=antithetic_pairs,
        adapt=None,
        generator=this.generator,
        listen=this.listen,
        keep=keep,
    )


def _in_sigma_form(
    this: _Setting, result: MIResult, measurement: Measurement, outcome: Outcome, draws: int
) -> MIResult:
    """The result with ½ ∫ E[‖c − g‖² − ‖u − g‖²] dλ in place of ½ ∫ E‖c − u‖² dλ.

    g is the prediction for N(0, I), u that without and c that with the other variable
    (Franzese et al. 2024, the difference of two divergences from N(0, σ²), at σ = 1).
    """
    curve = result.curve
    assert curve is not None
    logsnr, values = _sigma_values(this, outcome.denoiser, draws)
    bins = this.grid.bins(logsnr).flatten().cpu().numpy()
    flat = values.flatten().cpu().numpy()
    count = np.maximum(np.bincount(bins, minlength=len(curve.logsnr)), 1)
    mean = np.bincount(bins, flat, len(curve.logsnr)) / count
    variance = np.bincount(bins, flat**2, len(curve.logsnr)) / count - mean**2
    errors = np.sqrt(np.maximum(variance, 0) / count)
    per_point = 0.5 * (this.grid.high - this.grid.low) * values.mean(0).cpu().numpy()
    points = measurement.points
    points = replace(points, values=np.broadcast_to(per_point, points.values.shape))
    detection = {"detection": result.error_parts["detection"]}
    parts = {**error_parts(points, "difference"), **detection}
    found = estimate_from_points(points, "difference", parts)
    return replace(
        result,
        mi=found.mi,
        stderr=found.stderr,
        error_parts=parts,
        gap="sigma",
        forms={**result.forms, "sigma": found},
        curve=replace(
            curve,
            gaps={**curve.gaps, "sigma": mean},
            stderrs={**curve.stderrs, "sigma": errors},
        ),
    )


@torch.no_grad()
def _sigma_values(this: _Setting, denoiser: Denoiser, draws: int) -> tuple[Tensor, Tensor]:
    """λ and ‖c − g‖² − ‖u − g‖² of each draw and evaluation point, each `(draws, m)`."""
    generator, device = this.generator, this.x.device
    levels, found = [], []
    for reading in this.plan.readings:
        one = selected(denoiser, reading.members[:1])
        rows = torch.as_tensor(reading.rows, device=device)
        x, y = (v[rows][None].float() for v in (this.x, this.y))
        samples, n = Samples(x, x, y), len(rows)
        offset = torch.rand(n, generator=generator, device=device, dtype=torch.float64)
        jitter = torch.rand(draws, n, generator=generator, device=device, dtype=torch.float64)
        stratum = torch.arange(draws, device=device).unsqueeze(1)
        logsnr = this.grid.quantile((offset + (stratum + jitter) / draws) % 1.0)
        levels.append(logsnr)
        found.append(torch.stack([_sigma_gap(one, samples, each, generator) for each in logsnr]))
    return torch.cat(levels, dim=1), torch.cat(found, dim=1)


def _sigma_gap(
    denoiser: Denoiser, samples: Samples, logsnr: Tensor, generator: Generator
) -> Tensor:
    """‖c − g‖² − ‖u − g‖² at one draw of the noise, `(n,)`, float64."""
    eps = torch.randn(samples.x.shape, generator=generator, device=samples.x.device)
    level = logsnr.float().unsqueeze(0)
    reference = gaussian_eps(transmit(samples.x, eps, level), level)
    none = torch.zeros(1, 1, 1, dtype=torch.bool, device=eps.device)
    u, c = (denoiser(samples, eps, level, given) for given in (none, ~none))
    gap = (c - reference).square().sum(-1) - (u - reference).square().sum(-1)
    return gap[0].double()
