"""The anchor m(y) ≈ E[x | y], a regression from which the denoiser with y starts."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Generator, Tensor, nn

from mmg_nb.data.splits import Member
from mmg_nb.denoisers.principal_axes import principal_axes
from mmg_nb.denoisers.shrunk_regression import FLOOR, log_power, radial_regression
from mmg_nb.nets.chunks import chunks, stacked
from mmg_nb.nets.cuda_graph import Replay
from mmg_nb.nets.layers import StackedLinear, selected

__all__ = [
    "Anchor",
    "AnchorNet",
    "ImageAnchor",
    "fit_anchor",
    "fit_image_anchor",
]

LEARNING_RATE, WEIGHT_DECAY = 3e-3, 1e-3  # of AdamW; not measured
WARM_UP = 50  # steps; not measured
CHECKS = 10
GRACE = 1000  # steps after which training stops if the network does not lower the error


class AnchorNet(nn.Module):
    """A small perceptron per member, with output 0 before training.

    Args:
        members: Number of members.
        dim_y: Input features.
        dim_x: Output features.
        width: Hidden features.
        generator: Source of the initial weights.
    """

    def __init__(
        self, members: int, dim_y: int, dim_x: int, width: int, generator: Generator
    ) -> None:
        super().__init__()
        self.enter = StackedLinear(members, dim_y, width, generator)
        self.middle = StackedLinear(members, width, width, generator)
        self.leave = StackedLinear(members, width, dim_x, generator, zero=True)

    def forward(self, y: Tensor) -> Tensor:
        """Map `(members, batch, dim_y)` to `(members, batch, dim_x)`."""
        out: Tensor = self.leave(F.silu(self.middle(F.silu(self.enter(y)))))
        return out


class Anchor(nn.Module):
    """m(y) per member: linear maps of y and of its log-power times y, in float64, plus a network.

    Each member also has its own coordinates for x, given by `rotation`.

    Args:
        matrix: The map of y, `(members, dim_y, dim_x)`, float64.
        radial: The map of `log_power(y)` · y, of the same shape; None for 0.
        net: The network, which fits the residual of the maps; None for no network.
    """

    def __init__(
        self, matrix: Tensor, radial: Tensor | None = None, net: AnchorNet | None = None
    ) -> None:
        super().__init__()
        members, _, dim_x = matrix.shape
        self.net = net
        self.register_buffer("matrix", matrix)
        self.register_buffer("radial", torch.zeros_like(matrix) if radial is None else radial)
        self.register_buffer(
            "rotation",
            torch.eye(dim_x, dtype=matrix.dtype, device=matrix.device).repeat(members, 1, 1),
        )
        self.matrix: Tensor
        self.radial: Tensor
        self.rotation: Tensor

    @classmethod
    def restored(cls, state: Mapping[str, Tensor]) -> Anchor:
        """Restore the anchor from its `state_dict`; other entries are ignored."""
        matrix = state["matrix"]
        members, dim_y, dim_x = matrix.shape
        anchor = cls(matrix)
        if "net.enter.bias" in state:
            width = state["net.enter.bias"].shape[-1]
            anchor.net = AnchorNet(members, dim_y, dim_x, width, Generator()).to(matrix.device)
        anchor.load_state_dict(state, strict=False)
        return anchor.requires_grad_(False)

    def mean(self, y: Tensor) -> Tensor:
        """m(y), `(members, batch, dim_x)`, float64, in common coordinates."""
        mean = y @ self.matrix + log_power(y) * (y @ self.radial)
        return mean if self.net is None else mean + self.net(y.float()).double()

    def sensitivity(self, y: Tensor) -> Tensor:
        """Mean of J·Jᵀ over rows with J = ∂m/∂y; it shows the directions of y that m depends on.

        This is the average gradient outer product (Radhakrishnan et al. 2024, Science 383:1461).
        For a linear map of white variables, its eigenvalues are the squared canonical
        correlations.

        Args:
            y: `(members, batch, dim_y)`, float64. Each column of x takes one pass over the rows.

        Returns:
            `(members, dim_y, dim_y)`, float64.
        """
        with torch.enable_grad():
            y = y.detach().requires_grad_()
            mean = self.mean(y)
            total = y.new_zeros(len(y), y.shape[2], y.shape[2])
            for column in mean.unbind(-1):
                (gradient,) = torch.autograd.grad(column.sum(), y, retain_graph=True)
                total = total + gradient.mT @ gradient
        return total / y.shape[1]

    @torch.no_grad()
    def residual(self, x: Tensor, y: Tensor) -> Tensor:
        """Residual x − m(y) in the coordinates of the members.

        Args:
            x: `(members, batch, dim_x)`, float64, common coordinates.
            y: `(members, batch, dim_y)`, float64.

        Returns:
            `(members, batch, dim_x)`, float64.
        """
        return (x - self.mean(y)) @ self.rotation

    def to_member_basis(self, x: Tensor) -> Tensor:
        """From common coordinates `(…, batch, dim_x)` to those of each member, `(members, …)`."""
        return x @ self.rotation.to(x.dtype)

    def from_member_basis(self, x: Tensor) -> Tensor:
        """The inverse of `to_member_basis`."""
        return x @ self.rotation.mT.to(x.dtype)


class ImageAnchor(nn.Module):
    """m(y) per member, a network only; images keep their coordinates.

    Args:
        net: The network.
    """

    def __init__(self, net: AnchorNet) -> None:
        super().__init__()
        self.net = net

    @torch.no_grad()
    def residual(self, x: Tensor, y: Tensor) -> Tensor:
        """Residual x − m(y); see `Anchor`."""
        return x - self.net(y.float()).double()

    def to_member_basis(self, x: Tensor) -> Tensor:
        """The same coordinates for every member; see `Anchor`."""
        members = len(self.net.leave.weight)
        return x.expand(members, *x.shape[-2:])

    def from_member_basis(self, x: Tensor) -> Tensor:
        """The inverse of `to_member_basis`."""
        return x


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

    The network of a member is kept only if it lowers the validation loss. To save memory, members
    are fitted one after the other, except for the network.

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
    """
    fit, held = [member.fit for member in members], [member.validation for member in members]
    anchor = Anchor(*_regressions(x, y, fit))
    kept = torch.zeros(len(members), dtype=torch.bool, device=x.device)
    if steps:
        rest, held_rest = (_residuals(anchor, x, y, rows) for rows in (fit, held))
        scale = held_rest.mean(held_rest.x**2)
        anchor.net, kept = _fit_net(rest, held_rest, scale, width, steps, batch, generator)
        del rest, held_rest  # frees memory for the next step
    # Without a network, the validation rows are still unused, so the linear maps are fitted to
    # them as well. Later they measure only how the denoiser improves on this start. Overfitting
    # of the denoiser to its own rows still raises its validation loss.
    for k in (~kept).nonzero().flatten().tolist():
        every = np.concatenate([fit[k], held[k]])
        anchor.matrix[k : k + 1], anchor.radial[k : k + 1] = _regressions(x, y, [every])
    found = [
        _coordinates(selected(anchor, [k]), x, y, member, netted=bool(kept[k]))
        for k, member in enumerate(members)
    ]
    anchor.rotation, variance = (torch.stack(each) for each in zip(*found, strict=True))
    return anchor, variance


