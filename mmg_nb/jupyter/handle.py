"""A handle of a run in the background: watch, pause or stop it, and get its result."""

from __future__ import annotations

import asyncio
import math
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator
from typing import Any, overload

import numpy as np

from mmg_nb.errors import MMGError
from mmg_nb.jupyter.interim import Interim
from mmg_nb.jupyter.progress import Progress
from mmg_nb.jupyter.session import current_shell, session_unit
from mmg_nb.jupyter.stopwatch import Stopwatch
from mmg_nb.jupyter.worker import Work, Worker
from mmg_nb.results.facts import amount
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
    silent,
)
from mmg_nb.runs.interrupts import first_interrupt

__all__ = ["SLICE", "Log", "Run"]

SLICE = 0.05  # seconds between two checks, so that interrupts take effect quickly
LOG_LINES = 1000


class Log(tuple[str, ...]):
    """Lines of the log of a run, oldest first; its repr prints one per line."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "\n".join(self)


class Run:
    """A handle of an estimate that runs in its own thread.

    `mmg_nb.start` and `%mmg estimate x y --background` return it. All methods may be called from
    any thread. All methods except `wait` return at once. The end of the process ends the run
    without a result; a training first writes its checkpoint.

    Args:
        work: Function that computes the estimate and reports to the listener it receives.
        what: The estimated quantity, e.g. `I(x; y)`.
        estimator: Name in the registry.
        listen: Called with each event, in the thread of the run. A true return value stops the
            run; an error ends it. Use `subscribe` for listeners that only watch.
        trains: Whether `work` trains from the start; see `Progress`.

    Attributes:
        what: The estimated quantity.
        estimator: Name in the registry.
        number: Number in this session (`%mmg runs`); None outside IPython.
        on_display: Displays the run where its handle is the value of a cell; None for its repr.
        in_marimo: Returns what marimo displays; None for its repr.
    """

    def __init__(
        self,
        work: Work,
        *,
        what: str = "I(x; y)",
        estimator: str = "mmg",
        listen: Listener = silent,
        trains: bool = False,
    ) -> None:
        self.what = what
        self.estimator = estimator
        self.number: int | None = None
        self.on_display: Callable[[Any], None] | None = None
        self.in_marimo: Callable[[Any], Any] | None = None
        self._listen = listen
        self._watch = Stopwatch()
        self._progress = Progress(self._watch, f"{what} by {estimator}", trains)
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._lock = threading.Lock()
        self._listeners: tuple[Listener, ...] = ()
        self._snapshot: Snapshot | None = None
        self._validations: list[tuple[int, float]] = []
        self._total_steps = 0
        self._traceback = ""
        self._worker = Worker(work, self._on_event)

    # --- control

    def start(self) -> Run:
        """Start the run and return at once. `mmg_nb.start` has already called this method."""
        if self.state is not RunState.READY:
            raise MMGError(f"{self.name} has already started.", "mmg_nb.start starts a new run.")
        self._watch.go()
        self._worker.start()
        return self

    def pause(self) -> None:
        """Pause the run at its next step. No effect if the run is stopping or has ended."""
        self._worker.pause()

    def resume(self) -> None:
        """Continue a paused run."""
        self._worker.resume()

    def stop(self) -> None:
        """End the run early, with a result from the training so far. Repeated calls are safe."""
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

        The first interrupt (Ctrl-C, or the kernel's stop button ■) stops the run, and `wait`
        still returns its result. The second one raises KeyboardInterrupt at once.

        Args:
            timeout: Maximum time to wait, seconds. Default: until the run has ended.

        Returns:
            The result; None if the run has not ended by then. `inspect` has a preliminary one.

        Raises:
            BaseException: The error of the run, if it failed.
        """
        self._check_started()
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
                    until = math.inf  # the run is stopping, so its result comes soon
            return self.result

    def __await__(self) -> Generator[Any, None, MIResult]:
        """Wait for the end without blocking the event loop; see `wait`.

        In IPython, an interrupt cancels the task that awaits. The first cancellation stops the
        run, and its result is still returned; the second one is raised. Outside IPython, each
        cancellation stops the run and is raised, as `asyncio.timeout` requires.
        """
        return self._awaited().__await__()

    async def _awaited(self) -> MIResult:
        self._check_started()
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

    def _check_started(self) -> None:
        if self.state is RunState.READY:
            raise MMGError(f"{self.name} has not started.", "Call its start() method first.")

    # --- state and results

    @property
    def name(self) -> str:
        """`run 3`, with the number of `%mmg runs`; `run` if it has no number."""
        return "run" if self.number is None else f"run {self.number}"

    @property
    def state(self) -> RunState:
        """State of the run: ready, running, paused, stopping, stopped, finished or failed.

        After `pause` or `stop` it changes at once, before the run itself reacts.
        """
        return self._worker.state

    @property
    def has_result(self) -> bool:
        """Whether the run has ended with a result. One that was stopped early may have none."""
        return self._worker.has_result

    @property
    def result(self) -> MIResult:
        """The result of a run that has finished or was stopped. To wait for it, use `wait`.

        Raises:
            MMGError: The run has not ended, or was stopped before anything was estimated.
            BaseException: The error of the run, if it failed; see also `traceback`.
        """
        if not self.state.ended:
            what = f"{self.name} has no result yet; its state is {self.state}."
            remedy = (
                "wait() waits for the result; stop() ends the run early, with the estimate so "
                "far; inspect() shows the progress."
            )
            raise MMGError(what, remedy)
        return self._worker.result()

    @property
    def outcome(self) -> Any:
        """What can be displayed and drawn of a run that has ended; None if there is nothing."""
        return self._worker.result() if self.has_result else None

    @property
    def summary(self) -> str:
        """What the run left, in one line and in the unit of the session; empty before its end."""
        return self._worker.result().summary_in(session_unit()) if self.has_result else ""

    @property
    def standing(self) -> Any:
        """What a comparison has found so far; None for other runs."""
        return None

    @property
    def standing_html(self) -> str:
        """The same as HTML, in the unit of the session; empty for other runs."""
        return ""

    @property
    def traceback(self) -> str:
        """The traceback of a failed run; otherwise empty."""
        return self._traceback

    @property
    def log(self) -> Log:
        """The latest events, one per line, each with the time of day."""
        return Log(self._log)

    @property
    def progress(self) -> Progress:
        """Phase, step, remaining time and latest validation estimate."""
        state = self.state
        self._progress.stopping = state is RunState.STOPPING
        self._progress.paused = state is RunState.PAUSED
        self._progress.unit = session_unit()
        return self._progress

    @property
    def seconds(self) -> float:
        """Run time so far in seconds, without pauses."""
        return self._watch()

    def inspect(self) -> Interim:
        """The latest estimate on validation rows. The run continues.

        Raises:
            MMGError: The run has not been validated yet, or its estimator does not train.
        """
        latest, validations = self._snapshot, list(self._validations)
        if latest is None:
            what = f"{self.name} has no validation estimate yet ({self.progress.phase})."
            raise MMGError(what, "Try again during training; wait() waits for the result.")
        return Interim(
            mi=latest.mi,
            step=latest.step,
            total_steps=self._total_steps,
            logsnr=latest.logsnr,
            mse=latest.mse,
            mse_given_y=latest.mse_given_y,
            gap=latest.gap,
            density=latest.density,
            steps=np.array([step for step, _ in validations]),
            estimates=np.array([mi for _, mi in validations]),
        )

    def __repr__(self) -> str:
        name = "Run" if self.number is None else f"Run {self.number}"
        said = f"<{name}: {self.what} by {self.estimator}, {self.state}"
        return said + (f", {self.summary}>" if self.has_result else ">")

    def _ipython_display_(self) -> None:
        """Display the run: its live view, later its result. A run in a cell has its own view."""
        if self.on_display is None:
            raise NotImplementedError  # IPython then displays the repr
        self.on_display(self)

    def _display_(self) -> Any:
        """What marimo displays."""
        return repr(self) if self.in_marimo is None else self.in_marimo(self)

    # --- listeners

    def subscribe(self, listener: Listener) -> None:
        """Call a listener with each event from now on, in the thread of the run.

        The last event is a `StateChanged` whose state has ended. A later subscriber gets no
        events, so check `state` after subscribing. A true return value stops the run. A listener
        that raises an error is removed, with a line in the log; the run continues.
        """
        with self._lock:
            self._listeners = (*self._listeners, listener)

    def unsubscribe(self, listener: Listener) -> None:
        """Remove a listener. No effect if it is not subscribed."""
        with self._lock:
            self._listeners = tuple(each for each in self._listeners if each != listener)

    def _on_event(self, event: Event) -> bool:
        self._note(event)
        ended = isinstance(event, StateChanged) and event.state.ended
        asked = False if ended else bool(self._listen(event))
        for listener in self._listeners:
            try:
                asked = bool(listener(event)) or asked
            except Exception as error:
                self.unsubscribe(listener)
                self._write(f"a listener raised {error!r} and was removed")
        if ended:
            listen, self._listen, self._listeners = self._listen, silent, ()
            try:
                listen(event)
            except Exception as error:  # the run has ended, so its error is only logged
                self._write(f"the listener raised {error!r} at the end")
        return asked

    def _note(self, event: Event) -> None:
        self._progress(event)
        if isinstance(event, Started):
            self._snapshot, self._validations = None, []  # of the previous estimator
            self._total_steps = event.total_steps
            self._write(self._progress.subject)
        elif isinstance(event, Phase):
            self._write(event.name)
        elif isinstance(event, Snapshot):
            self._snapshot, step = event, self._progress.step
            planned = self._total_steps if step is None else step.total_steps
            self._total_steps = max(planned, event.step)  # a resumed run may exceed its plan
            self._validations.append((event.step, event.mi))
            self._write(f"step {event.step}, validation estimate {_amount(event.mi)}")
        elif isinstance(event, Finished):
            said, status = event.result.summary_in(session_unit()), event.result.status
            # A summary of what was stopped says so.
            self._write(f"result {said}" + ("" if status is Status.INTERRUPTED else f", {status}"))
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


def _amount(mi: float) -> str:
    """An estimate in the unit of the session."""
    return amount(mi, None, session_unit())


def _in_cell() -> bool:
    """Whether an interrupt cancels the task that awaits, as it does in IPython."""
    return current_shell() is not None
