"""Seconds that a run has worked."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Stopwatch"]


class Stopwatch:
    """Counts seconds while it goes. Calling it tells them.

    Args:
        clock: Seconds that only rise.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._before = 0.0
        self._since: float | None = None

    def __call__(self) -> float:
        """Seconds counted so far."""
        since = self._since
        return self._before + (0.0 if since is None else self._clock() - since)

    def go(self) -> None:
        """Count from now on."""
        if self._since is None:
            self._since = self._clock()

    def hold(self) -> None:
        """Count no more."""
        self._before, self._since = self(), None
