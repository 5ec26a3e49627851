"""Images of handwritten digits: those of scikit-learn, or MNIST from OpenML."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from mmg_nb.errors import MMGError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["HEIGHTS", "blanked", "digit_images"]

HEIGHTS = {"digits": 8, "mnist": 28}
"""Height of an image in pixels, by source."""


@lru_cache(maxsize=len(HEIGHTS))  # reading MNIST is slow
def digit_images(source: str) -> NDArray[np.float64]:
    """Load the images.

    Args:
        source: `digits` or `mnist`. `digits` are 1 797 images of 8 × 8 pixels from scikit-learn
            (Alpaydin & Kaynak 1998). `mnist` are 70 000 images of 28 × 28 pixels (LeCun et al.
            1998). They are downloaded once from OpenML into scikit-learn's data folder.

    Returns:
        Images `(n, height, height)` with values from 0 to 1, read-only.

    Raises:
        MMGError: MNIST cannot be downloaded.
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
    except (OSError, ValueError) as error:  # no network connection, or a damaged file
        what = f"MNIST could not be downloaded from OpenML ({error})."
        raise MMGError(what, "Use the bundled digits: source 'digits'.") from error
    return np.asarray(found.data, dtype=np.float64)


def blanked(images: NDArray[np.float64], kept: int) -> NDArray[np.float64]:
    """Set all rows of pixels from `kept` on to 0.

    Args:
        images: `(n, height, width)`.
        kept: Number of rows of pixels to keep, from the top.

    Returns:
        New images of the same shape.
    """
    shown = images.copy()
    shown[:, kept:] = 0
    return shown
