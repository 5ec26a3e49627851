"""From a measurement to what a run that trains denoisers has found."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from mmg_nb.estimators.denoising_run import DenoisingRun, Fitted
from mmg_nb.mmse.diagnosis import diagnose
from mmg_nb.mmse.evaluation import Measurement
from mmg_nb.mmse.gap import FORMS, LOG_RATIOS, PointValues
from mmg_nb.mmse.standard_error import (
    TrainingErrors,
    all_parts,
    estimate_from_points,
    null_standard_error,
)
from mmg_nb.results.curves import PointwiseMI
from mmg_nb.results.finding import Estimate, Finding
from mmg_nb.results.result import NEIGHBOURS
from mmg_nb.results.status import Status
from mmg_nb.training.loop import Outcome

__all__ = ["report"]


class _HasGap(Protocol):
    @property
    def gap(self) -> str: ...


def report(
    config: _HasGap,
    run: DenoisingRun,
    fitted: Fitted,
    measurement: Measurement,
    knn: Estimate | None = None,
) -> Finding:
    """Put what a run has measured into the form that users get.

    Args:
        config: The estimator; its field `gap` names the form reported.
        run: The run.
        fitted: What it has fitted.
        measurement: What the evaluation points say.
        knn: A nearest-neighbour estimate of the same rows, if there is one.

    Returns:
        The finding.
    """
    points, curve, outcome = measurement.points, measurement.curve, fitted.outcome
    pairs = run.pairs
    detection = null_standard_error(pairs.n_samples, pairs.freedom_x, pairs.freedom_y)
    training = TrainingErrors(outcome.late_gain, outcome.imprecision, knn)
    parts = {form: all_parts(points, form, training, detection) for form in curve.gaps}
    forms = {form: estimate_from_points(points, form, part) for form, part in parts.items()}
    in_haste = outcome.hasty and outcome.status.complete
    return Finding(
        mi=forms[config.gap].mi,
        stderr=forms[config.gap].stderr,
        error_parts=parts[config.gap],
        gap=config.gap,
        forms=forms,
        curve=curve,
        pointwise=_pointwise(points, "cross" if "cross" in forms else "difference"),
        history=outcome.history,
        status=Status.STEP_LIMIT if in_haste else outcome.status,
        notes=fitted.notes
        + _haste(outcome)
        + _length(outcome)
        + _higher(knn, parts[config.gap])
        + diagnose(measurement, config.gap, outcome.history),
        device=str(run.device),
    )


def _haste(outcome: Outcome) -> tuple[str, ...]:
    if not outcome.hasty:
        return ()
    return (
        f"Nothing was learnt in {outcome.steps} steps of training, which are too few to tell: the "
        "estimate is that before training, and the error bar holds nothing that was to be learnt.",
    )


def _length(outcome: Outcome) -> tuple[str, ...]:
    notes: tuple[str, ...] = ()
    if outcome.imprecision is not None:
        notes += (
            "So much is to be learnt that features of x and of y that tell each other precisely "
            "were learnt first.",
        )
    return notes


def _higher(knn: Estimate | None, parts: dict[str, float]) -> tuple[str, ...]:
    """A remark where that is more than all else that the error is made of."""
    others = math.hypot(*(part for name, part in parts.items() if name != NEIGHBOURS))
    if knn is None or parts.get(NEIGHBOURS, 0.0) <= others:
        return ()
    return (
        f"Nearest neighbours tell {knn.mi:.3f} ± {knn.stderr:.3f} nats of these rows: "
        "there may be dependence that the networks have not learnt, say in a few rows only, or "
        "rows depend on each other (name groups of them). The error bar holds the difference; "
        "compare ksg.",
    )


def _pointwise(points: PointValues, form: str) -> PointwiseMI:
    noise = points.noise[LOG_RATIOS.index(form)]
    return PointwiseMI(points.index, points.values[FORMS.index(form)], np.sqrt(noise))
