"""Executors without further libraries: in this thread, or in worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, ParamSpec, TypeVar

from mmg_nb.benchmark.worker import start_worker
from mmg_nb.errors import MMGError, brief

__all__ = ["SerialExecutor", "WorkerProcesses", "blas_threads", "elsewhere", "opened"]

P = ParamSpec("P")
T = TypeVar("T")


class SerialExecutor(Executor):
    """Runs each call in the calling thread, before `submit` returns."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run the call. Interrupts are raised. Other errors are stored in the future."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


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


def blas_threads(count: int) -> AbstractContextManager[object]:
    """Limit the threads of BLAS in this process, where cells may run.

    The order of sums, and with it the last digits, depends on the number of threads. The limit
    holds for the whole process, so cells that run in threads must not set it themselves.

    Args:
        count: Number of threads.

    Returns:
        A context manager that restores the previous number.
    """
    import scipy.linalg  # noqa: F401  # loads its own BLAS, which must be limited as well
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(count, user_api="blas")
    return limits


def elsewhere(executor: Executor | None, workers: int | None) -> bool:
    """Whether cells may run in other processes. The arguments are those of `opened`."""
    here = executor is None or isinstance(executor, (SerialExecutor, ThreadPoolExecutor))
    return workers is not None or not here


@contextmanager
def opened(
    executor: Executor | None, workers: int | None, threads: int
) -> Iterator[tuple[Executor, int | None]]:
    """Provide the executor of a sweep. An executor that was made here is shut down at the end.

    Args:
        executor: Any executor, or None.
        workers: Number of processes to start, or None.
        threads: Threads per process.

    Yields:
        The executor, and the maximum number of cells to submit at a time (None: all).

    Raises:
        MMGError: `executor` and `workers` are both given, or `workers` is invalid.
    """
    if executor is not None and workers is not None:
        what = "Expected executor= or workers=, not both."
        raise MMGError(what, "Remove workers=: an executor has its own workers.")
    if executor is not None:
        yield executor, None
    elif workers is None:
        yield SerialExecutor(), 1
    elif isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        what = f"workers must be a whole number of at least 1; got {brief(workers)}."
        raise MMGError(what, "Leave workers out to run one cell at a time in this process.")
    else:
        with WorkerProcesses(workers, threads) as pool:
            yield pool, workers
