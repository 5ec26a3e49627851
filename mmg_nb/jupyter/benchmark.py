"""`%mmg benchmark`: run a sweep with a live table, or show the table of saved records."""

from __future__ import annotations

import html
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from IPython.core.interactiveshell import InteractiveShell

from mmg_nb.benchmark.commands import run_sweep, show_table, sweep_parser, table_parser
from mmg_nb.benchmark.progress import Progress
from mmg_nb.benchmark.sweep import Sweep
from mmg_nb.benchmark.tables import Table, tabulate
from mmg_nb.jupyter.place import Place

__all__ = ["LiveTable", "benchmark_command"]

SECONDS_BETWEEN_UPDATES = 0.5


def benchmark_command(
    arguments: Sequence[str], shell: InteractiveShell, *, device: str = "auto"
) -> Sweep | Table | None:
    """Run `%mmg benchmark TASKS [options]` or `%mmg benchmark table FILE…`.

    Args:
        arguments: The words after `%mmg benchmark`.
        shell: The user's shell; a live table needs one with a kernel.
        device: Device to compute on, unless the arguments name another one.

    Returns:
        The sweep or the table, which the notebook displays; None if the call requests help.

    Raises:
        MMGError: An argument is invalid, or a task, an estimator or a file does not exist.
    """
    words = list(arguments)
    tables = words[:1] == ["table"]
    parser = (table_parser if tables else sweep_parser)("%mmg benchmark" + " table" * tables)
    if {"-h", "--help"} & set(words):
        print(parser.format_help())
        return None
    if tables:
        return show_table(parser.parse_args(words[1:]))
    asked = parser.parse_args(words, Namespace(device=device))
    in_kernel = getattr(shell, "kernel", None) is not None
    return run_sweep(asked, LiveTable() if in_kernel else None)


class LiveTable:
    """Listens to a sweep and displays the table so far. At the end, a line replaces the table.

    Args:
        clock: Returns a monotonic time in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._place = Place()
        self._last = float("-inf")

    def __call__(self, progress: Progress) -> None:
        """Update the table, at most twice a second."""
        now = self._clock()
        if not progress.ended and now - self._last < SECONDS_BETWEEN_UPDATES:
            return
        self._last = now
        self._place.show(_SweepStatus(progress))


@dataclass(frozen=True, eq=False)
class _SweepStatus:
    """The status of a sweep, as text and as HTML. At the end, the sweep itself shows the table."""

    progress: Progress

    def __repr__(self) -> str:
        return self.progress.text

    def _repr_html_(self) -> str:
        line = f"<p>{html.escape(self.progress.text)}</p>"
        if self.progress.ended or not self.progress.records:
            return line
        how = "<small>Interrupt the kernel (■) to stop. Finished results are kept.</small>"
        return f"{line}{tabulate(self.progress.records).to_html()}{how}"
