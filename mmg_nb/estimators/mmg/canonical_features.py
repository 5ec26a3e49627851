"""Canonical features: functions of x and of y that predict each other precisely."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from mmg_nb.nets.chunks import chunks
from mmg_nb.nets.layers import StackedLinear, StackedUpdate
from mmg_nb.nets.ldl import eliminate

__all__ = ["CanonicalFeatures"]

BLOCKS = 3  # residual layers of the features (LOG.md, "Canonical pairs")


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
        self.register_buffer("mean_x", torch.zeros(members, 1, count, dtype=torch.float32))
        self.register_buffer("mean_y", torch.zeros(members, 1, count, dtype=torch.float32))
        self.register_buffer("map_x", torch.eye(count, dtype=torch.float32).repeat(members, 1, 1))
        self.register_buffer("map_y", torch.eye(count, dtype=torch.float32).repeat(members, 1, 1))
        self.register_buffer("variance", torch.ones(members, 1, count, dtype=torch.float32))
        self.register_buffer("pair_error", torch.zeros(members, dtype=torch.float32))
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
