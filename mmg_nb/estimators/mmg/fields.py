"""MMG: mutual information as half the area between two denoising-error curves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from mmg_nb.data.pairs import Pairs
from mmg_nb.errors import MMGError
from mmg_nb.estimators.base import Estimator, TrainedEstimator
from mmg_nb.estimators.mmg_images.fields import MMGImages
from mmg_nb.fields import field

__all__ = ["EFFORT_STEPS", "MMG", "Y_IS_NOISED"]

EFFORT_STEPS = {"quick": 1000, "normal": 5000, "high": 32000}
Y_IS_NOISED = "y is the variable that is noised, so the error curves show y without and with x."


@dataclass(frozen=True, kw_only=True)
class MMG(TrainedEstimator):
    """Mutual information from the MMSE gap of diffusion denoisers (Yu et al., arXiv 2509.20609).

    `mmg` adds noise to one variable, here called x. It trains networks to remove the noise, once
    without y and once with y. Half the area between the two denoising errors, over all log-SNRs λ,
    is the mutual information:
    I(x; y) = ½ ∫ [mmse(x | λ) − mmse(x | λ, y)] dλ.
    For I(x; y | z) both denoisers also get z:
    I(x; y | z) = ½ ∫ [mmse(x | λ, z) − mmse(x | λ, y, z)] dλ.

    Columns are mapped to normal scores, by smooth maps where these fit. If the columns of x, and
    those of y, share a heavy-tailed scale, a fitted t copula is removed as well. Neither changes
    the mutual information. Of more than six columns, the principal components that do not help to
    predict the other variable are left out.

    The denoiser starts from the anchor, a regression of x on y, and from the exact Gaussian
    posterior around it. Training then corrects this start in up to four stages:

    1. Radial gain: one factor per row that depends on vector lengths only. For several columns
       and at most 2 500 rows, at 2.5 times the `learning_rate`.
    2. Informative directions: a network that sees mainly the directions that the anchor found.
       For more than six columns and at least 25 rows per column, at a lower rate.
    3. Full network: a network that sees everything.
    4. Canonical pairs: up to four matched features of x and of y, fitted to high precision. The
       full network is then trained again, starting from their extended Kalman update. Only if
       dependence is very strong, `effort` is normal or high, and `steps` is left at its default.

    With at least 300 rows per column, dependence counts as very strong in one of two cases:

    * Just before the learning rate falls, the last doubling of the steps gained over 0.2 nats.
    * After training, the estimate exceeds 3 nats, and the second half of training gained over
      0.5 nats.

    Training is cross-fitted: each fold of the rows is evaluated by a member that was trained on
    the other folds. So every row is used for training and for evaluation.

    If the gap is still open at the highest log-SNR, training adds higher log-SNRs.

    Networks may miss local dependence, for example in one row of twenty, and fine structure.
    Second looks check for this. With at most six columns, nearest neighbours estimate the same. If
    they find significantly more, the estimate is theirs, and the difference becomes part of the
    standard error. Trees, neighbours and a linear map predict one variable from the other one, on
    rows they were not fitted to. If the prediction shows more than the networks found, they try
    again with the prediction in the place of the variable. With fewer than four rows per column,
    this is the only way.

    If both variables are images, `mmg_images` takes over, with its own defaults. The same holds
    for an image and categories. For an image and numbers, `mmg` noises the numbers.
    """

    name: ClassVar[str] = "mmg"
    summary: ClassVar[str] = (
        "Diffusion denoisers with and without y: any dependence, any dimension"
    )
    resumable: ClassVar[bool] = True
    runner: ClassVar[str] = "mmg_nb.estimators.mmg.categories:run"

    accepts: ClassVar[frozenset[str]] = frozenset({"given", "discrete", "images"})

    effort: str = field(
        "normal",
        "how long to train; if dependence is very strong, normal and high also fit canonical "
        "pairs (features of x and of y that nearly agree)",
        choices=("quick", "normal", "high"),
    )
    gap: str = field(
        "inner",
        "formula for the difference of the two error curves; the stopping rule uses it, too; "
        "inner is robust against overfitting",
        choices=("inner", "cross", "orthogonal", "difference"),
    )
    noised: str = field(
        "auto",
        "variable that gets the noise; auto: the one with fewer columns",
        choices=("auto", "x", "y"),
    )
    folds: int | None = field(
        None,
        "number of cross-fitting folds (odd for gap='cross'); 1: a single split; "
        "default: 5 up to 5 000 rows, else 3 (always 3 for gap='cross')",
        choices=(1, 2, 3, 4, 5, 7, 9, 10),
    )
    transform: str = field(
        "auto",
        "map of the columns before training; normal_scores: each column becomes normal, by its "
        "ranks; elliptical: a heavy-tailed scale that columns share is removed as well; auto: "
        "elliptical if it fits, else normal_scores (by smooth maps if these fit)",
        choices=("auto", "normal_scores", "elliptical", "standardize", "none"),
    )
    steps: int | None = field(
        None,
        "maximum training steps of the full network, the main stage; the stages before it take up "
        "to 1.5 times this number in addition; default: 5 000 steps with effort=normal (quick: "
        "1 000, high: 32 000), fewer below 10 000 rows",
        low=0,
        high=10_000_000,
    )
    batch: int | None = field(
        None,
        "noisy rows in one training step of one network; each data row gives two; default: 256 up "
        "to 10 000 rows, then more, at most 1 024",
        low=4,
        high=1_000_000,
    )
    width: int | None = field(
        None,
        "hidden features of the networks; default: 64, down to 32 below 10 000 rows",
        low=8,
        high=4096,
    )
    blocks: int = field(2, "residual blocks of the network", low=1, high=32)
    learning_rate: float = field(
        2e-3, "learning rate of AdamW; that of Muon is five times as high", low=0, high=1
    )
    weight_decay: float = field(1e-3, "weight decay of the hidden matrices", low=0, high=10)
    draws: int | None = field(
        None,
        "number of log-SNRs at which each row is evaluated; default: 20, growing to 60 below "
        "3 000 rows",
        low=4,
        high=10_000,
    )

    def __post_init__(self) -> None:
        """Check that the fields fit together.

        Raises:
            MMGError: `gap` is cross and the number of folds is even.
        """
        if self.gap == "cross" and self.folds is not None and self.folds % 2 == 0:
            what = f"gap='cross' needs an odd number of folds; got folds={self.folds}."
            raise MMGError(what, "Use folds=3 or 5, or gap='inner' with any number of folds.")

    @property
    def seeks_pairs(self) -> bool:
        """Whether canonical pairs are fitted if dependence is very strong. They take long."""
        return self.steps is None and self.effort != "quick"

    def noises_y(self, dim_x: int, dim_y: int) -> bool:
        """Whether y is noised instead of x. Mutual information is the same either way."""
        return self.noised == "y" or (self.noised == "auto" and dim_y < dim_x)

    def denoises(self, pairs: Pairs) -> str:
        """See `Estimator`."""
        # Imported here because it loads scipy.
        from mmg_nb.estimators.mmg.noised import variable_to_noise

        noised = variable_to_noise(pairs, self.noised)
        return "y" if replace(self, noised=noised).noises_y(pairs.dim_x, pairs.dim_y) else "x"

    def runner_for(self, pairs: Pairs) -> str:
        """Numbers go through the pipeline; categories are taken apart first."""
        if pairs.discrete_x or pairs.discrete_y or pairs.discrete_z:
            return self.runner
        return "mmg_nb.estimators.mmg.run:run"

    def for_data(self, pairs: Pairs) -> Estimator:
        """`mmg_images` if an image is noised; see `Estimator`.

        Raises:
            MMGError: There are images, and a condition.
        """
        if pairs.has_images and pairs.given is not None:
            what = "mmg estimates only I(x; y) from images, not I(x; y | z)."
            raise MMGError(what, "Leave out given=, or replace each image by a few numbers.")
        if not _noises_image(pairs, self.noised):
            return self
        return MMGImages.like(self)


def _noises_image(pairs: Pairs, noised: str) -> bool:
    """Whether an image is noised. Of an image and numbers, only if `noised` names the image."""
    images = pairs.shape_x is not None, pairs.shape_y is not None
    if not any(images) or all(images):
        return all(images)
    other, discrete = (pairs.y, pairs.discrete_y) if images[0] else (pairs.x, pairs.discrete_x)
    return len(discrete) == other.shape[1] or noised == ("x" if images[0] else "y")
