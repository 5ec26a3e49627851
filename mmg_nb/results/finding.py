"""What an estimator returns, before the run adds sizes, fields and provenance."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from mmg_nb.results.curves import MMSECurve, PointwiseMI, TrainingHistory
from mmg_nb.results.held_out_test import HeldOutTest
from mmg_nb.results.status import Status

__all__ = ["Estimate", "Finding"]


@dataclass(frozen=True)
class Estimate:
    """One number in nats with its standard error."""

    mi: float
    stderr: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Finding:
    """What an estimator returns; `MIResult` explains the other attributes.

    The run adds sizes, fields, provenance and the notes on the data.

    Attributes:
        mi: The estimate, nats.
        stderr: Its standard error, nats; None if there is none.
        notes: Notes of the estimator, without the notes on the data.
        device: Device of the computation.
    """

    mi: float
    stderr: float | None = None
    gap: str | None = None
    forms: dict[str, Estimate] = dataclasses.field(default_factory=dict)
    curve: MMSECurve | None = None
    pointwise: PointwiseMI | None = None
    history: TrainingHistory | None = None
    status: Status = Status.CONVERGED
    notes: tuple[str, ...] = ()
    terms: dict[str, Estimate] = dataclasses.field(default_factory=dict)
    error_parts: dict[str, float] = dataclasses.field(default_factory=dict)
    device: str = "cpu"
    test: HeldOutTest | None = None
