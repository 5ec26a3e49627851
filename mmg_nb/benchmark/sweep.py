"""Run a grid of estimators, tasks, sample sizes and seeds, so that nothing done is ever lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mmg_nb.benchmark.cells import Cell, Estimators, grid
from mmg_nb.benchmark.dispatch import Dispatcher
from mmg_nb.benchmark.executors import blas_threads, opened
from mmg_nb.benchmark.progress import Forecast, Progress, SweepListener, console
from mmg_nb.benchmark.records import RecordFile, latest, records_path
from mmg_nb.benchmark.tables import Table, tabulate
from mmg_nb.benchmark.worker import Record, compute
from mmg_nb.errors import MMGError
from mmg_nb.runs.interrupts import first_interrupt

__all__ = ["Sweep", "run"]


@dataclass(frozen=True, eq=False)
class Sweep:
    """What a sweep has in its file.

    Attributes:
        path: The file.
        records: The record of every cell that has one.
        total: Cells of the sweep.
    """

    path: Path
    records: tuple[Record, ...]
    total: int

    @property
    def stopped(self) -> bool:
        """Whether cells are left; the same call of `run` continues with them."""
        return len(self.records) < self.total

    @property
    def failed(self) -> tuple[Record, ...]:
        """The records of cells that failed, each with its `traceback`."""
        return tuple(record for record in self.records if record["status"] == "failed")

    def table(self, by: str = "group") -> Table:
        """Accuracy, coverage and time of this sweep's cells, see `mmg_nb.benchmark.table`."""
        return tabulate(self.records, by)

    def __repr__(self) -> str:
        state = ", stopped" if self.stopped else ""
        cells = f"{len(self.records)} of {self.total} cells, {len(self.failed)} failed{state}"
        return f"Sweep({str(self.path)!r}: {cells})"

    def _repr_html_(self) -> str:
        return f"{self.table().to_html()}<p>{self!r}</p>"


def run(
    tasks: str | Iterable[str],
    estimators: Estimators,
    n: int | Iterable[int],
    seeds: int | Iterable[int],
    out: str | Path,
    *,
    executor: Executor | None = None,
    workers: int | None = None,
    threads: int = 1,
    device: str = "auto",
    retry_failed: bool = False,
    curves: bool = False,
    listen: SweepListener | None = None,
) -> Sweep:
    """Run every estimator on every task, with every n and seed; continue what is there.

    Each cell becomes one line of JSON when it ends. Cells that have a line are skipped, so after
    an interrupt, a kill or a crash the same call goes on where it stopped. A cell that fails is
    a line with its traceback, and the others go on. A worker that dies costs only what it was
    doing; those cells are handed out once more.

    Cells run one after the other in this process, or with `workers=k` in k processes, or on any
    `concurrent.futures.Executor`, whose workers need this package installed:

        with dask.distributed.Client() as client:                       # Dask
            run(..., executor=client.get_executor())
        with ipyparallel.Cluster(n=8) as client:                        # ipyparallel
            run(..., executor=client.executor())
        with mpi4py.futures.MPIPoolExecutor() as pool:                  # MPI, under
            run(..., executor=pool)                                     # python -m mpi4py.futures

    A worker trains one cell at a time; cells of equal shape are not trained together.

    Args:
        tasks: Suites, patterns or ids, as a list or separated by commas: `"bmi,outside"`.
        estimators: Names with or without fields: `"gcmi,mmg:steps=1000,gap=inner"`, or a list of
            such texts or of pairs `("mmg", {"steps": 1000})`.
        n: Rows, one or several numbers.
        seeds: A number k for the seeds 0 … k − 1, or the seeds themselves.
        out: The file; `.jsonl` is appended unless it is there.
        executor: Where to run the cells; it is left open.
        workers: Number of processes to start instead.
        threads: Threads of numerical libraries in a cell. The default of 1 gives the same
            numbers wherever a cell runs; more cells at a time gain more than more threads.
        device: Where a cell computes, see `mmg_nb.estimate`.
        retry_failed: Run cells again whose line is a failure.
        curves: Keep the error curves, too, some 8 kB a cell; cells whose line lacks the key
            `curve` are run again.
        listen: Called with a `Progress` after each cell; a true answer stops the sweep. By
            default progress is written to standard error.

    Returns:
        The records of all cells so far. An interrupt (Ctrl-C, or the stop button) stops the sweep
        and keeps what is done; cells under way are dropped.

    Raises:
        MMGError: Something asked for does not exist, the file is in use or is no file of
            records, or the executor takes no more work.
    """
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        what = f"threads must be a whole number of at least 1; got {threads!r}."
        raise MMGError(what, "Leave it out for one thread a cell.")
    cells = grid(tasks, estimators, n, seeds)
    work = partial(compute, device=device, threads=threads, curves=curves)
    with RecordFile(records_path(out)) as file:
        again = partial(_again, retry_failed=retry_failed, curves=curves)
        book = _Book(cells, file, again, listen or console())
        try:
            with opened(executor, workers, threads) as (pool, width), blas_threads(threads):
                _drive(book, Dispatcher(pool, width, work))
        finally:
            book.report(ended=True)
        return Sweep(file.path, tuple(book.records.values()), len(cells))


def _drive(book: _Book, dispatcher: Dispatcher) -> None:
    with first_interrupt(dispatcher.stop):
        if book.report():
            return
        with closing(dispatcher.records(book.todo)) as records:
            for record in records:
                if book.enter(record):
                    dispatcher.stop()


def _again(record: Record, *, retry_failed: bool, curves: bool) -> bool:
    """Whether a cell with this record is to be run again."""
    if record["status"] == "failed":
        return retry_failed
    return curves and "curve" not in record


class _Book:
    """The cells of a sweep, the records they have, and who wants to know."""

    def __init__(
        self,
        cells: tuple[Cell, ...],
        file: RecordFile,
        again: Callable[[Record], bool],
        listen: SweepListener,
    ) -> None:
        found = latest(file.records)
        kept = {
            cell.cell_id: found[cell.cell_id]
            for cell in cells
            if cell.cell_id in found and not again(found[cell.cell_id])
        }
        self.records = kept
        self.todo = tuple(cell for cell in cells if cell.cell_id not in kept)
        self.total = len(cells)
        self._file = file
        self._listen = listen
        self._forecast = Forecast(self.todo, kept.values())

    def enter(self, record: Record) -> bool:
        """Write a record; whether the listener wants to stop."""
        self._file.append(record)
        self.records[record["id"]] = record
        self._forecast.add(record)
        return self.report()

    def report(self, *, ended: bool = False) -> bool:
        """Tell the listener; whether it wants to stop."""
        left = self._forecast.seconds_left()
        progress = Progress(tuple(self.records.values()), self.total, left, ended)
        return bool(self._listen(progress))
