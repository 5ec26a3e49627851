"""The live view of a call of plain Python in a notebook, such as `mmg_nb.estimate(x, y)`."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from mmg_nb.jupyter.background import session_runs
from mmg_nb.jupyter.comparing import ComparisonRun, LiveTable
from mmg_nb.jupyter.handle import Run
from mmg_nb.jupyter.place import remark_of
from mmg_nb.jupyter.progress import CardView, View
from mmg_nb.jupyter.running import run_in_cell
from mmg_nb.jupyter.session import current_shell, setting_of
from mmg_nb.jupyter.views import has_page, view_for
from mmg_nb.jupyter.worker import Work
from mmg_nb.runs.events import Listener

__all__ = ["watch"]


def watch(
    work: Work,
    listen: Listener,
    *,
    what: str,
    estimator: str,
    slow: bool,
    trains: bool = False,
    table: Any = None,
) -> Any:
    """Run something in a thread while its cell shows it; see `mmg_nb.runs.watching.watched`.

    The view disappears at the end, because the caller gets the result. After a stop, a line takes
    its place: the cell looks as if it had succeeded, and the next ones go on with the result.
    """
    if table is None:
        run = Run(work, what=what, estimator=estimator, listen=listen, trains=trains)
    else:
        run = ComparisonRun(table, what=what, listen=listen)
    with ExitStack() as left:
        view, at_once = _view_of(run, left)
        if table is not None and isinstance(view, CardView):
            view = LiveTable(table)
        at_once = slow and at_once
        result, _ = run_in_cell(run, view, leave=remark_of, at_once=at_once, slow=slow)
    runs = session_runs()
    if runs is not None:
        runs.note(result)
    return result


def _view_of(run: Run, left: ExitStack) -> tuple[View, bool]:
    """The view of a run, and whether it can open before the run starts."""
    shell = current_shell()
    if shell is None:  # marimo
        from mmg_nb.jupyter.marimo import LiveOutput

        return LiveOutput(run), True
    live = setting_of(shell, "live", "auto")
    return view_for(run, live, shell.kernel, left), has_page(shell.kernel)
