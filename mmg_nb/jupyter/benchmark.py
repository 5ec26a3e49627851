"""`%mmg benchmark`: a sweep with a live table, or the table of files of records."""

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
        device: Where cells compute unless the words say otherwise.

    Returns:
        The sweep or the table, both of which show themselves; None if help was asked for.

    Raises:
        MMGError: Something asked for does not exist or cannot be done.
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
    """A listener of a sweep that shows the table so far, and is replaced by a line at the end.

    Args:
        clock: Seconds that only rise.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._place = Place()
        self._last = float("-inf")

    def __call__(self, progress: Progress) -> None:
        """Show where the sweep stands, at most twice a second."""
        now = self._clock()
        if not progress.ended and now - self._last < SECONDS_BETWEEN_UPDATES:
            return
        self._last = now
        self._place.show(_Standing(progress))


@dataclass(frozen=True, eq=False)
class _Standing:
    """Where a sweep stands, as text and as HTML. At the end its result shows the table."""

    progress: Progress

    def __repr__(self) -> str:
        return self.progress.text

    def _repr_html_(self) -> str:
        line = f"<p>{html.escape(self.progress.text)}</p>"
        if self.progress.ended or not self.progress.records:
            return line
        how = "<small>Interrupt the kernel (■) to stop; what is done is kept.</small>"
        return f"{line}{tabulate(self.progress.records).to_html()}{how}"
