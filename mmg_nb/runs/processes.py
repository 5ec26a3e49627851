"""Worker processes on this machine.

This module imports no numerical library. A new process can therefore still set its number of
threads.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, ParamSpec, TypeVar

from mmg_nb.errors import MMGError

__all__ = ["WorkerProcesses", "start_worker"]

P = ParamSpec("P")
T = TypeVar("T")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class _Children(SpawnContext):
    """The spawn method, with a list of the processes it made.

    Forking could copy a lock of a notebook kernel or of torch while a thread holds it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.made: list[SpawnProcess] = []

    def Process(self, *args: Any, **kwargs: Any) -> SpawnProcess:  # type: ignore[override]
        """Make a process. Multiprocessing prescribes the name of this method."""
        process = SpawnProcess(*args, **kwargs)
        self.made.append(process)
        return process


class WorkerProcesses(Executor):
    """A pool of processes that is replaced when one of them dies.

    Args:
        workers: Number of processes. They start with the first call.
        threads: Threads of numerical libraries in each process.
    """

    def __init__(self, workers: int, threads: int) -> None:
        self._workers = workers
        self._threads = threads
        self._can_start = False
        self._open()

    def _open(self) -> None:
        self._children = _Children()
        self._pool = ProcessPoolExecutor(
            self._workers, self._children, start_worker, (self._threads,)
        )

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Submit a call to a process.

        Raises:
            MMGError: Processes cannot be started.
        """
        self._check_start()
        try:
            return self._pool.submit(fn, *args, **kwargs)
        except BrokenProcessPool:
            self.shutdown()
            self._open()
            return self._pool.submit(fn, *args, **kwargs)

    def _check_start(self) -> None:
        """Check that processes start. A later death is then the fault of a cell."""
        if self._can_start:
            return
        try:
            self._pool.submit(_ready).result()
        except BrokenProcessPool as error:
            what = "The worker processes could not start."
            remedy = "In a script, put the code under `if __name__ == '__main__':`."
            raise MMGError(what, remedy) from error
        self._can_start = True

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes immediately. Running calls are dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in self._children.made:
            process.terminate()
        for process in self._children.made:
            process.join()


def _ready() -> None:
    """Do nothing: a finished call shows that the process runs."""


def start_worker(threads: int) -> None:
    """Prepare a new worker process.

    Args:
        threads: Threads of numerical libraries. Use 1 with one process per core.
    """
    for name in THREAD_VARIABLES:  # numpy and torch read these variables on import
        os.environ[name] = str(threads)
    # Ctrl-C reaches all processes of the group. Between cells, only the coordinator handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """End this process when the coordinator dies. A process pool does not do this itself."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
