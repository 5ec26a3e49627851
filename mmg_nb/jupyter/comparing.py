"""`%mmg compare`: a live table, a handle, and a run that gives a comparison."""

from __future__ import annotations

import html
import time
from typing import Any, cast

from mmg_nb.benchmark.cells import Estimators
from mmg_nb.jupyter.background import begin
from mmg_nb.jupyter.handle import Run
from mmg_nb.jupyter.place import Place
from mmg_nb.jupyter.progress import CARD_SECONDS, HOW_TO_STOP, Card, Clock, Progress
from mmg_nb.jupyter.worker import Work
from mmg_nb.questions.comparison import (
    DEFAULT_ESTIMATORS,
    Comparison,
    ComparisonJob,
    prepare_comparison,
)
from mmg_nb.runs.events import Listener, silent

__all__ = ["ComparisonRun", "LiveTable", "PrintedTable", "start_comparison"]


class ComparisonRun(Run):
    """A handle on a comparison, see `Run`; its result is a `Comparison`.

    Args:
        job: What to run.
        what: What is estimated.
        listen: See `Run`.
    """

    def __init__(
        self, job: ComparisonJob, *, what: str = "I(x; y)", listen: Listener = silent
    ) -> None:
        # A run asks of its result only a status and a summary, which a comparison has.
        super().__init__(
            cast(Work, job.run), what=what, estimator=", ".join(job.order), listen=listen
        )
        self._job = job

    @property
    def standing(self) -> Comparison:
        """The comparison so far."""
        return self._job.standing


def start_comparison(
    x: Any,
    y: Any,
    estimators: Estimators = DEFAULT_ESTIMATORS,
    *,
    listen: Listener | None = None,
    **options: Any,
) -> ComparisonRun:
    """Begin `mmg_nb.compare` in the background, see `mmg_nb.start`; the arguments are the same.

    Returns:
        The run's handle. Its `standing` is the comparison so far.
    """
    job = prepare_comparison(x, y, estimators, **options).with_own_data()
    return begin(ComparisonRun(job, listen=listen or silent))


class LiveTable:
    """Shows the table of what is done, replaced in place, at the end by the comparison itself.

    Args:
        job: The comparison that runs.
        clock: Seconds that only rise.
    """

    def __init__(self, job: ComparisonJob, clock: Clock = time.monotonic) -> None:
        self._job = job
        self._clock = clock
        self._place = Place()
        self._last = -CARD_SECONDS

    def tick(self, progress: Progress) -> None:
        """Show the table anew if it is time to."""
        if progress.started is None or self._clock() - self._last < CARD_SECONDS:
            return
        doing = f"{progress.started.estimator}: {progress.doing}"
        doing = "; ".join(part for part in (doing, progress.estimate) if part)
        table = self._job.standing
        below = f"<p>{html.escape(doing)}<br><small>{HOW_TO_STOP}</small></p>"
        self._place.show(Card(f"{table!r}\n{doing}", table.html(below)))
        self._last = self._clock()

    def finish(self, result: Any) -> bool:
        """Replace the live table by the comparison."""
        self._place.show(result)
        return True

    def fail(self, error: BaseException) -> None:
        """Replace the live table by what was done before the error."""
        if self._place.taken:
            self._place.show(self._job.standing)


class PrintedTable:
    """Prints a line whenever an estimator has ended, for terminals.

    Args:
        job: The comparison that runs.
    """

    def __init__(self, job: ComparisonJob) -> None:
        self._job = job
        self._printed: set[str] = set()

    def tick(self, progress: Progress) -> None:
        """Print what is new."""
        for label, result in self._job.standing.results.items():
            if label not in self._printed:
                print(f"{label}: {result.summary}", flush=True)
                self._printed.add(label)

    def finish(self, result: Any) -> bool:
        """Leave the comparison to the caller."""
        return False

    def fail(self, error: BaseException) -> None:
        """Leave the error to the caller."""
