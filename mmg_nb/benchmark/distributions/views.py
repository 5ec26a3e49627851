"""Latents of images of digits, with noise (MI is known) and without noise."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from mmg_nb.benchmark.autoencoder import LATENTS, latents
from mmg_nb.benchmark.digits import HEIGHTS, blanked, digit_images
from mmg_nb.errors import MMGError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["NoisyViews", "PlainViews"]

TRUTH_ROWS = 10_000  # rows drawn to compute the true mutual information
CHUNK = 500  # rows per chunk, each compared with all images


@lru_cache(maxsize=32)  # training again would give the same numbers
def _view(source: str, kept: int) -> NDArray[np.float64]:
    """Latents `(n, 16)` of all images with `kept` rows, from an encoder of these images."""
    values = latents(blanked(digit_images(source), kept), seed=kept)
    values.flags.writeable = False
    return values


@dataclass(frozen=True, kw_only=True)
class _Views:
    """x are latents of whole images, y are latents of partly blanked images.

    Attributes:
        source: See `digit_images`.
        kept: Rows of pixels kept in each view. y consists of all views.
        copies: Number of independent images per sample. Their columns are joined.
    """

    gaussian: ClassVar[bool] = False

    source: str
    kept: tuple[int, ...]
    copies: int = 1

    @property
    def dim_x(self) -> int:
        """Number of columns of x."""
        return self.copies * LATENTS

    @property
    def dim_y(self) -> int:
        """Number of columns of y."""
        return self.copies * len(self.kept) * LATENTS

    def _x(self) -> NDArray[np.float64]:
        """Values of x for every image, for one copy, `(images, 16)`."""
        return _view(self.source, HEIGHTS[self.source])

    def _y(self) -> NDArray[np.float64]:
        """Values of y for every image, for one copy, `(images, 16·views)`."""
        return np.hstack([_view(self.source, kept) for kept in self.kept])


@dataclass(frozen=True, kw_only=True)
class PlainViews(_Views):
    """Latents without noise. They are functions of one image, so I(x; y) may be infinite."""

    def mi(self) -> float:
        """NaN, because the mutual information is unknown."""
        return float("nan")

    def sample(
        self, n: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw `n` rows of different images: x `(n, dim_x)` and y `(n, dim_y)`.

        Raises:
            MMGError: There are not enough images.
        """
        x, y = self._x(), self._y()
        if n * self.copies > len(x):
            what = (
                f"{n} rows need {n * self.copies} different images; {self.source!r} has "
                f"{len(x)} images."
            )
            raise MMGError(what, f"Draw at most {len(x) // self.copies} rows.")
        chosen = generator.permutation(len(x))[: n * self.copies].reshape(n, self.copies)
        return x[chosen].reshape(n, -1), y[chosen].reshape(n, -1)

    def log_ratio(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """NaN for each row, `(n,)`, because the density ratio is unknown."""
        return np.full(len(x), np.nan)


@dataclass(frozen=True, kw_only=True)
class NoisyViews(_Views):
    """Latents of a randomly drawn image, with independent noise on each latent.

    (x, y) is a mixture of normals with one component per image. The log-density ratio of each
    row is therefore exact. Any number of independent rows can be drawn.

    Attributes:
        noise: Standard deviation of the noise, in units of the standard deviation of a latent.
    """

    noise: float = 1.0

    def mi(self) -> float:
        """Mean of the exact log-density ratio of 10 000 rows, in nats, accurate to about 0.02."""
        return self.copies * _truth(replace(self, copies=1))

    def sample(
        self, n: int, generator: np.random.Generator
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Draw `n` rows: x `(n, dim_x)` and y `(n, dim_y)`."""
        x, y = self._x(), self._y()
        chosen = generator.integers(len(x), size=(n, self.copies))
        views = (x[chosen].reshape(n, -1), y[chosen].reshape(n, -1))
        noisy = [view + self.noise * generator.standard_normal(view.shape) for view in views]
        return noisy[0], noisy[1]

    def log_ratio(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pointwise MI of each row, `(n,)`, in nats."""
        split_x, split_y = (np.split(v, self.copies, axis=1) for v in (x, y))
        return np.sum([self._one(a, b) for a, b in zip(split_x, split_y, strict=True)], axis=0)

    def _one(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Pointwise MI of one copy."""
        centres_x, centres_y, found = self._x(), self._y(), []
        for start in range(0, len(x), CHUNK):
            rows = slice(start, start + CHUNK)
            a, b = self._likely(x[rows], centres_x), self._likely(y[rows], centres_y)
            joint = np.einsum("ni,ni->n", a, b)
            found.append(np.log(len(centres_x) * joint / (a.sum(axis=1) * b.sum(axis=1))))
        return np.concatenate(found)

    def _likely(
        self, rows: NDArray[np.float64], centres: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Likelihood of each image for each row, up to a factor per row, `(n, images)`."""
        exponent = (rows @ centres.T - 0.5 * (centres**2).sum(axis=1)) / self.noise**2
        return np.exp(exponent - exponent.max(axis=1, keepdims=True))


@lru_cache(maxsize=64)  # a sweep needs it in every cell
def _truth(views: NoisyViews) -> float:
    return float(views.log_ratio(*views.sample(TRUTH_ROWS, np.random.default_rng(0))).mean())
