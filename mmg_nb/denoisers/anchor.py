"""The anchor m(y) ≈ E[x | y], a regression from which the denoiser with y starts."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from mmg_nb.denoisers.linear_regression import log_power
from mmg_nb.nets.layers import StackedLinear
from mmg_nb.polling import polled

__all__ = ["Anchor", "AnchorNet", "ImageAnchor"]


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
            for column in polled(mean.unbind(-1)):
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