def _coordinates(
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
        The anchor; m(y) = 0 for members whose network does not clearly lower the validation loss.
    """
    rows, held = _padded(*fit), _padded(*validation)
    scale = held.mean(held.x**2).mean(1, keepdim=True).expand(-1, held.x.shape[2])
    return ImageAnchor(_fit_net(rows, held, scale, width, steps, batch, generator)[0])


def _regressions(x: Tensor, y: Tensor, rows: Sequence[NDArray[np.int64]]) -> tuple[Tensor, Tensor]:
    """`radial_regression` of each member on its own rows, `(members, dim_y, dim_x)`."""
    indices = (torch.as_tensor(each, device=x.device) for each in rows)
    maps = [radial_regression(x[index], y[index]) for index in indices]
    matrix, radial = (torch.stack(each) for each in zip(*maps, strict=True))
    return matrix, radial


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
) -> tuple[AnchorNet, Tensor]:
    """Train a network for x given y, with errors in units of `scale`, `(members, dim_x)`.

    Returns:
        The network, and which members keep it; the network of the others is 0.
    """
    (members, _, dim_y), device = rows.y.shape, rows.x.device
    net = AnchorNet(members, dim_y, rows.x.shape[2], width, _host(generator)).to(device)
    best = copy.deepcopy(net)
    target, y, held_target, held_y = (v.float() for v in (rows.x, rows.y, held.x, held.y))
    scale = scale.clamp_min(FLOOR).unsqueeze(1)
    before = (held_target**2 / scale).sum(-1, keepdim=True)
    least = held.mean(before).squeeze(-1)
    optimiser = _optimiser(net)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda i: min(1.0, (i + 1) / WARM_UP) * (1 - i / max(1, steps))
    )
    member = torch.arange(members, device=device).unsqueeze(1)
    uniform = torch.empty(members, batch, device=device)

    def learn(kind: int) -> None:
        index = (uniform * rows.count.unsqueeze(1)).long()
        error = (target[member, index] - net(y[member, index])) ** 2 / scale
        optimiser.zero_grad()
        error.sum(-1).mean(-1).sum().backward()
        optimiser.step()

    replay = Replay(learn, device)

    @torch.no_grad()
    def found_better() -> Tensor:
        return _clearly_better(before, _errors(best, held_target, held_y, scale), held)

    for step in range(steps):
        uniform.uniform_(generator=generator)
        replay()
        schedule.step()
        if (step + 1) % max(1, steps // CHECKS) == 0:
            with torch.no_grad():
                loss = held.mean(_errors(net, held_target, held_y, scale)).squeeze(-1)
            least = _keep_better(best, net, loss, least)
            if step + 1 >= GRACE and not bool(found_better().any()):
                break
    kept = found_better()
    for parameter in best.requires_grad_(False).parameters():
        parameter.mul_(kept.view(-1, 1, 1))
    return best, kept


def _optimiser(net: AnchorNet) -> torch.optim.AdamW:
    device = next(net.parameters()).device
    cuda = device.type == "cuda"
    return torch.optim.AdamW(
        net.parameters(),
        lr=torch.tensor(LEARNING_RATE, device=device) if cuda else LEARNING_RATE,
        weight_decay=WEIGHT_DECAY,
        fused=True,
        capturable=cuda,
    )


@torch.no_grad()
def _keep_better(best: AnchorNet, net: AnchorNet, loss: Tensor, least: Tensor) -> Tensor:
    """Replace the weights of the members that are better; the least losses, `(members,)`."""
    better = loss < least
    for old, new in zip(best.parameters(), net.parameters(), strict=True):
        old.copy_(torch.where(better.view(-1, 1, 1), new, old))
    return torch.where(better, loss, least)


def _errors(net: AnchorNet, target: Tensor, y: Tensor, scale: Tensor) -> Tensor:
    return ((target - net(y)).square() / scale).sum(-1, keepdim=True)


def _clearly_better(before: Tensor, after: Tensor, held: _PaddedRows) -> Tensor:
    """Members whose error fell by more than two standard errors, `(members,)`."""
    fall = held.mean(before - after)
    spread = held.mean((before - after - fall.unsqueeze(1)) ** 2)
    return (fall > 2 * (spread / held.count.unsqueeze(-1)).sqrt()).squeeze(-1)


def _host(generator: Generator) -> Generator:
    """A CPU generator: the given one, or one with the same seed."""
    if generator.device.type == "cpu":
        return generator
    return Generator().manual_seed(generator.initial_seed())
