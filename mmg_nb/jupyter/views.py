"""Which view shows a running estimate."""

from __future__ import annotations

import importlib.util
from contextlib import ExitStack
from typing import Any

from mmg_nb.jupyter.handle import Run
from mmg_nb.jupyter.progress import CardView, NoView, TextView, View

__all__ = ["has_widgets", "hears_beside_cells", "view_for"]


def view_for(run: Run, live: str, kernel: Any, latest: ExitStack) -> View:
    """The requested view, or the next simpler one that the front end supports.

    Args:
        run: The run to show.
        live: Value of the setting `live`.
        kernel: The shell's kernel; None in a terminal.
        latest: What the live view of the latest run has left open.

    Returns:
        The view.
    """
    if live == "none":
        return NoView()
    if live == "text" or kernel is None:
        return TextView()
    if live == "card" or not has_widgets(kernel):
        return CardView()
    # Imported here because loading the extension must not load anywidget.
    from mmg_nb.jupyter.live import LiveView

    return LiveView(run, kernel.shell, steerable=hears_beside_cells(kernel), latest=latest)


def has_widgets(kernel: Any) -> bool:
    """Whether widgets can be created and displayed in the browser."""
    found = importlib.util.find_spec("anywidget") is not None
    return found and getattr(kernel, "comm_manager", None) is not None


def hears_beside_cells(kernel: Any) -> bool:
    """Whether the kernel receives widget messages while a cell runs, as ipykernel >= 7 does."""
    return "kernel subshells" in kernel.kernel_info.get("supported_features", ())
