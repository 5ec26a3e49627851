"""What all estimators that train a critic have in common: their fields and their run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mmg_nb.data.splits import usual_folds
from mmg_nb.estimators.base import TrainedEstimator
from mmg_nb.fields import field

__all__ = ["Variational"]


@dataclass(frozen=True, kw_only=True)
class Variational(TrainedEstimator):
    """A network is trained on pairs (x, y), and the estimate read off it on other rows.

    The rows are cross-fitted: each fold is read by a member that was fitted on the others and
    selected on validation rows among these. Pairs that stand for independent x and y are
    derangements: no row is paired with itself.
    """

    runner: ClassVar[str] = "mmg_nb.estimators.critics.run:run"

    steps: int = field(2000, "most training steps", low=0, high=10_000_000)
    batch: int = field(256, "rows a training step and member", low=2, high=100_000)
    width: int = field(64, "hidden features of the network", low=8, high=4096)
    blocks: int = field(2, "residual layers of the network", low=0, high=32)
    learning_rate: float = field(2e-3, "of AdamW; Muon takes five times as much", low=0, high=1)
    weight_decay: float = field(1e-2, "of the hidden matrices", low=0, high=10)
    folds: int | None = field(
        None,
        "1: one split; more: cross-fitting over that many folds; none: 5 up to 5000 rows, else 3",
        choices=(1, 2, 3, 4, 5, 7, 9, 10),
    )
    transform: str = field(
        "normal_scores",
        "map of each coordinate before whitening",
        choices=("normal_scores", "standardize", "none"),
    )

    def folds_for(self, n_samples: int) -> int:
        """Folds of the cross-fit, from `folds` or by the number of rows."""
        return usual_folds(n_samples) if self.folds is None else self.folds
