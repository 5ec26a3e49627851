"""From a measurement to a result."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from mmg_nb.data.pairs import Pairs
from mmg_nb.estimators.mmg.neighbour_check import surplus
from mmg_nb.mmse.diagnosis import diagnose
from mmg_nb.mmse.evaluation import Measurement
from mmg_nb.mmse.gap import FORMS, PointValues, error_parts, estimate_from_points, null_spread
from mmg_nb.results.result import NEIGHBOURS, Estimate, MIResult, PointwiseMI, Status
from mmg_nb.training.loop import Outcome

__all__ = ["report"]


def report(
    config: Any,
    pairs: Pairs,
    measurement: Measurement,
    outcome: Outcome,
    notes: tuple[str, ...],
    origin: dict[str, Any],
    opinion: Estimate | None = None,
) -> MIResult:
    """Put a run's outcome into the form that users get.

    Args:
        config: The estimator; its field `gap` names the form reported.
        pairs: The data.
        measurement: What the evaluation points say.
        outcome: How training went.
        notes: Remarks from preparing the data.
        origin: Provenance.
        opinion: What nearest neighbours say, see `mmg_nb.estimators.mmg.neighbour_check`.

    Returns:
        The result.
    """
    points, curve = measurement.points, measurement.curve
    detection = null_spread(pairs.n_samples, pairs.freedom_x, pairs.freedom_y)
    parts = {
        form: {
            **error_parts(points, form),
            **_lagging("late learning", outcome.late_gain, form, points),
            **_lagging("canonical pairs", outcome.imprecision, form, points),
            **_unlearnt(opinion, form, points),
            "detection": detection,
        }
        for form in curve.gaps
    }
    forms = {form: estimate_from_points(points, form, part) for form, part in parts.items()}
    in_haste = outcome.hasty and outcome.status.complete
    return MIResult(
        mi=forms[config.gap].mi,
        stderr=forms[config.gap].stderr,
        error_parts=parts[config.gap],
        estimator=config.name,
        n_samples=pairs.n_samples,
        dim_x=pairs.dim_x,
        dim_y=pairs.dim_y,
        gap=config.gap,
        forms=forms,
        curve=curve,
        pointwise=_pointwise(points, "cross" if "cross" in forms else "difference"),
        history=outcome.history,
        status=Status.STEP_LIMIT if in_haste else outcome.status,
        notes=pairs.notes
        + notes
        + _haste(outcome)
        + _length(outcome)
        + _higher(opinion, parts[config.gap])
        + diagnose(measurement, config.gap, outcome.history),
        fields=asdict(config),
        provenance=origin,
        dim_z=pairs.dim_z,
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
    if not outcome.lengthened:
        return notes
    return (
        *notes,
        f"So much was still learnt that training went on for {outcome.steps} steps in all.",
    )


def _higher(opinion: Estimate | None, parts: dict[str, float]) -> tuple[str, ...]:
    """A remark where that is more than all else that the error is made of."""
    others = math.hypot(*(part for name, part in parts.items() if name != NEIGHBOURS))
    if opinion is None or parts.get(NEIGHBOURS, 0.0) <= others:
        return ()
    return (
        f"Nearest neighbours tell {opinion.mi:.3f} ± {opinion.stderr:.3f} nats of these rows: "
        "there may be dependence that the networks have not learnt, say in a few rows only, or "
        "rows depend on each other (name groups of them). The error bar holds the difference; "
        "compare ksg.",
    )


def _lagging(name: str, gain: float | None, form: str, points: PointValues) -> dict[str, float]:
    """A part of the error: what a gain of the inner form means for a form, see `mmg_nb.mmse.gap`.

    A branch that lags behind by a share k of the gap biases the forms by −k, −2k and −k².
    """
    if gain is None:
        return {}
    inner = _mean(points, "inner")
    squared = gain**2 / max(gain, inner, 1e-12)
    return {name: {"inner": gain, "orthogonal": 2 * gain}.get(form, squared)}


def _unlearnt(opinion: Estimate | None, form: str, points: PointValues) -> dict[str, float]:
    """What nearest neighbours tell more, if it is no chance."""
    higher = surplus(opinion, _mean(points, form))
    return {NEIGHBOURS: higher} if higher else {}


def _mean(points: PointValues, form: str) -> float:
    return float(points.values[FORMS.index(form)].mean())


def _pointwise(points: PointValues, form: str) -> PointwiseMI:
    # Only these two forms are log-ratios at each point; of the noise only theirs is kept.
    noise = points.noise[0 if form == "cross" else 1]
    return PointwiseMI(points.index, points.values[FORMS.index(form)], np.sqrt(noise))
