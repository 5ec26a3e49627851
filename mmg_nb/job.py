"""A checked request for an estimate, ready to run."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from mmg_nb.data.pairs import Pairs
from mmg_nb.errors import MMGError, brief, cut
from mmg_nb.estimators.base import Estimator
from mmg_nb.estimators.registry import build
from mmg_nb.estimators.rows_in_series import with_series_error
from mmg_nb.polling import Asking, asked
from mmg_nb.results.finding import Estimate, Finding
from mmg_nb.results.paths import whole_path
from mmg_nb.results.plain import from_plain
from mmg_nb.results.provenance import provenance
from mmg_nb.results.result import MIResult, called
from mmg_nb.results.sample import sample_of
from mmg_nb.runs.context import RunContext
from mmg_nb.runs.events import Event, Finished, Listener, Started, Step, Working
from mmg_nb.runs.interrupts import stoppable
from mmg_nb.runs.keeper import NoCheckpoint
from mmg_nb.runs.surroundings import usual_surroundings

if TYPE_CHECKING:
    from mmg_nb.training.checkpoint import Checkpoint

__all__ = ["Job", "reopened"]

_CHECKPOINT = ("checkpoint", "Try 'run.mmg'.")  # what its path is called, and an example
ROOM_FOR_NAME = 30  # letters of an expression in a card


@dataclass(frozen=True, eq=False)
class Job:
    """An estimate that is ready to run.

    Attributes:
        estimator: The estimator with its fields.
        pairs: The data.
        seed: Seed of all random numbers.
        device: Requested device.
        keep: The checkpoint of the run, or None.
    """

    estimator: Estimator
    pairs: Pairs
    seed: int
    device: str
    keep: Checkpoint | None = None

    def with_own_data(self) -> Job:
        """The same job on copies of the arrays; the originals may then be changed or deleted."""
        return replace(self, pairs=self.pairs.with_own_data())

    def named(self, *names: str) -> Job:
        """The same job with names for those of x, y and z whose columns have none.

        Args:
            *names: Names in this order, e.g. the expressions that the user wrote. They are
                shortened.
        """
        known = self.pairs.names or ("",) * len(names)
        both = tuple(own or _short(given) for own, given in zip(known, names, strict=False))
        if self.keep is not None:
            self.keep.job.values["names"] = both  # a resumed run has them, too
        return replace(self, pairs=replace(self.pairs, names=both))

    @property
    def what(self) -> str:
        """The quantity with the user's names, e.g. `I(bmi; target | age)`."""
        x, y, z = called(self.pairs.names)
        return f"I({x}; {y} | {z})" if self.pairs.dim_z else f"I({x}; {y})"

    @cached_property  # asked for at every permutation
    def digest(self) -> str:
        """A text that differs between jobs whose results may differ."""
        from mmg_nb import __version__

        plain, arrays = _parts(self.pairs)
        owner = type(self.estimator)
        what = (__version__, owner.__module__, repr(self.estimator), self.seed, self.device, plain)
        hashed = hashlib.sha256(repr(what).encode())
        for name, value in arrays.items():
            hashed.update(f"{name} {value.dtype} {value.shape}".encode())
            hashed.update(np.ascontiguousarray(value).tobytes())
        return hashed.hexdigest()

    def kept_in(self, path: str | Path, every: float) -> Job:
        """The same job, saved in a checkpoint while it runs.

        Args:
            path: The file.
            every: Seconds between two writes.

        Returns:
            The job.

        Raises:
            MMGError: The estimator cannot be resumed, the data hold categories or images, or the
                file cannot be used.
        """
        _check_resumable(self.estimator)
        _check_numbers(self.pairs)
        if self.pairs.shape_x is not None or self.pairs.shape_y is not None:
            what = "A run on images cannot be saved in a checkpoint."
            raise MMGError(what, "Remove checkpoint=.")
        # Imported here because estimates in closed form must not load torch.
        from mmg_nb.training.checkpoint import Checkpoint
        from mmg_nb.training.checkpoint_file import Contents

        values: dict[str, Any] = {
            "estimator": self.estimator.name,
            "fields": dataclasses.asdict(cast(Any, self.estimator)),
            "seed": self.seed,
            "device": self.device,
        }
        plain, arrays = _parts(self.pairs)
        values |= plain
        arrays = {name: value.copy() for name, value in arrays.items()}
        keep = Checkpoint.new(whole_path(path, *_CHECKPOINT), every, Contents(values, arrays))
        return replace(self, keep=keep, pairs=replace(self.pairs, **arrays))

    def run(self, listen: Listener) -> MIResult:
        """Run the estimate; see `mmg_nb.estimate` for interrupts and errors."""
        began = time.perf_counter() - (self.keep.seconds if self.keep else 0.0)
        with stoppable(listen) as heard, usual_surroundings():
            asking = Asking(lambda share: bool(announced(Working(share))))
            announced = _Announced(heard, self._started(), asking)
            run = RunContext(
                seed=self.seed,
                device=self.device,
                listen=announced,
                keep=self.keep or NoCheckpoint(),
            )
            if self.estimator.trains:
                _tell_first_estimate(self.estimator, self.pairs, heard)
            with asked(asking):
                found = with_series_error(
                    self.estimator.method_for(self.pairs)(self.pairs, run),
                    self.estimator,
                    self.pairs,
                    self.seed,
                )
            announced.begin()
            result = self._completed(found, time.perf_counter() - began)
            heard(Finished(result))
        return result

    def _started(self) -> Started:
        """The first event of a run that does not train."""
        pairs = self.pairs
        sizes = pairs.n_samples, pairs.dim_x, pairs.dim_y
        return Started(self.estimator.name, *sizes, "cpu", 0, pairs.dim_z)

    def _completed(self, found: object, seconds: float) -> MIResult:
        """The result with sizes, fields, notes on the data and provenance.

        Raises:
            MMGError: The estimator has returned something else.
        """
        if isinstance(found, Estimate):
            found = Finding(mi=found.mi, stderr=found.stderr)
        if isinstance(found, Finding):
            found = result_of(found, self.estimator, self.pairs, self.seed, seconds)
        if not isinstance(found, MIResult):
            what = f"The method estimate of {self.estimator.name} returned {brief(found)}."
            raise MMGError(what, "Return mmg_nb.Estimate(mi, stderr) or mmg_nb.Finding(mi=mi).")
        pairs = self.pairs
        sample = sample_of(pairs.x, pairs.y, pairs.texts, found.pointwise, self.seed)
        found = replace(found, names=pairs.names, entropies=pairs.entropies, sample=sample)
        return self.keep.close(found) if self.keep is not None else found


