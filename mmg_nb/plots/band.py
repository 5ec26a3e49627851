"""Draw estimates along an axis, with a band around them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mmg_nb.plots.result import BLUE, GREY, PNG_WIDTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_band"]

Array = NDArray[np.float64]


def plot_band(
    at: NDArray[np.int64],
    values: Array,
    band: tuple[Array, Array],
    ax: Axes | None = None,
    alt: str = "",
) -> Axes:
    """Draw estimates along an axis, with a band around them and a line at 0.

    Args:
        at: Places on the axis, `(k,)`.
        values: The estimates, `(k,)`.
        band: Lower and upper ends, each `(k,)`.
        ax: Axes to draw on. Default: new axes.
        alt: The figure in words.

    Returns:
        The axes.
    """
    # Imported here because importing this module must not load matplotlib.
    from mmg_nb.plots.axes import described, new_axes

    if ax is None:
        ax = new_axes(PNG_WIDTH)
    ax.axhline(0, color=GREY, lw=0.8)
    ax.fill_between(at, *band, color=BLUE, alpha=0.25, lw=0)
    ax.plot(at, values, "o-", color=BLUE, ms=3.5, lw=1.5)
    return described(ax, alt)
