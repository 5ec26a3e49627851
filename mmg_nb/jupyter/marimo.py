"""What marimo, a notebook without IPython, offers in the place of an IPython shell.

marimo displays widgets in outputs, and handles their messages between cells. It has no magics and
keeps no outputs in the saved notebook. The widgets of this package are the same as in Jupyter.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from mmg_nb.jupyter.handle import Run
from mmg_nb.jupyter.live import Feed, LiveWidget, state_of, steer
from mmg_nb.jupyter.place import NOTHING
from mmg_nb.jupyter.progress import Progress, no_result
from mmg_nb.runs.watching import in_marimo

__all__ = ["LiveOutput", "Session", "live_widget", "session"]


def session() -> Any:
    """The session of marimo in which this cell runs, as a shell; None outside marimo."""
    return Session() if in_marimo() else None


class Session:
    """The parts of an IPython shell that panel and map use.

    Attributes:
        events: `register(name, callback)` as in IPython.
        parent_header: Says which cell runs, as in Jupyter.
    """

    def __init__(self) -> None:
        # marimo has no public function for the variables of a session or the end of an output.
        from marimo._runtime.context import get_context

        self._context: Any = get_context()
        cell = getattr(self._context.execution_context, "cell_id", None)
        self.parent_header = {"metadata": {"cellId": cell}}
        self.events = SimpleNamespace(register=self._register, unregister=lambda *_: None)

    @property
    def user_ns(self) -> dict[str, Any]:
        """The variables of the notebook."""
        found: dict[str, Any] = self._context.globals
        return found

    def _register(self, event: str, callback: Callable[..., Any]) -> None:
        """Call back before this cell runs again. marimo does not report other cells."""
        if event == "pre_run_cell" and self._context.execution_context is not None:
            cell = self.parent_header["metadata"]["cellId"]
            self._context.cell_lifecycle_registry.add(_AtEnd(callback, cell))


class _AtEnd:
    """Calls back when marimo removes the output of a cell."""

    def __init__(self, callback: Callable[..., Any], cell: Any) -> None:
        self._callback, self._cell = callback, cell

    def create(self, context: Any) -> None:
        """Nothing to create."""

    def dispose(self, context: Any, deletion: bool) -> bool:
        """Call back once."""
        self._callback(SimpleNamespace(cell_id=self._cell))
        return True


def live_widget(run: Run) -> Any:
    """What displays a handle: its result, or a live view that shows the result at the end.

    Args:
        run: The run, started.
    """
    if run.has_result:
        return run.result
    widget, show = _opened(run, steerable=True)
    widget.on_msg(lambda _widget, message, _buffers: steer(run, message))

    def show_all() -> None:
        show()
        if run.state.ended:
            widget.put(shown=_left_by(run))

    Feed(run, show_all).start()
    return widget


def _opened(run: Run, *, steerable: bool) -> tuple[LiveWidget, Callable[[], None]]:
    """A live view, and the function that updates it."""

    def state() -> dict[str, Any]:
        return state_of(run, steerable=steerable)

    widget = LiveWidget(steerable=steerable, **state())
    return widget, lambda: widget.put(**state())


def _left_by(run: Run) -> str:
    """What a run leaves, as HTML."""
    try:
        result: Any = run.result
        return str(result.bundle()[0]["text/html"])
    except Exception as error:
        return no_result(error).html


class LiveOutput:
    """The live view of a cell that waits, in its output. It goes at the end; see `View`.

    Args:
        run: The run.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._feed: Feed | None = None

    def tick(self, progress: Progress) -> None:
        """Open the view at the first call."""
        if self._feed is None:
            import marimo

            widget, show = _opened(self._run, steerable=False)
            marimo.output.replace(widget)
            self._feed = Feed(self._run, show).start()

    def finish(self, result: Any) -> bool:
        """Replace the view with the remark on a stop, if any. The caller gets the result."""
        self._close()
        if result is not NOTHING:
            import marimo

            marimo.output.replace(marimo.Html(result.html))
        return False

    def fail(self, error: BaseException) -> None:
        """Remove the view. The error is left to the caller."""
        self._close()

    def _close(self) -> None:
        if self._feed is not None:
            import marimo

            self._feed.close()
            marimo.output.clear()
