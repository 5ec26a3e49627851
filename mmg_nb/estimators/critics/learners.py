"""How a critic, or a pair of densities, is trained and evaluated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mmg_nb.estimators.critics import objectives
from mmg_nb.estimators.critics.objectives import Objective, Readout
from mmg_nb.nets.chunks import chunks

__all__ = ["CriticLearner", "DensityLearner", "critic_learner"]

SELECTION_NEGATIVES, READING_NEGATIVES = 8, 32  # independent pairs per row, if not prescribed
CHUNK = 512  # rows at a time


@dataclass(frozen=True, eq=False)
class CriticLearner:
    """A critic and the equations of its estimator.

    Attributes:
        objective: Maximised in training; may have a state.
        selection: Maximised in validation.
        readout: Contribution of each row to the estimate.
        negatives: Independent pairs per pair in training.
        counts_negatives: Whether the estimate itself, not only its noise, depends on their number.
    """

    objective: Objective
    selection: Objective
    readout: Readout
    negatives: int
    counts_negatives: bool

    def loss(self, net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        """Training loss; see `Learner`."""
        scores = net(x, y, self.negatives)
        return -self.objective(scores[..., 0], scores[..., 1:]).sum()

    def check(self, net: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, float]:
        """Validation loss and estimate; see `Learner`."""
        joint, product, partners = self._scores(net, x, y, SELECTION_NEGATIVES)
        loss = -self.selection(joint, product)
        read = [self.readout(j, p, partners).mean() for j, p in zip(joint, product, strict=True)]
        return loss, float(torch.stack(read).mean())

    def points(self, net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        """Contribution of each row to the estimate of one member, `(n,)`; x, y `(1, n, …)`."""
        joint, product, partners = self._scores(net, x, y, READING_NEGATIVES)
        return self.readout(joint[0], product[0], partners)

    def _scores(
        self, net: nn.Module, x: Tensor, y: Tensor, most: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Scores `(members, n)` and `(members, n, k)`, float64, and the partners `(n, k)`."""
        n = x.shape[1]
        k = min(self.negatives if self.counts_negatives else most, n - 1)
        parts = [net(x[:, rows], y, k, rows.start).double() for rows in chunks(n, CHUNK)]
        scores = torch.cat(parts, dim=1)
        row, shift = torch.arange(n, device=x.device), torch.arange(1, k + 1, device=x.device)
        return scores[..., 0], scores[..., 1:], (row.unsqueeze(1) + shift) % n


class DensityLearner:
    """Difference of entropies: ln q(y | x) − ln q(y), both fitted by maximum likelihood.

    The network gives both log-densities of each row; see `EntropyNet`. The difference is not a
    bound: E ln q(y | x) is at most −H(y | x), and −E ln q(y) is at least H(y).
    """

    def loss(self, net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        """Training loss; see `Learner`."""
        alone, given = net(x, y)
        return -(alone + given).mean(-1).sum()

    def check(self, net: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, float]:
        """Validation loss and estimate; see `Learner`."""
        alone, given = net(x, y)
        return -(alone + given).mean(-1), float((given - alone).mean())

    def points(self, net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        """Log-ratio of each row from one member, `(n,)`; x and y are `(1, n, …)`."""
        alone, given = net(x, y)
        return (given - alone)[0].double()


_EQUATIONS: dict[str, Callable[[Any], tuple[Objective, Objective, Readout]]] = {
    "mine": lambda config: (
        objectives.MovingAverage(config.average),
        objectives.donsker_varadhan,
        objectives.donsker_varadhan_points,
    ),
    "dv": lambda config: (
        objectives.donsker_varadhan,
        objectives.donsker_varadhan,
        objectives.donsker_varadhan_points,
    ),
    "nwj": lambda config: (
        objectives.kullback_leibler,
        objectives.kullback_leibler,
        objectives.nwj_points,
    ),
    "infonce": lambda config: (
        objectives.info_nce,
        objectives.info_nce,
        objectives.info_nce_points,
    ),
    "smile": lambda config: (
        objectives.gan,
        objectives.gan,
        objectives.smile_points(config.clip),
    ),
    "dime": lambda config: (
        objectives.DIVERGENCES[config.divergence],
        objectives.DIVERGENCES[config.divergence],
        objectives.log_ratio_points,
    ),
}


def critic_learner(config: Any, batch: int) -> CriticLearner:
    """The equations of an estimator.

    Args:
        config: One of the estimators of `mmg_nb.estimators.critics.bounds`.
        batch: Rows of a training batch.

    Returns:
        The learner, in its initial state.
    """
    objective, selection, readout = _EQUATIONS[config.name](config)
    negatives = min(config.negatives or batch - 1, batch - 1)
    return CriticLearner(objective, selection, readout, negatives, config.name == "infonce")
