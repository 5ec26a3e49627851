"""Fit canonical pairs: train features of x and of y, and estimate their noise."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from mmg_nb.denoisers.gaussian import Prepared
from mmg_nb.denoisers.members import Rows
from mmg_nb.estimators.mmg.canonical_features import CanonicalFeatures
from mmg_nb.nets.ldl import eliminate
from mmg_nb.polling import Stopped, poll
from mmg_nb.runs.events import Listener
from mmg_nb.runs.randomness import Sources
from mmg_nb.training.batches import PreparedBatch
from mmg_nb.training.optimisers import ClippedMuon
from mmg_nb.training.schedule import EMA_DECAY, trapezoid
from mmg_nb.training.state import trained
from mmg_nb.training.step import descend, stepper

__all__ = ["PairsDiverged", "fit_pairs"]

LEARNING_RATE, MUON_RATE = 1.5e-3, 1.5e-2
RIDGE = 1e-9  # relative ridge of covariances, and the smallest noise variance
DOF = 3.0  # degrees of freedom of Student's t, from which the weights of rows follow
MOST_ROWS_FOR_SCALES = 2**15  # maximum rows from which scales are estimated
LATE_SHARE = 0.75  # fraction of the steps after which a gain in precision counts as late
LOG_SQUARE = math.log(2) + 0.5772156649015329  # −E ln z² of a standard normal z


class PairsDiverged(Exception):
    """Fitting ended without pairs, because the loss became infinite or NaN."""


def fit_pairs(
    rows: Rows,
    held: Rows,
    count: int,
    *,
    width: int,
    steps: int,
    batch: int,
    random: Sources,
    listen: Listener,
) -> CanonicalFeatures:
    """Fit pairs, and estimate their noise from rows that they were not fitted on.

    Args:
        rows: Training rows of every member.
        held: Validation rows of every member.
        count: Number of pairs.
        width: Hidden features of the networks.
        steps: Training steps.
        batch: Rows per step.
        random: Sources of the initial weights and of the batches.
        listen: Gets a `Step` after each step.

    Returns:
        The pairs.

    Raises:
        PairsDiverged: The fit diverged.
        Stopped: The listener asked to stop before the last step.
    """
    x, y = rows.samples.x, rows.samples.y
    pairs = CanonicalFeatures(len(x), x.shape[2], y.shape[2], count, width, random.host)
    pairs = pairs.to(x.device)
    average = copy.deepcopy(pairs)
    parameters, averages = trained(pairs, average)

    def draw(step: int) -> PreparedBatch:
        some = rows.samples.take(rows.pick(batch, random.device))
        return PreparedBatch(partial(_loss, pairs), {"x": some.x, "y": some.y})

    def is_over(step: int, stopped: bool) -> bool:
        if step == steps:
            return True
        if stopped:
            raise Stopped
        if step == round(LATE_SHARE * steps):
            _finalise(average.requires_grad_(False), rows, held)  # compared after the last step
        return False

    descend(
        stepper(parameters, averages, _optimiser(pairs, parameters)),
        draw,
        is_over,
        steps=steps,
        rate=lambda step: trapezoid(step / steps),
        ema=EMA_DECAY,
        listen=listen,
    )
    _finalise(pairs.requires_grad_(False), rows, held)
    pairs.pair_error.copy_(_pair_error(pairs, average.variance, rows))
    return pairs


def _optimiser(pairs: CanonicalFeatures, parameters: Sequence[nn.Parameter]) -> ClippedMuon:
    return ClippedMuon(
        parameters,
        pairs.of_x.hidden_matrices() + pairs.of_y.hidden_matrices(),
        learning_rate=LEARNING_RATE,
        muon_rate=MUON_RATE,
        weight_decay=0.0,
        every=1,
    )


def _loss(pairs: CanonicalFeatures, some: Prepared) -> Tensor:
    return -_information(pairs.of_x(some["x"]), pairs.of_y(some["y"])).sum()


def _information(a: Tensor, b: Tensor) -> Tensor:
    """Mutual information of the features of each member, as if they were jointly normal, in nats.

    A few rows with large differences would dominate the others. Therefore rows get the weights of
    a Student's t distribution of the differences.
    """
    k, both = a.shape[-1], torch.cat([a, b], dim=-1).double()
    with torch.no_grad():
        centred, covariance = _moments(both, torch.ones_like(both[..., :1]))
        variance, residual = (v[:, k:] for v in eliminate(covariance, centred.mT))
        off = (residual.square() / variance).sum(1).unsqueeze(-1)
        weight = (DOF + k) / (DOF + off)
    _, covariance = _moments(both, weight)
    nothing = covariance[..., :0]
    alone, _ = eliminate(covariance[:, k:, k:], nothing[:, k:])
    given_a, _ = eliminate(covariance, nothing)
    return 0.5 * (alone.log() - given_a[:, k:].log()).sum((1, 2))


def _moments(values: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Centred values and their covariance."""
    weight = weight / weight.sum(1, keepdim=True)
    centred = values - (weight * values).sum(1, keepdim=True)
    ridge = RIDGE * torch.eye(values.shape[-1], dtype=values.dtype, device=values.device)
    return centred, (weight * centred).mT @ centred + ridge


