"""Run an estimate in a cell that shows its progress and handles interrupts."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Any

from mmg_nb.jupyter.handle import SLICE, Run
from mmg_nb.jupyter.progress import View
from mmg_nb.results.result import MIResult
from mmg_nb.runs.interrupts import first_interrupt

__all__ = ["follow", "run_in_cell"]


def run_in_cell(
    run: Run,
    view: View,
    *,
    leave: Callable[[Any], Any] | None = None,
    at_once: bool = True,
    slow: bool = False,
) -> tuple[MIResult, bool]:
    """Start a run and wait for it.

    The first interrupt stops the run early and keeps what is known so far. The second one is
    raised.

    Args:
        run: The run, ready to start.
        view: Shows the run, in this thread.
        leave: Makes of the result what takes the place of the view. Default: the result itself.
        at_once: Whether the view opens before the run starts.
        slow: Whether it then opens completely, because loading torch would delay it.

    Returns:
        The result, and whether the view displays it.

    Raises:
        BaseException: The error of the run, or KeyboardInterrupt.
    """
    try:
        with first_interrupt(run.stop):
            if at_once:
                view.tick(run.progress)
            if at_once and slow:
                view.tick(run.progress)
            run.start()
            while run.wait(SLICE) is None:
                view.tick(run.progress)
            result = run.result
            return result, view.finish(result if leave is None else leave(result))
    except BaseException as error:
        run.abandon()
        view.fail(error)
        raise


def follow(run: Run, view: View) -> None:
    """Show a run in the background: open its view now, and update it in a thread until the end.

    Args:
        run: The run, started.
        view: Shows the run.
    """

    def watch() -> None:
        try:
            while run.wait(SLICE) is None:
                view.tick(run.progress)
            view.finish(run.result)
        except BaseException as error:
            view.fail(error)

    view.tick(run.progress)
    # With the context of the cell, Jupyter sends the outputs of the thread to that cell.
    within = contextvars.copy_context().run
    threading.Thread(target=within, args=(watch,), name="mmg-view", daemon=True).start()
