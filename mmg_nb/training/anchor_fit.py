"""Fit the anchor: linear maps of each member, a small network, and the residual's coordinates."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor

from mmg_nb.data.splits import Member
from mmg_nb.denoisers.anchor import Anchor, AnchorNet, ImageAnchor
from mmg_nb.denoisers.gaussian import Prepared
from mmg_nb.denoisers.linear_regression import FLOOR, is_shrunk, radial_regression
from mmg_nb.denoisers.principal_axes import principal_axes
from mmg_nb.nets.chunks import chunks, stacked
from mmg_nb.nets.layers import selected
from mmg_nb.polling import Stopped, poll
from mmg_nb.runs.events import silent
from mmg_nb.training.batches import PreparedBatch
from mmg_nb.training.optimisers import Adam
from mmg_nb.training.step import descend, stepper

__all__ = ["AnchorStopped", "fit_anchor", "fit_image_anchor"]

LEARNING_RATE, WEIGHT_DECAY = 3e-3, 1e-3  # of AdamW; not measured
WARM_UP = 50  # steps; not measured
CHECKS = 10
EARLY_CHECKS = (100, 200, 300)  # steps of further checks
CERTAIN = 3.0  # standard errors from which a network is kept
NEEDED = {300: 1.0, 700: 2.0}  # standard errors without which training ends, up to a step
EXACT = 1e-8  # variance that is left of white x by a linear map that is exact up to rounding
OVERFITTED = 0.5  # training ends if the fall of the error is less than this share of the best
ROWS_WHEN_STOPPED = 1000  # rows of each kind from which the coordinates then follow


class AnchorStopped(Stopped):
    """The user has stopped the fit.

    Attributes:
        anchor: The anchor as it is by then.
        variance: The variance of its residual; see `fit_anchor`.
    """

    def __init__(self, anchor: Anchor, variance: Tensor) -> None:
        super().__init__()
        self.anchor, self.variance = anchor, variance


@dataclass(frozen=True, eq=False)
class _PaddedRows:
    """Rows of all members, padded to one length; `weight` is 0 on the padding, `(M, n, 1)`."""

    x: Tensor
    y: Tensor
    weight: Tensor
    count: Tensor

    def mean(self, values: Tensor) -> Tensor:
        return (values * self.weight).sum(1) / self.count.unsqueeze(-1)


def fit_anchor(
    x: Tensor,
    y: Tensor,
    members: Sequence[Member],
    *,
    width: int,
    steps: int,
    batch: int,
    generator: Generator,
) -> tuple[Anchor, Tensor]:
    """Fit m(y) and the coordinates in which the residual is uncorrelated.

    The networks are kept only if they lower the error on the validation rows of all members. To
    save memory, members are fitted one after the other, except for the network.

    Args:
        x: `(n, dim_x)`, float64.
        y: `(n, dim_y)`, float64.
        members: Training rows and validation rows of each member.
        width: Hidden features of the network.
        steps: Maximum training steps of the network; 0 for the linear maps only.
        batch: Rows per step.
        generator: Random generator.

    Returns:
        The anchor, and the variance of its residual in its coordinates, `(members, 1, dim_x)`.

    Raises:
        AnchorStopped: The user has stopped the fit after the first linear maps.
    """
    fit, held = [member.fit for member in members], [member.validation for member in members]
    anchor = Anchor(*_regressions(x, y, fit))
    kept = False
    try:
        if steps:
            rest, held_rest = (_residuals(anchor, x, y, rows) for rows in (fit, held))
            scale = held_rest.mean(held_rest.x**2)
            exact = bool((scale < EXACT).all())
            steps = 0 if exact else steps  # nothing is left for a network
            found = _fit_net(rest, held_rest, scale, width, steps, batch, generator)
            anchor.net, kept, stopped = found
            if stopped:
                raise Stopped
            del rest, held_rest  # frees memory for the next step
        # Without a network, the validation rows are still unused, so the linear maps are fitted
        # to them as well. Later they measure only how the denoiser improves on this start.
        # Overfitting of the denoiser to its own rows still raises its validation loss.
        for k in range(0 if kept else len(members)):
            every = np.concatenate([fit[k], held[k]])
            anchor.matrix[k : k + 1], anchor.radial[k : k + 1] = _regressions(x, y, [every])
        anchor.rotation, variance = _coordinates(anchor, x, y, members, kept)
    except Stopped:
        some = [
            Member(*(rows[:ROWS_WHEN_STOPPED] for rows in each))
            for each in zip(fit, held, strict=True)
        ]
        anchor.rotation, variance = _coordinates(anchor, x, y, some, kept)
        raise AnchorStopped(anchor, variance) from None
    return anchor, variance


def _coordinates(
    anchor: Anchor, x: Tensor, y: Tensor, members: Sequence[Member], netted: bool
) -> tuple[Tensor, Tensor]:
    """Coordinates of all members, as `rotation`, and residual variances `(members, 1, dim_x)`."""
    found = [
        _coordinates_of_one(selected(anchor, [k]), x, y, member, netted=netted)
        for k, member in enumerate(members)
    ]
    rotation, variance = (torch.stack(each) for each in zip(*found, strict=True))
    return rotation, variance


def _coordinates_of_one(
    anchor: Anchor, x: Tensor, y: Tensor, member: Member, *, netted: bool
) -> tuple[Tensor, Tensor]:
    """Coordinates of one member, as `rotation`, and the residual variance `(1, dim_x)`."""
    fit, held = (_moments(anchor, x, y, rows) for rows in (member.fit, member.validation))
    # For a conditional mean, cov(residual) = cov(x) − cov(m). With white x both covariances share
    # their eigenvectors. In directions that m does not explain, the residual is x (variance 1).
    rotation = principal_axes(fit.mean.cpu()).to(x)
    # A network overfits its training rows, so then the variance is that of the validation rows.
    residual, total = held.residual, held.x
    if not netted:
        residual, total = residual + fit.residual, total + fit.x
        every = y[
            torch.as_tensor(np.concatenate([member.fit, member.validation]), device=y.device)
        ]
        if not is_shrunk(x.shape[1], every):
            # Least squares leaves less in these rows than in others.
            n, dim_y = every.shape
            residual = residual * (n + dim_y) / (n - dim_y)
    left, whole = ((rotation * (v @ rotation)).sum(0) for v in (residual, total))
    return rotation, (left / whole).clamp(FLOOR, 1.0).unsqueeze(0)


@dataclass(frozen=True, eq=False)
class _Moments:
    """Sums over rows of the outer products of the residual, of x, and of m(y)."""

    residual: Tensor
    x: Tensor
    mean: Tensor


def _moments(anchor: Anchor, x: Tensor, y: Tensor, rows: NDArray[np.int64]) -> _Moments:
    """Moments of the anchor of one member."""
    sums = x.new_zeros(3, x.shape[1], x.shape[1])
    for part in chunks(len(rows)):
        index = torch.as_tensor(rows[part], device=x.device)
        some = x[index]
        residual = anchor.residual(some[None], y[index][None])[0]
        parts = torch.stack([residual, some, some - residual])
        sums += parts.mT @ parts
    return _Moments(*sums)


def _residuals(
    anchor: Anchor, x: Tensor, y: Tensor, rows: Sequence[NDArray[np.int64]]
) -> _PaddedRows:
    """Residuals of the anchor, and y, for rows of each member, in float32."""
    ones = [selected(anchor, [k]) for k in range(len(rows))]
    left = stacked(
        rows, x.shape[1], x.device, lambda k, i: ones[k].residual(x[i][None], y[i][None])[0]
    )
    known = stacked(rows, y.shape[1], y.device, lambda _, i: y[i])
    return _padded(left, known, torch.tensor([len(each) for each in rows], device=x.device))


def fit_image_anchor(
    fit: tuple[Tensor, Tensor, Tensor],
    validation: tuple[Tensor, Tensor, Tensor],
    *,
    width: int,
    steps: int,
    batch: int,
    generator: Generator,
) -> ImageAnchor:
    """Fit m(y) if x holds images; the arguments are those of `fit_anchor`.

    All pixels have the same weight and unit: pixels that hardly vary must not be scaled up.

    Returns:
        The anchor; m(y) = 0 if the networks do not clearly lower the error on validation rows.

    Raises:
        Stopped: The user has stopped the run.
    """
    rows, held = _padded(*fit), _padded(*validation)
    scale = held.mean(held.x**2).mean(1, keepdim=True).expand(-1, held.x.shape[2])
    net, _, stopped = _fit_net(rows, held, scale, width, steps, batch, generator)
    if stopped:
        raise Stopped
    return ImageAnchor(net)


def _regressions(x: Tensor, y: Tensor, rows: Sequence[NDArray[np.int64]]) -> tuple[Tensor, Tensor]:
    """`radial_regression` of each member on its own rows, `(members, dim_y, dim_x)`."""
    indices = (torch.as_tensor(each, device=x.device) for each in rows)
    maps = [radial_regression(_centred(x[index]), _centred(y[index])) for index in indices]
    matrix, radial = (torch.stack(each) for each in zip(*maps, strict=True))
    return matrix, radial


def _centred(values: Tensor) -> Tensor:
    """Values less their mean, in place. A category that they lack must not serve as a constant."""
    return values.sub_(values.mean(0))


def _padded(x: Tensor, y: Tensor, count: Tensor) -> _PaddedRows:
    weight = torch.arange(x.shape[1], device=x.device) < count.unsqueeze(-1)
    return _PaddedRows(x, y, weight.unsqueeze(-1).double(), count.double())


def _fit_net(
    rows: _PaddedRows,
    held: _PaddedRows,
    scale: Tensor,
    width: int,
    steps: int,
    batch: int,
    generator: Generator,
) -> tuple[AnchorNet, bool, bool]:
    """Train a network for x given y, with errors in units of `scale`, `(members, dim_x)`.

    Returns:
        The network, whether it is kept, and whether the user has stopped the training. A network
        that is not kept has output 0.
    """
    (members, _, dim_y), device = rows.y.shape, rows.x.device
    net = AnchorNet(members, dim_y, rows.x.shape[2], width, _host(generator)).to(device)
    scale = scale.clamp_min(FLOOR).unsqueeze(1)
    target, y = rows.x.float(), rows.y.float()
    member = torch.arange(members, device=device).unsqueeze(1)
    best = _BestNet(net, held, scale, steps)

    def loss(some: Prepared) -> Tensor:
        error = (some["x"] - net(some["y"])) ** 2 / scale
        return error.sum(-1).mean(-1).sum()

    def draw(step: int) -> PreparedBatch:
        uniform = torch.rand(
            members, batch, generator=generator, device=device, dtype=torch.float32
        )
        index = (uniform * rows.count.unsqueeze(1)).long()
        return PreparedBatch(loss, {"x": target[member, index], "y": y[member, index]})

    optimiser = Adam(net.parameters(), learning_rate=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    stopped = False
    try:
        descend(
            stepper(list(net.parameters()), [], optimiser),
            draw,
            best.is_over,
            steps=steps,
            rate=lambda step: min(1.0, (step + 1) / WARM_UP) * (1 - step / max(1, steps)),
            ema=0.0,
            listen=silent,
        )
    except Stopped:
        stopped = True
    return best.net(), best.kept, stopped


class _BestNet:
    """The network that explains most on the validation rows of all members, and when to stop.

    Args:
        trained: The network that is trained.
        held: Validation rows.
        scale: Unit of squared errors, `(members, 1, dim_x)`.
        steps: Planned steps.
    """

    def __init__(self, trained: AnchorNet, held: _PaddedRows, scale: Tensor, steps: int) -> None:
        self._trained, self._best, self._scale = trained, copy.deepcopy(trained), scale
        self._target, self._y = held.x.float(), held.y.float()
        self._real = held.weight.squeeze(-1) > 0
        self._steps, self._every = steps, max(1, steps // CHECKS)
        self._evidence = self._fall = 0.0

    @property
    def kept(self) -> bool:
        """Whether the network explains anything for certain."""
        return self._fall > 0

    @torch.no_grad()
    def is_over(self, step: int, stopped: bool) -> bool:
        """Keep what is better, and end without evidence or at overfitting; see `descend`."""
        poll(step / max(1, self._steps))
        if step and (step in EARLY_CHECKS or step % self._every == 0):
            fall = self._check()
            needed = next((z for until, z in NEEDED.items() if step <= until), CERTAIN)
            given_up = step >= EARLY_CHECKS[-1] and self._evidence < needed
            if given_up or (self.kept and fall < OVERFITTED * self._fall):
                return True
        return step == self._steps

    def _check(self) -> float:
        """Keep the weights if they are better. Returns the fall of the squared error."""
        predicted = self._trained(self._y)
        along, size = (
            (each * predicted / self._scale).sum(-1)[self._real].double()
            for each in (self._target, predicted)
        )
        if len(along) < 2:  # of one row, nothing is known
            return 0.0
        evidence = float(along.mean() / (along.var() / len(along)).sqrt().clamp_min(FLOOR))
        self._evidence = max(self._evidence, evidence)
        fall = float((2 * along - size).sum())
        if evidence > CERTAIN and fall > self._fall:
            self._best.load_state_dict(self._trained.state_dict())
            self._fall = fall
        return fall

    def net(self) -> AnchorNet:
        """The best network; its output is 0 if nothing is certain."""
        return self._best.requires_grad_(False)


def _host(generator: Generator) -> Generator:
    """A CPU generator: the given one, or one with the same seed."""
    if generator.device.type == "cpu":
        return generator
    return Generator().manual_seed(generator.initial_seed())
