"""The single pairs of a map that the user asks for, estimated one after the other."""

from __future__ import annotations

import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mmg_nb.errors import MMGError
from mmg_nb.jupyter.background import start
from mmg_nb.jupyter.explore_code import Refined
from mmg_nb.jupyter.explore_view import answered
from mmg_nb.jupyter.handle import Run
from mmg_nb.jupyter.live import picture
from mmg_nb.questions.table_columns import TableColumns
from mmg_nb.questions.table_pairs import TablePairs
from mmg_nb.results.result import MIResult
from mmg_nb.runs.events import Event, FirstEstimate, StateChanged

__all__ = ["LONG", "SECONDS", "PairRuns", "Question", "in_thread"]

SECONDS = 0.25  # between two updates of the browser
LONG = {"effort": "high"}  # fields of a longer refinement


@dataclass(frozen=True)
class Question:
    """One pair to estimate: indices of x, y and perhaps the condition; estimator and fields."""

    columns: tuple[int, ...]
    estimator: str
    fields: dict[str, Any] = field(default_factory=dict)


class PairRuns:
    """The runs of single pairs: one works, the others wait.

    Args:
        columns: The columns of the table.
        pairs: All pairs of the map; they keep what is found.
        device: Device of the estimates.
        show: Changes the state that the browser shows.
        known: Called after each answer, in the thread of its run.
    """

    def __init__(
        self,
        columns: TableColumns,
        pairs: TablePairs,
        device: str,
        show: Callable[..., None],
        known: Callable[[], None],
    ) -> None:
        self._columns, self._pairs, self._device = columns, pairs, device
        self._show, self._known = show, known
        self._lock = threading.Lock()
        self._closed, self._worked_at = False, 0.0
        self._waiting: deque[Question] = deque()
        self._working: tuple[Question, Run] | None = None
        self._answers: tuple[dict[str, Any], ...] = ()
        self.answered: tuple[tuple[Question, MIResult], ...] = ()

    def ask(self, question: Question) -> None:
        """Estimate a pair, after those that were asked for before.

        Raises:
            MMGError: The map is closed, or the pair cannot be used.
        """
        with self._lock:
            if self._closed:
                raise MMGError("This map is closed.", "mmg_nb.explore opens a new one.")
            if self._working is not None:
                self._waiting.append(question)
                return
            self._begin(question)

    def stop(self) -> None:
        """Stop the pair that works, and forget those that wait."""
        self._waiting.clear()
        if self._working is not None:
            self._working[1].stop()

    def close(self) -> None:
        """Stop, and accept no more pairs."""
        self._closed = True
        self.stop()

    def wait(self, timeout: float | None) -> None:
        """Wait for all pairs; `timeout` limits the seconds of each one."""
        while (working := self._working) is not None:
            working[1].wait(timeout) if timeout is not None else working[1].wait()
            time.sleep(0.01)  # the next one begins in the thread of this one

    @property
    def refined(self) -> list[Refined]:
        """How the pairs that have an answer by `mmg` were estimated, oldest first."""
        return [
            (each.columns, self._pairs.options(*each.columns), each.fields)
            for each, _ in self.answered
            if each.estimator == "mmg"
        ]

    def _begin(self, question: Question) -> None:
        """Start the run of a question."""
        whole = question.estimator == "mmg"  # refined estimates use all rows
        frame = self._columns.frame if whole else self._columns.frame.iloc[self._pairs.rows]
        texts = [self._columns.names[k] for k in question.columns]
        x, y, *given = (frame[[name]] for name in texts)
        options = self._pairs.options(*question.columns)
        options |= {"given": given[0]} if given else {}
        options |= {"device": self._device, **question.fields}
        run = start(x, y, question.estimator, **options)
        run.what = f"I({texts[0]}; {texts[1]}{' | ' + texts[2] if given else ''})"
        self._working = question, run
        self._show_work(question, run)
        once = threading.Lock()

        def follow(event: Event) -> None:
            if isinstance(event, StateChanged) and event.state.ended:
                if once.acquire(blocking=False):
                    self._answer(question, run)
            elif isinstance(event, FirstEstimate) or time.monotonic() - self._worked_at > SECONDS:
                self._worked_at = time.monotonic()
                self._show_work(question, run)

        run.subscribe(follow)
        if run.state.ended:  # perhaps before the subscription
            in_thread(lambda: follow(StateChanged(run.state)))

    def _show_work(self, question: Question, run: Run) -> None:
        shown = picture(run)
        work = {"columns": list(question.columns), "estimator": question.estimator}
        waiting = [list(each.columns) for each in self._waiting]
        curves = {name: shown[name] for name in ("first", "curves")}
        self._show(working={**shown["said"], **work, "waiting": waiting}, **curves)

    def _answer(self, question: Question, run: Run) -> None:
        """Show the result of a question, and begin the next one. In the thread of the run."""
        answer: dict[str, Any] = {
            "columns": list(question.columns),
            "estimator": question.estimator,
            "long": question.fields == LONG,
            "error": "",
        }
        try:
            result = run.result
            self.answered = (*self.answered, (question, result))
            if len(question.columns) == 2:
                self._pairs.keep(question.columns, result)
            answer |= answered(result, self._pairs.worded(question.columns, result.notes))
        except Exception as error:
            answer["error"] = error.what if isinstance(error, MMGError) else repr(error)
        self._answers = (*self._answers, answer)
        self._show(answers=list(self._answers), working={}, first=b"", curves=b"")
        self._known()
        with self._lock:
            self._working = None
            while self._working is None and self._waiting and not self._closed:
                try:
                    self._begin(self._waiting.popleft())
                except MMGError as error:
                    self._show(message={"what": error.what, "remedy": error.remedy})


def in_thread(work: Callable[[], None]) -> None:
    """Work beside the thread that handles messages, whose cell must not wait for it."""
    # With the context of the cell, Jupyter sends the outputs of the thread to that cell.
    run = contextvars.copy_context().run
    threading.Thread(target=run, args=(work,), name="mmg-explore", daemon=True).start()
