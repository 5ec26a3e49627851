"""An interval as a small picture that any page shows, in light and dark, trusted or not."""

from __future__ import annotations

import base64
import math

__all__ = ["interval_bar"]

WIDTH, HEIGHT = 200, 14  # pixels of the page
ROOM = 6  # beside the axis, so that a dot at its end is not clipped
LINE, DOT, AXIS = "#2a8fd6", 4, "#8a8a8a"  # can be seen on white and on black


def interval_bar(
    low: float, value: float, high: float, left: float, right: float, *, final: bool = True
) -> str:
    """An estimate with its interval on an axis, with a mark at 0.

    An untrusted notebook removes inline SVG, and positions that are computed in CSS. It keeps an
    image whose source is a data URL.

    Args:
        low: Lower end of the interval.
        value: The estimate.
        high: Upper end.
        left: Value at the left end of the axis.
        right: Value at the right end.
        final: Whether the run is complete. Otherwise the dot is open and the line is dashed.

    Returns:
        An HTML element; a short dash if a number is not finite.
    """
    if not all(map(math.isfinite, (low, value, high, left, right))):
        return "–"
    span = max(right - left, 1e-12)

    def at(number: float) -> str:
        return f"{ROOM + (WIDTH - 2 * ROOM) * (number - left) / span:.1f}"

    middle = HEIGHT / 2
    shapes = (
        f'<path d="M{ROOM} {middle}H{WIDTH - ROOM}" stroke="{AXIS}" stroke-opacity=".45"/>'
        f'<path d="M{at(0)} 1V{HEIGHT - 1}" stroke="{AXIS}"/>'
        f"{_interval(at(low), at(value), at(high), final)}"
    )
    drawn = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}">{shapes}</svg>'
    )
    source = base64.b64encode(drawn.encode()).decode("ascii")
    kind = "interval" if final else "preliminary interval"
    alt = f"{kind} from {low:.3f} to {high:.3f} on an axis from {left:.3f} to {right:.3f}"
    return (
        f'<img alt="{alt}" width="{WIDTH}" height="{HEIGHT}" style="vertical-align:middle" '
        f'src="data:image/svg+xml;base64,{source}">'
    )


def _interval(low: str, value: str, high: str, final: bool) -> str:
    """The line and the dot as SVG; the positions are in pixels."""
    line = f'd="M{low} {HEIGHT / 2}H{high}" stroke="{LINE}" stroke-width="3"'
    dot = f'cx="{value}" cy="{HEIGHT / 2}"'
    if final:
        return f'<path {line}/><circle {dot} r="{DOT}" fill="{LINE}"/>'
    # The hole of the dot must show the page, whose colour is not known, so a mask cuts it out.
    hole = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/><circle {dot} r="{DOT}"/>'
    return (
        f'<mask id="m" maskUnits="userSpaceOnUse" x="0" y="0" width="{WIDTH}" '
        f'height="{HEIGHT}">{hole}</mask><path {line} stroke-dasharray="4 2" mask="url(#m)"/>'
        f'<circle {dot} r="{DOT}" fill="none" stroke="{LINE}" stroke-width="1.5"/>'
    )
