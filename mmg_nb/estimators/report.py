"""Turn the measurement of a denoising run into a finding, with notes for the user."""

from __future__ import annotations

import math
from dataclasses import replace
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
from mmg_nb.results.status import Status
from mmg_nb.training.loop import TrainingOutcome

__all__ = ["LEFT_OUT", "report", "with_part"]

LEFT_OUT = "directions left out"  # a part of the error: what they may add


class Looks(Protocol):
    """Second looks at the rows; see `mmg_nb.estimators.mmg.second_look.SecondLooks`."""

    @property
    def best(self) -> Estimate | None: ...

    @property
    def more_rows(self) -> float: ...

    @property
    def correlations(self) -> Estimate | None: ...


class _HasGap(Protocol):
    @property
    def gap(self) -> str: ...


def report(
    config: _HasGap,
    run: DenoisingRun,
    fitted: Fitted,
    measurement: Measurement,
    looks: Looks | None = None,
) -> Finding:
    """Build the finding of a denoising run.

    Args:
        config: The estimator; its field `gap` names the reported form.
        run: The run.
        fitted: The trained denoisers and their data.
        measurement: Errors and gaps on the evaluation rows.
        looks: Second looks at the same rows, or None.

    Returns:
        The finding.
    """
    points, curve, outcome = measurement.points, measurement.curve, fitted.outcome
    pairs = run.pairs
    detection = null_standard_error(pairs.effective_rows, pairs.freedom_x, pairs.freedom_y)
    training = TrainingErrors(outcome.late_gain, outcome.pair_error)
    if looks is not None:
        columns = pairs.dim_x + pairs.dim_y
        training = replace(
            training,
            knn=looks.best,
            more_rows=looks.more_rows,
            columns=columns,
            correlations=looks.correlations,
        )
    parts = {form: all_parts(points, form, training, detection) for form in curve.gaps}
    forms = {form: estimate_from_points(points, form, part) for form, part in parts.items()}
    in_haste = outcome.too_few_steps and outcome.status.complete
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
        + diagnose(measurement, config.gap, outcome.history),
        device=str(run.device),
    )


def _haste(outcome: TrainingOutcome) -> tuple[str, ...]:
    # After a stop, there is one thing to do: to run it to the end.
    if not outcome.too_few_steps or outcome.status is Status.INTERRUPTED:
        return ()
    return (
        f"Nothing was learned in {outcome.steps} training steps, so the estimate is that of "
        "untrained networks. Longer training may change it by more than its standard error. Use "
        "more steps.",
    )


def _length(outcome: TrainingOutcome) -> tuple[str, ...]:
    notes: tuple[str, ...] = ()
    if outcome.pair_error is not None:
        notes += (
            "Dependence is very strong, so canonical pairs were fitted as well: features of x and "
            "of y that nearly agree. The standard error includes the limited precision of these "
            "features. Nothing to do.",
        )
    return notes


def _pointwise(points: PointValues, form: str) -> PointwiseMI:
    noise = points.noise[LOG_RATIOS.index(form)]
    return PointwiseMI(points.index, points.values[FORMS.index(form)], np.sqrt(noise))


def with_part(found: Finding, name: str, nats: float, notes: tuple[str, ...]) -> Finding:
    """The finding with one more part of its error, and more notes.

    Args:
        found: The finding.
        name: Name of the part.
        nats: Its size; 0 for no part.
        notes: Notes to put first.
    """
    parts = {**found.error_parts, **({name: nats} if nats else {})}
    forms = {
        form: replace(each, stderr=math.hypot(each.stderr, nats))
        for form, each in found.forms.items()
    }
    stderr = math.hypot(*parts.values())
    return replace(
        found, stderr=stderr, error_parts=parts, forms=forms, notes=(*notes, *found.notes)
    )
