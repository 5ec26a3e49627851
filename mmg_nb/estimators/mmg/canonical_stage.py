"""Fit the features that x and y tell each other of, before what else there is to learn."""

from __future__ import annotations

import copy
import math
from functools import partial

import torch
from torch import Generator, Tensor

from mmg_nb.denoisers.canonical_pairs import CanonicalPairs
from mmg_nb.denoisers.gaussian import Prepared
from mmg_nb.denoisers.members import Rows
from mmg_nb.nets.ldl import eliminate
from mmg_nb.results.result import Status
from mmg_nb.runs.events import Listener, Step
from mmg_nb.training.batches import Lesson
from mmg_nb.training.loop import EMA_DECAY, trapezoid
from mmg_nb.training.optimisers import ClippedMuon
from mmg_nb.training.state import newest_share, trained
from mmg_nb.training.step import stepper

__all__ = ["NoPairs", "fit_pairs"]

LEARNING_RATE, MUON_RATE = 1.5e-3, 1.5e-2
RIDGE = 1e-9  # of variances, and the least one of the noise that is told apart from none
DOF = 3.0  # of Student's t, for which rows are weighted
FEW = 2**15  # rows, enough to tell scales by
LATE = 0.75  # share of the steps after which a gain of precision is a late one
LOG_SQUARE = math.log(2) + 0.5772156649015329  # −E ln z² of a standard normal z


class NoPairs(Exception):
    """The fit has ended without pairs.

    Attributes:
        status: Why: it was stopped, or it diverged.
    """

    def __init__(self, status: Status) -> None:
        super().__init__(status)
        self.status = status


def fit_pairs(
    rows: Rows,
    held: Rows,
    count: int,
    *,
    width: int,
    steps: int,
    batch: int,
    host: Generator,
    generator: Generator,
    listen: Listener,
) -> CanonicalPairs:
    """Fit as many pairs as asked for; their noise is told by rows they were not fitted on.

    Args:
        rows: Rows to fit, of every member.
        held: Other rows.
        count: Pairs.
        width: Hidden features of the networks.
        steps: Training steps.
        batch: Rows a step.
        host: Source of the starting weights.
        generator: Source of the batches.
        listen: Gets a `Step` after each step.

    Returns:
        The pairs.

    Raises:
        NoPairs: The listener asked to stop before the last step, or the fit diverged.
    """
    x, y = rows.samples.x, rows.samples.y
    pairs = CanonicalPairs(len(x), x.shape[2], y.shape[2], count, width, host).to(x.device)
    average = copy.deepcopy(pairs)
    parameters, averages = trained(pairs, average)
    hidden = pairs.of_x.hidden_matrices() + pairs.of_y.hidden_matrices()
    optimiser = ClippedMuon(
        parameters,
        hidden,
        learning_rate=LEARNING_RATE,
        muon_rate=MUON_RATE,
        weight_decay=0.0,
        every=1,
    )
    learn = stepper(parameters, averages, optimiser)
    for step in range(steps):
        if step == round(LATE * steps):
            _settle(average.requires_grad_(False), rows, held)  # read after the last step
        some = rows.samples.take(rows.pick(batch, generator))
        lesson = Lesson(partial(_loss, pairs), {"x": some.x, "y": some.y})
        learn(lesson, trapezoid(step / steps), newest_share(step, EMA_DECAY))
        if listen(Step(step + 1, steps)) and step + 1 < steps:
            raise NoPairs(Status.INTERRUPTED)
    _settle(pairs.requires_grad_(False), rows, held)
    pairs.imprecision.copy_(_imprecision(pairs, average.variance, rows))
    return pairs


def _loss(pairs: CanonicalPairs, some: Prepared) -> Tensor:
    return -_information(pairs.of_x(some["x"]), pairs.of_y(some["y"])).sum()


def _information(a: Tensor, b: Tensor) -> Tensor:
    """Mutual information of features if they were jointly normal, of each member, in nats.

    Where rows are few features are far off, and a few such rows would outweigh all others: rows
    are weighted as for a Student's t of their differences.
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
    """Values less their mean, and their covariance."""
    weight = weight / weight.sum(1, keepdim=True)
    centred = values - (weight * values).sum(1, keepdim=True)
    ridge = RIDGE * torch.eye(values.shape[-1], dtype=values.dtype, device=values.device)
    return centred, (weight * centred).mT @ centred + ridge


def _settle(pairs: CanonicalPairs, rows: Rows, held: Rows) -> None:
    """Turn the features into pairs, with the noise that they have in rows held back."""
    if not all(bool(parameter.isfinite().all()) for parameter in pairs.parameters()):
        raise NoPairs(Status.DIVERGED)
    _align(pairs, rows)
    pairs.variance.copy_(_noise(pairs, held))


def _align(pairs: CanonicalPairs, rows: Rows) -> None:
    """Turn the features into canonical variables, and those of y into what they tell of x's."""
    for member, (a, b) in enumerate(_features(pairs, rows)):
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
    """Triangular root of the covariance; some features may be constant, or sums of others."""
    covariance = features.T @ features / len(features)
    least = RIDGE * covariance.diagonal().mean() + torch.finfo(covariance.dtype).tiny
    return torch.linalg.cholesky(covariance + least * torch.eye(len(covariance)).to(covariance))


def _noise(pairs: CanonicalPairs, rows: Rows) -> Tensor:
    """Variance in most rows: by logarithms of squares, which do not mind a few rows far off."""
    variance = torch.empty_like(pairs.variance)
    for member, (a, b) in enumerate(_features(pairs, rows)):
        maps = (pairs.mean_x, pairs.map_x, pairs.mean_y, pairs.map_y)
        mean_a, of_a, mean_b, of_b = (each[member].cpu().double() for each in maps)
        off = (a - mean_a) @ of_a - (b - mean_b) @ of_b
        logs = (off.square() + RIDGE).log().mean(0)
        variance[member, 0] = (logs + LOG_SQUARE).exp()
    return variance


def _imprecision(pairs: CanonicalPairs, earlier: Tensor, rows: Rows) -> Tensor:
    """What precision gained late, and what it loses by overfitting, in nats, of each member.

    As far as features are linear in what is fitted, the noise is as much smaller in the rows
    fitted as it is larger in others: what is lost is half of the difference.
    """
    late = _nats(earlier, pairs.variance)
    lost = 0.5 * _nats(pairs.variance, _noise(pairs, rows))
    return torch.hypot(late, lost)


def _nats(larger: Tensor, smaller: Tensor) -> Tensor:
    """What all pairs tell more with the smaller noise, of each member."""
    return 0.5 * (larger / smaller).log().sum((1, 2)).clamp_min(0.0)


def _features(pairs: CanonicalPairs, rows: Rows) -> list[tuple[Tensor, Tensor]]:
    """Those of some rows of each member, before they are aligned, on the host and in float64."""
    every = -(-int(rows.count.max()) // FEW)
    a = pairs.of_x(rows.samples.x[:, ::every]).double().cpu()
    b = pairs.of_y(rows.samples.y[:, ::every]).double().cpu()
    counts = (-(-rows.count // every)).tolist()
    return [(a[k, :count], b[k, :count]) for k, count in enumerate(counts)]