def _parts(pairs: Pairs) -> tuple[dict[str, Any], dict[str, Any]]:
    """The plain values and the arrays of the data, by name."""
    every = {part.name: getattr(pairs, part.name) for part in dataclasses.fields(Pairs)}
    arrays = {name: value for name, value in every.items() if isinstance(value, np.ndarray)}
    return {name: value for name, value in every.items() if name not in arrays}, arrays


def _tell_first_estimate(estimator: Estimator, pairs: Pairs, listen: Listener) -> None:
    """Tell the closed form, which is known at once: PyTorch takes seconds to load."""
    from mmg_nb.estimators.gaussian.first_estimate import first_estimate

    found = first_estimate(pairs, estimator.denoises)
    if found is not None:
        listen(found)


def _short(text: str) -> str:
    """An expression as a name: without a pair of parentheses around it, and not too long."""
    inner = text[1:-1]
    enclosed = text[:1] == "(" and text[-1:] == ")" and "(" not in inner
    return cut(inner if enclosed else text, ROOM_FOR_NAME)


class _Announced:
    """A listener that sends `Started` for an estimator that does not send it itself.

    An estimator that stops at a `Step` then makes its result. It is not asked to stop again.
    """

    def __init__(self, listen: Listener, started: Started, asking: Asking) -> None:
        self._listen = listen
        self._started: Started | None = started
        self._asking = asking

    def __call__(self, event: Event) -> bool | None:
        if isinstance(event, Started):
            self._started = None
        self.begin()
        stop = self._listen(event)
        if stop and isinstance(event, Step):
            self._asking.stopping = True
        return stop

    def begin(self) -> None:
        if self._started is not None:
            started, self._started = self._started, None
            self._listen(started)


