"""What a run reports while it goes on, and to whom."""

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
    "Listener",
    "Phase",
    "RunState",
    "Snapshot",
    "Started",
    "StateChanged",
    "Step",
    "silent",
]


@dataclass(frozen=True)
class Started:
    """A run begins.

    Attributes:
        estimator: Name in the registry.
        n_samples: Rows given.
        dim_x: Columns of x in use.
        dim_y: Columns of y in use.
        device: Where the run computes, e.g. `cpu` or `cuda:0`.
        total_steps: Training steps planned, 0 for closed forms; there may be fewer, and more if
            much is still learnt.
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
    """The run turns to something else, e.g. `anchor`, `training`, `evaluation`."""

    name: str


@dataclass(frozen=True)
class Step:
    """A step is done. Sent every time, so that a listener decides by the clock what to show."""

    step: int
    total_steps: int


@dataclass(frozen=True, eq=False)
class Snapshot:
    """What the validation points say so far. Evaluation points are not touched before the end.

    Attributes:
        step: Training steps done.
        mi: Estimate on validation points over the grid, nats.
        loss: Loss on validation points; of denoisers the mean squared ε-error.
        logsnr: Grid, `(k,)`, of the range planned; k is 0 for estimators that are no denoisers.
        mse: Unconditional squared ε-error on the grid, `(k,)`.
        mse_given_y: Conditional squared ε-error on the grid, `(k,)`.
        gap: MMSE gap on the grid, in the form the estimator reports, `(k,)`.
        density: Density of the training proposal over log-SNR on the grid, `(k,)`.
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
    """The run has ended and this is its result."""

    result: MIResult


class RunState(StrEnum):
    """Where a run in a thread of its own stands."""

    READY = "ready"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self in (RunState.STOPPED, RunState.FINISHED, RunState.FAILED)


@dataclass(frozen=True)
class StateChanged:
    """A run begins, holds, goes on, has heard of a stop, or ends; the answer does not matter."""

    state: RunState


Event = Started | Phase | Step | Snapshot | Finished | StateChanged

Listener = Callable[[Event], bool | None]
"""Called with each event. A true answer asks the run to stop and to keep what it has learnt."""


def silent(event: Event) -> None:
    """The listener of a run that nobody watches."""
