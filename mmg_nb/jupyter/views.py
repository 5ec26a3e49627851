"""Which view shows a running estimate."""

from __future__ import annotations

import importlib.util
from typing import Any

from mmg_nb.jupyter.handle import Run
from mmg_nb.jupyter.progress import CardView, NoView, TextView, View

__all__ = ["has_widgets", "hears_beside_cells", "view_for"]


def view_for(run: Run, live: str, kernel: Any) -> View:
    """The view that is asked for, or the next simpler one that there can be.

    Args:
        run: The run to be shown.
        live: A value of the setting of that name.
        kernel: The shell's kernel; None in a terminal.

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

    return LiveView(run, steerable=hears_beside_cells(kernel))


def has_widgets(kernel: Any) -> bool:
    """Whether widgets can be made and reach the browser."""
    found = importlib.util.find_spec("anywidget") is not None
    return found and getattr(kernel, "comm_manager", None) is not None


def hears_beside_cells(kernel: Any) -> bool:
    """Whether messages of widgets may be heard while a cell runs, as since ipykernel 7."""
    return "kernel subshells" in kernel.kernel_info.get("supported_features", ())
