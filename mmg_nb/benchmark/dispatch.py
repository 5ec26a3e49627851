"""Submits cells to an executor and collects their records, also after workers die."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Executor, Future
from queue import SimpleQueue

from mmg_nb.benchmark.cells import Cell
from mmg_nb.benchmark.worker import Record, failed_record
from mmg_nb.errors import MMGError

__all__ = ["Dispatcher"]

MAX_LOST_WORKERS = 2  # a cell that loses this many workers has failed


class Dispatcher:
    """Runs cells on an executor.

    If a worker dies, its cell is lost. In a process pool, all running cells are lost with it.
    Each lost cell is submitted once more, with no other cell running. If its worker dies again,
    the cell has failed.

    Args:
        executor: Where the cells run.
        width: Maximum number of cells to submit at a time; None for all.
        work: Called in a worker with a cell as plain values and the number of the attempt.
    """

    def __init__(self, executor: Executor, width: int | None, work: Callable[..., Record]) -> None:
        self._executor = executor
        self._width = width
        self._work = work
        self._waiting: deque[Cell] = deque()
        self._running: dict[Future[Record], Cell] = {}
        self._losses: Counter[str] = Counter()
        # A SimpleQueue is reentrant: a signal handler may call `put` during `get`.
        self._ended: SimpleQueue[Future[Record] | None] = SimpleQueue()
        self._stopping = False
        self._refusal: Exception | None = None

    def stop(self) -> None:
        """Submit no more cells, and wait for none. Safe in a signal handler."""
        self._stopping = True
        self._ended.put(None)

    def records(self, cells: Iterable[Cell]) -> Generator[Record]:
        """Run the cells of a sweep. A cell is an estimator on a task with n rows and a seed.

        Args:
            cells: The cells to run.

        Yields:
            A record for each cell as it ends. After a call of the method `stop` there are no
            more; cells that are still running are not waited for.

        Raises:
            MMGError: The executor accepts no more cells.
        """
        self._waiting.extend(cells)
        try:
            while self._hand_out():
                future = self._ended.get()
                if future is not None:
                    yield from self._settled(future)
            yield from self._remains()
        finally:  # also if the consumer fails, for example because the disk is full
            for future in self._running:
                future.cancel()
        if self._refusal is not None:
            if isinstance(self._refusal, MMGError):
                raise self._refusal
            what = f"The executor accepts no more cells ({self._refusal!r})."
            remedy = "Finished cells are kept. Run the sweep again with a new executor."
            raise MMGError(what, remedy) from self._refusal

    def _hand_out(self) -> bool:
        """Submit cells. Returns whether there is a cell to wait for."""
        while not self._stopping and self._waiting and self._has_room():
            self._submit(self._waiting.popleft())
        return bool(self._running) and not self._stopping

    def _has_room(self) -> bool:
        cells = (self._waiting[0], *self._running.values()) if self._losses else ()
        if any(self._losses[cell.cell_id] for cell in cells):
            return not self._running
        return self._width is None or len(self._running) < self._width

    def _submit(self, cell: Cell) -> None:
        attempt = self._losses[cell.cell_id] + 1
        try:
            future = self._executor.submit(self._work, cell.to_dict(), attempt)
        except Exception as error:  # any type of error, because the executor may be of any kind
            self._refusal = error
            self.stop()
            return
        self._running[future] = cell
        future.add_done_callback(self._ended.put)

    def _settled(self, future: Future[Record]) -> Iterator[Record]:
        cell = self._running.pop(future)
        try:
            record = future.result()
        except Exception as error:
            yield from self._lost(cell, error)
            return
        if record["status"] == "interrupted":  # an interrupted run is not a result
            self.stop()
        else:
            yield record

    def _lost(self, cell: Cell, error: Exception) -> Iterator[Record]:
        self._losses[cell.cell_id] += 1
        losses = self._losses[cell.cell_id]
        if losses >= MAX_LOST_WORKERS:
            yield failed_record(cell.to_dict(), losses, error)
        else:
            self._waiting.appendleft(cell)

    def _remains(self) -> Iterator[Record]:
        """After a stop: keep finished cells and drop the others."""
        for future in list(self._running):
            if not future.cancel() and future.done() and future.exception() is None:
                yield from self._settled(future)
