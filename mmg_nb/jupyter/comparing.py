"""`%mmg compare`: a run whose result is a comparison, its handle and its live table."""

from __future__ import annotations

import html
import time
from typing import Any, cast

from mmg_nb.benchmark.cells import Estimators
from mmg_nb.jupyter.background import begin
from mmg_nb.jupyter.handle import Run
from mmg_nb.jupyter.place import Card, Place
from mmg_nb.jupyter.progress import CARD_SECONDS, HOW_TO_STOP, CardView, TextView, View
from mmg_nb.jupyter.session import session_unit
from mmg_nb.jupyter.worker import Work
from mmg_nb.questions.compare import DEFAULT_ESTIMATORS, ComparisonJob, prepare_comparison
from mmg_nb.questions.comparison import Comparison
from mmg_nb.runs.events import Listener, silent
from mmg_nb.runs.progress import Clock, Progress

__all__ = ["ComparisonRun", "LiveTable", "PrintedTable", "as_table", "start_comparison"]


class ComparisonRun(Run):
    """A handle of a comparison, see `Run`. Its result is a `Comparison`.

    Args:
        job: The comparison to run.
        what: The estimated quantity.
        listen: See `Run`.
    """

    def __init__(
        self, job: ComparisonJob, *, what: str = "I(x; y)", listen: Listener = silent
    ) -> None:
        # `Run` uses only `status` and `summary_in` of its result; a comparison has both.
        super().__init__(
            cast(Work, job.run), what=what, estimator=", ".join(job.order), listen=listen
        )
        self._job = job

    @property
    def outcome(self) -> Comparison | None:
        """The comparison, if it has ended with at least one result."""
        return self.standing if self.state.ended and self.standing.results else None

    @property
    def standing_html(self) -> str:
        """The table of the comparison so far."""
        return self.standing.html(unit=session_unit())

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
    """Start `mmg_nb.compare` in the background, as `mmg_nb.start` does. Same arguments.

    Returns:
        The handle of the run. Its `standing` is the comparison so far.
    """
    job = prepare_comparison(x, y, estimators, **options).with_own_data()
    return begin(ComparisonRun(job, listen=listen or silent))


class LiveTable:
    """A table of the results so far, updated in place. At the end, the final table replaces it.

    Args:
        job: The comparison that is running.
        clock: Returns a monotonic time in seconds.
    """

    def __init__(self, job: ComparisonJob, clock: Clock = time.monotonic) -> None:
        self._job = job
        self._clock = clock
        self._place = Place()
        self._last = -CARD_SECONDS

    def tick(self, progress: Progress) -> None:
        """Update the table, if the last update is old enough."""
        if self._clock() - self._last < CARD_SECONDS:
            return
        running = "" if progress.started is None else f"{progress.started.estimator}: "
        doing = f"{running}{progress.doing}"
        doing = "; ".join(part for part in (doing, progress.estimate) if part)
        table = self._job.standing
        below = f"<p>{html.escape(doing)}<br><small>{HOW_TO_STOP}</small></p>"
        unit = session_unit()
        self._place.show(Card(f"{table.text(unit)}\n{doing}", table.html(below, unit)))
        self._last = self._clock()

    def finish(self, result: Any) -> bool:
        """Replace the live table with the comparison."""
        self._place.show(result)
        return True

    def fail(self, error: BaseException) -> None:
        """Replace the live table with the results before the error."""
        if self._place.taken:
            self._place.show(self._job.standing)


class PrintedTable:
    """Prints a line when an estimator has ended, for terminals.

    Args:
        job: The comparison that is running.
    """

    def __init__(self, job: ComparisonJob) -> None:
        self._job = job
        self._printed: set[str] = set()

    def tick(self, progress: Progress) -> None:
        """Print the new results."""
        for label, result in self._job.standing.results.items():
            if label not in self._printed:
                print(f"{label}: {result.summary_in(session_unit())}", flush=True)
                self._printed.add(label)

    def finish(self, result: Any) -> bool:
        """Leave the comparison to the caller."""
        return False

    def fail(self, error: BaseException) -> None:
        """Leave the error to the caller."""


def as_table(view: View, job: ComparisonJob) -> View:
    """The view that shows a comparison where `view` would show a single estimate."""
    if isinstance(view, CardView):
        return LiveTable(job)
    return PrintedTable(job) if isinstance(view, TextView) else view
