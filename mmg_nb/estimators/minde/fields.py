"""MINDE: mutual information from the distance between diffusion scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mmg_nb.data.splits import usual_folds
from mmg_nb.estimators.base import TrainedEstimator
from mmg_nb.fields import field

__all__ = ["MINDE"]


@dataclass(frozen=True, kw_only=True)
class MINDE(TrainedEstimator):
    """Mutual information neural diffusion estimation (Franzese et al. 2024, arXiv 2310.09031).

    The Kullback–Leibler divergence of two diffused densities is half the integral of the squared
    distance of their scores. Here scores are ε-predictions, time is log-SNR, and times drawn in
    proportion to g²/σ² (the paper's importance sampling) are log-SNRs drawn uniformly between
    those of its noise schedule (β from 0.1 to 20, t from 10⁻³ to 1).

    With the same denoisers, the distance of the scores is the orthogonal form of the MMSE gap; see
    `mmg_nb.mmse.gap` for what it is biased by.
    """

    name: ClassVar[str] = "minde"
    summary: ClassVar[str] = "Distance of diffusion scores with and without y; no preconditioning"
    resumable: ClassVar[bool] = True
    runner: ClassVar[str] = "mmg_nb.estimators.minde.run:run"

    form: str = field(
        "conditional",
        "conditional: p(x | y) against p(x); joint: p(x, y) against p(x | y) p(y | x)",
        choices=("conditional", "joint"),
    )
    sigma: bool = field(
        False, "difference of both divergences from a Gaussian, the paper's σ form"
    )
    steps: int = field(4000, "most training steps", low=0, high=10_000_000)
    batch: int = field(
        256, "noisy rows a training step and member, two of each row", low=4, high=1_000_000
    )
    width: int = field(64, "hidden features of the network", low=8, high=4096)
    blocks: int = field(3, "residual blocks of the network", low=1, high=32)
    learning_rate: float = field(2e-3, "of AdamW; Muon takes five times as much", low=0, high=1)
    weight_decay: float = field(1e-3, "of the hidden matrices", low=0, high=10)
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
    draws: int = field(
        10, "log-SNRs at which each evaluation point is measured", low=2, high=10_000
    )

    def folds_for(self, n_samples: int) -> int:
        """Folds of the cross-fit, from `folds` or by the number of rows."""
        return usual_folds(n_samples) if self.folds is None else self.folds

    @property
    def gap(self) -> str:
        """The form of the gap that the distance of scores is."""
        return "orthogonal"
