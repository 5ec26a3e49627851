"""The live view of a run: a widget with curves, progress and buttons."""

from __future__ import annotations

import contextvars
import html
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np
import traitlets
from IPython.display import DisplayHandle

from mmg_nb.errors import MMGError
from mmg_nb.jupyter.front_end import module, style
from mmg_nb.jupyter.handle import Run
from mmg_nb.jupyter.place import NO_WIDGETS, isolates_outputs
from mmg_nb.jupyter.progress import HOW_TO_STOP, Progress, left_by
from mmg_nb.runs.events import Event, FirstEstimate, RunState, StateChanged
from mmg_nb.runs.progress import duration

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

__all__ = [
    "Feed",
    "LiveView",
    "LiveWidget",
    "hear_beside_cells",
    "picture",
    "state_of",
    "steer",
]

SECONDS = 0.2  # between updates
GREETING_SECONDS = 1.0  # between two messages that the kernel is alive
ACTIONS: dict[str, Callable[[Run], None]] = {
    "pause": Run.pause,
    "resume": Run.resume,
    "stop": Run.stop,
}
HOW_STOP_WORKS = "Stop ends the run early. The estimate so far, if any, is kept as the result."
HOW_ALL_STOP = "Stop ends the running estimator early and skips the rest. All results are kept."
HERE = {"here": True}  # the kernel is alive


def picture(run: Run) -> dict[str, Any]:
    """The state of a run as a widget shows it: texts, and curves as bytes.

    Args:
        run: The run.

    Returns:
        `said`: texts and numbers by name. `curves`: rows of log-SNR, unconditional error,
        conditional error, gap and density, on one grid. `track`: rows of steps and validation
        estimates. Both are empty before the first validation. `first`: as `curves`, without a
        density, as if the data were normal; empty if unknown. Rows are little-endian float32.
    """
    progress = run.progress
    said = {
        "what": run.what,
        "subject": progress.subject,
        "state": str(run.state),
        "phase": progress.phase,
        "doing": str(run.state) if run.state.ended else progress.doing,
        "spent": _spent(run),
        "estimate": progress.estimate,
        "unit": progress.unit,
        "percent": 100 if run.state is RunState.FINISHED else round(100 * progress.bar),
    }
    first = _first_curves(progress)
    try:
        interim = run.inspect()
    except MMGError:
        return {"said": said, "first": first, "curves": b"", "track": b""}
    curves = (interim.logsnr, interim.mse, interim.mse_given_y, interim.gap, interim.density)
    return {
        "said": said,
        "first": first,
        "curves": _bytes(*curves),
        "track": _bytes(interim.steps, interim.estimates),
    }


def state_of(run: Run, *, steerable: bool) -> dict[str, Any]:
    """The state of a live view of its own: see `picture`, with its `standing` and how to stop it.

    Args:
        run: The run.
        steerable: Whether its buttons work.
    """
    shown, standing = picture(run), run.standing
    how = HOW_STOP_WORKS if standing is None else HOW_ALL_STOP
    said = {**shown["said"], "hint": how if steerable else HOW_TO_STOP}
    return {**shown, "said": said, "standing": run.standing_html}


def _first_curves(progress: Progress) -> bytes:
    known = progress.first
    if known is None:
        return b""
    gap = known.mse - known.mse_given_y
    return _bytes(known.logsnr, known.mse, known.mse_given_y, gap, np.zeros_like(gap))


def _spent(run: Run) -> str:
    """The time since the start, and how many steps a second takes, in words."""
    pace = run.progress.pace
    speed = [] if not pace else [f"{1 / pace:.3g} steps/s"]
    return ", ".join([f"{duration(run.seconds)} so far", *speed])


def _bytes(*rows: Any) -> bytes:
    return np.stack(rows).astype("<f4").tobytes()


def steer(run: Run, message: Any) -> None:
    """Carry out the action of a button. Other messages are ignored.

    Args:
        run: The run that the view shows.
        message: The message of the browser, e.g. `{"action": "stop"}`.
    """
    act = ACTIONS.get(message.get("action", "")) if isinstance(message, dict) else None
    if act is not None:
        act(run)


class Feed:
    """Updates a view when its run has changed: at most five times a second, and at the end.

    The thread of the run only sets a flag. A separate thread updates the view. But the first
    estimate is shown by the thread of the run, which then may load torch and delay all others.

    Args:
        run: The run.
        show: Updates the view. Called without arguments, in the thread of the feed or the run.
    """

    def __init__(self, run: Run, show: Callable[[], None]) -> None:
        self._run = run
        self._show = show
        self._showing = threading.Lock()  # two threads do it
        self._updated = threading.Event()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> Feed:
        """Start the feed. It calls `show` for the first time at once."""
        self._run.subscribe(self._on_event)
        if self._run.state.ended:  # it may have ended before the subscription
            self._ended.set()
        # With the context of the cell, Jupyter sends the outputs of the thread to that cell.
        run = contextvars.copy_context().run
        self._thread = threading.Thread(
            target=run, args=(self._show_updates,), name="mmg-feed", daemon=True
        )
        self._thread.start()
        return self

    def close(self) -> None:
        """Update the view a last time. `show` is not called after this method returns."""
        self._ended.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._run.unsubscribe(self._on_event)

    def _on_event(self, event: Event) -> None:
        self._updated.set()
        if isinstance(event, FirstEstimate) and not self._ended.is_set():
            self._show_now()
        if isinstance(event, StateChanged) and event.state.ended:
            self._ended.set()

    def _show_now(self) -> None:
        with self._showing:
            self._show()

    def _show_updates(self) -> None:
        state = self._run.state
        self._show_now()
        while not self._ended.wait(SECONDS):
            if self._updated.is_set() or self._run.state is not state:
                self._updated.clear()
                state = self._run.state
                self._show_now()
        self._show_now()


