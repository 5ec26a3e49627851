"""The published set-up of MMG, reproduced as far as it is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mmg_nb.estimators.base import TrainedEstimator
from mmg_nb.fields import field

__all__ = ["PublishedMMG"]

SMALL_DIM = 5


@dataclass(frozen=True, kw_only=True)
class PublishedMMG(TrainedEstimator):
    """MMG as in the paper (Yu et al., arXiv 2509.20609) and in its authors' code.

    Use it for comparison with the paper. `mmg` is more accurate in less time. It differs from
    `mmg` in these points:

    * One network predicts the noise. To predict it without y, zeros replace y; half of the
      batches train this prediction.
    * The loss is weighted by 1/q(λ), and Adam minimises it.
    * Columns are standardised. There is no anchor.
    * One split keeps 1/11 of the rows for evaluation.
    * The errors without and with y are measured with independent noise.

    The paper's four variants are the combinations of `gap` and `adaptive`.
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
        "formula for the difference of the two error curves; orthogonal is best in the paper",
        choices=("difference", "orthogonal", "inner"),
    )
    adaptive: bool = field(
        False, "train twice: the first training decides at which log-SNRs the second trains"
    )
    experts: int = field(
        1, "1: one network; 2: separate networks below and above log-SNR 5", choices=(1, 2)
    )
    epochs: int | None = field(
        None, "passes over the rows; default: 500 up to 5 columns of x, else 750", low=1
    )
    steps: int | None = field(None, "training steps; default: from `epochs`", low=0)
    batch: int | None = field(
        None, "rows per step; default: 128 up to 5 columns of x, else 256", low=2
    )
    learning_rate: float | None = field(
        None,
        "learning rate of Adam; default: 0.001 up to 5 columns of x, else 0.002",
        low=0,
        high=1,
    )
    weight_decay: float = field(1e-5, "weight decay of Adam", low=0, high=1)
    ema: float = field(0.999, "decay of the averaged weights", low=0, high=1)
    loc: float = field(
        2.0, "centre of the density that log-SNRs are first drawn from", low=-20, high=20
    )
    scale: float = field(3.0, "scale of the logistic density around `loc`", low=0.1, high=10)
    clip: float = field(
        4.0,
        "log-SNRs are drawn from loc ± clip·scale",
        low=1,
        high=10,
    )
    draws: int = field(10, "number of log-SNRs at which each row is evaluated", low=2)
