"""A run in a thread of its own, so that the cell, a panel or a handle can watch and stop it."""

from __future__ import annotations

import atexit
import contextvars
import threading
import time
import traceback
from collections.abc import Callable
from types import TracebackType
from weakref import WeakSet

from mmg_nb.errors import MMGError
from mmg_nb.results.result import MIResult
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Event, Listener, RunState, StateChanged

__all__ = ["Work", "Worker"]

Work = Callable[[Listener], MIResult]
"""Does the run and reports to the listener it is given."""


LAST_SECONDS = 4.0  # that the end of the process grants all runs to keep what they have learnt


class _AbandonedError(Exception):
    """Nobody waits for this run any more."""


class Worker:
    """Does one run in a thread. All methods may be called from any thread.

    What is asked for is kept in events alone, and the state follows from them: so nothing waits
    for a lock, and `stop` may be called by a signal handler.

    Args:
        work: The run. It must neither print nor display: from a thread that would land in
            whatever cell runs then.
        listen: Gets the run's events and changes of state, in the worker's thread.
    """

    def __init__(self, work: Work, listen: Listener) -> None:
        self._work: Work | None = work
        self._listen = listen
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._abandoned = threading.Event()
        self._going = threading.Event()  # clear while paused
        self._going.set()
        self._done = threading.Event()
        self._result: MIResult | None = None
        self._error: BaseException | None = None
        self._told = RunState.READY

    def start(self) -> Worker:
        """Begin the run; returns at once."""
        # With the context of the cell, what the thread sends finds its way back to that cell
        # (and ipykernel 7.0 sends nothing without it).
        run = contextvars.copy_context().run
        self._thread = threading.Thread(target=run, args=(self._run,), name="mmg-run", daemon=True)
        self._thread.start()
        _GOING.add(self)
        return self

    @property
    def state(self) -> RunState:
        """Where the run stands. It is paused or stopping from the moment it is asked to be."""
        if self._error is not None:
            return RunState.FAILED
        if self._result is not None:
            stopped = self._result.status is Status.INTERRUPTED
            return RunState.STOPPED if stopped else RunState.FINISHED
        if self._thread is None:
            return RunState.READY
        if self._stop.is_set() or self._abandoned.is_set():
            return RunState.STOPPING
        return RunState.RUNNING if self._going.is_set() else RunState.PAUSED

    @property
    def done(self) -> bool:
        """Whether the run has ended, in whatever way, and its listener has heard of it."""
        return self._done.is_set()

    @property
    def error(self) -> BaseException | None:
        """What the run raised."""
        return self._error

    def stop(self) -> None:
        """Ask the run to end early and keep what it has learnt. Returns at once."""
        self._stop.set()
        self._going.set()

    def abandon(self) -> None:
        """Ask the run to end at its next event and keep nothing. Returns at once."""
        self._abandoned.set()
        self._going.set()

    def pause(self) -> None:
        """Hold the run at its next event, which takes no time of the processor."""
        self._going.clear()
        # Whoever of `stop` and `pause` comes second sees what the first one did.
        if self._stop.is_set() or self._abandoned.is_set():
            self._going.set()

    def resume(self) -> None:
        """Let a paused run go on."""
        self._going.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end of the run.

        Args:
            timeout: Seconds to wait at most; None for as long as it takes.

        Returns:
            Whether the run has ended.
        """
        if threading.current_thread() is self._thread:  # a listener that hears of the end
            return self.state.ended
        return self._done.wait(timeout)

    def result(self) -> MIResult:
        """Wait for the end and return the result.

        Raises:
            BaseException: What the run raised, with its traceback.
        """
        self.wait()
        if self._error is not None:
            raise self._error
        assert self._result is not None
        return self._result

    def _run(self) -> None:
        assert self._work is not None
        try:
            self._tell(RunState.RUNNING)
            self._result = self._work(self._hear)
        except BaseException as error:  # handed to whoever asks for the result
            self._error = _kept(error)
        try:
            self._work = None  # it holds the user's arrays
            self._tell(self.state)
        finally:
            self._done.set()
            _GOING.discard(self)

    def _hear(self, event: Event) -> bool:
        if self._abandoned.is_set():
            raise _AbandonedError
        asked = bool(self._listen(event))
        if not (self._going.is_set() or asked):
            self._tell(RunState.PAUSED)
            self._going.wait()
            self._tell(self.state)
        elif self._stop.is_set():
            self._tell(RunState.STOPPING)
        return asked or self._stop.is_set()

    def _tell(self, state: RunState) -> None:
        if state is not self._told:
            self._told = state
            self._listen(StateChanged(state))


_GOING: WeakSet[Worker] = WeakSet()


@atexit.register
def _end_with_the_process() -> None:
    """Stop what goes on, so that checkpoints are written.

    A thread that computes while Python ends would crash it. A kernel is killed some seconds after
    it was asked to end.
    """
    workers, until = list(_GOING), time.monotonic() + LAST_SECONDS
    for worker in workers:
        worker.stop()
    for worker in workers:
        if not worker.wait(max(0.0, until - time.monotonic())):
            worker.abandon()
    for worker in workers:
        worker.wait(1.0)


def _kept(error: BaseException) -> BaseException:
    """The error to keep: its frames hold no arrays any more, but still tell file and line."""
    if isinstance(error, _AbandonedError):
        what = "This run was given up before it had a result."
        return MMGError(what, "Start it again; a single interrupt keeps what is learnt.")
    linked: BaseException | None = error
    while linked is not None:
        _let_go(linked.__traceback__)
        linked = linked.__cause__ or linked.__context__
    return error


def _let_go(frames: TracebackType | None) -> None:
    if frames is not None:
        traceback.clear_frames(frames)
