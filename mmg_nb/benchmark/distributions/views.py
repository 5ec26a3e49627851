"""Latent views of images of digits: with noise, so that all is known, and without."""

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

TRUTH_ROWS = 10_000
CHUNK = 500  # rows at a time against all images


@lru_cache(maxsize=32)  # training it anew would give the same numbers
def _view(source: str, kept: int) -> NDArray[np.float64]:
    """The latents `(n, 16)` of all images of which `kept` rows are left, by their own encoder."""
    values = latents(blanked(digit_images(source), kept), seed=kept)
    values.flags.writeable = False
    return values


@dataclass(frozen=True, kw_only=True)
class _Views:
    """A view of whole images as x, views of blanked ones as y.

    Attributes:
        source: `digits` or `mnist`.
        kept: Rows left in each view that y consists of.
        copies: Independent images side by side, each with its views.
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
        """One copy of x for every image, `(images, 16)`."""
        return _view(self.source, HEIGHTS[self.source])

    def _y(self) -> NDArray[np.float64]:
        """One copy of y for every image, `(images, 16·views)`."""
        return np.hstack([_view(self.source, kept) for kept in self.kept])


@dataclass(frozen=True, kw_only=True)
class PlainViews(_Views):
    """The latents as they are: functions of one image, so that I(x; y) may well be infinite."""

    def mi(self) -> float:
        """NaN: nobody knows it."""
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
            what = f"There are {len(x)} images in {self.source!r}, too few for {n} rows."
            raise MMGError(what, f"Ask for at most {len(x) // self.copies} rows.")
        chosen = generator.permutation(len(x))[: n * self.copies].reshape(n, self.copies)
        return x[chosen].reshape(n, -1), y[chosen].reshape(n, -1)

    def log_ratio(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """NaN for each row, `(n,)`: nobody knows it."""
        return np.full(len(x), np.nan)


@dataclass(frozen=True, kw_only=True)
class NoisyViews(_Views):
    """The latents of an image drawn from those at hand, each with noise of its own.

    (x, y) is a mixture of as many normals as there are images, so the log-density ratio of any
    row is exact, and any number of independent rows can be drawn.

    Attributes:
        noise: Standard deviation, in units of that of a latent.
    """

    noise: float = 1.0

    def mi(self) -> float:
        """The mean exact log-density ratio of 10 000 rows, nats; right to about 0.02."""
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
        """The same for one copy."""
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
        """How likely each image makes a row, up to a factor of the row, `(n, images)`."""
        exponent = (rows @ centres.T - 0.5 * (centres**2).sum(axis=1)) / self.noise**2
        return np.exp(exponent - exponent.max(axis=1, keepdims=True))


@lru_cache(maxsize=64)  # a sweep asks for it in every cell
def _truth(views: NoisyViews) -> float:
    return float(views.log_ratio(*views.sample(TRUTH_ROWS, np.random.default_rng(0))).mean())
