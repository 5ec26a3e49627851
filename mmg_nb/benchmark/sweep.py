"""Runs a grid of estimators, tasks, sample sizes and seeds, and keeps every finished cell."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, TypedDict, Unpack

from mmg_nb.benchmark.cells import Cell, Estimators, grid
from mmg_nb.benchmark.dispatch import Dispatcher
from mmg_nb.benchmark.executors import blas_threads, elsewhere, opened
from mmg_nb.benchmark.portable import packed
from mmg_nb.benchmark.progress import Forecast, Progress, SweepListener, console
from mmg_nb.benchmark.records import RecordFile, latest, records_path
from mmg_nb.benchmark.reporting import check_reporting
from mmg_nb.benchmark.tables import Table, tabulate
from mmg_nb.benchmark.worker import Record, compute
from mmg_nb.errors import MMGError, brief
from mmg_nb.runs.device_names import check_device
from mmg_nb.runs.interrupts import first_interrupt
from mmg_nb.signatures import Keyword, only, shows

__all__ = ["Sweep", "SweepKeywords", "run"]


@dataclass(frozen=True, eq=False)
class Sweep:
    """The records of a sweep.

    Attributes:
        path: The file of records.
        records: The records of all finished cells.
        total: Number of cells of the sweep.
    """

    path: Path
    records: tuple[Record, ...]
    total: int

    @property
    def stopped(self) -> bool:
        """Whether cells remain. The same call of `run` continues with them."""
        return len(self.records) < self.total

    @property
    def failed(self) -> tuple[Record, ...]:
        """The records of cells that failed, each with its `traceback`."""
        return tuple(record for record in self.records if record["status"] == "failed")

    def table(self, by: str = "group") -> Table:
        """Accuracy, coverage and time of this sweep's cells; see `mmg_nb.benchmark.table`."""
        return tabulate(self.records, by)

    def __repr__(self) -> str:
        state = ", stopped" if self.stopped else ""
        cells = f"{len(self.records)} of {self.total} cells, {len(self.failed)} failed{state}"
        return f"Sweep({str(self.path)!r}: {cells})"

    def _repr_html_(self) -> str:
        return f"{self.table().to_html()}<p>{self!r}</p>"


class SweepKeywords(TypedDict, total=False):
    """Keyword arguments of `run`."""

    executor: Annotated[
        Executor | None, Keyword(None, "Executor for the cells. It is not shut down.")
    ]
    workers: Annotated[
        int | None, Keyword(None, "Number of processes to start. Not together with `executor`.")
    ]
    threads: Annotated[
        int,
        Keyword(
            1,
            """Threads of numerical libraries per cell. With the default of 1, results do not
            depend on where a cell runs. More workers save more time than more threads.""",
        ),
    ]
    device: Annotated[str, Keyword("auto", "Device of each cell; see `mmg_nb.estimate`.")]
    retry_failed: Annotated[bool, Keyword(False, "Whether to run failed cells again.")]
    curves: Annotated[
        bool,
        Keyword(
            False,
            """Whether to store the error curves as well, about 8 kB per cell. Cells whose line
            has no key `curve` are run again.""",
        ),
    ]
    reporting: Annotated[
        bool,
        Keyword(
            False,
            """Whether tasks may run that are kept for reported figures (`generated-100000` and
            above). A line beside the file of records notes each use.""",
        ),
    ]
    listen: Annotated[
        SweepListener | None,
        Keyword(
            None,
            """Called with a `Progress` after each cell. Returning true stops the sweep. By
            default, progress is written to standard error.""",
        ),
    ]


