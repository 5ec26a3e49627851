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
    """Call `ask` at the first interrupt, and let the second one raise.

    An exception raised between two operations could leave half of one behind, be it a training
    step, an import or a drawing; a flag cannot. Only the main thread gets interrupts, so
    elsewhere nothing changes. Where one is inside another, say a run of a comparison, an
    interrupt reaches both.

    Args:
        ask: Called with the first interrupt; must be quick.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, _Handler(ask, previous))
    try:
        yield
    finally:
        # None stands for a handler that was not set from Python and cannot be put back.
        signal.signal(signal.SIGINT, signal.default_int_handler if previous is None else previous)


class _Handler:
    """Asks once, and lets a handler of its kind that it stands in for do so, too."""

    def __init__(self, ask: Callable[[], object], enclosing: object) -> None:
        self._ask = ask
        self._enclosing = enclosing
        self._asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        self._ask()
        if isinstance(self._enclosing, _Handler):
            self._enclosing(number, frame)


@contextmanager
def stoppable(listen: Listener) -> Iterator[Listener]:
    """Make the first interrupt ask the run to stop, and the second one raise.

    Args:
        listen: The run's listener.

    Yields:
        A listener that asks for a stop from the first interrupt or true answer on: a run heeds
        the answers to some events only.
    """
    asked = threading.Event()

    def listener(event: Event) -> bool:
        if listen(event):
            asked.set()
        return asked.is_set()

    with first_interrupt(asked.set):
        yield listener
