"""Axes that are displayed in a notebook without pyplot."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from matplotlib import rc_context, rcParams
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

__all__ = ["NotebookAxes", "axes_png", "new_axes"]

DENSITY = 2  # drawn pixels per pixel of the page, for dense screens and print
INCHES = 5.6, 3.5
COLOURS = 64
INK = "#222222"

# All figures share matplotlib's fonts and text layout, which are not thread-safe.
_drawing = threading.Lock()


class NotebookAxes(Axes):
    """Axes that display their figure when they are the value of a cell.

    In a notebook, matplotlib displays only figures of pyplot. But pyplot keeps every figure in
    memory and must not be used outside the main thread.
    """

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, Any]]:
        figure = self.get_figure(root=True)
        if figure is None:  # the axes were removed from their figure
            return {"text/plain": repr(self)}, {}
        png = base64.b64encode(axes_png(self)).decode("ascii")
        width = round(figure.get_figwidth() * figure.dpi / DENSITY)
        return {"text/plain": repr(self), "image/png": png}, {"image/png": {"width": width}}


def new_axes(width: int) -> Axes:
    """Axes on a new white figure, whatever the matplotlib style of the session.

    Args:
        width: Width of the figure in pixels of the page.

    Returns:
        The axes. They are not registered with pyplot.
    """
    dpi = DENSITY * width / INCHES[0]
    figure = Figure(figsize=INCHES, dpi=dpi, facecolor="white", layout="constrained")
    axes = figure.add_subplot(axes_class=NotebookAxes, facecolor="white")
    axes.tick_params(colors=INK)
    for text in (axes.xaxis.label, axes.yaxis.label, axes.title):
        text.set_color(INK)
    for spine in axes.spines.values():
        spine.set_color(INK)
    return axes


def axes_png(axes: Axes) -> bytes:
    """Render the figure of axes without pyplot.

    Args:
        axes: Axes on a figure.

    Returns:
        The PNG file.
    """
    figure: Any = axes.get_figure(root=True)
    with _drawing, _without_latex(figure):
        canvas: Any = FigureCanvasAgg(figure)
        canvas.draw()
        pixels = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    buffer = io.BytesIO()
    # A palette quarters the file size, which matters for notebooks in version control.
    pixels.quantize(COLOURS).save(buffer, "png", optimize=True)
    return buffer.getvalue()


@contextmanager
def _without_latex(figure: Figure) -> Iterator[None]:
    """Draw texts without LaTeX, which may not be installed. Titles may contain its characters."""
    if not rcParams["text.usetex"]:
        yield
        return
    for text in figure.findobj(Text):
        text.set_usetex(False)
    with rc_context({"text.usetex": False}):  # for the ticks, which are made on drawing
        yield
