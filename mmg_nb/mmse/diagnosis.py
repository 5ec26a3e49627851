"""Notes on a measurement: signs that the estimate may be inaccurate, and what to do."""

from __future__ import annotations

import math

import numpy as np

from mmg_nb.denoisers.logsnr import EDGE, OPEN
from mmg_nb.mmse.evaluation import Measurement
from mmg_nb.mmse.gap import FORMS, PointValues
from mmg_nb.results.curves import MMSECurve, TrainingHistory

__all__ = ["diagnose"]

FORMS_APART = 0.1  # nats; forms disagree if they differ by more than this and 4 standard errors
EFFORT_HELPS = 1000  # rows; with fewer, more effort overfits (LOG.md, "reporting.jsonl")


def diagnose(measurement: Measurement, gap: str, history: TrainingHistory) -> tuple[str, ...]:
    """Notes on a measurement.

    Args:
        measurement: Errors and gaps on the evaluation rows.
        gap: The reported form.
        history: Validation record.

    Returns:
        Notes: what was found, why, and what to do.
    """
    curve, points = measurement.curve, measurement.points
    edge = _edge(curve, gap) or _widened(curve, gap, measurement.planned)
    found = (edge, _forms(points, gap), _overfit(history))
    return tuple(note for note in found if note)


def _edge(curve: MMSECurve, gap: str) -> str:
    """A note if the integrand has not decayed at the upper end of the range."""
    integrand = curve.integrand(gap)[-EDGE:]
    error = 0.5 * float(np.sqrt(np.sum(curve.stderrs[gap][-EDGE:] ** 2))) / EDGE
    level = float(integrand.mean())
    if level < max(OPEN / 2, 3 * error):
        return ""
    return (
        "Mutual information is larger than this estimate. It may be infinite, for example if x "
        "is a function of y. Even with the least noise (highest log-SNR), the other variable "
        f"lowers the denoising error ({level:.2f} nats per unit of log-SNR). Add noise of a known "
        "scale to make it finite."
    )


def _widened(curve: MMSECurve, gap: str, planned: float) -> str:
    """A note if the integrand has decayed only at the log-SNRs that were added later."""
    usual = curve.logsnr < planned
    if usual.all() or curve.integrand(gap)[usual][-EDGE:].mean() < OPEN / 2:
        return ""
    high = curve.logsnr[-1] + curve.width[-1] / 2
    return (
        "Mutual information may be larger than this estimate, or infinite, for example if x is a "
        f"function of y. At a log-SNR of {planned:.0f}, the other variable still lowered the "
        f"denoising error, so log-SNRs up to {high:.0f} were added. There it does not, perhaps "
        "only because the networks are inaccurate. Add noise of a known scale to make it finite."
    )


def _forms(points: PointValues, gap: str) -> str:
    """A note if two forms differ by more than the paired error of their difference."""
    if gap not in ("cross", "inner"):
        return ""
    other = "inner" if gap == "cross" else "difference"
    apart = points.values[FORMS.index(gap)] - points.values[FORMS.index(other)]
    mean, error = float(apart.mean()), float(apart.std() / math.sqrt(len(apart)))
    if abs(mean) < max(FORMS_APART, 4 * error):
        return ""
    remedy = "Use more rows" + (", or effort='high'." if len(apart) >= EFFORT_HELPS else ".")
    return (
        f"Two ways to compute the estimate (gap forms {gap} and {other}) differ by "
        f"{abs(mean):.2f} ± {error:.2f} nats. With good denoisers they agree, so these denoise "
        f"poorly. {remedy}"
    )


def _overfit(history: TrainingHistory) -> str:
    """A note if the validation loss rose well above its minimum."""
    if len(history.loss) < 3 or not np.isfinite(history.loss).all():
        return ""
    rise = float(history.loss[-1] - history.loss.min())
    if rise < 0.05 * float(history.loss[0]):
        return ""
    return (
        "The networks overfitted: the validation loss rose well above its minimum. The default "
        "estimate (gap='inner') is robust to this, and the standard error includes the added "
        "variance. Use more rows for a smaller error."
    )