def result_of(
    found: Finding, estimator: Estimator, pairs: Pairs, seed: int, seconds: float
) -> MIResult:
    """Add sizes, fields, notes on the data and provenance to a finding.

    Args:
        found: The finding of the estimator.
        estimator: The estimator with its fields.
        pairs: The data.
        seed: Seed of the run.
        seconds: Wall time.

    Returns:
        The result.
    """
    own = {each.name: getattr(found, each.name) for each in dataclasses.fields(found)}
    device = own.pop("device")
    return MIResult(
        **{**own, "notes": pairs.notes + found.notes},
        estimator=estimator.name,
        n_samples=pairs.n_samples,
        dim_x=pairs.dim_x,
        dim_y=pairs.dim_y,
        dim_z=pairs.dim_z,
        fields=dataclasses.asdict(cast(Any, estimator)),
        provenance=provenance(seed, device, seconds),
    )


def reopened(path: str | Path, every: float | None) -> Job:
    """The job of a checkpoint; when it runs, it continues from the saved state.

    Args:
        path: The file.
        every: Seconds between two writes; None for the interval in the file.

    Returns:
        The job.

    Raises:
        MMGError: The file does not exist, is damaged, is not a checkpoint, has another format, or
            needs a device that is not available.
    """
    from mmg_nb.runs.devices import pick_device
    from mmg_nb.training.checkpoint import Checkpoint

    keep = Checkpoint.open(whole_path(path, *_CHECKPOINT), every)
    asked, pairs = _asked(keep)
    device = keep.device or asked.device
    try:
        pick_device(device)
    except MMGError as error:
        what = f"The run in {str(path)!r} was started on {device}, which is not available here."
        remedy = f"Resume it on a machine with {device}, or start a new run with device='cpu'."
        raise MMGError(what, remedy) from error
    chosen = build(asked.estimator, asked.fields)
    return Job(chosen, pairs, asked.seed, device, keep)


@dataclass(frozen=True, eq=False)
class _Asked:
    """The plain values that `Job.kept_in` keeps, besides those of the pairs."""

    estimator: str
    fields: dict[str, Any]
    seed: int
    device: str


def _asked(keep: Checkpoint) -> tuple[_Asked, Pairs]:
    """The request and the data in a checkpoint.

    Raises:
        MMGError: They are not what `Job.kept_in` writes.
    """
    from mmg_nb.training.checkpoint_file import damaged

    values = keep.job.values
    try:
        asked: _Asked = from_plain(_Asked, values, "its job")
        pairs: Pairs = from_plain(Pairs, values | keep.job.arrays, "its data")
        tables = [table for table in (pairs.x, pairs.y, pairs.given) if table is not None]
        if asked.seed < 0 or pairs.clusters.ndim != 1 or any(table.ndim != 2 for table in tables):
            raise ValueError("its seed is negative, or its data are no tables")
    except (TypeError, ValueError) as error:
        raise damaged(keep.path, error) from error
    return asked, pairs


def _check_resumable(estimator: Estimator) -> None:
    if estimator.resumable:
        return
    what = f"{estimator.name} needs no checkpoint: it does not train."
    if estimator.trains:
        what = f"The training of {estimator.name} cannot be saved in a checkpoint."
    raise MMGError(what, "Remove checkpoint=.")


def _check_numbers(pairs: Pairs) -> None:
    """Refuse categories: their run may have several terms, but a checkpoint holds one."""
    if pairs.discrete_x or pairs.discrete_y or pairs.discrete_z:
        what = "A run on categories cannot be saved in a checkpoint."
        raise MMGError(
            what,
            "Remove checkpoint=, or pass discrete='none' to treat integers as numbers.",
        )
