"""Execute a run in its own thread, so that a cell, a panel or a handle can control it."""

from __future__ import annotations

import contextvars
import threading
import traceback
from collections.abc import Callable
from types import TracebackType
from weakref import WeakSet

from mmg_nb.errors import MMGError
from mmg_nb.polling import Stopped
from mmg_nb.results.result import MIResult
from mmg_nb.results.status import Status
from mmg_nb.runs.events import (
    Event,
    Finished,
    Listener,
    Phase,
    RunState,
    Snapshot,
    Started,
    StateChanged,
)

__all__ = ["Work", "Worker"]

Work = Callable[[Listener], MIResult]
"""Executes a run and reports its events to the listener."""


_IGNORING = (Started, Phase, Snapshot, Finished)  # events of which the answer has no effect


class _AbandonedError(BaseException):
    """Ends a run whose result is not needed any more."""


class Worker:
    """Executes one run in a thread. All methods may be called from any thread.

    Requests are stored only in `threading.Event` objects, and the state follows from them. So no
    method waits for a lock, and a signal handler may call `stop`.

    Args:
        work: The run. It must neither print nor display, because its output would appear in the
            cell that runs at that time.
        listen: Called with the events and state changes of the run, in the worker's thread.
    """

    def __init__(self, work: Work, listen: Listener) -> None:
        self._work: Work | None = work
        self._listen = listen
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._abandoned = threading.Event()
        self._ending = threading.Event()  # the process ends
        self._halted = False  # the run was asked to stop, so training saves its state
        self._unpaused = threading.Event()  # not set while paused
        self._unpaused.set()
        self._done = threading.Event()
        self._result: MIResult | None = None
        self._error: BaseException | None = None
        self._reported = RunState.READY

    def start(self) -> Worker:
        """Start the run and return at once."""
        # With the context of the cell, Jupyter sends the outputs of the thread to that cell.
        # Without it, ipykernel 7.0 sends no outputs at all.
        run = contextvars.copy_context().run
        # Not a daemon: torch aborts the process if Python ends while a thread computes.
        self._thread = threading.Thread(
            target=run, args=(self._run,), name="mmg-run", daemon=False
        )
        _ACTIVE.add(self)
        self._thread.start()
        return self

    @property
    def state(self) -> RunState:
        """State of the run. After `pause` or `stop` it changes at once, before the run reacts."""
        if self._error is not None:
            stopped = isinstance(self._error, Stopped)  # before anything was estimated
            return RunState.STOPPED if stopped else RunState.FAILED
        if self._result is not None:
            # What a caller's own work returns may have no status.
            stopped = getattr(self._result, "status", None) is Status.INTERRUPTED
            return RunState.STOPPED if stopped else RunState.FINISHED
        if self._thread is None:
            return RunState.READY
        if self._stop.is_set() or self._abandoned.is_set():
            return RunState.STOPPING
        return RunState.RUNNING if self._unpaused.is_set() else RunState.PAUSED

    @property
    def has_result(self) -> bool:
        """Whether the run has ended with a result."""
        return self._result is not None

    @property
    def done(self) -> bool:
        """Whether the run has ended, in any way, and its listener has been called."""
        return self._done.is_set()

    @property
    def error(self) -> BaseException | None:
        """The error of the run, if it failed."""
        return self._error

    def stop(self) -> None:
        """Ask the run to end early, with a result. Returns at once."""
        self._stop.set()
        self._unpaused.set()

    def abandon(self) -> None:
        """Ask the run to end at its next event, without a result. Returns at once."""
        self._abandoned.set()
        self._unpaused.set()

    def end(self) -> None:
        """Ask a training to write its checkpoint at its next step, and end without a result.

        Any other phase ends at its next event. Returns at once.
        """
        self._ending.set()
        self._unpaused.set()

    def pause(self) -> None:
        """Pause the run at its next event. A paused run uses no processor time."""
        self._unpaused.clear()
        # If `stop` and `pause` are called at the same time, the second call sees the first.
        if self._stop.is_set() or self._abandoned.is_set():
            self._unpaused.set()

    def resume(self) -> None:
        """Continue a paused run."""
        self._unpaused.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end of the run.

        Args:
            timeout: Maximum time to wait, seconds. Default: until the run has ended.

        Returns:
            Whether the run has ended.
        """
        if threading.current_thread() is self._thread:  # called by a listener
            return self.state.ended
        return self._done.wait(timeout)

    def result(self) -> MIResult:
        """Wait for the end and return the result.

        Raises:
            BaseException: The error of the run, with its traceback.
        """
        self.wait()
        if self._error is not None:
            raise self._error
        assert self._result is not None
        return self._result

    def _run(self) -> None:
        assert self._work is not None
        try:
            self._report(RunState.RUNNING)
            self._result = self._work(self._on_event)
        except BaseException as error:  # `result` raises it
            self._error = _without_locals(error)
        try:
            self._work = None  # releases the user's arrays
            self._report(self.state)
        finally:
            self._done.set()
            _ACTIVE.discard(self)

    def _on_event(self, event: Event) -> bool:
        saved = self._halted or isinstance(event, (Started, Phase))
        if self._abandoned.is_set() or (self._ending.is_set() and saved):
            raise _AbandonedError
        asked = bool(self._listen(event))
        if not (self._unpaused.is_set() or asked):
            self._report(RunState.PAUSED)
            self._unpaused.wait()
            self._report(self.state)
        elif self._stop.is_set():
            self._report(RunState.STOPPING)
        asked = asked or self._stop.is_set() or self._ending.is_set()
        if asked and not isinstance(event, _IGNORING):
            self._halted = True
        return asked

    def _report(self, state: RunState) -> None:
        if state is not self._reported:
            self._reported = state
            self._listen(StateChanged(state))


_ACTIVE: WeakSet[Worker] = WeakSet()


def _end_with_the_process() -> None:
    """End all runs. Python then waits for their threads; a thread left would crash the process."""
    for worker in list(_ACTIVE):
        worker.end()


# `atexit` is too late: Python first waits for all threads that are not daemons.
# `concurrent.futures` ends its threads in the same way.
threading._register_atexit(_end_with_the_process)  # type: ignore[attr-defined]


def _without_locals(error: BaseException) -> BaseException:
    """The error without the local variables of its frames; files and lines stay."""
    if isinstance(error, _AbandonedError):
        what = "This run was abandoned before it had a result."
        return MMGError(
            what, "Start it again. One interrupt keeps the estimate so far; a second abandons it."
        )
    linked: BaseException | None = error
    while linked is not None:
        _clear_frames(linked.__traceback__)
        linked = linked.__cause__ or linked.__context__
    return error


def _clear_frames(frames: TracebackType | None) -> None:
    if frames is not None:
        traceback.clear_frames(frames)
