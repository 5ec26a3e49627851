"""Executors without further libraries: in this thread, or in worker processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import ParamSpec, TypeVar

from mmg_nb.errors import MMGError, brief
from mmg_nb.runs.processes import WorkerProcesses

__all__ = ["SerialExecutor", "blas_threads", "elsewhere", "opened"]

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
