"""Axes that are displayed in a notebook without pyplot."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context, rcParams
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from mmg_nb.errors import MMGError, brief, listed
from mmg_nb.results.paths import as_path
from mmg_nb.results.picture import Picture

__all__ = [
    "NotebookAxes",
    "axes_png",
    "axes_svg",
    "described",
    "legend_above",
    "new_axes",
    "save_figure",
]

DENSITY = 2  # drawn pixels per pixel of the page, for dense screens and print
INCHES = 5.6, 3.5
COLOURS = 64
INK = "#222222"
PAPER = "white", 0.9  # behind pictures; light grey on a dark page, where ink has 12:1

# All figures share matplotlib's fonts and text layout, which are not thread-safe.
_drawing = threading.Lock()


class NotebookAxes(Axes):
    """Axes that display their figure when they are the value of a cell.

    In a notebook, matplotlib displays only figures of pyplot. But pyplot keeps every figure in
    memory and must not be used outside the main thread.

    Attributes:
        alt: The figure in words, for readers who cannot see it. JupyterLab takes it from HTML,
            nbconvert from the metadata of the PNG.
    """

    alt: str = ""

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, str], dict[str, Any]]:
        figure = self.get_figure(root=True)
        if figure is None:  # the axes were removed from their figure
            return {"text/plain": repr(self)}, {}
        width = round(figure.get_figwidth() * figure.dpi / DENSITY)
        picture = Picture(axes_png(self), self.alt, width)
        data, metadata = picture.bundle(repr(self), picture.tag)
        if not self.alt:
            del data["text/html"]
        return data, metadata


def new_axes(width: int, height: float = INCHES[1]) -> Axes:
    """Axes on a new white figure, whatever the matplotlib style of the session.

    Args:
        width: Width of the figure in pixels of the page.
        height: Height in inches, if the width is 5.6 inches.

    Returns:
        The axes. They are not registered with pyplot.
    """
    dpi = DENSITY * width / INCHES[0]
    size = INCHES[0], height
    figure = Figure(figsize=size, dpi=dpi, facecolor="white", layout="constrained")
    axes = figure.add_subplot(axes_class=NotebookAxes, facecolor="white")
    axes.tick_params(colors=INK)
    for text in (axes.xaxis.label, axes.yaxis.label, axes.title):
        text.set_color(INK)
    for spine in axes.spines.values():
        spine.set_color(INK)
    return axes


def described(axes: Axes, alt: str) -> Axes:
    """Add what was drawn, in words, to axes of `new_axes`. Axes of matplotlib show no words.

    Args:
        axes: The axes. What they already say stays.
        alt: What was drawn, for readers who cannot see it.

    Returns:
        The axes.
    """
    if isinstance(axes, NotebookAxes):
        axes.alt = ". ".join(filter(None, (axes.alt, alt)))
    return axes


def legend_above(axes: Axes, **options: Any) -> None:
    """Put a legend above axes, in their text colour, which is light in a dark style.

    Args:
        axes: The axes, with all that they show.
        **options: Of `Axes.legend`, e.g. `ncols`.
    """
    ink = axes.xaxis.label.get_color()
    place = 0.5, 1.0
    axes.legend(loc="lower center", bbox_to_anchor=place, frameon=False, labelcolor=ink, **options)


def axes_png(axes: Axes) -> bytes:
    """Render the figure of axes without pyplot, for light and dark pages.

    A picture does not know the theme of the page, and no ink has 4.5:1 on white and on almost
    black. So the paper is nearly opaque: white on a white page, light grey on a dark one. The
    figure itself keeps its colours: `savefig` gives dark ink on white.

    Args:
        axes: Axes on a figure.

    Returns:
        The PNG file.
    """
    figure: Any = axes.get_figure(root=True)
    with _drawing, _without_latex(figure), _on_paper(figure):
        canvas: Any = FigureCanvasAgg(figure)
        canvas.draw()
        pixels = Image.fromarray(np.asarray(canvas.buffer_rgba()))
    buffer = io.BytesIO()
    # A palette quarters the file size, which matters for notebooks in version control.
    pixels.quantize(COLOURS, method=Image.Quantize.FASTOCTREE).save(buffer, "png", optimize=True)
    return buffer.getvalue()


def axes_svg(axes: Axes) -> bytes:
    """Render the figure of axes as an SVG file, without pyplot."""
    figure: Any = axes.get_figure(root=True)
    buffer = io.BytesIO()
    # Without the date, equal figures give equal files.
    with _drawing, _without_latex(figure):
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})
    return buffer.getvalue()


def save_figure(axes: Axes, path: str | Path) -> Path:
    """Write the figure of axes: dark ink on white, with fonts that journals accept.

    Args:
        axes: Axes on a figure.
        path: The file. Its ending chooses the format: pdf, svg, png, eps and others.

    Returns:
        The path.

    Raises:
        MMGError: The format is not known, or the file cannot be written.
    """
    file = as_path(path, "save", "Try 'figure.pdf'.")
    figure: Any = axes.get_figure(root=True)
    known = figure.canvas.get_supported_filetypes()
    if file.suffix[1:].lower() not in known:
        what = f"The ending of a figure's file gives its format; got {brief(file.name)}."
        raise MMGError(what, f"Formats: {listed(known)}.")
    letters: Any = {"pdf.fonttype": 42, "ps.fonttype": 42}  # journals refuse type 3
    try:
        with _drawing, _without_latex(figure), rc_context(letters):
            figure.savefig(file)
    except OSError as error:
        what = f"{str(file)!r} cannot be written ({error.strerror})."
        raise MMGError(what, "Choose a file in a folder that you can write to.") from error
    return file


@contextmanager
def _on_paper(figure: Any) -> Iterator[None]:
    """Draw on `PAPER`. Axes have no paper of their own."""
    faces: list[Any] = [figure.patch, *(axes.patch for axes in figure.findobj(Axes))]
    before = [face.get_facecolor() for face in faces]
    for face in faces:
        face.set_facecolor(PAPER if face is figure.patch else "none")
    try:
        yield
    finally:
        for face, colour in zip(faces, before, strict=True):
            face.set_facecolor(colour)


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
