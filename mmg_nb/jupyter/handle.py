"""A handle on a run that goes on while cells do: watch, pause, stop, and the result."""

from __future__ import annotations

import asyncio
import math
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Generator
from typing import Any, overload

import numpy as np

from mmg_nb.errors import MMGError
from mmg_nb.jupyter.interim import Interim
from mmg_nb.jupyter.progress import Progress
from mmg_nb.jupyter.stopwatch import Stopwatch
from mmg_nb.jupyter.worker import Work, Worker
from mmg_nb.results.result import MIResult
from mmg_nb.runs.events import (
    Event,
    Finished,
    Listener,
    Phase,
    RunState,
    Snapshot,
    Started,
    StateChanged,
    silent,
)
from mmg_nb.runs.interrupts import first_interrupt

__all__ = ["SLICE", "Log", "Run", "current_shell"]

SLICE = 0.05  # seconds: short enough for interrupts and other threads to feel prompt
LOG_LINES = 1000


class Log(tuple[str, ...]):
    """Lines of a run's log, oldest first; shows them one below the other."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "\n".join(self)


class Run:
    """A handle on an estimate that runs in a thread of its own.

    All methods may be called from any thread, and all but `wait` return at once. Made by
    `mmg_nb.start` and `%mmg estimate x y --background`. The end of the process stops the run.

    Args:
        work: Does the estimate and reports to the listener it is given.
        what: What is estimated, e.g. `I(x; y)`.
        estimator: Name in the registry.
        listen: Gets each event in the run's thread; a true answer stops the run, and what it
            raises ends the run. For mere watching use `subscribe`.

    Attributes:
        what: What is estimated.
        estimator: Name in the registry.
        number: Number in this session (`%mmg runs`); None outside IPython.
    """

    def __init__(
        self,
        work: Work,
        *,
        what: str = "I(x; y)",
        estimator: str = "mmg",
        listen: Listener = silent,
    ) -> None:
        self.what = what
        self.estimator = estimator
        self.number: int | None = None
        self._listen = listen
        self._watch = Stopwatch()
        self._progress = Progress(self._watch)
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._lock = threading.Lock()
        self._listeners: tuple[Listener, ...] = ()
        self._snapshot: Snapshot | None = None
        self._record: list[tuple[int, float]] = []
        self._total_steps = 0
        self._traceback = ""
        self._worker = Worker(work, self._hear)

    # --- what can be asked for

    def start(self) -> Run:
        """Begin; returns at once. Needed only for a run that was made by hand."""
        if self.state is not RunState.READY:
            raise MMGError(f"{self.name} has begun already.", "Use mmg_nb.start for another run.")
        self._watch.go()
        self._worker.start()
        return self

    def pause(self) -> None:
        """Hold the run at its next step. A run that stops or has ended stays as it is."""
        self._worker.pause()

    def resume(self) -> None:
        """Let a paused run go on."""
        self._worker.resume()

    def stop(self) -> None:
        """End the run early; what it has learnt becomes its result. May be called repeatedly."""
        self._worker.stop()

    def abandon(self) -> None:
        """End the run at its next event without a result."""
        self._worker.abandon()

    @overload
    def wait(self, timeout: None = None) -> MIResult: ...
    @overload
    def wait(self, timeout: float) -> MIResult | None: ...
    def wait(self, timeout: float | None = None) -> MIResult | None:
        """Wait for the end of the run.

        An interrupt (Ctrl-C, or the kernel's stop button ■) while waiting stops the run and
        gives the result of what was learnt; a second one raises KeyboardInterrupt at once.

        Args:
            timeout: Seconds to wait at most; None for as long as it takes.

        Returns:
            The result; None if the run has not ended by then.

        Raises:
            BaseException: What the run raised.
        """
        self._need_begun()
        until = math.inf if timeout is None else time.monotonic() + timeout
        interrupted = threading.Event()

        def stop() -> None:
            interrupted.set()
            self.stop()

        with first_interrupt(stop):
            while not self._worker.wait(min(SLICE, max(0.0, until - time.monotonic()))):
                if time.monotonic() >= until:
                    if not interrupted.is_set():
                        return None
                    until = math.inf  # the partial result is near
            return self.result

    def __await__(self) -> Generator[Any, None, MIResult]:
        """Wait for the end without blocking the event loop; see `wait`.

        An interrupt reaches a cell that awaits as a cancellation: the first one stops the run
        and its result is still returned, a second one is raised. Outside of IPython a cancellation
        stops the run and is raised, as `asyncio.timeout` has to rely on.
        """
        return self._awaited().__await__()

    async def _awaited(self) -> MIResult:
        self._need_begun()
        try:
            await self._ended()
        except asyncio.CancelledError:
            self.stop()
            if not _in_cell():
                raise
            task = asyncio.current_task()
            if task is not None:
                task.uncancel()
            await self._ended()
        return self.result

    async def _ended(self) -> None:
        # Short sleeps: without a wake-up the event loop does not notice an interrupt.
        while not self._worker.done:
            await asyncio.sleep(SLICE)

    def _need_begun(self) -> None:
        if self.state is RunState.READY:
            raise MMGError(f"{self.name} has not begun.", "Call its start() first.")

    # --- what is known

    @property
    def name(self) -> str:
        """`run 3`, as in `%mmg runs`; `run` without a number."""
        return "run" if self.number is None else f"run {self.number}"

    @property
    def state(self) -> RunState:
        """Where the run stands: ready, running, paused, stopping, stopped, finished or failed.

        It is paused and stopping from the moment it is asked to be.
        """
        return self._worker.state

    @property
    def result(self) -> MIResult:
        """The result, also of a run that was stopped. Does not wait: see `wait`.

        Raises:
            MMGError: The run has not ended.
            BaseException: What the run raised; its traceback is in `traceback`.
        """
        if not self.state.ended:
            what = f"{self.name} has no result yet; it is {self.state}."
            raise MMGError(what, "wait() waits for it, stop() ends it early, inspect() looks.")
        return self._worker.result()

    @property
    def traceback(self) -> str:
        """Where a failed run failed; otherwise empty."""
        return self._traceback

    @property
    def log(self) -> Log:
        """The latest lines of what happened, each with its time of day."""
        return Log(self._log)

    @property
    def progress(self) -> Progress:
        """Phase, step, time left and latest estimate."""
        state = self.state
        self._progress.stopping = state is RunState.STOPPING
        self._progress.paused = state is RunState.PAUSED
        return self._progress

    @property
    def seconds(self) -> float:
        """Seconds the run has taken so far, pauses left out."""
        return self._watch()

    def inspect(self) -> Interim:
        """What the validation points say so far; the run goes on.

        Raises:
            MMGError: There has been no validation yet, or this estimator has none.
        """
        latest, record = self._snapshot, list(self._record)
        if latest is None:
            what = f"{self.name} has no validation estimate yet ({self.progress.phase})."
            raise MMGError(what, "Look again once it trains; wait() waits for the result.")
        return Interim(
            mi=latest.mi,
            step=latest.step,
            total_steps=self._total_steps,
            logsnr=latest.logsnr,
            mse=latest.mse,
            mse_given_y=latest.mse_given_y,
            gap=latest.gap,
            density=latest.density,
            steps=np.array([step for step, _ in record]),
            estimates=np.array([mi for _, mi in record]),
        )

    def __repr__(self) -> str:
        name = "Run" if self.number is None else f"Run {self.number}"
        said = f"<{name}: {self.what} by {self.estimator}, {self.state}"
        if self.state in (RunState.STOPPED, RunState.FINISHED):
            said += f", {self.result.summary}"
        return said + ">"

    # --- who watches

    def subscribe(self, listener: Listener) -> None:
        """Let a view hear each event from now on, in the run's thread.

        The last event is a `StateChanged` to a state that has ended; whoever subscribes later
        hears nothing, so look at `state` afterwards. A true answer stops the run. A listener that
        raises is dropped and noted in the log, for a broken view must not cost the run.
        """
        with self._lock:
            self._listeners = (*self._listeners, listener)

    def unsubscribe(self, listener: Listener) -> None:
        """Let it hear no more; does nothing if it did not."""
        with self._lock:
            self._listeners = tuple(each for each in self._listeners if each != listener)

    def _hear(self, event: Event) -> bool:
        self._note(event)
        ended = isinstance(event, StateChanged) and event.state.ended
        asked = False if ended else bool(self._listen(event))
        for listener in self._listeners:
            try:
                asked = bool(listener(event)) or asked
            except Exception as error:
                self.unsubscribe(listener)
                self._write(f"a listener is dropped, for it raised {error!r}")
        if ended:
            listen, self._listen, self._listeners = self._listen, silent, ()
            try:
                listen(event)
            except Exception as error:  # what it raises can end the run no more
                self._write(f"the listener raised {error!r} at the end")
        return asked

    def _note(self, event: Event) -> None:
        self._progress(event)
        if isinstance(event, Started):
            self._snapshot, self._record = None, []  # of an earlier one, in a comparison
            self._total_steps = event.total_steps
            self._write(self._progress.subject)
        elif isinstance(event, Phase):
            self._write(event.name)
        elif isinstance(event, Snapshot):
            self._snapshot, step = event, self._progress.step
            known = self._total_steps if step is None else step.total_steps
            self._total_steps = max(known, event.step)  # a resumed run may be beyond its plan
            self._record.append((event.step, event.mi))
            self._write(f"step {event.step}, validation estimate {event.mi:.3f} nats")
        elif isinstance(event, Finished):
            self._write(f"result {event.result.summary}, {event.result.status}")
        elif isinstance(event, StateChanged):
            self._changed(event.state)

    def _changed(self, state: RunState) -> None:
        if state is RunState.PAUSED or state.ended:
            self._watch.hold()
        else:
            self._watch.go()
        error = self._worker.error
        if error is not None:
            self._traceback = "".join(traceback.format_exception(error))
            self._write(f"{type(error).__name__}: {error}")
        self._write(str(state))

    def _write(self, line: str) -> None:
        self._log.append(f"{time.strftime('%H:%M:%S')} {line}")


def current_shell() -> Any:
    """The shell of IPython that runs this; None where there is none. Imports nothing."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def _in_cell() -> bool:
    """Whether an interrupt becomes a cancellation of what awaits, as in a shell of IPython."""
    return current_shell() is not None
