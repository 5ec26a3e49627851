"""MINDE: mutual information from the distance between diffusion scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mmg_nb.data.pairs import Pairs
from mmg_nb.data.splits import default_folds
from mmg_nb.estimators.base import TrainedEstimator
from mmg_nb.fields import field

__all__ = ["MINDE"]


@dataclass(frozen=True, kw_only=True)
class MINDE(TrainedEstimator):
    """Mutual information neural diffusion estimation (Franzese et al. 2024, arXiv 2310.09031).

    The Kullback–Leibler divergence of two diffused densities is half the integral of the squared
    distance of their scores. Here scores are ε-predictions and time is log-SNR. The paper draws
    times in proportion to g²/σ² (importance sampling). In log-SNR this is a uniform density over
    the range of the paper's noise schedule (β from 0.1 to 20, t from 10⁻³ to 1).

    The networks start from N(0, I), without the Gaussian preconditioning of `mmg`. With the same
    denoisers, the distance of the scores equals the orthogonal form of the MMSE gap.
    `mmg_nb.mmse.gap` gives its bias.
    """

    name: ClassVar[str] = "minde"
    summary: ClassVar[str] = "Distance of diffusion scores with and without y; no preconditioning"
    resumable: ClassVar[bool] = True
    runner: ClassVar[str] = "mmg_nb.estimators.minde.run:run"

    form: str = field(
        "conditional",
        "conditional: compare p(x | y) with p(x); joint: compare p(x, y) with p(x | y) p(y | x)",
        choices=("conditional", "joint"),
    )
    sigma: bool = field(
        False, "use the paper's σ form: the difference of two divergences from a Gaussian"
    )
    steps: int = field(4000, "maximum training steps", low=0, high=10_000_000)
    batch: int = field(
        256,
        "noisy rows in one training step of one network; each data row gives two",
        low=4,
        high=1_000_000,
    )
    width: int = field(64, "hidden features of the network", low=8, high=4096)
    blocks: int = field(3, "residual blocks of the network", low=1, high=32)
    learning_rate: float = field(
        2e-3, "learning rate of AdamW; that of Muon is five times as high", low=0, high=1
    )
    weight_decay: float = field(1e-3, "weight decay of the hidden matrices", low=0, high=10)
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
    draws: int = field(10, "number of log-SNRs at which each row is evaluated", low=2, high=10_000)

    def denoises(self, pairs: Pairs) -> str:
        """See `mmg_nb.estimators.base.Estimator`; the joint form denoises both variables."""
        return "x" if self.form == "conditional" else ""

    def folds_for(self, n_samples: int) -> int:
        """Number of folds, from `folds` or from the number of rows."""
        return default_folds(n_samples) if self.folds is None else self.folds

    @property
    def gap(self) -> str:
        """The form of the gap that equals the distance of the scores."""
        return "orthogonal"
