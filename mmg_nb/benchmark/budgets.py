"""Records of the paper's set-up at growing numbers of steps, from one training.

The learning rate of `published` does not depend on the number of steps. Its training of 1 000
steps is therefore the beginning of that of 3 000 steps with the same rows and seed. Each record
equals that of a sweep, which would train from the start. Only `seconds` differs: it counts the
whole training.

The adaptive sampler is chosen after the first training. So its second training begins anew for
each number of steps, but the first training is not repeated.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmg_nb.api import estimate, resume
from mmg_nb.benchmark import task
from mmg_nb.benchmark.cells import Cell, grid
from mmg_nb.benchmark.records import RecordFile, latest, read_records, records_path
from mmg_nb.benchmark.worker import ESTIMATOR_SEED_OFFSET, Record, record_of
from mmg_nb.errors import MMGError
from mmg_nb.results.result import MIResult
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Event, Listener, Step
from mmg_nb.training.checkpoint import continue_finished

__all__ = ["Budgets", "run_budgets"]


@dataclass(frozen=True, kw_only=True)
class Budgets:
    """One task and seed, trained to growing numbers of steps.

    Attributes:
        task: Task id.
        steps: Numbers of steps, in increasing order.
        n: Rows to draw.
        seed: Seed of the data; see `mmg_nb.benchmark.run`.
        adaptive: Whether to record the adaptive sampler, too.
        out: File of records; those that it has are not computed again.
        folder: Folder of the checkpoints. Without them, training begins anew.
        device: See `mmg_nb.estimate`.
    """

    task: str
    steps: tuple[int, ...]
    n: int
    seed: int
    adaptive: bool = True
    out: Path
    folder: Path
    device: str = "auto"

    def run(self, seconds: float = float("inf"), *, progress: bool = True) -> int:
        """Train and append records until all are there, or the time is over.

        Args:
            seconds: Wall time after which training is saved and stops.
            progress: Whether to show steps and time left.

        Returns:
            Number of records that are still missing. The same call continues.

        Raises:
            MMGError: The steps do not increase, an argument is invalid, or a file cannot be used.
        """
        if list(self.steps) != sorted(set(self.steps)):
            what = f"steps must increase; got {self.steps}."
            raise MMGError(what, "Try steps=(1000, 3000, 10000).")
        end = time.monotonic() + seconds
        self.folder.mkdir(parents=True, exist_ok=True)
        with RecordFile(records_path(self.out)) as file:
            todo = self._todo(file.records)
            for place, cell in enumerate(todo):
                result = self._train(cell, end, progress)
                if result.status is Status.INTERRUPTED:
                    return len(todo) - place
                file.append(record_of(cell.to_dict(), task(self.task).mi_true, result))
        return 0

    def missing(self) -> int:
        """Number of records that the file lacks."""
        return len(self._todo(read_records(records_path(self.out))))

    def _todo(self, records: Iterable[Record]) -> list[Cell]:
        done = latest(records)
        return [cell for cell in self._cells() if cell.cell_id not in done]

    def _cells(self) -> Iterator[Cell]:
        for steps in self.steps:
            for adaptive in (False, True)[: 1 + self.adaptive]:
                fields = {"steps": steps, "adaptive": adaptive}
                yield from grid([self.task], [("published", fields)], self.n, [self.seed])

    def _train(self, cell: Cell, end: float, progress: bool) -> MIResult:
        """The result of a cell, whose training begins with what has been trained."""
        steps, adaptive = cell.spec.fields["steps"], cell.spec.fields["adaptive"]
        path = self._checkpoint(steps, adaptive)
        if not path.exists():
            earlier = [self._checkpoint(steps, False)] if adaptive else self._shorter(steps)
            found = next((each for each in earlier if each.exists()), None)
            if found is None:
                return self._started(cell, path, end, progress)
            continue_finished(found, path, {"steps": steps, "adaptive": adaptive})
        return resume(path, listen=_until(end), progress=progress)

    def _started(self, cell: Cell, path: Path, end: float, progress: bool) -> MIResult:
        x, y = task(self.task).sample(self.n, self.seed)
        seed = ESTIMATOR_SEED_OFFSET + self.seed
        return estimate(
            x,
            y,
            "published",
            seed=seed,
            device=self.device,
            checkpoint=path,
            listen=_until(end),
            progress=progress,
            **cell.spec.fields,
        )

    def _shorter(self, steps: int) -> Iterable[Path]:
        return (self._checkpoint(each, False) for each in reversed(self.steps) if each < steps)

    def _checkpoint(self, steps: int, adaptive: bool) -> Path:
        kind = "adaptive" if adaptive else "fixed"
        return self.folder / f"{self.task}-{self.n}-{self.seed}-{kind}-{steps}.mmg"


def run_budgets(
    tasks: Iterable[str],
    steps: Sequence[int],
    seeds: Iterable[int],
    seconds: float = float("inf"),
    **asked: Any,
) -> int:
    """Train every task and seed to each number of steps before any of them goes on to the next.

    Args:
        tasks: Task ids.
        steps: Numbers of steps, in increasing order.
        seeds: Seeds of the data.
        seconds: Wall time after which training is saved and stops.
        **asked: The other attributes of `Budgets`.

    Returns:
        Number of records that are still missing. The same call continues.

    Raises:
        MMGError: See `Budgets.run`.
    """
    end, chosen = time.monotonic() + seconds, tuple(steps)
    pairs = [(name, seed) for seed in seeds for name in tasks]
    runs = [
        Budgets(task=name, steps=chosen[:reached], seed=seed, **asked)
        for reached in range(1, len(chosen) + 1)
        for name, seed in pairs
    ]
    for each in runs:
        if each.run(max(0.0, end - time.monotonic())):
            break
    return sum(each.missing() for each in runs[-len(pairs) :])


def _until(end: float) -> Listener:
    def listen(event: Event) -> bool:
        return isinstance(event, Step) and time.monotonic() > end

    return listen
