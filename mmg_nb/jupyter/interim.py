"""The estimate of a run before its end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmg_nb.jupyter.session import session_unit
from mmg_nb.results.facts import amount
from mmg_nb.results.result import NATS_PER_BIT

__all__ = ["Interim"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class Interim:
    """The latest validation estimate of a run.

    Validation points also decide when training stops. This estimate is therefore slightly
    optimistic, and it has no standard error. The result uses separate evaluation rows.

    Attributes:
        mi: Estimate on validation rows, nats.
        step: Training steps done before it.
        total_steps: Training steps planned.
        logsnr: Grid, `(k,)`.
        mse: Unconditional squared ε-error on the grid, `(k,)`.
        mse_given_y: Conditional squared ε-error on the grid, `(k,)`.
        gap: MMSE gap on the grid, `(k,)`.
        density: Density of the training proposal over log-SNR, `(k,)`.
        steps: Training steps of all validations so far, `(m,)`.
        estimates: Estimates of these validations, nats, `(m,)`.
    """

    mi: float
    step: int
    total_steps: int
    logsnr: Array
    mse: Array
    mse_given_y: Array
    gap: Array
    density: Array
    steps: NDArray[np.int64]
    estimates: Array

    @property
    def bits(self) -> float:
        """The estimate in bits."""
        return self.mi / NATS_PER_BIT

    def __repr__(self) -> str:
        estimate = amount(self.mi, None, session_unit())
        return (
            f"preliminary validation estimate {estimate} at step {self.step} of "
            f"{self.total_steps}; the result will use separate evaluation rows"
        )
