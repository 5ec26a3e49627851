"""What all estimators that train a critic have in common: their fields and their run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mmg_nb.data.pairs import Pairs
from mmg_nb.data.splits import usual_folds
from mmg_nb.fields import field
from mmg_nb.results.result import MIResult
from mmg_nb.runs.events import Listener

__all__ = ["Variational"]


@dataclass(frozen=True, kw_only=True)
class Variational:
    """A network is trained on pairs (x, y), and the estimate read off it on other rows.

    The rows are cross-fitted: each fold is read by a member that was fitted on the others and
    selected on validation rows among these. Pairs that stand for independent x and y are
    derangements: no row is paired with itself.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    resumable: ClassVar[bool] = False  # it trains, but nothing keeps its state yet

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

    def estimate(
        self, pairs: Pairs, *, seed: int, listen: Listener, device: str = "auto"
    ) -> MIResult:
        """Estimate I(x; y); see `mmg_nb.estimators.base.Estimator`.

        Raises:
            MMGError: There are too few independent rows to split.
        """
        # Imported here because fields, help and completion must not load torch.
        from mmg_nb.estimators.critics import run as variational_fit

        return variational_fit.run(self, pairs, seed=seed, listen=listen, device=device)
