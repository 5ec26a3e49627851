"""The live view of a run: curves, progress and buttons in a widget that draws by itself."""

from __future__ import annotations

import contextvars
import html
import threading
from collections.abc import Callable
from typing import Any

import anywidget
import numpy as np
import traitlets
from IPython.display import display

from mmg_nb.errors import MMGError
from mmg_nb.jupyter.front_end import module, style
from mmg_nb.jupyter.handle import Run
from mmg_nb.jupyter.progress import HOW_TO_STOP, Card, Progress
from mmg_nb.results.result import MIResult
from mmg_nb.runs.events import Event, StateChanged

__all__ = ["Feed", "LiveView", "LiveWidget", "hear_beside_cells", "picture", "steer"]

SECONDS = 0.2  # between updates
STEERS: dict[str, Callable[[Run], None]] = {
    "pause": Run.pause,
    "resume": Run.resume,
    "stop": Run.stop,
}
NO_WIDGETS = "The live view needs widgets; %mmg config live=card shows a card instead."


def picture(run: Run) -> dict[str, Any]:
    """What a widget shows of a run: texts, and curves as bytes.

    Args:
        run: The run.

    Returns:
        `said`: texts and numbers by name; `curves`: rows log-SNR, error alone, error with the
        other variable given, gap and density on one grid; `track`: rows steps and validation
        estimates. Rows are little-endian float32; both are empty before the first validation.
    """
    progress = run.progress
    said = {
        "what": run.what,
        "subject": progress.subject,
        "state": str(run.state),
        "phase": progress.phase,
        "doing": str(run.state) if run.state.ended else progress.doing,
        "estimate": progress.estimate,
        "percent": round(100 * progress.fraction),
    }
    try:
        seen = run.inspect()
    except MMGError:
        return {"said": said, "curves": b"", "track": b""}
    curves = (seen.logsnr, seen.mse, seen.mse_given_y, seen.gap, seen.density)
    return {
        "said": said,
        "curves": _bytes(*curves),
        "track": _bytes(seen.steps, seen.estimates),
    }


def _bytes(*rows: Any) -> bytes:
    return np.stack(rows).astype("<f4").tobytes()


def steer(run: Run, message: Any) -> None:
    """Do what a button of the view asks for; anything else is ignored.

    Args:
        run: The run shown.
        message: What the browser sent, e.g. `{"action": "stop"}`.
    """
    act = STEERS.get(message.get("action", "")) if isinstance(message, dict) else None
    if act is not None:
        act(run)


class Feed:
    """Tells when a run has something new to show: at most five times a second, and at its end.

    The run's thread only raises a flag; a thread of the feed does the work of showing.

    Args:
        run: The run.
        show: Called with nothing, in the feed's thread.
    """

    def __init__(self, run: Run, show: Callable[[], None]) -> None:
        self._run = run
        self._show = show
        self._news = threading.Event()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> Feed:
        """Begin; the first call of `show` comes at once."""
        self._run.subscribe(self._hear)
        if self._run.state.ended:  # it may have ended before anybody listened
            self._over.set()
        # With the context of the cell, what the thread sends finds its way back to that cell.
        run = contextvars.copy_context().run
        self._thread = threading.Thread(
            target=run, args=(self._tell,), name="mmg-feed", daemon=True
        )
        self._thread.start()
        return self

    def close(self) -> None:
        """Show what is last, and nothing more once this returns."""
        self._over.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._run.unsubscribe(self._hear)

    def _hear(self, event: Event) -> None:
        self._news.set()
        if isinstance(event, StateChanged) and event.state.ended:
            self._over.set()

    def _tell(self) -> None:
        state = self._run.state
        self._show()
        while not self._over.wait(SECONDS):
            if self._news.is_set() or self._run.state is not state:
                self._news.clear()
                state = self._run.state
                self._show()
        self._show()


class LiveWidget(anywidget.AnyWidget):
    """What the browser knows of a run."""

    _esm = module("charts", "live", "live_widget")
    _css = style()

    said = traitlets.Dict().tag(sync=True)
    curves = traitlets.Bytes().tag(sync=True)
    track = traitlets.Bytes().tag(sync=True)
    steerable = traitlets.Bool(True).tag(sync=True)

    def __init__(self, **state: Any) -> None:
        super().__init__(**state)
        self._writing = threading.Lock()

    def put(self, **state: Any) -> None:
        """Change several traits by one message; nothing once it is closed. Safe in any thread."""
        with self._writing:
            if self.comm is None:
                return
            with self.hold_sync():
                for name, value in state.items():
                    self.set_trait(name, value)

    def close(self) -> None:
        """Take the widget out of the browser, and its layout, which ipywidgets would keep."""
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
    """Shows a run, while its cell waits, in a widget that the result replaces at the end.

    A saved notebook then holds the result, in types that need neither a kernel nor a widget.

    Args:
        run: The run.
        steerable: Whether the browser's buttons are heard while a cell runs.
    """

    def __init__(self, run: Run, *, steerable: bool) -> None:
        self._run = run
        self._steerable = steerable
        self._widget: LiveWidget | None = None
        self._feed: Feed | None = None
        self._handle: Any = None

    def tick(self, progress: Progress) -> None:
        """Open the view once there is something to see."""
        if self._widget is None and progress.started is not None:
            self._open()

    def finish(self, result: MIResult) -> bool:
        """Put the result in the view's place."""
        self._replace(result)
        return True

    def fail(self, error: BaseException) -> None:
        """Put a word of what happened in the view's place, if it is there."""
        if self._widget is not None:
            text = f"Ended without a result ({type(error).__name__})."
            self._replace(Card(text, f"<p>{html.escape(text)}</p>"))

    def _open(self) -> None:
        self._widget = LiveWidget(steerable=self._steerable, **self._picture())
        self._widget.on_msg(lambda _widget, message, _buffers: steer(self._run, message))
        hear_beside_cells(self._widget.comm)
        self._handle = display(self._widget, display_id=True)
        self._feed = Feed(self._run, self._show).start()

    def _show(self) -> None:
        assert self._widget is not None
        self._widget.put(**self._picture())

    def _picture(self) -> dict[str, Any]:
        shown = picture(self._run)
        hint = "Stop keeps what is learnt." if self._steerable else HOW_TO_STOP
        return {**shown, "said": {**shown["said"], "hint": hint}}

    def _replace(self, shown: Any) -> None:
        if self._widget is None or self._feed is None:
            display(shown)
            return
        self._feed.close()
        self._handle.update(shown)
        self._widget.close()


def hear_beside_cells(comm: Any) -> None:
    """Let ipykernel 7.4 deliver messages where the browser sends them, beside a running cell.

    Left alone it brings them to the shell that the widget was made in, which is busy until the
    run ends. What the messages do here is safe in any thread.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = lambda data, default: default
