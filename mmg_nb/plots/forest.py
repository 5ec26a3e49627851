"""Draw estimates with their intervals, one below the other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from mmg_nb.errors import MMGError
from mmg_nb.plots.result import BLUE, GREY, ORANGE, PNG_WIDTH
from mmg_nb.results.facts import unit_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["PNG_WIDTH", "Estimates", "plot_estimates"]

Estimates = Mapping[str, tuple[float, tuple[float, float]]]
"""Label -> estimate and both bounds of its interval, nats."""
DASHED = (0, (2.5, 1.2))  # lengths in widths of the line; an interval may be short


def plot_estimates(
    estimates: Estimates,
    ax: Axes | None = None,
    truth: float | None = None,
    unit: str = "nats",
    alt: str = "",
    unfinished: Mapping[str, str] = MappingProxyType({}),
) -> Axes:
    """Draw estimates with their intervals.

    Args:
        estimates: The estimates, from top to bottom. Intervals that are not finite are not drawn.
        ax: Axes to draw on. Default: new axes.
        truth: True value, nats, drawn as a line.
        unit: `nats` or `bits`, of the axis.
        alt: The figure in words.
        unfinished: Label -> how the run ended, of estimates that are not final. Their dots are
            open, and their intervals are dashed.

    Returns:
        The axes.

    Raises:
        MMGError: There is nothing to draw, or the unit does not exist.
    """
    size = unit_size(unit)
    if not estimates:
        raise MMGError("There is no estimate to draw.", "Run at least one estimator to its end.")
    # Imported here because importing this module must not load matplotlib.
    from mmg_nb.plots.axes import described, legend_above, new_axes

    if ax is None:
        ax = new_axes(PNG_WIDTH, 1 + 0.32 * len(estimates))
    ax.axvline(0, color=GREY, lw=0.8)
    if truth is not None:
        label = f"truth {truth / size:.3f}"
        ax.axvline(truth / size, color=ORANGE, lw=1.5, ls="--", label=label)
        legend_above(ax)
    for place, (label, (mi, (low, high))) in enumerate(estimates.items()):
        line, dot = (DASHED, "white") if label in unfinished else ("-", BLUE)
        if math.isfinite(high - low):
            ax.plot([low / size, high / size], [place, place], color=BLUE, lw=2, ls=line)
        ax.plot([mi / size], [place], "o", color=BLUE, mfc=dot, ms=6)
    names = [f"{name}\n({unfinished[name]})" if name in unfinished else name for name in estimates]
    # A name may contain dollar signs, which are no mathematics.
    ax.set_yticks(range(len(estimates)), names, parse_math=False)
    ax.set_ylim(len(estimates) - 0.4, -0.6)
    ax.set_xlabel(f"{unit}, with 95 % intervals")
    return described(ax, alt)
