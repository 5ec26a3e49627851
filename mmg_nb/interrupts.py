"""Turn an interrupt of the process into an orderly stop of a run."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from mmg_nb.events import Event, Listener

__all__ = ["first_interrupt", "stoppable"]


@contextmanager
def first_interrupt(ask: Callable[[], object]) -> Iterator[None]:
    """Call `ask` at the first interrupt, and let the second one raise.

    An exception raised between two operations could leave half of one behind, be it a training
    step, an import or a drawing; a flag cannot. Only the main thread gets interrupts, so
    elsewhere nothing changes.

    Args:
        ask: Called with the first interrupt; must be quick.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = threading.Event()

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        ask()

    previous = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        # None stands for a handler that was not set from Python and cannot be put back.
        signal.signal(signal.SIGINT, signal.default_int_handler if previous is None else previous)


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