@shows(SweepKeywords)
def run(
    tasks: str | Iterable[str],
    estimators: Estimators,
    n: int | Iterable[int],
    seeds: int | Iterable[int],
    out: str | Path,
    **keywords: Unpack[SweepKeywords],
) -> Sweep:
    """Run every estimator on every task with every n and seed, or continue such a sweep.

    Each finished cell becomes one line of JSON. Cells that have a line are skipped. After an
    interrupt, a kill or a crash, the same call therefore continues where the sweep stopped. A
    failed cell becomes a line with its traceback, and the other cells go on. If a worker dies,
    only its running cells are lost. They are run once more.

    By default, cells run one at a time in this process. With `workers=k`, they run in k
    processes. They also run on any `concurrent.futures.Executor` whose workers have this package
    installed:

        with dask.distributed.Client() as client:                       # Dask
            run(..., executor=client.get_executor())
        with ipyparallel.Cluster(n=8) as client:                        # ipyparallel
            run(..., executor=client.executor())
        with mpi4py.futures.MPIPoolExecutor() as pool:                  # MPI, under
            run(..., executor=pool)                                     # python -m mpi4py.futures

    A worker trains one cell at a time. Worker processes import registered estimators and tasks,
    so define these in a file, not in a notebook cell.

    Args:
        tasks: Suites, patterns or ids, as a list or separated by commas: `"bmi,outside"`.
        estimators: Names with or without fields: `"gcmi,mmg:steps=1000,gap=inner"`, or a list of
            such texts or of pairs `("mmg", {"steps": 1000})`.
        n: One or several numbers of rows.
        seeds: A number k for the seeds 0 … k − 1, or a list of seeds.
        out: The file of records. The suffix `.jsonl` is added if it is missing.
        **keywords: Those of `mmg_nb.benchmark.sweep.SweepKeywords`.

    Returns:
        The records of all finished cells. An interrupt (Ctrl-C, or the stop button) stops the
        sweep and keeps finished cells. Running cells are dropped.

    Raises:
        MMGError: An argument is invalid, the file is in use, the file is not a file of records,
            worker processes cannot import an estimator or a task, or the executor accepts no
            more work.
    """
    asked = only(SweepKeywords, keywords, "run")
    device, threads, curves = asked["device"], asked["threads"], asked["curves"]
    if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
        what = f"threads must be a whole number of at least 1; got {brief(threads)}."
        raise MMGError(what, "Leave threads out to use one thread per cell.")
    check_device(device)
    cells = grid(tasks, estimators, n, seeds)
    check_reporting(cells, records_path(out), allowed=asked["reporting"])
    executor, workers = asked["executor"], asked["workers"]
    registered = packed(cells) if elsewhere(executor, workers) else b""
    work = partial(compute, device=device, threads=threads, curves=curves, registered=registered)
    with RecordFile(records_path(out)) as file:
        again = partial(_again, retry_failed=asked["retry_failed"], curves=curves)
        state = _State(cells, file, again, asked["listen"] or console())
        try:
            with opened(executor, workers, threads) as (pool, width), blas_threads(threads):
                _drive(state, Dispatcher(pool, width, work))
        finally:
            state.report(ended=True)
        return Sweep(file.path, tuple(state.records.values()), len(cells))


def _drive(state: _State, dispatcher: Dispatcher) -> None:
    with first_interrupt(dispatcher.stop):
        if state.report():
            return
        with closing(dispatcher.records(state.todo)) as records:
            for record in records:
                if state.add(record):
                    dispatcher.stop()


def _again(record: Record, *, retry_failed: bool, curves: bool) -> bool:
    """Whether to run the cell of this record again."""
    if record["status"] == "failed":
        return retry_failed
    return curves and "curve" not in record


class _State:
    """The state of a sweep: its cells, its records, its file and its listener."""

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

    def add(self, record: Record) -> bool:
        """Write a record. Returns whether the listener stops the sweep."""
        self._file.append(record)
        self.records[record["id"]] = record
        self._forecast.add(record)
        return self.report()

    def report(self, *, ended: bool = False) -> bool:
        """Send the state to the listener. Returns whether it stops the sweep."""
        left = self._forecast.seconds_left()
        progress = Progress(tuple(self.records.values()), self.total, left, ended)
        return bool(self._listen(progress))
