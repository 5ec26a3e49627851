"""The published set-up of MMG, to the letter where it is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mmg_nb.estimators.base import TrainedEstimator
from mmg_nb.fields import field

__all__ = ["PublishedMMG"]

SMALL_DIM = 5


@dataclass(frozen=True, kw_only=True)
class PublishedMMG(TrainedEstimator):
    """MMG as published (Yu et al., arXiv 2509.20609) and in its authors' code.

    One network, zeros for "no y", y dropped for half of the batches, loss weighted by 1/q, Adam,
    standardised data, one split with 1/11 of the rows for evaluation, unpaired noise. The four
    variants are `gap` × `adaptive`. Kept for comparison: `mmg` is more accurate in less time.
    """

    name: ClassVar[str] = "published"
    summary: ClassVar[str] = (
        "MMG with the paper's network, training and evaluation, for comparison"
    )
    resumable: ClassVar[bool] = True
    runner: ClassVar[str] = "mmg_nb.estimators.published.run:run"

    accepts: ClassVar[frozenset[str]] = frozenset()

    gap: str = field(
        "difference",
        "form of the MMSE gap that is reported; orthogonal is the paper's best",
        choices=("difference", "orthogonal", "inner"),
    )
    adaptive: bool = field(False, "train twice, the second time with the adapted proposal")
    experts: int = field(1, "2: separate networks below and above log-SNR 5", choices=(1, 2))
    epochs: int | None = field(
        None, "passes over the data; none: 500 for up to 5 columns of x, else 750", low=1
    )
    steps: int | None = field(None, "training steps; none: by epochs", low=0)
    batch: int | None = field(
        None, "rows a step; none: 128 for up to 5 columns of x, else 256", low=2
    )
    learning_rate: float | None = field(
        None, "of Adam; none: 0.001 for up to 5 columns of x, else 0.002", low=0, high=1
    )
    weight_decay: float = field(1e-5, "of Adam", low=0, high=1)
    ema: float = field(0.999, "decay of the averaged weights", low=0, high=1)
    loc: float = field(2.0, "centre of the first proposal", low=-20, high=20)
    scale: float = field(3.0, "scale of the first proposal", low=0.1, high=10)
    clip: float = field(4.0, "half-width of the proposals, in scales", low=1, high=10)
    draws: int = field(10, "log-SNRs at which each evaluation point is measured", low=2)
