"""Critics: networks that score how well an x and a y go together."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn

from mmg_nb.nets.layers import StackedLinear, StackedTrunk

__all__ = ["CRITICS", "Critic", "JointCritic", "SeparableCritic"]


class Critic(nn.Module):
    """Scores pairs of rows, with one set of weights per member.

    Critics are made from the number of members, the dimensions of x and y, the hidden features
    (`width`), the residual layers between the first and the last (`blocks`), and the source of
    the starting weights (`generator`).
    """

    def forward(self, x: Tensor, y: Tensor, k: int, first: int = 0) -> Tensor:
        """Score each x with its own y and with the k that follow it, round the circle.

        So each of the k columns that follow the first is a derangement of the rows.

        Args:
            x: Rows `first`, `first` + 1, … of n, `(members, batch, dim_x)`.
            y: All n rows, `(members, n, dim_y)`.
            k: Others to pair each x with, less than n.
            first: Row of the first x.

        Returns:
            Scores, `(members, batch, 1 + k)`.
        """
        raise NotImplementedError

    def hidden_matrices(self) -> list[nn.Parameter]:
        """The square weights between hidden features, the ones Muon is made for."""
        return [p for name, p in self.named_parameters() if "blocks" in name and "weight" in name]


class JointCritic(Critic):
    """One network of both: f(x, y) = net(x, y). Its last layer starts at zero; see `Critic`.

    The first layer is a sum of a map of x and a map of y, so that only what follows is computed
    anew for each partner.
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
    """A product of features: f(x, y) = ⟨g(x), h(y)⟩ + a(x) + b(y); see `Critic`.

    All pairs of a batch cost hardly more than its rows, but where the density ratio is not
    smooth many features are needed.
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
        # Row i has its partners from column i on: each row begins one further along.
        columns = batch + k
        return every.as_strided((members, batch, k + 1), (batch * columns, columns + 1, 1))


def _onwards(layer: nn.Module, rows: Tensor, first: int, count: int) -> Tensor:
    """What a layer makes of `count` rows from `first` on, round the circle at most once."""
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
