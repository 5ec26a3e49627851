"""The executors that need no other library: here and now, or in processes of our own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, ParamSpec, TypeVar

from mmg_nb.benchmark.worker import start_worker
from mmg_nb.errors import MMGError

__all__ = ["SerialExecutor", "WorkerProcesses", "blas_threads", "opened"]

P = ParamSpec("P")
T = TypeVar("T")


class SerialExecutor(Executor):
    """Runs each call in the calling thread, before `submit` returns."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run the call; an interrupt is raised, any other error is kept in the future."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class _Children(SpawnContext):
    """The spawn method, remembering the processes it made.

    Forking would copy the threads' locks of a notebook kernel or of torch in any state.
    """

    def __init__(self) -> None:
        super().__init__()
        self.made: list[SpawnProcess] = []

    def Process(self, *args: Any, **kwargs: Any) -> SpawnProcess:  # type: ignore[override]
        """Make a process; the name is that of multiprocessing."""
        process = SpawnProcess(*args, **kwargs)
        self.made.append(process)
        return process


class WorkerProcesses(Executor):
    """A pool of processes that is replaced when one of them dies.

    Args:
        workers: Number of processes, started with the first call.
        threads: Threads that numerical libraries may start in each.
    """

    def __init__(self, workers: int, threads: int) -> None:
        self._workers = workers
        self._threads = threads
        self._proved = False
        self._open()

    def _open(self) -> None:
        self._children = _Children()
        self._pool = ProcessPoolExecutor(
            self._workers, self._children, start_worker, (self._threads,)
        )

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Hand a call to a process.

        Raises:
            MMGError: Processes cannot be started.
        """
        self._prove()
        try:
            return self._pool.submit(fn, *args, **kwargs)
        except BrokenProcessPool:
            self.shutdown()
            self._open()
            return self._pool.submit(fn, *args, **kwargs)

    def _prove(self) -> None:
        """Tell processes that cannot start from cells that kill them."""
        if self._proved:
            return
        try:
            self._pool.submit(_ready).result()
        except BrokenProcessPool as error:
            what = "The worker processes end before they begin."
            remedy = "In a script, put what runs under `if __name__ == '__main__':`."
            raise MMGError(what, remedy) from error
        self._proved = True

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes at once; a call that one of them still works on is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in self._children.made:
            process.terminate()
        for process in self._children.made:
            process.join()


def _ready() -> None:
    """What a process answers to show that it runs."""


def blas_threads(count: int) -> AbstractContextManager[object]:
    """Limit BLAS in this process, where cells may run: with more threads it sums otherwise.

    The limit belongs to the process, so cells side by side in threads must not set it each.

    Args:
        count: Threads.

    Returns:
        A context manager that restores what it found.
    """
    import scipy.linalg  # noqa: F401  # brings a BLAS of its own, which must be there by now
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(count, user_api="blas")
    return limits


@contextmanager
def opened(
    executor: Executor | None, workers: int | None, threads: int
) -> Iterator[tuple[Executor, int | None]]:
    """The executor of a sweep, ended afterwards if it was made here.

    Args:
        executor: Any executor, or None.
        workers: Processes to start, or None.
        threads: Threads a process.

    Yields:
        The executor, and how many cells to hand it at a time (None: all).

    Raises:
        MMGError: Both an executor and a number of workers are given, or none can be started.
    """
    if executor is not None and workers is not None:
        what = "Give either executor= or workers=, not both."
        raise MMGError(what, "workers=k starts k processes here; an executor brings its own.")
    if executor is not None:
        yield executor, None
    elif workers is None:
        yield SerialExecutor(), 1
    elif isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        what = f"workers must be a whole number of at least 1; got {workers!r}."
        raise MMGError(what, "Leave it out to run one cell after the other in this process.")
    else:
        with WorkerProcesses(workers, threads) as pool:
            yield pool, workers
