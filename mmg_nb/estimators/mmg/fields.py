"""MMG: mutual information as half the area between two denoising-error curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mmg_nb.data.pairs import Pairs
from mmg_nb.errors import MMGError
from mmg_nb.estimators.base import Estimator, TrainedEstimator
from mmg_nb.estimators.mmg_images.fields import MMGImages
from mmg_nb.fields import field

__all__ = ["EFFORT_STEPS", "MMG", "Y_IS_NOISED"]

EFFORT_STEPS = {"quick": 1000, "normal": 5500, "high": 32000}
Y_IS_NOISED = "y is the variable that is noised; the error curves are of y, with x given."


@dataclass(frozen=True, kw_only=True)
class MMG(TrainedEstimator):
    """Mutual information by the MMSE gap of diffusion denoisers (Yu et al., arXiv 2509.20609).

    Columns are mapped to normal scores; where they are large together, in x and in y, t copulas
    are undone besides, so that scales in common show in lengths alone. Mutual information stays
    what it is.

    The denoiser starts from an exact linear-Gaussian posterior around a regression of x on y and
    learns only what is left: of several columns and up to 2500 rows first a gain that lengths
    alone decide, at 2.5 times the `learning_rate`; of more than six columns, with 25 rows each,
    what the directions tell in which the regression has found something, at a lower rate; then
    everything else. It is cross-fitted: each fold of the rows is evaluated by a member trained on
    the others, so that every row counts for training and for evaluation. For I(x; y | z) both
    branches know z:
    I = ½ ∫ [mmse(x | λ, z) − mmse(x | λ, y, z)] dλ.

    Very strong dependence is learnt slowly. If the last doubling of the steps has gained a fifth
    of a nat when the learning rate is about to fall, training gives way to canonical pairs:
    features of x and of y that tell each other, up to four, learnt to high precision because each
    depends on one variable only. With `transform` auto, scores are smooth functions of the
    columns then, for those of ranks are too rough. What the pairs tell is an extended Kalman
    update of the posterior, from which training begins again, and may be doubled while that
    gains as much, at most to the steps of high effort. Of more than six columns what the
    directions tell leaves too little to the last stage for that: there pairs are sought in the
    end, with 300 rows a column, if there are more than three nats, half a nat of them from the
    last doubling. Not with quick `effort`, nor if `steps` are given. Where the gap is still open
    at the highest log-SNR, the adaptive `proposal` adds higher ones.

    What networks do not begin to learn, say a channel that works in one row of twenty, nearest
    neighbours may see. Of up to six columns of numbers they are asked, too: what they tell
    significantly more does not change the estimate, but is part of its error.

    Of two images one is noised, and denoised by small U-Nets in 2 folds, at twice the
    `learning_rate`, with a quarter of `batch` (64), an eighth of `width` (8), a fifth of `draws`;
    `steps` are 500, 2500 or 10 000 by `effort` and never more, log-SNRs end at 8, and images have
    their own transform. `blocks` and
    `weight_decay` do not matter. Beside an image numbers are noised, and beside categories the
    image.
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
        "how long to train at most; where much is still learnt normal goes on as long as high, "
        "and both learn canonical pairs",
        choices=("quick", "normal", "high"),
    )
    gap: str = field(
        "inner",
        "form of the MMSE gap that is reported, and that training is stopped for",
        choices=("inner", "cross", "orthogonal", "difference"),
    )
    proposal: str = field(
        "adaptive", "density of the training log-SNRs", choices=("adaptive", "logistic")
    )
    loc: float = field(2.0, "centre of the logistic proposal", low=-20, high=20)
    scale: float = field(3.0, "scale of the logistic proposal", low=0.1, high=10)
    clip: float = field(4.0, "half-width of the logistic proposal, in scales", low=1, high=10)
    noised: str = field(
        "auto",
        "variable that is noised, given the other; auto: the one with fewer columns",
        choices=("auto", "x", "y"),
    )
    folds: int | None = field(
        None,
        "1: one split; more: cross-fitting over that many folds (odd for gap='cross'); "
        "none: 5 up to 5000 rows, else 3",
        choices=(1, 2, 3, 4, 5, 7, 9, 10),
    )
    transform: str = field(
        "auto",
        "map of each variable before whitening; elliptical: normal scores and, if likelier than a "
        "normal one, a t copula undone; auto: that where it suits both, else normal_scores, and "
        "smooth ones where very much is to be learnt",
        choices=("auto", "normal_scores", "elliptical", "standardize", "none"),
    )
    steps: int | None = field(
        None,
        "most training steps, before which a gain from lengths may have half as many, and what "
        "the anchor tells of many columns as many; none: by effort, fewer below 10 000 rows",
        low=0,
        high=10_000_000,
    )
    batch: int | None = field(
        None,
        "noisy rows a training step and member, two of each row; none: 256, beyond 10 000 rows up "
        "to 1024",
        low=4,
        high=1_000_000,
    )
    width: int | None = field(
        None,
        "hidden features of the networks; none: 64, where rows are few down to 32",
        low=8,
        high=4096,
    )
    blocks: int = field(3, "residual blocks of the network", low=1, high=32)
    learning_rate: float = field(2e-3, "of AdamW; Muon takes five times as much", low=0, high=1)
    weight_decay: float = field(1e-3, "of the hidden matrices", low=0, high=10)
    draws: int | None = field(
        None,
        "log-SNRs at which each evaluation point is measured; none: 20, below 3000 rows up to 60",
        low=4,
        high=10_000,
    )

    def __post_init__(self) -> None:
        """Refuse fields that do not go together.

        Raises:
            MMGError: The cross form was asked for with an even number of folds.
        """
        if self.gap == "cross" and self.folds is not None and self.folds % 2 == 0:
            what = f"gap='cross' needs an odd number of folds; got folds={self.folds}."
            raise MMGError(what, "Try folds=3 or 5, or gap='inner' with any number of folds.")

    @property
    def seeks_pairs(self) -> bool:
        """Whether canonical pairs are sought where very much is learnt, which takes its time."""
        return self.steps is None and self.effort != "quick"

    def noises_y(self, dim_x: int, dim_y: int) -> bool:
        """Whether y is noised rather than x; mutual information is the same either way."""
        return self.noised == "y" or (self.noised == "auto" and dim_y < dim_x)

    def runner_for(self, pairs: Pairs) -> str:
        """Numbers go through the pipeline; categories are taken apart first."""
        if pairs.discrete_x or pairs.discrete_y or pairs.discrete_z:
            return self.runner
        return "mmg_nb.estimators.mmg.pipeline:run"

    def for_data(self, pairs: Pairs) -> Estimator:
        """`mmg_images` where an image is noised, see `Estimator`.

        Raises:
            MMGError: There are images and a condition.
        """
        if pairs.has_images and pairs.given is not None:
            what = "mmg estimates only I(x; y) from images, not I(x; y | z)."
            raise MMGError(what, "Leave out given=, or replace each image by a few numbers.")
        if not _noises_image(pairs, self.noised):
            return self
        return MMGImages.like(self)


def _noises_image(pairs: Pairs, noised: str) -> bool:
    """Whether an image is noised, and nothing else; beside numbers only if that is asked for."""
    images = pairs.shape_x is not None, pairs.shape_y is not None
    if not any(images) or all(images):
        return all(images)
    other, discrete = (pairs.y, pairs.discrete_y) if images[0] else (pairs.x, pairs.discrete_x)
    return len(discrete) == other.shape[1] or noised == ("x" if images[0] else "y")
