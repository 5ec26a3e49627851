"""The standard error of an estimate: every part of it, and how the parts add up.

Parts are independent to first order, so their squares add up to the square of the whole:

    sampling            the rows are a sample
    members             networks trained on other rows differ
    late learning       what the second half of training still added
    canonical pairs     what canonical pairs may lack in precision
    nearest neighbours  what a nearest-neighbour estimate finds beyond the networks
    detection           what no estimator could tell from independence with so few rows
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmg_nb.mmse.gap import FORMS, PointValues
from mmg_nb.results.curves import PointwiseMI
from mmg_nb.results.finding import Estimate
from mmg_nb.results.result import NEIGHBOURS

__all__ = [
    "TrainingErrors",
    "all_parts",
    "error_of_sum",
    "error_parts",
    "estimate_from_points",
    "null_standard_error",
    "sampling_variance",
    "training_variance",
    "undetected_information",
]

LATE, PAIRS, DETECTION, SAMPLING = "late learning", "canonical pairs", "detection", "sampling"
KNN_SIGNIFICANT = 3.0  # standard errors; those of nearest neighbours are a fifth too small

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TrainingErrors:
    """What training and a second estimate say that the points cannot.

    Attributes:
        late_gain: Nats that the second half of training added; None if it does not say.
        pair_error: Nats that canonical pairs may lack in precision; None without pairs.
        knn: Nearest-neighbour estimate of the same rows; None where there is none.
    """

    late_gain: float | None = None
    pair_error: float | None = None
    knn: Estimate | None = None


def all_parts(
    points: PointValues, form: str, training: TrainingErrors, detection: float
) -> dict[str, float]:
    """Every part of the standard error of a form of the gap.

    Args:
        points: Values at the evaluation points.
        form: One of `FORMS`.
        training: What the points cannot say.
        detection: See `null_standard_error`.

    Returns:
        Part -> standard error, nats.
    """
    parts = error_parts(points, form)
    for name, gain in ((LATE, training.late_gain), (PAIRS, training.pair_error)):
        if gain is not None:
            parts[name] = _bias_of(form, gain, points)
    missed = undetected_information(training.knn, _mean(points, form))
    if missed:
        parts[NEIGHBOURS] = missed
    return {**parts, DETECTION: detection}


def sampling_variance(block: NDArray[np.int64], values: Array) -> float:
    """Variance of the mean from the spread of the points, clustered by block.

    Args:
        block: Label of the rows that depend on each other, `(m,)`.
        values: `(m,)`.

    Returns:
        The variance of the mean of `values`.
    """
    _, cluster = np.unique(block, return_inverse=True)
    sums = np.bincount(cluster.reshape(-1), weights=values - values.mean())
    return float(np.sum(sums**2)) / len(values) ** 2


def training_variance(reading: NDArray[np.int64], values: Array) -> float:
    """Variance of the mean over readings beyond what the spread of their points explains.

    Args:
        reading: Which members read each point, `(m,)`, counted from 0.
        values: `(m,)`.

    Returns:
        The variance that members trained on other rows add to the mean; 0 for one reading.
    """
    counts = np.bincount(reading)
    if len(counts) < 2:
        return 0.0
    means = np.bincount(reading, weights=values) / counts
    centred = values - means[reading]
    sampling = np.bincount(reading, weights=centred**2) / counts**2
    return max(0.0, float(means.var(ddof=1) - sampling.mean())) / len(counts)


def error_parts(points: PointValues, form: str) -> dict[str, float]:
    """What the points say of the standard error of their mean.

    `sampling` is the spread of the points, clustered by block; `members` is what the readings
    (members trained on other rows) differ by beyond that. The forms `inner` and `orthogonal`
    depend on the trained members at first order, so how these vary with their training rows
    belongs to the error too. To first order every regular estimate of mutual information varies
    like the mean of the pointwise log-ratio, which `difference` averages, so its spread is taken
    instead; overfitting inflates it, hence at most twice the form's own.

    Args:
        points: The points.
        form: One of `FORMS`.

    Returns:
        Part -> standard error, nats.
    """
    values = points.values[FORMS.index(form)]
    variance = sampling_variance(points.block, values)
    if form in ("inner", "orthogonal"):
        difference = points.values[FORMS.index("difference")]
        log_ratio = sampling_variance(points.block, difference)
        variance = max(variance, min(log_ratio, 4 * variance))
    training = training_variance(points.reading, values)
    return {"sampling": math.sqrt(variance), "members": math.sqrt(training)}


def estimate_from_points(
    points: PointValues, form: str, parts: Mapping[str, float] | None = None
) -> Estimate:
    """Mean over points and its standard error.

    Args:
        points: The points.
        form: One of `FORMS`.
        parts: Parts of the error, nats; None for those of `error_parts` alone.

    Returns:
        Estimate and standard error, nats.
    """
    parts = error_parts(points, form) if parts is None else parts
    return Estimate(float(points.values[FORMS.index(form)].mean()), math.hypot(*parts.values()))


def _bias_of(form: str, gain: float, points: PointValues) -> float:
    """What a lag of the inner form means for a form, see `mmg_nb.mmse.gap`.

    A branch that lags behind by a share k of the gap biases the forms by −k, −2k and −k².
    """
    inner = _mean(points, "inner")
    squared = gain**2 / max(gain, inner, 1e-12)
    return {"inner": gain, "orthogonal": 2 * gain}.get(form, squared)


def undetected_information(knn: Estimate | None, mi: float) -> float:
    """By how many nats a nearest-neighbour estimate is higher; 0 if that may be chance.

    Args:
        knn: The nearest-neighbour estimate, or None.
        mi: The estimate of the networks, nats.

    Returns:
        The difference, if it exceeds `KNN_SIGNIFICANT` standard errors, also above 0.
    """
    if knn is None or knn.mi - max(mi, 0.0) < KNN_SIGNIFICANT * knn.stderr:
        return 0.0
    return knn.mi - mi


def _mean(points: PointValues, form: str) -> float:
    return float(points.values[FORMS.index(form)].mean())


def null_standard_error(n_samples: int, dim_x: int, dim_y: int) -> float:
    """Standard deviation of the likelihood-ratio estimate for independent Gaussian data, nats.

    By Wilks' theorem 2n·Î is χ² with dim_x·dim_y degrees of freedom: linear dependence of less
    than about this cannot be told from none, by any estimator. It is part of every error, which
    would vanish where the denoisers learn that there is nothing to learn.

    Args:
        n_samples: Rows.
        dim_x: Columns of x.
        dim_y: Columns of y.

    Returns:
        √(2·dim_x·dim_y) / (2n).
    """
    return math.sqrt(2 * dim_x * dim_y) / (2 * n_samples)


def error_of_sum(
    n_samples: int,
    terms: Sequence[Estimate],
    pointwise: Sequence[PointwiseMI | None],
    parts: Sequence[Mapping[str, float]],
) -> tuple[PointwiseMI, float, dict[str, float]]:
    """Standard error of a sum of estimates on the same rows.

    Sampling errors of the terms may cancel, for they share their rows: covariances of the
    pointwise values count. Errors of training do not cancel: their squares add up.

    Args:
        n_samples: Rows.
        terms: The terms, with their signs.
        pointwise: Pointwise values of each term, with the same signs.
        parts: Parts of the error of each term.

    Returns:
        Pointwise values of the sum, its standard error, and the parts of that.
    """
    found, covariances = _pointwise_sum(n_samples, pointwise)
    own = sum(each.stderr**2 for each in terms)
    names = dict.fromkeys(name for each in parts for name in each if name != SAMPLING)
    learning = {name: math.hypot(*(each.get(name, 0.0) for each in parts)) for name in names}
    badly_learnt = sum(part**2 for part in learning.values())
    variance = max(own + covariances, own / 2, badly_learnt)
    sampling = math.sqrt(variance - badly_learnt)
    return found, math.sqrt(variance), {SAMPLING: sampling, **learning}


def _pointwise_sum(n: int, pointwise: Sequence[PointwiseMI | None]) -> tuple[PointwiseMI, float]:
    """The sum at each row that all terms have, and twice the covariances of their means."""
    values = np.full((len(pointwise), n), np.nan)
    noise = np.zeros(n)
    for row, each in zip(values, pointwise, strict=True):
        if each is not None:
            row[each.index] = each.mi
            noise[each.index] += each.stderr**2
    index = np.flatnonzero(np.isfinite(values).all(axis=0))
    covariance = np.cov(values[:, index]) / len(index)
    shared = float(covariance.sum() - np.trace(covariance))
    return PointwiseMI(index, values[:, index].sum(axis=0), np.sqrt(noise[index])), shared
