"""Progress of a sweep, and listeners that show it in a terminal or in a log."""

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
    """The state of a sweep. Listeners get it at the start, after each record and at the end.

    Attributes:
        records: All records of the sweep so far, including those found in the file. The newest
            is last.
        total: Number of cells of the sweep.
        seconds_left: Forecast of the remaining wall time; None before the first record.
        ended: Whether the sweep has ended.
    """

    records: tuple[Record, ...]
    total: int
    seconds_left: float | None
    ended: bool = False

    @property
    def failed(self) -> int:
        """Number of failed cells."""
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
"""Called with each state of a sweep. Returning true stops the sweep and keeps its records."""


def duration(seconds: float) -> str:
    """Format a time with at most two units: `42 s`, `3 min 20 s`, `2 h 05 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Forecast:
    """Forecasts the remaining time from the times of similar cells and the current throughput.

    Similar cells have the same estimator and the same n.

    Args:
        todo: Cells to run.
        known: Records of finished cells. Their times are used for the forecast.
    """

    def __init__(self, todo: Iterable[Cell], known: Iterable[Record]) -> None:
        self._left = Counter((cell.spec.label, cell.n) for cell in todo)
        self._seconds: defaultdict[tuple[str, int], float] = defaultdict(float)
        self._counts: Counter[tuple[str, int]] = Counter()
        self._began = time.perf_counter()
        self._worked = 0.0
        for record in known:
            self._count(record)

    def _count(self, record: Record) -> None:
        kind = (record["label"], record["n"])
        self._seconds[kind] += record["seconds"] or 0.0
        self._counts[kind] += 1

    def add(self, record: Record) -> None:
        """Add the record of a cell that has just ended."""
        self._count(record)
        self._left[record["label"], record["n"]] -= 1
        self._worked += record["seconds"] or 0.0

    def seconds_left(self) -> float | None:
        """Forecast of the remaining wall time; None before the first cell has ended."""
        if not self._worked:
            return None
        mean = sum(self._seconds.values()) / sum(self._counts.values())
        work = sum(
            count * (self._seconds[kind] / self._counts[kind] if self._counts[kind] else mean)
            for kind, count in self._left.items()
        )
        return work * (time.perf_counter() - self._began) / self._worked


def console(stream: TextIO | None = None) -> SweepListener:
    """Make a listener that shows progress as text.

    It draws a bar in a terminal. Elsewhere it writes one line every 15 seconds.

    Args:
        stream: Where to write. Default: standard error.

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

            # Shows our forecast: tqdm assumes that all cells take equally long.
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
