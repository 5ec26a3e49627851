"""Turn an interrupt of the process into an orderly stop of a run."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from mmg_nb.runs.events import Event, Listener

__all__ = ["first_interrupt", "stoppable"]


@contextmanager
def first_interrupt(ask: Callable[[], object]) -> Iterator[None]:
    """Call `ask` at the first interrupt, and raise KeyboardInterrupt at the second one.

    A handler of the user's own is called at every interrupt, and decides what the second one
    does. marimo's counts as Python's own, because it raises KeyboardInterrupt too. If the process
    ignores interrupts, or if they end it, nothing changes.

    An exception could leave a training step, an import or a drawing half done. A flag cannot.
    Only the main thread gets interrupts, so in other threads nothing changes. If one context is
    inside another, for example in a comparison, both get the interrupt, also one that came before
    the inner context began.

    Args:
        ask: Called at the first interrupt; must be fast.
    """
    previous = signal.getsignal(signal.SIGINT)
    # SIG_IGN and SIG_DFL are not callable. None is a handler that Python could not restore.
    if threading.current_thread() is not threading.main_thread() or not callable(previous):
        yield
        return
    if isinstance(previous, _Handler) and previous.asked:
        ask()
    signal.signal(signal.SIGINT, _Handler(ask, previous))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


class _Handler:
    """Calls `ask` once, and the enclosing handler: Python's own only at the second interrupt."""

    def __init__(
        self, ask: Callable[[], object], enclosing: Callable[[int, FrameType | None], object]
    ) -> None:
        self._ask = ask
        self._enclosing = enclosing
        self.asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        again, self.asked = self.asked, True
        if not again:
            self._ask()
        if again or not _only_raises(self._enclosing):
            self._enclosing(number, frame)


def _only_raises(handler: object) -> bool:
    return handler is signal.default_int_handler or type(handler).__module__.startswith("marimo.")


@contextmanager
def stoppable(listen: Listener) -> Iterator[Listener]:
    """Stop the run at the first interrupt, and raise KeyboardInterrupt at the second one.

    Args:
        listen: The listener of the run.

    Yields:
        A listener that returns true after the first interrupt, or after `listen` has returned
        true once. A run checks the return value for some events only.
    """
    asked = threading.Event()

    def listener(event: Event) -> bool:
        if listen(event):
            asked.set()
        return asked.is_set()

    with first_interrupt(asked.set):
        yield listener
