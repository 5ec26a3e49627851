"""An interval as a small picture that any page shows, in light and dark, trusted or not."""

from __future__ import annotations

import base64
import math

__all__ = ["interval_bar"]

WIDTH, HEIGHT = 200, 14  # pixels of the page
ROOM = 6  # beside the axis, so that a dot at its end is not clipped
LINE, DOT, AXIS = "#2a8fd6", 4, "#8a8a8a"  # can be seen on white and on black


def interval_bar(low: float, value: float, high: float, left: float, right: float) -> str:
    """An estimate with its interval on an axis, with a mark at 0.

    An untrusted notebook removes inline SVG, and positions that are computed in CSS. It keeps an
    image whose source is a data URL.

    Args:
        low: Lower end of the interval.
        value: The estimate.
        high: Upper end.
        left: Value at the left end of the axis.
        right: Value at the right end.

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
        f'<path d="M{at(low)} {middle}H{at(high)}" stroke="{LINE}" stroke-width="3"/>'
        f'<circle cx="{at(value)}" cy="{middle}" r="{DOT}" fill="{LINE}"/>'
    )
    drawn = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}">{shapes}</svg>'
    )
    source = base64.b64encode(drawn.encode()).decode("ascii")
    alt = f"interval from {low:.3f} to {high:.3f} on an axis from {left:.3f} to {right:.3f}"
    return (
        f'<img alt="{alt}" width="{WIDTH}" height="{HEIGHT}" style="vertical-align:middle" '
        f'src="data:image/svg+xml;base64,{source}">'
    )
