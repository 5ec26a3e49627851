"""Run an estimate in a cell that shows its progress and handles interrupts."""

from __future__ import annotations

from mmg_nb.jupyter.handle import SLICE, Run
from mmg_nb.jupyter.progress import View
from mmg_nb.results.result import MIResult
from mmg_nb.runs.interrupts import first_interrupt

__all__ = ["run_in_cell"]


def run_in_cell(run: Run, view: View) -> tuple[MIResult, bool]:
    """Start a run and wait for it.

    The first interrupt stops the run early and keeps what is known so far. The second one is
    raised.

    Args:
        run: The run, ready to start.
        view: Shows the run, in this thread.

    Returns:
        The result, and whether the view displays it.

    Raises:
        BaseException: The error of the run, or KeyboardInterrupt.
    """
    try:
        with first_interrupt(run.stop):
            run.start()
            while run.wait(SLICE) is None:
                view.tick(run.progress)
            result = run.result
            return result, view.finish(result)
    except BaseException as error:
        run.abandon()
        view.fail(error)
        raise