class LiveWidget(anywidget.AnyWidget):
    """The state of a run, shared with the browser.

    Attributes:
        slot: Identifier of the HTML that the widget replaces; empty if an output holds the widget.
        shown: HTML of what the run left; empty before.
        standing: HTML of what a comparison has found so far; empty for other runs.
    """

    _esm = module("charts", "live", "slot", "live_widget")
    _css = style()

    slot = traitlets.Unicode().tag(sync=True)
    shown = traitlets.Unicode().tag(sync=True)
    said = traitlets.Dict().tag(sync=True)
    first = traitlets.Bytes().tag(sync=True)
    curves = traitlets.Bytes().tag(sync=True)
    track = traitlets.Bytes().tag(sync=True)
    standing = traitlets.Unicode().tag(sync=True)
    steerable = traitlets.Bool(True).tag(sync=True)

    def __init__(self, **state: Any) -> None:
        super().__init__(**state)
        self._writing = threading.Lock()
        self.on_msg(LiveWidget._answer)
        hear_beside_cells(self.comm)

    def _answer(self, message: Any, _buffers: Any) -> None:
        """Tell a page that was opened again that the kernel is alive."""
        if message == {"action": "hello"}:
            self.send(HERE)

    def put(self, **state: Any) -> None:
        """Change several traits in one message. No effect after `close`. Thread-safe."""
        with self._writing:
            if self.comm is None:
                return
            with self.hold_sync():
                for name, value in state.items():
                    self.set_trait(name, value)

    def close(self) -> None:
        """Remove the widget from the browser, with its layout, which ipywidgets would keep."""
        with self._writing:
            if self.comm is not None:
                self.layout.close()
            super().close()

    def __repr__(self) -> str:
        return f"live view of {self.said.get('what', 'a run')}"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        data, metadata = super()._repr_mimebundle_(**options) or ({}, {})
        text = f"<p>{html.escape(repr(self))}. {html.escape(NO_WIDGETS)}</p>"
        return {**data, "text/plain": repr(self), "text/html": text}, metadata


class LiveView:
    """Shows a run in a widget while its cell waits. At the end, the result replaces the widget.

    A saved notebook then holds the result, in formats that need neither a kernel nor a widget.
    A page that is closed during the run misses the end. When it is opened again, it shows what the
    widget holds. So the widget of the latest run stays open.

    Args:
        run: The run.
        shell: The shell that displays it.
        handle: The output, which already holds the placeholder.
        steerable: Whether the kernel receives button messages while a cell runs.
        latest: Closes the widget of the run before. Gets the one of this run.
    """

    def __init__(
        self,
        run: Run,
        shell: InteractiveShell,
        handle: DisplayHandle,
        *,
        steerable: bool,
        latest: ExitStack,
    ) -> None:
        self._run = run
        self._shell = shell
        self._steerable = steerable
        self._latest = latest
        self._widget: LiveWidget | None = None
        self._feed: Feed | None = None
        self._handle = handle
        self._greeted = 0.0

    def tick(self, progress: Progress) -> None:
        """Open the view at the first call.

        A busy kernel of ipykernel < 7 answers no page, so it says by itself that it is alive.
        """
        if self._widget is None:
            self._open()
        elif time.monotonic() - self._greeted > GREETING_SECONDS:
            self._greeted = time.monotonic()
            self._widget.send(HERE)

    def finish(self, result: Any) -> bool:
        """Replace the view with the result."""
        self._replace(result)
        return True

    def fail(self, error: BaseException) -> None:
        """Replace the view, if it is open, with the name of the error."""
        if self._widget is not None:
            self._replace(left_by(self._run, error))

    def _open(self) -> None:
        self._latest.close()
        slot = "" if isolates_outputs(self._shell) else self._handle.display_id
        self._widget = LiveWidget(slot=slot, steerable=self._steerable, **self._picture())
        self._widget.on_msg(lambda _widget, message, _buffers: steer(self._run, message))
        if not slot:
            self._handle.update(self._widget)
        self._feed = Feed(self._run, self._show).start()

    def _show(self) -> None:
        assert self._widget is not None
        self._widget.put(**self._picture())

    def _picture(self) -> dict[str, Any]:
        return state_of(self._run, steerable=self._steerable)

    def _replace(self, shown: Any) -> None:
        assert self._widget is not None
        assert self._feed is not None
        self._latest.callback(self._widget.close)
        self._feed.close()
        formatter = self._shell.display_formatter
        assert formatter is not None
        data, metadata = formatter.format(shown)
        self._handle.update(data, metadata=metadata, raw=True)
        self._widget.put(shown=data["text/html"])


def hear_beside_cells(comm: Any) -> None:
    """Let ipykernel 7.4 deliver messages of the browser while a cell runs.

    By default, it delivers them to the shell that created the widget. That shell is busy until
    the run ends. The messages of this package may be handled in any thread.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda data, default: default