def _finalise(pairs: CanonicalFeatures, rows: Rows, held: Rows) -> None:
    """Turn the features into canonical pairs, with the noise estimated on validation rows."""
    if not all(bool(parameter.isfinite().all()) for parameter in pairs.parameters()):
        raise PairsDiverged
    _to_canonical_basis(pairs, rows)
    pairs.variance.copy_(_noise(pairs, held))


def _to_canonical_basis(pairs: CanonicalFeatures, rows: Rows) -> None:
    """Turn features into canonical variables, and scale those of y to predict those of x."""
    for member, (a, b) in enumerate(_features(pairs, rows)):
        poll()
        mean_a, mean_b = a.mean(0), b.mean(0)
        a, b = a - mean_a, b - mean_b
        root_a, root_b = (_root(v) for v in (a, b))
        cross = torch.linalg.solve_triangular(root_a, a.T @ b / len(a), upper=False)
        cross = torch.linalg.solve_triangular(root_b, cross.mT, upper=False).mT
        u, correlation, v = torch.linalg.svd(cross)
        of_a = torch.linalg.solve_triangular(root_a.mT, u, upper=True)
        of_b = torch.linalg.solve_triangular(root_b.mT, v.mT, upper=True) * correlation
        pairs.mean_x[member], pairs.map_x[member] = mean_a, of_a
        pairs.mean_y[member], pairs.map_y[member] = mean_b, of_b


def _root(features: Tensor) -> Tensor:
    """Cholesky root of the covariance; features may be constant or linearly dependent."""
    covariance = features.T @ features / len(features)
    least = RIDGE * covariance.diagonal().mean() + torch.finfo(covariance.dtype).tiny
    return torch.linalg.cholesky(covariance + least * torch.eye(len(covariance)).to(covariance))


def _noise(pairs: CanonicalFeatures, rows: Rows) -> Tensor:
    """Noise variance from mean logarithms of squares, which are robust to a few outliers."""
    variance = torch.empty_like(pairs.variance)
    for member, (a, b) in enumerate(_features(pairs, rows)):
        maps = (pairs.mean_x, pairs.map_x, pairs.mean_y, pairs.map_y)
        mean_a, of_a, mean_b, of_b = (each[member].cpu().double() for each in maps)
        off = (a - mean_a) @ of_a - (b - mean_b) @ of_b
        logs = (off.square() + RIDGE).log().mean(0)
        variance[member, 0] = (logs + LOG_SQUARE).exp()
    return variance


def _pair_error(pairs: CanonicalFeatures, earlier: Tensor, rows: Rows) -> Tensor:
    """Late gain in precision and loss by overfitting, combined, in nats, for each member.

    If features are linear in the fitted weights, the noise is as much smaller on training rows as
    it is larger on other rows. The loss by overfitting is therefore half of the difference.
    """
    late = _information_gain(earlier, pairs.variance)
    lost = 0.5 * _information_gain(pairs.variance, _noise(pairs, rows))
    return torch.hypot(late, lost)


def _information_gain(larger: Tensor, smaller: Tensor) -> Tensor:
    """Information gained by all pairs with the smaller noise, in nats, for each member."""
    return 0.5 * (larger / smaller).log().sum((1, 2)).clamp_min(0.0)


def _features(pairs: CanonicalFeatures, rows: Rows) -> list[tuple[Tensor, Tensor]]:
    """Unaligned features of some rows of each member, on the host, float64."""
    every = -(-int(rows.count.max()) // MOST_ROWS_FOR_SCALES)
    a = pairs.of_x(rows.samples.x[:, ::every]).double().cpu()
    b = pairs.of_y(rows.samples.y[:, ::every]).double().cpu()
    counts = (-(-rows.count // every)).tolist()
    return [(a[k, :count], b[k, :count]) for k, count in enumerate(counts)]
