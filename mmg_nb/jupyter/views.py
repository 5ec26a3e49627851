"""Which view shows a running estimate."""

from __future__ import annotations

import importlib.util
import re
from contextlib import ExitStack
from typing import Any

from IPython.display import DisplayHandle, display

from mmg_nb.jupyter.handle import Run
from mmg_nb.jupyter.place import NOTHING, placeholder
from mmg_nb.jupyter.progress import CardView, NoView, Progress, TextView, View, left_by
from mmg_nb.jupyter.session import current_shell, setting_of

__all__ = [
    "WidgetView",
    "display_run",
    "has_page",
    "has_widgets",
    "hears_beside_cells",
    "view_for",
]

CONSOLE = re.compile(r"jupyter[-_ ]console")  # in the command that started the kernel


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
    if live == "text" or not has_page(kernel):
        return TextView()
    if live == "card" or not has_widgets(kernel):
        return CardView()
    return WidgetView(run, kernel, latest)


class WidgetView:
    """Opens the live view in two steps, because the first sign of life must not wait for widgets.

    Args:
        run: The run.
        kernel: The kernel that displays it.
        latest: See `LiveView`.
    """

    def __init__(self, run: Run, kernel: Any, latest: ExitStack) -> None:
        self._run = run
        self._kernel = kernel
        self._latest = latest
        self._handle = DisplayHandle()
        self._open = False
        self._view: View | None = None

    def tick(self, progress: Progress) -> None:
        """Display a line at the first call, and the widget in its place at the second one."""
        if not self._open:
            self._open = True
            self._handle.display(placeholder(self._run.what, self._handle.display_id))
            return
        if self._view is None:
            # Imported here because loading the extension must not load anywidget.
            from mmg_nb.jupyter.live import LiveView

            steerable = hears_beside_cells(self._kernel)
            self._view = LiveView(
                self._run,
                self._kernel.shell,
                self._handle,
                steerable=steerable,
                latest=self._latest,
            )
        self._view.tick(progress)

    def finish(self, result: Any) -> bool:
        """Replace the view with the result."""
        if self._view is not None:
            return self._view.finish(result)
        if self._open:
            self._handle.update(result)
        elif result is not NOTHING:
            display(result)
        return True

    def fail(self, error: BaseException) -> None:
        """Replace the view, if it is open, with the name of the error."""
        if self._view is not None:
            self._view.fail(error)
        elif self._open:
            self._handle.update(left_by(self._run, error))


def display_run(run: Run, view: View | None = None) -> None:
    """Display a handle: its live view, later its result; in a terminal, its state in a line.

    Args:
        run: The run, started.
        view: The view to use; by default that of the setting `live`.
    """
    shell = current_shell()
    kernel = getattr(shell, "kernel", None)
    if run.outcome is not None:
        display(run.outcome)
        return
    live = setting_of(shell, "live", "auto")
    if run.state.ended or live in ("none", "text") or not has_page(kernel):
        print(run)
        return
    # Imported here because few cells display a handle.
    from mmg_nb.jupyter.running import follow

    follow(run, view or view_for(run, live, kernel, ExitStack()))


def has_page(kernel: Any) -> bool:
    """Whether outputs are shown on a page, such as a notebook, where they can be replaced later.

    A terminal cannot replace them. `jupyter console` has a kernel, but prints each output once.
    """
    return kernel is not None and not CONSOLE.search(_parent_command())


def _parent_command() -> str:
    """The command that started this process, e.g. `python3 /usr/bin/jupyter-console`."""
    try:
        import psutil  # which ipykernel needs, too

        parent = psutil.Process().parent()
        return "" if parent is None else " ".join(parent.cmdline()[:3])
    except Exception:  # the package is missing, the process has ended, or may not be asked
        return ""


def has_widgets(kernel: Any) -> bool:
    """Whether widgets can be created and displayed in the browser."""
    found = importlib.util.find_spec("anywidget") is not None
    return found and getattr(kernel, "comm_manager", None) is not None


def hears_beside_cells(kernel: Any) -> bool:
    """Whether the kernel receives widget messages while a cell runs, as ipykernel >= 7 does."""
    return "kernel subshells" in kernel.kernel_info.get("supported_features", ())
