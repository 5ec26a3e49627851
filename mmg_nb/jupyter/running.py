"""Run an estimate while the cell waits, shows progress and listens for interrupts."""

from __future__ import annotations

from mmg_nb.interrupts import first_interrupt
from mmg_nb.jupyter.progress import Progress, View
from mmg_nb.jupyter.worker import Work, Worker
from mmg_nb.results import MIResult

__all__ = ["run_in_cell"]

SLICE = 0.05  # seconds: short enough for interrupts and other threads to feel prompt


def run_in_cell(work: Work, view: View) -> tuple[MIResult, bool]:
    """Do a run in a thread and wait for it.

    The first interrupt asks the run to stop and keep what is learnt; the second one raises.

    Args:
        work: The run.
        view: Shows it, in this thread.

    Returns:
        The result, and whether the view shows it already.

    Raises:
        BaseException: What the run raised, or KeyboardInterrupt.
    """
    progress = Progress()
    worker = Worker(work, progress)
    try:
        with first_interrupt(worker.stop):
            worker.start()
            while not worker.wait(SLICE):
                progress.stopping = worker.stopping
                view.tick(progress)
            result = worker.result()
            return result, view.finish(result)
    except BaseException as error:
        worker.abandon()
        view.fail(error)
        raise
