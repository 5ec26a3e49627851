"""The estimates of a question in a folder, from which it goes on after a stop or a crash."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mmg_nb.errors import MMGError
from mmg_nb.job import Job
from mmg_nb.results.atomic_write import write_whole
from mmg_nb.results.paths import whole_path
from mmg_nb.results.result import MIResult
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Listener

__all__ = ["KeptEstimates", "kept_in"]

DIGITS = 32  # of the name of a file


@dataclass(frozen=True)
class KeptEstimates:
    """Estimates that are stored as soon as they are made, one in each file.

    A name depends on all that an estimate depends on: data, estimator, fields, seed and version
    of the package. So other data or another estimator can never get a wrong answer from here.

    Attributes:
        folder: The folder; None to store nothing.
    """

    folder: Path | None = None

    def result(self, job: Job, listen: Listener) -> MIResult:
        """The result of a job, from the folder if it is there.

        Args:
            job: The estimate.
            listen: Gets the events of its run.
        """
        if self.folder is None:
            return job.run(listen)
        path = self._path(job.digest)
        try:
            return MIResult.from_dict(_read(path))
        except MMGError:  # there is none, or somebody has changed the file
            found = job.run(listen)
        if found.status is not Status.INTERRUPTED:
            _write(path, found.to_dict())
        return found

    def number(
        self, job: Job, rows: tuple[NDArray[Any], ...], compute: Callable[[], float | None]
    ) -> float | None:
        """The estimate for other orders of the rows, in nats, from the folder if it is there.

        Args:
            job: The estimate.
            rows: The orders.
            compute: Makes the estimate; returns None if it was stopped.
        """
        if self.folder is None:
            return compute()
        path = self._path(job.digest, *(each.tobytes() for each in rows))
        found = _read(path)
        if not isinstance(found, float):
            found = compute()
            if found is not None:
                _write(path, found)
        return found

    def _path(self, digest: str, *parts: bytes) -> Path:
        assert self.folder is not None
        name = hashlib.sha256(b"".join([digest.encode(), *parts])).hexdigest()[:DIGITS]
        return self.folder / f"{name}.json"


def kept_in(folder: Any) -> KeptEstimates:
    """The estimates in a folder, which is made if it does not exist.

    Args:
        folder: What the user gave; None to store nothing.

    Raises:
        MMGError: It is no path of a folder, or it cannot be made.
    """
    if folder is None:
        return KeptEstimates()
    path = whole_path(folder, "checkpoint", "Try 'answers': the folder of a question.")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"checkpoint must be a folder for the estimates of a question ({error})."
        raise MMGError(what, "Choose another name, e.g. checkpoint='answers'.") from error
    return KeptEstimates(path)


def _read(path: Path) -> Any:
    """What a file holds; None if it does not exist or holds something else."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _write(path: Path, value: Any) -> None:
    """Write a file. A disk that fails costs the file, but not the question."""
    try:
        write_whole(path, json.dumps(value).encode())
    except OSError as error:
        what = f"An estimate could not be stored in {path.parent} ({error})."
        warnings.warn(f"{what} After a stop, it is computed again.", RuntimeWarning, stacklevel=2)
