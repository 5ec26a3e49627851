"""A run in a thread of its own, so that the cell, a panel or a handle can watch and stop it."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable

from mmg_nb.events import Event, Listener
from mmg_nb.results import MIResult

__all__ = ["Work", "Worker"]

Work = Callable[[Listener], MIResult]
"""Does the run and reports to the listener it is given."""


class _AbandonedError(Exception):
    """Nobody waits for this run any more."""


class Worker:
    """Does one run in a thread. All methods may be called from any thread.

    Args:
        work: The run. It must neither print nor display: from a thread that would land in
            whatever cell runs then.
        listen: Gets the run's events, in the worker's thread.
    """

    def __init__(self, work: Work, listen: Listener) -> None:
        self._work: Work | None = work
        self._listen = listen
        self._stop = threading.Event()
        self._abandoned = threading.Event()
        self._done = threading.Event()
        self._result: MIResult | None = None
        self._error: BaseException | None = None

    def start(self) -> Worker:
        """Begin the run; returns at once."""
        # With the context of the cell, what the thread sends finds its way back to that cell
        # (and ipykernel 7.0 sends nothing without it).
        run = contextvars.copy_context().run
        threading.Thread(target=run, args=(self._run,), name="mmg-run", daemon=True).start()
        return self

    @property
    def done(self) -> bool:
        """Whether the run has ended, in whatever way."""
        return self._done.is_set()

    @property
    def stopping(self) -> bool:
        """Whether the run was asked to stop and has not ended yet."""
        return self._stop.is_set() and not self.done

    def stop(self) -> None:
        """Ask the run to end early and keep what it has learnt. Returns at once."""
        self._stop.set()

    def abandon(self) -> None:
        """Ask the run to end at its next event and keep nothing. Returns at once."""
        self._abandoned.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end of the run.

        Args:
            timeout: Seconds to wait at most; None for as long as it takes.

        Returns:
            Whether the run has ended.
        """
        return self._done.wait(timeout)

    def result(self) -> MIResult:
        """Wait for the end and return the result.

        Raises:
            BaseException: What the run raised, with its traceback.
        """
        self._done.wait()
        if self._error is not None:
            raise self._error
        assert self._result is not None
        return self._result

    def _run(self) -> None:
        assert self._work is not None
        try:
            self._result = self._work(self._hear)
        except BaseException as error:  # handed to whoever asks for the result
            self._error = error
        finally:
            self._work = None  # it holds the user's arrays
            self._done.set()

    def _hear(self, event: Event) -> bool:
        if self._abandoned.is_set():
            raise _AbandonedError
        return bool(self._listen(event)) or self._stop.is_set()
