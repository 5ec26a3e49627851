"""What an estimator finds, before the run adds what the data and the call say."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from mmg_nb.results.curves import MMSECurve, PointwiseMI, TrainingHistory
from mmg_nb.results.status import Status

__all__ = ["Estimate", "Finding"]


@dataclass(frozen=True)
class Estimate:
    """One number in nats with its standard error."""

    mi: float
    stderr: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Finding:
    """What an estimator returns; see `MIResult` for what is not explained here.

    Sizes, fields, provenance and the notes on the data are added by the run.

    Attributes:
        mi: The estimate, nats.
        stderr: Its standard error, nats; None where there is none.
        notes: What the estimator has to say; not what the data say.
        device: Where it was computed.
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
