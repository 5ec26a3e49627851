"""Save a run in a file while it goes on, and resume it from that file."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Generator

from mmg_nb import __version__
from mmg_nb.errors import MMGError
from mmg_nb.results.plain import from_plain
from mmg_nb.results.result import MIResult
from mmg_nb.results.status import Status
from mmg_nb.runs.keeper import Restorable, Tensors
from mmg_nb.training.checkpoint_file import Contents, damaged, read, write
from mmg_nb.training.state import Arrays, as_tensors, named, part
from mmg_nb.training.stopping import Ended, Record

__all__ = ["Checkpoint", "continue_finished"]


@dataclass(frozen=True, eq=False)
class _Training:
    """The numbers of a training; see `TrainingState.numbers`."""

    step: int
    drawn_at: int
    kept_at: int
    best: int
    least: float
    evidence: float
    ended: Ended | None
    record: Record

    def check(self) -> None:
        record = self.record
        columns = record.step, record.loss, record.mi, record.progress_loss
        counts = self.step, self.drawn_at, self.kept_at, self.best
        validated = bool(record.step) or not (self.ended or self.kept_at)
        if min(counts) < 0 or len({len(column) for column in columns}) > 1 or not validated:
            raise ValueError("the numbers of a training do not match")


@dataclass(frozen=True, eq=False)
class _Values:
    """The plain values of a file; see `Checkpoint`."""

    package: str
    every: float
    seconds: float
    device: str | None
    finished: bool
    fingerprint: int | None
    job: dict[str, Any]
    trainings: tuple[_Training, ...]

    def check(self) -> None:
        if not all(math.isfinite(each) and each >= 0 for each in (self.every, self.seconds)):
            raise ValueError("its times are no numbers of seconds")
        for training in self.trainings:
            training.check()


class Checkpoint:
    """The file of a run, as a `Keeper`.

    The file holds the request with its data, the tensors computed before training, and the state
    of every training of the run. After the first write, the file can be resumed at any time.

    Args:
        path: The file.
        every: Seconds between two writes. The file is also written when a training stops or ends.
        job: The request with its data.
        clock: A monotonic clock, in seconds.

    Attributes:
        seconds: Seconds that the run took before it was resumed.
        device: Device of the computation; None before training.
    """

    def __init__(
        self,
        path: Path,
        every: float,
        job: Contents,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self.every = every
        self.job = job
        self.seconds = 0.0
        self.device: str | None = None
        self._fingerprint: int | None = None
        self._once: Arrays = {}
        self._trainings: list[tuple[dict[str, Any], Arrays]] = []
        self._at = -1  # index of the current training
        self._package = __version__
        self._finished = False
        self._trouble: OSError | None = None
        self._clock = clock
        self._began = self._written = clock()

    @classmethod
    def new(cls, path: Path, every: float, job: Contents) -> Checkpoint:
        """The checkpoint of a new run, and its file.

        Args:
            path: The file. If it exists, it must hold a finished run.
            every: Seconds between two writes.
            job: The request with its data.

        Returns:
            The checkpoint.

        Raises:
            MMGError: The file holds anything else, or cannot be written.
        """
        if os.path.exists(path):  # unlike path.exists(), no error if the name is too long
            _check_finished(path)
        checkpoint = cls(path, every, job)
        checkpoint._write()
        if checkpoint._trouble is not None:
            what = f"No checkpoint can be written to {str(path)!r} ({checkpoint._trouble})."
            raise MMGError(what, "Choose a file in a folder that exists and is writable.")
        return checkpoint

    @classmethod
    def open(cls, path: Path, every: float | None = None) -> Checkpoint:
        """The checkpoint of a run to resume.

        Args:
            path: The file.
            every: Seconds between two writes; None for the interval in the file.

        Returns:
            The checkpoint.

        Raises:
            MMGError: The file does not exist, is damaged, is not a checkpoint, or has another
                format.
        """
        found = _read(path)
        values = found.values
        chosen = values["every"] if every is None else every
        checkpoint = cls(path, chosen, Contents(values["job"], part(found.arrays, "job")))
        checkpoint.seconds = values["seconds"]
        checkpoint.device = values["device"]
        checkpoint._fingerprint = values["fingerprint"]
        checkpoint._once = part(found.arrays, "once")
        checkpoint._trainings = [
            (numbers, part(found.arrays, f"training {k}"))
            for k, numbers in enumerate(values["trainings"])
        ]
        checkpoint._package = values["package"]
        return checkpoint

    # --- the interface for the run; see `Keeper`

    def check_split(self, fingerprint: int) -> None:
        """Check that a resumed run splits its rows as before."""
        if self._fingerprint not in (None, fingerprint):
            what = f"This version of numpy splits the rows of {str(self.path)!r} in another way."
            raise MMGError(what, "Resume it with the numpy version that started it.")
        self._fingerprint = fingerprint

    def cached(self, name: str, compute: Callable[[], Tensors], generator: Generator) -> Tensors:
        """Compute tensors before training, or restore them with the state of the generator."""
        kept = as_tensors(self._once, name)
        if kept:
            with self._fitting():
                generator.set_state(kept.pop("generator"))
            return {key: value.to(generator.device) for key, value in kept.items()}
        made = compute()
        for key, value in {**made, "generator": generator.get_state()}.items():
            self._once[f"{name}.{key}"] = value.detach().cpu().numpy().copy()
        return made

    def track(self, state: Restorable) -> None:
        """Register a training at its start; a resumed one continues from its saved state."""
        self._at += 1
        self.device = str(state.generator.device)
        if self._at == len(self._trainings):
            self._trainings.append((state.numbers(), state.arrays()))
            return
        numbers, arrays = self._trainings[self._at]
        with self._fitting():
            state.restore(arrays, numbers)

    @contextmanager
    def _fitting(self) -> Iterator[None]:
        """Report what does not fit into the objects of this version.

        Raises:
            MMGError: Names or shapes differ.
        """
        try:
            yield
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            what = (
                f"{str(self.path)!r} was written by mmg_nb {self._package}; this version, "
                f"{__version__}, cannot read it."
            )
            remedy = "Resume it with the version that wrote it. The file was not changed."
            raise MMGError(what, remedy) from error

    def maybe_save(self, state: Restorable, *, urgent: bool = False) -> None:
        """Save the state if it is due or urgent."""
        if urgent or self._clock() - self._written >= self.every:
            self._trainings[self._at] = state.numbers(), state.arrays()
            self._write()

    # --- the file

    def close(self, result: MIResult) -> MIResult:
        """Mark the run as finished, unless it was stopped and can be resumed.

        Args:
            result: The result of the run.

        Returns:
            The result, with a note if the file could not be written.
        """
        if result.status is not Status.INTERRUPTED:
            self._finished = True
            self._write()
        elif self.path.exists():
            kept = {**result.provenance, "checkpoint": str(self.path)}
            result = replace(result, provenance=kept)
        if self._trouble is None:
            return result
        note = (
            f"The last write of the checkpoint failed ({self._trouble}). The estimate is not "
            "affected. Save the result with `result.save`."
        )
        return replace(result, notes=(*result.notes, note))

    def _write(self) -> None:
        """Write the file. An error must not end the run; it is reported at the end."""
        try:
            write(self.path, self._contents())
            self._trouble = None
        except OSError as error:
            self._trouble = error
        self._written = self._clock()

    def _contents(self) -> Contents:
        arrays = named("job", self.job.arrays) | named("once", self._once)
        for k, (_, kept) in enumerate(self._trainings):
            arrays |= named(f"training {k}", kept)
        values = {
            "package": __version__,
            "every": self.every,
            "seconds": self.seconds + self._clock() - self._began,
            "device": self.device,
            "finished": self._finished,
            "fingerprint": self._fingerprint,
            "job": self.job.values,
            "trainings": [numbers for numbers, _ in self._trainings],
        }
        return Contents(values, arrays)


def continue_finished(path: Path, target: Path, fields: dict[str, Any]) -> None:
    """Write the checkpoint of a run that begins with the trainings of a finished run.

    The new run equals one that was started with its fields only if the trainings of the finished
    run are its beginning. More steps need a learning rate that does not depend on them.

    Args:
        path: The checkpoint of the finished run.
        target: The new checkpoint, which may be the same file.
        fields: The fields that differ. With other `steps`, the last training goes on.

    Raises:
        MMGError: `path` holds no finished run.
        OSError: The new file cannot be written.
    """
    _check_finished(path)
    found = read(path)
    job, trainings = found.values["job"], found.values["trainings"]
    if fields.get("steps", job["fields"]["steps"]) != job["fields"]["steps"]:
        trainings[-1]["ended"] = None
    job["fields"] |= fields
    write(target, Contents(found.values | {"finished": False}, found.arrays))


def _check_finished(path: Path) -> None:
    values = _read(path).values
    if values["finished"]:
        return
    step = values["trainings"][-1]["step"] if values["trainings"] else 0
    what = f"{str(path)!r} holds a run that has not finished (step {step})."
    raise MMGError(what, "Use resume to continue it, delete the file, or choose another path.")


def _read(path: Path) -> Contents:
    """Read a file and check its plain values, except for the job, which `mmg_nb.job` checks.

    Raises:
        MMGError: The file does not exist, is damaged, is not a checkpoint, or has another format.
    """
    found = read(path)
    try:
        from_plain(_Values, found.values, "its content").check()
    except (TypeError, ValueError) as error:
        raise damaged(path, error) from error
    return found
