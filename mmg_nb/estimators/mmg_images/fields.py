"""The fields of the estimator for images."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from mmg_nb.errors import MMGError
from mmg_nb.estimators.base import Estimator, TrainedEstimator
from mmg_nb.fields import field, field_infos, from_fields

__all__ = ["EFFORT_STEPS", "MMGImages"]

EFFORT_STEPS = {"quick": 500, "normal": 2500, "high": 10_000}


@dataclass(frozen=True, kw_only=True)
class MMGImages(TrainedEstimator):
    """Mutual information from the MMSE gap of a noised image, with small U-Nets as denoisers.

    `mmg` selects this estimator by itself if both variables are images, or if one is an image and
    the other one holds categories. For an image and numbers, `mmg` noises the numbers instead.
    Each image is scaled as a whole; columns of numbers have their own `transform`. A training
    step costs about a hundred times as much as for rows of numbers. Therefore batches, networks
    and draws are smaller than those of `mmg`. Log-SNRs end at 8.
    """

    name: ClassVar[str] = "mmg_images"
    summary: ClassVar[str] = "Diffusion denoisers of images: U-Nets with and without y"
    accepts: ClassVar[frozenset[str]] = frozenset({"discrete", "images"})
    needs: ClassVar[frozenset[str]] = frozenset({"images"})
    runner: ClassVar[str] = "mmg_nb.estimators.mmg.categories:run"

    effort: str = field("normal", "how long to train", choices=("quick", "normal", "high"))
    gap: str = field(
        "inner",
        "formula for the difference of the two error curves; the stopping rule uses it, too; "
        "inner is robust against overfitting",
        choices=("inner", "orthogonal", "difference"),
    )
    noised: str = field(
        "auto",
        "image that gets the noise; auto: the smaller one of two",
        choices=("auto", "x", "y"),
    )
    folds: int = field(
        2,
        "number of cross-fitting folds; 1: a single split",
        choices=(1, 2, 3, 4, 5, 7, 9, 10),
    )
    transform: str = field(
        "auto",
        "transform of columns of numbers, if the other variable is not an image; "
        "auto: normal_scores",
        choices=("auto", "normal_scores", "elliptical", "standardize", "none"),
    )
    steps: int | None = field(
        None,
        "maximum training steps; default: 2 500 steps with effort=normal (quick: 500, high: "
        "10 000)",
        low=0,
        high=10_000_000,
    )
    batch: int = field(
        64,
        "noisy images in one training step of one network; each image gives two",
        low=2,
        high=1_000_000,
    )
    width: int = field(8, "features of the U-Nets at full resolution", low=2, high=4096)
    learning_rate: float = field(4e-3, "learning rate of AdamW", low=0, high=1)
    weight_decay: float = field(1e-3, "weight decay of AdamW", low=0, high=10)
    draws: int = field(
        4, "number of log-SNRs at which each image is evaluated", low=2, high=10_000
    )

    @classmethod
    def like(cls, config: Estimator) -> MMGImages:
        """Take over the fields of `mmg` that differ from their defaults.

        Raises:
            MMGError: Such a field does not exist for images, or not with this value.
        """
        here = {info.name: info for info in field_infos(cls)}
        given = {
            each.name: getattr(config, each.name)
            for each in dataclasses.fields(cast(Any, config))
            if getattr(config, each.name) != each.default
        }
        for name, value in given.items():
            choices = here[name].choices if name in here else ()
            if name not in here or (choices and value not in choices):
                what = f"{name}={value!r} is for rows of numbers only; here an image is noised."
                raise MMGError(what, f"Leave out {name}.")
        return from_fields(cls, given)

    @property
    def most_steps(self) -> int:
        """Maximum training steps, from `steps` or from `effort`."""
        return EFFORT_STEPS[self.effort] if self.steps is None else self.steps
