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
    """Mutual information by the MMSE gap where an image is noised, by small U-Nets.

    `mmg` takes it by itself where it would noise an image: of two images one is noised, and of an
    image and categories the image. Of an image and numbers `mmg` noises the numbers. Each image is
    scaled as a whole; numbers beside it have their own transform. A step costs a hundred times as
    much as one on rows of numbers: hence fewer rows a step, features and draws.
    """

    name: ClassVar[str] = "mmg_images"
    summary: ClassVar[str] = "Diffusion denoisers of images: U-Nets with and without y"
    accepts: ClassVar[frozenset[str]] = frozenset({"discrete", "images"})
    needs: ClassVar[frozenset[str]] = frozenset({"images"})
    runner: ClassVar[str] = "mmg_nb.estimators.mmg.categories:run"

    effort: str = field("normal", "how long to train", choices=("quick", "normal", "high"))
    gap: str = field(
        "inner",
        "form of the MMSE gap that is reported, and that training is stopped for",
        choices=("inner", "orthogonal", "difference"),
    )
    noised: str = field(
        "auto", "variable that is noised, given the other; an image", choices=("auto", "x", "y")
    )
    folds: int = field(
        2,
        "1: one split; more: cross-fitting over that many folds",
        choices=(1, 2, 3, 4, 5, 7, 9, 10),
    )
    transform: str = field(
        "auto",
        "map of each column of numbers beside an image; auto: normal_scores",
        choices=("auto", "normal_scores", "elliptical", "standardize", "none"),
    )
    steps: int | None = field(
        None,
        "maximum training steps; default: 500, 2500 or 10 000 by effort",
        low=0,
        high=10_000_000,
    )
    batch: int = field(
        64, "noisy images a training step and member, two of each image", low=2, high=1_000_000
    )
    width: int = field(8, "features of the U-Nets at full resolution", low=2, high=4096)
    learning_rate: float = field(4e-3, "of AdamW", low=0, high=1)
    weight_decay: float = field(1e-3, "of the weights", low=0, high=10)
    draws: int = field(
        4, "log-SNRs at which each evaluation image is measured", low=2, high=10_000
    )

    @classmethod
    def like(cls, config: Estimator) -> MMGImages:
        """The fields of `mmg` that were given, for images; all others at their defaults here.

        Raises:
            MMGError: A field was given that images do not have.
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
                what = f"{name}={value!r} is for rows of numbers; here images are noised."
                raise MMGError(what, f"Leave {name} out.")
        return from_fields(cls, given)

    def steps_for(self, n_samples: int) -> int:
        """Training steps, from `steps` or by `effort`."""
        return EFFORT_STEPS[self.effort] if self.steps is None else self.steps
