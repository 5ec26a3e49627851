"""How a long computation lets itself be watched, paused and stopped: it calls `poll`.

A run says who is asked, by `asked`. So functions far below a run need not pass its listener on.
Outside a run, `poll` does nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from mmg_nb.errors import MMGError

__all__ = ["Asking", "Stopped", "asked", "poll", "polled"]

EVERY = 0.05  # seconds between two questions, at least

Item = TypeVar("Item")


class Stopped(MMGError):
    """Ends a computation that the user has stopped.

    Code that knows a result by then catches this error. Otherwise it ends the run.
    """

    def __init__(self, what: str = "The run was stopped before anything was estimated.") -> None:
        super().__init__(what, "Start it again, and let it run longer.")


class Asking:
    """Asks now and then whether to stop, and ends the computation once if the answer is yes.

    Args:
        ask: Gets the share of the work that is done, or None if unknown. It may wait, which
            pauses the computation. Returns whether to stop.

    Attributes:
        stopping: Whether the computation is to stop. It is then making a result of what is
            known, and is not ended again.
    """

    def __init__(self, ask: Callable[[float | None], bool]) -> None:
        self._ask = ask
        self._due = 0.0
        self._asking = False
        self.stopping = False

    def __call__(self, share: float | None) -> None:
        """Ask, unless it has been asked a moment ago; see `poll`."""
        if self._asking or time.monotonic() < self._due:
            return
        self._asking = True  # the listener may compute something that polls
        try:
            stop = self._ask(share)
        finally:
            self._asking = False
        self._due = time.monotonic() + EVERY
        if stop and not self.stopping:
            self.stopping = True
            raise Stopped


_ASKING: ContextVar[Asking | None] = ContextVar("mmg_nb_asking", default=None)


def poll(share: float | None = None) -> None:
    """Ask whether to go on; to be called at least every 0.1 s of a long computation.

    Args:
        share: Share of the work of this phase that is done, if known.

    Raises:
        Stopped: The user has stopped the run.
    """
    asking = _ASKING.get()
    if asking is not None:
        asking(share)


def polled(items: Iterable[Item]) -> Iterator[Item]:
    """Yield the items, and poll before each one."""
    for item in items:
        poll()
        yield item


@contextmanager
def asked(asking: Asking | None) -> Iterator[None]:
    """Inside, `poll` asks; with None, it does nothing."""
    token = _ASKING.set(asking)
    try:
        yield
    finally:
        _ASKING.reset(token)
