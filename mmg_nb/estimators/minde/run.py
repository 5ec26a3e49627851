"""The run behind `MINDE`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Generator, Tensor

from mmg_nb.data.pairs import Pairs
from mmg_nb.data.splits import EvaluationFold
from mmg_nb.data.transform_choice import fit_transform
from mmg_nb.denoisers.anchor import Anchor
from mmg_nb.denoisers.channel import transmit
from mmg_nb.denoisers.gaussian import Denoiser, Samples
from mmg_nb.denoisers.logsnr import BinnedProposal, uniform_bins
from mmg_nb.denoisers.members import Rows, member_rows
from mmg_nb.estimators.denoising_run import DenoisingRun, Fitted, evaluate, opened
from mmg_nb.estimators.minde.denoisers import ConditionalDenoiser, JointDenoiser, gaussian_eps
from mmg_nb.estimators.minde.fields import MINDE
from mmg_nb.estimators.report import report
from mmg_nb.mmse.evaluation import DRAWS_IN_HASTE, Measurement
from mmg_nb.mmse.standard_error import error_parts, estimate_from_points
from mmg_nb.nets.layers import selected
from mmg_nb.polling import Stopped, poll
from mmg_nb.results.finding import Finding
from mmg_nb.runs.context import RunContext
from mmg_nb.runs.events import Phase
from mmg_nb.training.batches import antithetic_pairs, even_batch
from mmg_nb.training.loop import TrainingOutcome, TrainingTask, train
from mmg_nb.training.optimisers import ClippedMuon
from mmg_nb.training.schedule import Schedule, trapezoid
from mmg_nb.training.stopping import KeepWeights
from mmg_nb.training.validation import Validation

__all__ = ["run", "schedule_logsnr"]

BETA_LOW, BETA_HIGH, FIRST_TIME = 0.1, 20.0, 1e-3
BIN_WIDTH = 0.5
VALIDATION_DRAWS = 2048
GRACE = 1000  # steps before training may stop early


def schedule_logsnr(t: float) -> float:
    """Log-SNR at time t of the variance-preserving schedule with linear β.

    Args:
        t: From 0 to 1.

    Returns:
        The log-SNR ln(α²/σ²), with α² = exp(−∫₀ᵗ β).
    """
    lost = BETA_LOW * t + 0.5 * (BETA_HIGH - BETA_LOW) * t**2
    return -math.log(math.expm1(lost))


def run(config: MINDE, pairs: Pairs, context: RunContext) -> Finding:
    """Estimate I(x; y); see `MINDE`."""
    folds = config.folds_for(pairs.n_samples)
    activations = folds * config.batch * config.width
    with opened(pairs, context, activations=activations, folds=folds) as run:
        run.started(config.name, config.steps)
        fitted = _fit(config, run)
        try:
            return _finding(config, run, fitted)
        except Stopped:  # in the sigma form
            return _finding(config, run, fitted.interrupted())


def _finding(config: MINDE, run: DenoisingRun, fitted: Fitted) -> Finding:
    fitted, measurement = evaluate(run, fitted, draws=config.draws)
    found = report(config, run, fitted, measurement)
    if not config.sigma:
        return found
    draws = min(config.draws, DRAWS_IN_HASTE) if fitted.stopped else config.draws
    return _in_sigma_form(run, fitted, found, measurement, draws)


def _fit(config: MINDE, run: DenoisingRun) -> Fitted:
    """Train on transformed data; in the joint form x holds both variables."""
    pairs, plan = run.pairs, run.plan
    x, notes_x = fit_transform(pairs.x, "x", config.transform, plan.transform_rows)
    y, notes_y = fit_transform(pairs.y, "y", config.transform, plan.transform_rows)
    noised = np.concatenate([x, y], axis=1) if config.form == "joint" else x
    wide, other = (torch.as_tensor(v, dtype=torch.float64, device=run.device) for v in (noised, y))
    # No anchor: every member sees the coordinates as they are.
    anchor = Anchor(wide.new_zeros(len(plan.members), y.shape[1], noised.shape[1]))
    low, high = schedule_logsnr(1.0), schedule_logsnr(FIRST_TIME)
    grid = uniform_bins(low, high, BIN_WIDTH, run.device)
    run.listen(Phase("training"))
    kind = JointDenoiser if config.form == "joint" else ConditionalDenoiser
    dims = len(plan.members), x.shape[1], y.shape[1]
    denoiser = kind(*dims, width=config.width, blocks=config.blocks, generator=run.random.host).to(
        run.device
    )
    rows, held = (
        member_rows(wide, other, anchor, sets)
        for sets in ([m.fit for m in plan.members], [m.validation for m in plan.members])
    )
    outcome = _train(config, run, denoiser, rows, held, grid)
    return Fitted(wide, other, anchor, grid, outcome, notes_x + notes_y)


def _train(
    config: MINDE,
    run: DenoisingRun,
    denoiser: ConditionalDenoiser | JointDenoiser,
    rows: Rows,
    held: Rows,
    grid: BinnedProposal,
) -> TrainingOutcome:
    draws = max(VALIDATION_DRAWS, held.samples.x.shape[1])
    schedule = Schedule(
        steps=config.steps,
        batch=even_batch(config.batch // 2, int(rows.count.min())),
        check_every=100,
        grace=min(GRACE, max(1, config.steps // 2)),
        weights=KeepWeights.BEST,
        rate=trapezoid,
    )
    task = TrainingTask(
        denoiser=denoiser,
        optimiser=ClippedMuon(
            denoiser.parameters(),
            denoiser.net.hidden_matrices(),
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
        ),
        rows=rows,
        validation=Validation.prepare(held, grid, draws, run.random.device),
        proposal=grid,
        schedule=schedule,
        draw=antithetic_pairs,
        generator=run.random.device,
    )
    return train(task, run.listen, run.keep)


def _in_sigma_form(
    run: DenoisingRun, fitted: Fitted, found: Finding, measurement: Measurement, draws: int
) -> Finding:
    """The finding with ½ ∫ E[‖c − g‖² − ‖u − g‖²] dλ in place of ½ ∫ E‖c − u‖² dλ.

    g is the prediction for N(0, I). u and c are the predictions without and with the other
    variable (Franzese et al. 2024: the difference of two divergences from N(0, σ²), at σ = 1).
    """
    curve, grid = found.curve, fitted.grid
    assert curve is not None
    logsnr, values = _sigma_values(run, fitted, measurement.folds, draws)
    bins = grid.bins(logsnr).flatten().cpu().numpy()
    flat = values.flatten().cpu().numpy()
    count = np.maximum(np.bincount(bins, minlength=len(curve.logsnr)), 1)
    mean = np.bincount(bins, flat, len(curve.logsnr)) / count
    variance = np.bincount(bins, flat**2, len(curve.logsnr)) / count - mean**2
    errors = np.sqrt(np.maximum(variance, 0) / count)
    per_point = 0.5 * (grid.high - grid.low) * values.mean(0).cpu().numpy()
    points = measurement.points
    points = replace(points, values=np.broadcast_to(per_point, points.values.shape))
    detection = {"detection": found.error_parts["detection"]}
    parts = {**error_parts(points, "difference"), **detection}
    sigma = estimate_from_points(points, "difference", parts)
    return replace(
        found,
        mi=sigma.mi,
        stderr=sigma.stderr,
        error_parts=parts,
        gap="sigma",
        forms={**found.forms, "sigma": sigma},
        curve=replace(
            curve,
            gaps={**curve.gaps, "sigma": mean},
            stderrs={**curve.stderrs, "sigma": errors},
        ),
    )


@torch.no_grad()
def _sigma_values(
    run: DenoisingRun, fitted: Fitted, folds: Sequence[EvaluationFold], draws: int
) -> tuple[Tensor, Tensor]:
    """λ and ‖c − g‖² − ‖u − g‖² of each draw and evaluation row, each `(draws, m)`."""
    generator, device = run.random.device, run.device
    levels, found = [], []
    for reading in folds:
        one = selected(fitted.outcome.denoiser, reading.members[:1])
        rows = torch.as_tensor(reading.rows, device=device)
        x, y = (v[rows][None].float() for v in (fitted.x, fitted.y))
        samples, n = Samples(x, x, y), len(rows)
        offset = torch.rand(n, generator=generator, device=device, dtype=torch.float64)
        jitter = torch.rand(draws, n, generator=generator, device=device, dtype=torch.float64)
        stratum = torch.arange(draws, device=device).unsqueeze(1)
        logsnr = fitted.grid.quantile((offset + (stratum + jitter) / draws) % 1.0)
        levels.append(logsnr)
        found.append(torch.stack([_sigma_gap(one, samples, each, generator) for each in logsnr]))
    return torch.cat(levels, dim=1), torch.cat(found, dim=1)


def _sigma_gap(
    denoiser: Denoiser, samples: Samples, logsnr: Tensor, generator: Generator
) -> Tensor:
    """‖c − g‖² − ‖u − g‖² at one draw of the noise, `(n,)`, float64."""
    poll()
    eps = torch.randn(
        samples.x.shape, generator=generator, device=samples.x.device, dtype=torch.float32
    )
    level = logsnr.float().unsqueeze(0)
    reference = gaussian_eps(transmit(samples.x, eps, level), level)
    none = torch.zeros(1, 1, 1, dtype=torch.bool, device=eps.device)
    u, c = (denoiser(samples, eps, level, given) for given in (none, ~none))
    gap = (c - reference).square().sum(-1) - (u - reference).square().sum(-1)
    return gap[0].double()
