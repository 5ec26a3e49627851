"""The progress of a run as one line on stderr."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from mmg_nb.runs.events import Event
from mmg_nb.runs.progress import Progress

__all__ = ["ProgressLine"]

SECONDS = 0.1  # between two updates


class ProgressLine:
    """A listener that shows a run in one line. The line appears at once, and goes at the end.

    Args:
        what: What is estimated.
        trains: See `Progress`.
        stream: Where the line is written; stderr if None.
    """

    def __init__(self, what: str, trains: bool = False, stream: TextIO | None = None) -> None:
        # Imported here because estimates that show nothing must not load it.
        from tqdm import tqdm

        self._progress = Progress(trains=trains)
        self._bar = tqdm(
            total=100,
            desc=what,
            file=stream or sys.stderr,
            bar_format="{desc} |{bar:20}| {n:.0f} %{postfix}",
            leave=False,
            dynamic_ncols=True,
        )
        self._last = time.monotonic()
        self._show()

    def __call__(self, event: Event) -> None:
        """Store an event, and update the line if the last update is old enough."""
        self._progress(event)
        if time.monotonic() - self._last > SECONDS:
            self._show()

    def close(self) -> None:
        """Remove the line."""
        self._bar.close()

    def _show(self) -> None:
        self._last = time.monotonic()
        self._bar.n = 100 * self._progress.bar
        said = (self._progress.doing, self._progress.estimate)
        self._bar.set_postfix_str("; ".join(filter(None, said)), refresh=False)
        self._bar.refresh()
