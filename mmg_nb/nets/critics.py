"""Critics: networks that score how likely an x and a y are a pair."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn

from mmg_nb.nets.layers import StackedLinear, StackedTrunk

__all__ = ["CRITICS", "Critic", "JointCritic", "SeparableCritic"]


class Critic(nn.Module):
    """Base class of networks that score pairs of rows.

    Args of every critic:
        members: Number of independent networks.
        dim_x: Columns of x.
        dim_y: Columns of y.
        width: Hidden features.
        blocks: Residual layers between the first and the last layer.
        generator: Source of the initial weights.
    """

    def forward(self, x: Tensor, y: Tensor, k: int, first: int = 0) -> Tensor:
        """Score each x with its own y and with the k rows of y that follow it.

        After the last row of y, counting continues at the first row. No x meets its own y in
        the last k columns: each of them is a derangement of the rows.

        Args:
            x: Rows `first`, `first` + 1, … of n, `(members, batch, dim_x)`.
            y: All n rows, `(members, n, dim_y)`.
            k: Number of other rows of y to pair with each x, less than n.
            first: Row index of the first x.

        Returns:
            Scores, `(members, batch, 1 + k)`.
        """
        raise NotImplementedError

    def hidden_matrices(self) -> list[nn.Parameter]:
        """The square weight matrices between hidden features. Muon optimises these."""
        return [p for name, p in self.named_parameters() if "blocks" in name and "weight" in name]


class JointCritic(Critic):
    """One network of both variables: f(x, y) = net(x, y). See `Critic` for the arguments.

    The first layer is the sum of a map of x and a map of y. Only the later layers are recomputed
    for each partner. The last layer starts at zero.
    """

    def __init__(
        self,
        members: int,
        dim_x: int,
        dim_y: int,
        *,
        width: int,
        blocks: int,
        generator: Generator,
    ) -> None:
        super().__init__()
        self.enter_x = StackedLinear(members, dim_x, width, generator)
        self.enter_y = StackedLinear(members, dim_y, width, generator)
        self.trunk = StackedTrunk(members, width, blocks, generator)
        self.leave = StackedLinear(members, width, 1, generator, zero=True)

    def forward(self, x: Tensor, y: Tensor, k: int, first: int = 0) -> Tensor:
        """Score pairs, see `Critic`."""
        batch = x.shape[1]
        of_y = _onwards(self.enter_y, y, first, batch + k)
        partners = torch.stack([of_y[:, s : s + batch] for s in range(k + 1)], dim=2)
        pairs = self.enter_x(x).unsqueeze(2) + partners
        out: Tensor = self.leave(self.trunk(pairs.flatten(1, 2)))
        return out.view(len(x), batch, k + 1)


class SeparableCritic(Critic):
    """A product of features: f(x, y) = ⟨g(x), h(y)⟩ + a(x) + b(y). See `Critic`.

    All pairs of a batch cost little more than its rows. A density ratio that is not smooth needs
    many features.
    """

    def __init__(
        self,
        members: int,
        dim_x: int,
        dim_y: int,
        *,
        width: int,
        blocks: int,
        generator: Generator,
    ) -> None:
        super().__init__()
        self.features_x = _features(members, dim_x, width, blocks, generator)
        self.features_y = _features(members, dim_y, width, blocks, generator)

    def forward(self, x: Tensor, y: Tensor, k: int, first: int = 0) -> Tensor:
        """Score pairs, see `Critic`."""
        g = self.features_x(x)
        members, batch, width = g.shape
        h = _onwards(self.features_y, y, first, batch + k)
        every = torch.baddbmm(
            g[..., -1:] + h[..., -1].unsqueeze(1),
            g[..., :-1] / math.sqrt(width - 1),
            h[..., :-1].mT,
        )
        # The partners of row i start at column i, so each row starts one column later.
        columns = batch + k
        return every.as_strided((members, batch, k + 1), (batch * columns, columns + 1, 1))


def _onwards(layer: nn.Module, rows: Tensor, first: int, count: int) -> Tensor:
    """Apply a layer to `count` rows from `first` on. After the last row follows the first."""
    beyond = first + count - rows.shape[1]
    if beyond <= 0:
        out: Tensor = layer(rows[:, first : first + count])
        return out
    if count < rows.shape[1]:
        out = layer(torch.cat([rows[:, first:], rows[:, :beyond]], dim=1))
        return out
    every = layer(rows)
    return torch.cat([every[:, first:], every[:, :beyond]], dim=1)


def _features(
    members: int, dim: int, width: int, blocks: int, generator: Generator
) -> nn.Sequential:
    return nn.Sequential(
        StackedLinear(members, dim, width, generator),
        StackedTrunk(members, width, blocks, generator),
        StackedLinear(members, width, width + 1, generator),
    )


CRITICS: dict[str, type[JointCritic | SeparableCritic]] = {
    "joint": JointCritic,
    "separable": SeparableCritic,
}
