"""The fields that all variational estimators share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mmg_nb.data.splits import default_folds
from mmg_nb.estimators.base import TrainedEstimator
from mmg_nb.fields import field

__all__ = ["Variational"]


@dataclass(frozen=True, kw_only=True)
class Variational(TrainedEstimator):
    """A network is trained on pairs (x, y) and evaluated on other rows.

    Training is cross-fitted: each fold is evaluated by a member that was trained on the other
    folds. A part of those folds is kept as validation rows, which select the weights. Independent
    pairs of x and y come from derangements: no row is paired with itself.
    """

    runner: ClassVar[str] = "mmg_nb.estimators.critics.run:run"

    steps: int = field(2000, "maximum training steps", low=0, high=10_000_000)
    batch: int = field(256, "rows per training step and member", low=2, high=100_000)
    width: int = field(64, "hidden features of the network", low=8, high=4096)
    blocks: int = field(2, "residual layers of the network", low=0, high=32)
    learning_rate: float = field(
        2e-3, "learning rate of AdamW; that of Muon is five times as high", low=0, high=1
    )
    weight_decay: float = field(1e-2, "weight decay of the hidden matrices", low=0, high=10)
    folds: int | None = field(
        None,
        "number of cross-fitting folds; 1: a single split; default: 5 up to 5 000 rows, else 3",
        choices=(1, 2, 3, 4, 5, 7, 9, 10),
    )
    transform: str = field(
        "normal_scores",
        "map of each column before training",
        choices=("normal_scores", "standardize", "none"),
    )

    def folds_for(self, n_samples: int) -> int:
        """Number of folds, from `folds` or from the number of rows."""
        return default_folds(n_samples) if self.folds is None else self.folds
