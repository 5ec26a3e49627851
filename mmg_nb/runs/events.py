"""Events that a run reports while it goes on, and the listeners that get them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from mmg_nb.results.result import MIResult

__all__ = [
    "Event",
    "Finished",
    "FirstEstimate",
    "Listener",
    "Phase",
    "RunState",
    "Snapshot",
    "Started",
    "StateChanged",
    "Step",
    "Working",
    "silent",
]


@dataclass(frozen=True, eq=False)
class FirstEstimate:
    """What a closed form gives, before a run that trains begins.

    The curves are those that `Snapshot` would have, without sampling error.

    Attributes:
        mi: Estimate in nats, as if normal scores of the columns were jointly normal.
        stderr: Its standard error, nats, if they were.
        logsnr: Grid, `(k,)`, natural logarithm; k is 0 for estimators without denoisers.
        mse: Unconditional squared ε-error on the grid, summed over columns, `(k,)`.
        mse_given_y: Conditional squared ε-error on the grid, `(k,)`.
    """

    mi: float
    stderr: float
    logsnr: NDArray[np.float64]
    mse: NDArray[np.float64]
    mse_given_y: NDArray[np.float64]


@dataclass(frozen=True)
class Started:
    """A run begins.

    Attributes:
        estimator: Name in the registry.
        n_samples: Number of rows.
        dim_x: Columns of x in use.
        dim_y: Columns of y in use.
        device: Device of the computation, e.g. `cpu` or `cuda:0`.
        total_steps: Planned training steps; 0 for closed forms. Training may stop earlier. It may
            also take more steps if dependence is very strong.
        dim_z: Columns of the condition in use.
    """

    estimator: str
    n_samples: int
    dim_x: int
    dim_y: int
    device: str
    total_steps: int
    dim_z: int = 0


@dataclass(frozen=True)
class Phase:
    """The run enters a new phase, e.g. `anchor`, `training`, `evaluation`."""

    name: str


@dataclass(frozen=True)
class Step:
    """A step is done. Sent after every step, so that a listener can decide when to show it."""

    step: int
    total_steps: int


@dataclass(frozen=True)
class Working:
    """The run computes, in a phase without steps. Sent several times a second.

    Attributes:
        share: Share of the phase that is done; None if unknown.
    """

    share: float | None = None


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Validation during training. Evaluation rows are not used before the end of training.

    Attributes:
        step: Training steps done.
        mi: Estimate from the validation rows over the grid, nats.
        loss: Validation loss; for denoisers, the mean squared ε-error.
        logsnr: Grid of the planned range, `(k,)`; k is 0 for estimators without denoisers.
        mse: Unconditional squared ε-error on the grid, `(k,)`.
        mse_given_y: Conditional squared ε-error on the grid, `(k,)`.
        gap: Inner form of the MMSE gap on the grid, `(k,)`.
        density: Density of the training log-SNRs on the grid, `(k,)`.
    """

    step: int
    mi: float
    loss: float
    logsnr: NDArray[np.float64]
    mse: NDArray[np.float64]
    mse_given_y: NDArray[np.float64]
    gap: NDArray[np.float64]
    density: NDArray[np.float64]


@dataclass(frozen=True)
class Finished:
    """The run has ended with this result."""

    result: MIResult


class RunState(StrEnum):
    """State of a run in its own thread."""

    READY = "ready"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        """Whether the run has ended."""
        return self in (RunState.STOPPED, RunState.FINISHED, RunState.FAILED)


@dataclass(frozen=True)
class StateChanged:
    """A run starts, pauses, continues, is about to stop, or ends; return values are ignored."""

    state: RunState


Event = FirstEstimate | Started | Phase | Step | Working | Snapshot | Finished | StateChanged

Listener = Callable[[Event], bool | None]
"""Called with each event. If it returns true, the run stops and evaluates what it has trained."""


def silent(event: Event) -> None:
    """A listener that ignores all events."""


class PartOfRun:
    """Forwards the events of a part of a run, except those that describe the part alone.

    After a request to stop, every later part gets the request at its first event.

    Args:
        listen: Gets the events of the run.
    """

    def __init__(self, listen: Listener) -> None:
        self._listen = listen
        self._stopped = False

    def __call__(self, event: Event) -> bool:
        """Forward an event; see `Listener`."""
        if not isinstance(event, (Started, Snapshot)):
            self._stopped = bool(self._listen(event)) or self._stopped
        return self._stopped
