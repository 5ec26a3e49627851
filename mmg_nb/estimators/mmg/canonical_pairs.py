"""Canonical pairs: features of x and of y that predict each other precisely, and their stage."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from mmg_nb.denoisers.gaussian import Prepared
from mmg_nb.denoisers.members import Rows
from mmg_nb.estimators.mmg.anchor_stage import Base, laid_out, regressed
from mmg_nb.estimators.mmg.fit import Fit, Problem, concatenated
from mmg_nb.estimators.mmg.sizes import full_batch, full_width, steps_for
from mmg_nb.estimators.mmg.training_stages import FullNetwork
from mmg_nb.nets.chunks import chunks
from mmg_nb.nets.layers import StackedLinear, StackedUpdate
from mmg_nb.nets.ldl import eliminate
from mmg_nb.runs.events import Listener, Phase, Step
from mmg_nb.runs.randomness import Sources
from mmg_nb.training.batches import PreparedBatch, even_batch
from mmg_nb.training.loop import train
from mmg_nb.training.optimisers import ClippedMuon
from mmg_nb.training.schedule import EMA_DECAY, trapezoid
from mmg_nb.training.state import newest_share, trained
from mmg_nb.training.step import stepper
from mmg_nb.training.stopping import Ended

__all__ = ["CanonicalFeatures", "CanonicalPairs", "PairFitFailed", "fit_pairs"]

BLOCKS = 3  # residual layers of the features (LOG.md, "Canonical pairs")
LEARNING_RATE, MUON_RATE = 1.5e-3, 1.5e-2
RIDGE = 1e-9  # relative ridge of covariances, and the smallest noise variance
DOF = 3.0  # degrees of freedom of Student's t, from which the weights of rows follow
MOST_ROWS_FOR_SCALES = 2**15  # maximum rows from which scales are estimated
LATE_SHARE = 0.75  # fraction of the steps after which a gain in precision counts as late
LOG_SQUARE = math.log(2) + 0.5772156649015329  # −E ln z² of a standard normal z


@dataclass(frozen=True, kw_only=True)
class CanonicalPairs:
    """Fit features f(x) ≈ g(y) to high precision, then train the full network again with them.

    If dependence is very strong, the precision of the denoiser limits the estimate. Features of
    one variable only can be fitted much more precisely. They give a Kalman update of the Gaussian
    posterior. Training starts again from this update, on scores that are smooth functions of the
    columns. If the new estimate is lower than the earlier one, the earlier fit is kept.

    Attributes:
        rows_per_column: Minimum rows per column of x; with fewer, pairs overfit (LOG.md,
            "Canonical pairs": 500 and more work, 200 do not).
        min_mi: Minimum estimate in nats (LOG.md, "In many columns").
        min_late_gain: Minimum gain of the second half of training in nats, likewise.
        max_pairs: Maximum number of pairs; some may be functions of others. Not measured.
        share_of_steps: Steps for fitting the pairs, relative to those of the full network. Not
            measured.
        batch_factor: Rows per step, relative to those of a regression (LOG.md, "Canonical
            pairs").
    """

    phase: ClassVar[str] = "canonical pairs"

    rows_per_column: int = 300
    min_mi: float = 3.0
    min_late_gain: float = 0.5
    max_pairs: int = 4
    share_of_steps: float = 1.1
    batch_factor: int = 4

    def applies(self, problem: Problem, fit: Fit | None) -> bool:
        """Whether training yielded, or the estimate is high and rose late; see `Stage`."""
        training = None if fit is None else fit.training
        if fit is None or training is None or training.ended is Ended.STILL_IMPROVING:
            return training is not None
        broken_off = training.ended in (Ended.INTERRUPTED, Ended.DIVERGED)
        few = problem.n_samples / fit.dims[0] < self.rows_per_column
        if broken_off or few or not problem.config.seeks_pairs:
            return False
        late, mi = training.late_gain or 0.0, float(training.history.mi[-1])
        return mi > self.min_mi and late > self.min_late_gain

    def planned_steps(self, problem: Problem, dim_x: int) -> int:
        """0: whether the stage applies is unknown before the run; see `Stage`."""
        return 0

    def run(self, problem: Problem, fit: Fit | None, listen: Listener) -> Fit:
        """Fit pairs, and train the full network with them; see `Stage`."""
        assert fit is not None, "the full network comes first"
        assert fit.training is not None, "the full network comes first"
        base = regressed(problem, smooth=True)
        generator = problem.run.random.device
        try:
            state = problem.run.keep.cached(
                "pairs", partial(self.fitted, problem, base), generator
            )
        except PairFitFailed as reason:
            return _without_pairs(fit, reason.ended)
        pairs = CanonicalFeatures.restored(state)
        problem.run.listen(Phase("training"))
        with_pairs = laid_out(problem, base, torch.cat([base.variance, pairs.variance], dim=2))
        full = FullNetwork(still_improving=math.inf)  # it does not yield again
        denoiser = full.network(problem, with_pairs, pairs=pairs).to(problem.run.device)
        outcome = train(full.task(problem, with_pairs, denoiser), listen, problem.run.keep)
        gain = float(outcome.history.mi[-1] - fit.training.history.mi[-1])
        if not gain >= 0:  # stopped early, or diverged
            return _without_pairs(fit, outcome.ended)
        # The missing precision is hardly larger than the gain from the pairs.
        lacking = min(gain, float(pairs.pair_error.mean()))
        whole = replace(concatenated(fit.training, outcome), pair_error=lacking)
        return replace(with_pairs, start=denoiser, training=whole)

    def fitted(self, problem: Problem, base: Base) -> dict[str, Tensor]:
        """The tensors of the pairs; see `fit_pairs`."""
        config, samples = problem.config, base.rows.samples
        fewest = int(base.rows.count.min())
        return fit_pairs(
            base.rows,
            base.held,
            min(self.max_pairs, samples.x.shape[2], samples.y.shape[2]),
            width=full_width(config),
            steps=round(self.share_of_steps * steps_for(config, problem.n_samples)),
            batch=even_batch(self.batch_factor * full_batch(config), fewest),
            random=problem.run.random,
            listen=problem.run.listen,
        ).state_dict()


def _without_pairs(fit: Fit, ended: Ended) -> Fit:
    """The earlier fit; a stop by the user is recorded in it."""
    assert fit.training is not None, "the full network comes first"
    if ended is not Ended.INTERRUPTED:
        return fit
    return replace(fit, training=replace(fit.training, ended=ended))


class PairFitFailed(Exception):
    """Fitting ended without pairs.

    Attributes:
        ended: The reason: the user stopped it, or it diverged.
    """

    def __init__(self, ended: Ended) -> None:
        super().__init__(ended)
        self.ended = ended


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
        PairFitFailed: The listener asked to stop before the last step, or the fit diverged.
    """
    x, y = rows.samples.x, rows.samples.y
    pairs = CanonicalFeatures(len(x), x.shape[2], y.shape[2], count, width, random.host)
    pairs = pairs.to(x.device)
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
        if step == round(LATE_SHARE * steps):
            _finalise(average.requires_grad_(False), rows, held)  # compared after the last step
        some = rows.samples.take(rows.pick(batch, random.device))
        lesson = PreparedBatch(partial(_loss, pairs), {"x": some.x, "y": some.y})
        learn(lesson, trapezoid(step / steps), newest_share(step, EMA_DECAY))
        if listen(Step(step + 1, steps)) and step + 1 < steps:
            raise PairFitFailed(Ended.INTERRUPTED)
    _finalise(pairs.requires_grad_(False), rows, held)
    pairs.pair_error.copy_(_pair_error(pairs, average.variance, rows))
    return pairs


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
        raise PairFitFailed(Ended.DIVERGED)
    _to_canonical_basis(pairs, rows)
    pairs.variance.copy_(_noise(pairs, held))


def _to_canonical_basis(pairs: CanonicalFeatures, rows: Rows) -> None:
    """Turn features into canonical variables, and scale those of y to predict those of x."""
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


class CanonicalFeatures(nn.Module):
    """Features of each member with f(x) = g(y) + noise; both have mean 0, and f has variance 1.

    Canonical variables are the linear case (Hotelling 1936, Biometrika 28:321). Networks are the
    general case (Andrew et al. 2013, ICML, "Deep canonical correlation analysis"). Features are
    smooth functions of one variable only. Therefore they can be trained much more precisely than
    a posterior mean, which depends on the noise, x and y together.

    Args:
        members: Number of members.
        dim_x: Columns of x.
        dim_y: Columns of y.
        count: Number of pairs, at most dim_x and dim_y.
        width: Hidden features of the networks.
        generator: Source of the initial weights.

    Attributes:
        variance: Noise variance of each pair, `(members, 1, count)`.
        pair_error: Nats that more precise pairs might add, `(members,)`.
    """

    def __init__(
        self, members: int, dim_x: int, dim_y: int, count: int, width: int, generator: Generator
    ) -> None:
        super().__init__()
        self.of_x = _Features(members, dim_x, count, width, generator)
        self.of_y = _Features(members, dim_y, count, width, generator)
        self.register_buffer("mean_x", torch.zeros(members, 1, count))
        self.register_buffer("mean_y", torch.zeros(members, 1, count))
        self.register_buffer("map_x", torch.eye(count).repeat(members, 1, 1))
        self.register_buffer("map_y", torch.eye(count).repeat(members, 1, 1))
        self.register_buffer("variance", torch.ones(members, 1, count))
        self.register_buffer("pair_error", torch.zeros(members))
        self.mean_x: Tensor
        self.mean_y: Tensor
        self.map_x: Tensor
        self.map_y: Tensor
        self.variance: Tensor
        self.pair_error: Tensor

    @classmethod
    def restored(cls, state: Mapping[str, Tensor]) -> CanonicalFeatures:
        """Restore the pairs from their `state_dict`."""
        members, dim_x, width = state["of_x.enter.weight"].shape
        dim_y, count = state["of_y.enter.weight"].shape[1], state["variance"].shape[2]
        pairs = cls(members, dim_x, dim_y, count, width, Generator())
        pairs.load_state_dict(state)
        return pairs.to(state["variance"].device).requires_grad_(False)

    def features_of_x(self, x: Tensor) -> Tensor:
        """f(x), `(members, batch, dim_x)` to `(members, batch, count)`."""
        return (self.of_x(x) - self.mean_x) @ self.map_x

    def features_of_y(self, y: Tensor) -> Tensor:
        """g(y), `(members, batch, dim_y)` to `(members, batch, count)`."""
        return (self.of_y(y) - self.mean_y) @ self.map_y

    def kalman_update(self, x: Tensor, spread: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Extended Kalman update of x ~ N(x, spread²) with the observation f(x) = g(y) + noise.

        f is linearised at the mean of x. If the two sides differ by more than their uncertainties
        allow, the noise variance is increased.

        Args:
            x: Means, `(members, batch, dim_x)`.
            spread: Standard deviations of x, of the same shape.
            y: `(members, batch, dim_y)`.

        Returns:
            The change of the means in units of `spread`, and the normalised squared difference,
            `(members, batch, 1)`. The latter is about 1 on average if the model is correct.
        """
        parts = [
            self._kalman_update(*(v[:, rows] for v in (x, spread, y)))
            for rows in chunks(x.shape[1])
        ]
        change, surprise = (torch.cat(each, dim=1) for each in zip(*parts, strict=True))
        return change, surprise

    def _kalman_update(self, x: Tensor, spread: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            found = self.features_of_x(x)
            slopes = [
                torch.autograd.grad(column.sum(), x, retain_graph=True)[0]
                for column in found.unbind(-1)
            ]
        # In float64, because pairs may be functions of each other, up to their noise.
        slope = (torch.stack(slopes, dim=-2) * spread.unsqueeze(-2)).double()
        difference = (self.features_of_y(y) - found.detach()).double().unsqueeze(-1)
        noise = torch.diag_embed(self.variance.double())
        known = slope @ slope.mT
        pivots, reduced = eliminate(known + noise, difference)
        surprise = (reduced.square() / pivots).mean(-2, keepdim=True)
        noise = noise * surprise.clamp_min(1.0)
        pivots, reduced = eliminate(known + noise, torch.cat([slope, difference], dim=-1))
        change = (reduced[..., :-1] * reduced[..., -1:] / pivots).sum(-2)
        return change.to(x.dtype), surprise.squeeze(-1).to(x.dtype)


class _Features(nn.Module):
    """Smooth features of each member: residual layers plus a linear map."""

    def __init__(
        self, members: int, dim: int, count: int, width: int, generator: Generator
    ) -> None:
        super().__init__()
        self.enter = StackedLinear(members, dim, width, generator)
        self.inner = nn.ModuleList(
            StackedLinear(members, width, width, generator) for _ in range(BLOCKS)
        )
        self.outer = nn.ModuleList(
            StackedUpdate(members, width, width, generator, zero=True) for _ in range(BLOCKS)
        )
        self.leave = StackedLinear(members, width, count, generator)
        self.beside = StackedUpdate(members, dim, count, generator)

    def hidden_matrices(self) -> list[nn.Parameter]:
        return [layer.weight for layer in (*self.inner, *self.outer)]

    def forward(self, v: Tensor) -> Tensor:
        h = self.enter(v)
        for inner, outer in zip(self.inner, self.outer, strict=True):
            h = outer(h, F.silu(inner(h)))
        out: Tensor = self.beside(self.leave(F.silu(h)), v)
        return out
