"""How a sweep tells where it stands, and two listeners for a terminal and a log."""

from __future__ import annotations

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TextIO

from mmg_nb.benchmark.cells import Cell
from mmg_nb.benchmark.worker import Record

__all__ = ["Forecast", "Progress", "SweepListener", "console", "duration"]

_SECONDS_BETWEEN_LINES = 15.0


@dataclass(frozen=True, eq=False)
class Progress:
    """Where a sweep stands: sent at its start, after each record and at its end.

    Attributes:
        records: All records of this sweep's cells so far, also those found in the file; the
            last one has just come.
        total: Cells of the sweep.
        seconds_left: Forecast of the wall time to go; None before the first record.
        ended: Whether nothing more will come.
    """

    records: tuple[Record, ...]
    total: int
    seconds_left: float | None
    ended: bool = False

    @property
    def failed(self) -> int:
        """How many cells failed."""
        return sum(record["status"] == "failed" for record in self.records)

    @property
    def text(self) -> str:
        """The state in one line."""
        parts = [f"{len(self.records)} of {self.total} cells"]
        if self.failed:
            parts.append(f"{self.failed} failed")
        if self.seconds_left is not None and not self.ended:
            parts.append(f"{duration(self.seconds_left)} left")
        return ", ".join(parts)


SweepListener = Callable[[Progress], bool | None]
"""Called with each state of a sweep. A true answer stops it; what is done is kept."""


def duration(seconds: float) -> str:
    """A time in the two units that matter: `42 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Forecast:
    """Time to go, from what equal cells (same estimator, same n) took and how many run at once.

    Args:
        todo: Cells to run.
        known: Records of other cells, which also tell how long such cells take.
    """

    def __init__(self, todo: Iterable[Cell], known: Iterable[Record]) -> None:
        self._left = Counter((cell.spec.label, cell.n) for cell in todo)
        self._seconds: defaultdict[tuple[str, int], float] = defaultdict(float)
        self._counts: Counter[tuple[str, int]] = Counter()
        self._began = time.perf_counter()
        self._worked = 0.0
        for record in known:
            self._learn(record)

    def _learn(self, record: Record) -> None:
        kind = (record["label"], record["n"])
        self._seconds[kind] += record["seconds"] or 0.0
        self._counts[kind] += 1

    def add(self, record: Record) -> None:
        """Take note of a cell that has just ended."""
        self._learn(record)
        self._left[record["label"], record["n"]] -= 1
        self._worked += record["seconds"] or 0.0

    def seconds_left(self) -> float | None:
        """Forecast of the wall time to go; None before anything has ended."""
        if not self._worked:
            return None
        mean = sum(self._seconds.values()) / sum(self._counts.values())
        work = sum(
            count * (self._seconds[kind] / self._counts[kind] if self._counts[kind] else mean)
            for kind, count in self._left.items()
        )
        return work * (time.perf_counter() - self._began) / self._worked


def console(stream: TextIO | None = None) -> SweepListener:
    """A listener for people: a bar in a terminal, else a line now and then.

    Args:
        stream: Where to write; standard error by default.

    Returns:
        The listener.
    """
    stream = sys.stderr if stream is None else stream
    return _Bar(stream) if stream.isatty() else _Lines(stream)


class _Bar:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: Any = None

    def __call__(self, progress: Progress) -> None:
        if self._bar is None:
            from tqdm import tqdm

            # Our own time left: that of tqdm takes all cells as equal.
            form = "{percentage:3.0f}%|{bar}| {elapsed} {postfix}"
            self._bar = tqdm(total=progress.total, file=self._stream, bar_format=form)
        self._bar.n = len(progress.records)
        self._bar.set_postfix_str(progress.text, refresh=False)
        self._bar.refresh()
        if progress.ended:
            self._bar.close()


class _Lines:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last = float("-inf")

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if progress.ended or now - self._last >= _SECONDS_BETWEEN_LINES:
            self._last = now
            self._stream.write(progress.text + "\n")
            self._stream.flush()
