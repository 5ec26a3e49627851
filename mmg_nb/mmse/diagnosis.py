"""What in a measurement should make a user careful."""

from __future__ import annotations

import math

import numpy as np

from mmg_nb.denoisers.logsnr import EDGE, OPEN
from mmg_nb.mmse.evaluation import Measurement
from mmg_nb.mmse.gap import FORMS, PointValues
from mmg_nb.results.curves import MMSECurve, TrainingHistory

__all__ = ["diagnose"]

FORMS_APART = 0.1  # nats, and more than 4 standard errors, before forms are said to disagree


def diagnose(measurement: Measurement, gap: str, history: TrainingHistory) -> tuple[str, ...]:
    """Remarks on a measurement.

    Args:
        measurement: What the evaluation points say.
        gap: The form reported.
        history: Validation record.

    Returns:
        One sentence a remark, with what to do.
    """
    curve, points = measurement.curve, measurement.points
    edge = _edge(curve, gap) or _widened(curve, gap, measurement.planned)
    found = (edge, _forms(points, gap), _overfit(history))
    return tuple(note for note in found if note)


def _edge(curve: MMSECurve, gap: str) -> str:
    """Whether the integrand has died away at the upper end of the range."""
    integrand = curve.integrand(gap)[-EDGE:]
    error = 0.5 * float(np.sqrt(np.sum(curve.stderrs[gap][-EDGE:] ** 2))) / EDGE
    level = float(integrand.mean())
    if level < max(OPEN / 2, 3 * error):
        return ""
    return (
        f"The MMSE gap has not closed at the highest log-SNR ({level:.2f} nats per unit): the "
        "mutual information is larger than stated and may be infinite, as when x is a function "
        "of y. Add noise of a known scale to make the question finite."
    )


def _widened(curve: MMSECurve, gap: str, planned: float) -> str:
    """Whether the integrand has died away only where higher log-SNRs were added for it."""
    usual = curve.logsnr < planned
    if usual.all() or curve.integrand(gap)[usual][-EDGE:].mean() < OPEN / 2:
        return ""
    high = curve.logsnr[-1] + curve.width[-1] / 2
    return (
        f"The MMSE gap was open at a log-SNR of {planned:.0f}, and higher ones were added, up to "
        f"{high:.0f}. If it is the networks and not the data that close it there, the mutual "
        "information is larger than stated, and may be infinite, as when x is a function of y."
    )


def _forms(points: PointValues, gap: str) -> str:
    """Whether two forms differ by more than the paired error of their difference."""
    if gap not in ("cross", "inner"):
        return ""
    other = "inner" if gap == "cross" else "difference"
    apart = points.values[FORMS.index(gap)] - points.values[FORMS.index(other)]
    mean, error = float(apart.mean()), float(apart.std() / math.sqrt(len(apart)))
    if abs(mean) < max(FORMS_APART, 4 * error):
        return ""
    return (
        f"The forms {gap} and {other} differ by {abs(mean):.2f} ± {error:.2f} nats: the denoisers "
        "are far from the optimum. More rows or effort='high' bring them together."
    )


def _overfit(history: TrainingHistory) -> str:
    """Whether the validation error rose again by much after its minimum."""
    if len(history.loss) < 3 or not np.isfinite(history.loss).all():
        return ""
    rise = float(history.loss[-1] - history.loss.min())
    if rise < 0.05 * float(history.loss[0]):
        return ""
    return (
        "The validation error rose well above its minimum while training went on: with so few "
        "rows the networks overfit, which the inner form bears and the error bar includes."
    )
