"""The run that fills a map of a table, and what the browser sees of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from mmg_nb.errors import MMGError, listed
from mmg_nb.jupyter.background import begin
from mmg_nb.jupyter.explore_pairs import SECONDS
from mmg_nb.jupyter.handle import Run
from mmg_nb.jupyter.worker import Work
from mmg_nb.questions.clusters import clusters
from mmg_nb.questions.dependency_map import DependencyMap
from mmg_nb.questions.pair_methods import METHODS
from mmg_nb.questions.table_pairs import TablePairs
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Event, Listener, Phase, RunState, StateChanged, Step

__all__ = ["MapFill"]

ROOM_FOR_PAIRS = 200  # characters, of the pairs of one note


@dataclass(frozen=True)
class Filled:
    """What the run of a map returns; `Run` uses only these of a result."""

    status: Status
    summary: str

    def summary_in(self, unit: str) -> str:
        """The summary, which has no unit."""
        return self.summary


class MapRun(Run):
    """The run that fills a map, see `Run`.

    Args:
        work: See `Run`.
        pairs: All pairs of the map.
        what: What is estimated.
        listen: See `Run`.
    """

    def __init__(self, work: Work, pairs: TablePairs, *, what: str, listen: Listener) -> None:
        super().__init__(work, what=what, estimator="gcmi, ksg", listen=listen)
        self._pairs = pairs

    @property
    def outcome(self) -> DependencyMap | None:
        """The map, if the run has ended and any pair is known.

        If pairs are missing, it says after how many the run was stopped. A later run may have
        finished them.
        """
        pairs = self._pairs
        if not self.state.ended or not np.isfinite(pairs.best[0]).any():
            return None
        left_out = {name: _first(name, why) for name, why in pairs.columns.left_out.items()}
        found = replace(pairs.map(), notes=pairs.notes, left_out=left_out)
        done, total = pairs.finished, len(pairs.pairs)
        if done == total:
            return found
        after = f"{done} of {total} pairs by nearest neighbours"
        return replace(found, status=Status.INTERRUPTED, stopped_after=after)


def _first(name: str, why: str) -> str:
    """The first sentence of why a column was left out, as `DependencyMap.left_out` has it."""
    rest = why.removeprefix(f"{name}: ").removeprefix(name)  # a name may have full stops
    begin = "" if why.startswith(f"{name}: ") or rest == why else name
    return begin + rest.partition(". ")[0].removesuffix(".")


class MapFill:
    """Fills a map in the background. After a stop, another run continues.

    Args:
        pairs: All pairs of the map; they keep what is found.
        text: The expression of the table.
        show: Changes the state that the browser shows.
        known: Called at the ends of phases, in the thread of the run.

    Attributes:
        run: The run that fills the map, or filled it last.
        phase: What it is doing.
    """

    def __init__(
        self,
        pairs: TablePairs,
        text: str,
        show: Callable[..., None],
        known: Callable[[], None],
    ) -> None:
        self._pairs, self._text = pairs, text
        self._show, self._known = show, known
        self._lock = threading.Lock()
        self._closed = False
        self._step, self._began, self._shown_at = (0, 0), 0.0, 0.0
        self.phase = ""
        self.run = self._new_run()

    def begin(self) -> None:
        """Start the first run."""
        begin(self.run)

    def resume(self) -> None:
        """Continue after a stop."""
        with self._lock:
            if self._closed or not self.run.state.ended:
                return
            self.run = self._new_run()
            begin(self.run)

    def close(self) -> None:
        """End the run, show nothing more, and do not continue."""
        self._closed = True
        self.run.abandon()

    def _new_run(self) -> Run:
        work = cast(Work, self._fill)
        what = f"all pairs of {self._text}"
        return MapRun(work, self._pairs, what=what, listen=self._on_event)

    def _fill(self, listen: Listener) -> Filled:
        complete = self._pairs.fill(listen)
        status = Status.CONVERGED if complete else Status.INTERRUPTED
        return Filled(status, self._count())

    def _count(self) -> str:
        known = int(np.isfinite(self._pairs.best[0]).sum() // 2)
        return f"{known} of {len(self._pairs.pairs)} pairs"

    def _on_event(self, event: Event) -> None:
        """Follow the run, in its thread."""
        ended = isinstance(event, StateChanged) and event.state.ended
        if isinstance(event, Phase):
            self.phase, self._step, self._began = event.name, (0, 0), time.monotonic()
        elif isinstance(event, Step):
            self._step = event.step, event.total_steps
        step = isinstance(event, Step) and time.monotonic() - self._shown_at < SECONDS
        if step or self._closed:
            return
        self._shown_at = time.monotonic()
        self.show(event.state if isinstance(event, StateChanged) else RunState.RUNNING)
        if ended or isinstance(event, Phase):
            self._conclude()

    def show(self, state: RunState) -> None:
        """Send all that has changed, as one message.

        Args:
            state: The state of the run.
        """
        pairs = self._pairs
        upper = np.triu_indices(len(pairs.names), 1)
        found = {m: pairs.found[m][:, upper[0], upper[1]].astype("<f4").tobytes() for m in METHODS}
        best = pairs.best[:, upper[0], upper[1]].astype("<f4").tobytes()
        marks = pairs.conflicts[upper].tobytes()
        said, remarks = self._said(state), self.remarks()
        self._show(said=said, marks=marks, remarks=remarks, best=best, **found)

    def _said(self, state: RunState) -> dict[str, Any]:
        done, total = self._step
        doing = f"{self.phase}: {done} of {total} pairs" if total else self.phase
        spent = time.monotonic() - self._began
        if done and spent > 2:
            doing += f", about {max(1, round(spent / done * (total - done)))} s left"
        if state.ended:
            doing = self._count()
        return {"state": str(state), "doing": doing, "percent": round(100 * done / max(1, total))}

    def remarks(self) -> list[dict[str, Any]]:
        """Notes and failures, one line for each kind."""
        return [
            {"text": text, "count": len(where), "pairs": listed(where, room=ROOM_FOR_PAIRS)}
            for text, where in self._pairs.remarks()
        ]

    def _conclude(self) -> None:
        """Order the columns by what is known. At the ends of phases."""
        if self.run.traceback:
            error = self.run.traceback.strip().splitlines()[-1]
            failed = MMGError(error, "explorer.run.traceback shows where it happened.")
            self._show(message={"what": failed.what, "remedy": failed.remedy})
        if not np.isfinite(self._pairs.best[0]).any():
            return
        order, group = clusters(self._pairs.best[0])
        self._show(clusters={"order": order, "group": group})
        self._known()
