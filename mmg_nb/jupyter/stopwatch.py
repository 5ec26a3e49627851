"""The run time of a run, without its pauses."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Stopwatch"]


class Stopwatch:
    """Measures time while it runs; a call returns the seconds so far.

    Args:
        clock: Returns a monotonic time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._before = 0.0
        self._since: float | None = None

    def __call__(self) -> float:
        """Seconds measured so far."""
        since = self._since
        return self._before + (0.0 if since is None else self._clock() - since)

    def go(self) -> None:
        """Start, or continue after `hold`."""
        if self._since is None:
            self._since = self._clock()

    def hold(self) -> None:
        """Pause the measurement."""
        self._before, self._since = self(), None
