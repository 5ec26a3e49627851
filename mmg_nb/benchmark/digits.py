"""Images of handwritten digits: bundled, or MNIST from OpenML."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from mmg_nb.errors import MMGError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["HEIGHTS", "blanked", "digit_images"]

HEIGHTS = {"digits": 8, "mnist": 28}
"""Rows of an image, by source."""


@lru_cache(maxsize=len(HEIGHTS))  # the same arrays every time, and MNIST takes a while to read
def digit_images(source: str) -> NDArray[np.float64]:
    """Load the images.

    Args:
        source: `digits`, 1 797 images of 8 × 8 that come with scikit-learn (Alpaydin & Kaynak
            1998), or `mnist`, 70 000 of 28 × 28 (LeCun et al. 1998), fetched once from OpenML
            and kept in scikit-learn's data folder.

    Returns:
        `(n, height, height)`, between 0 and 1, read-only.

    Raises:
        MMGError: MNIST is not there and cannot be fetched.
    """
    pixels = _bundled() if source == "digits" else _mnist()
    images = (pixels / pixels.max()).reshape(-1, HEIGHTS[source], HEIGHTS[source])
    images.flags.writeable = False
    return images


def _bundled() -> NDArray[np.float64]:
    from sklearn.datasets import load_digits

    return np.asarray(load_digits().data, dtype=np.float64)


def _mnist() -> NDArray[np.float64]:
    from sklearn.datasets import fetch_openml

    try:
        found = fetch_openml("mnist_784", version=1, as_frame=False, parser="liac-arff")
    except (OSError, ValueError) as error:  # no network, or a damaged copy
        what = f"MNIST could not be fetched from OpenML ({error})."
        raise MMGError(what, "Use the bundled digits: source 'digits'.") from error
    return np.asarray(found.data, dtype=np.float64)


def blanked(images: NDArray[np.float64], kept: int) -> NDArray[np.float64]:
    """The images with all rows from `kept` on set to 0.

    Args:
        images: `(n, height, width)`.
        kept: Rows that stay, counted from the top.

    Returns:
        New images of the same shape.
    """
    shown = images.copy()
    shown[:, kept:] = 0
    return shown
