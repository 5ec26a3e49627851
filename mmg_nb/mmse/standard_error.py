"""The parts of the standard error of an estimate, and their sum.

The parts are independent to first order, so the square of the standard error is the sum of their
squares:

    sampling            the rows are a sample
    members             networks trained on different rows differ
    late learning       the estimate still rose in the second half of training
    overfitting         networks of many columns cannot learn more without learning noise as well
    more rows           models that see more rows predict better
    correlations        correlations of values and magnitudes find more of weak dependence
    other columns       the estimate is of single columns or directions; others may add to it
    beyond the entropy  the networks found more than the entropy of a label, which is impossible
    canonical pairs     the fitted pairs have limited precision
    nearest neighbours  they find so much more than the networks; the estimate is then theirs
    detection           weaker dependence is not distinguishable from 0 with so few rows; and
                        nearest neighbours hint at more, but not significantly
    nothing found       where nothing is distinguishable from 0, every column may hide something
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
    "CORRELATIONS",
    "DETECTION",
    "MORE_ROWS",
    "NOTHING_FOUND",
    "SAMPLING",
    "TrainingErrors",
    "all_parts",
    "error_of_sum",
    "error_parts",
    "estimate_from_points",
    "missed_by_overfitting",
    "null_standard_error",
    "sampling_variance",
    "training_variance",
    "undetected_information",
]

LATE, PAIRS, DETECTION, SAMPLING = "late learning", "canonical pairs", "detection", "sampling"
NOTHING_FOUND = "nothing found"
OVERFITTING, MORE_ROWS, CORRELATIONS = "overfitting", "more rows", "correlations"
KNN_SIGNIFICANT = 3.0  # standard errors; those of nearest neighbours are about 20 % too small
KNN_HINT = 1.0  # standard errors above which a difference counts (LOG.md, "What intervals miss")
UNSEEN_BY_ALL = 3.0  # times what correlations see and networks do not (LOG.md, "Second looks")
SHARE_MISSED = 0.15  # of what overfitting may hide (LOG.md, "What intervals miss")
MANY_COLUMNS = 6  # of x and y together; with more, overfitting counts (likewise)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TrainingErrors:
    """Sources of error that the evaluation rows do not show.

    Attributes:
        late_gain: Nats that the second half of training added; None if unknown.
        pair_error: Nats that more precise canonical pairs might add; None without pairs.
        knn: Nearest-neighbour estimate of the same rows, or None.
        more_rows: Nats that more rows may add.
        columns: Columns of x and y together; 0 if overfitting does not count.
        correlations: Estimate from correlations that is not too high, or None.
    """

    late_gain: float | None = None
    pair_error: float | None = None
    knn: Estimate | None = None
    more_rows: float = 0.0
    columns: int = 0
    correlations: Estimate | None = None


def all_parts(
    points: PointValues, form: str, training: TrainingErrors, detection: float
) -> dict[str, float]:
    """All parts of the standard error of an estimate by one form of the gap.

    Args:
        points: Values of the evaluation rows.
        form: One of `FORMS`.
        training: Sources of error that the evaluation rows do not show.
        detection: See `null_standard_error`.

    Returns:
        Part -> standard error, nats.
    """
    parts = error_parts(points, form)
    for name, gain in ((LATE, training.late_gain), (PAIRS, training.pair_error)):
        if gain is not None:
            parts[name] = _bias_of(form, gain, points)
    if training.columns > MANY_COLUMNS:
        parts[OVERFITTING] = _bias_of(form, missed_by_overfitting(points), points)
    if training.more_rows:
        parts[MORE_ROWS] = training.more_rows
    mi = _mean(points, form)
    simple = undetected_information(training.correlations, mi, KNN_HINT)
    if simple:
        parts[CORRELATIONS] = UNSEEN_BY_ALL * simple
    missed = undetected_information(training.knn, mi)
    if missed:
        parts[NEIGHBOURS] = missed
    else:
        detection = max(detection, undetected_information(training.knn, mi, KNN_HINT))
    return {**parts, DETECTION: detection}


def sampling_variance(cluster: NDArray[np.int64], values: Array) -> float:
    """Cluster-robust variance of the mean, from the spread of the values.

    Args:
        cluster: Cluster of each row, `(m,)`.
        values: `(m,)`.

    Returns:
        The variance of the mean of `values`.
    """
    _, label = np.unique(cluster, return_inverse=True)
    sums = np.bincount(label.reshape(-1), weights=values - values.mean())
    return float(np.sum(sums**2)) / len(values) ** 2


def training_variance(fold: NDArray[np.int64], values: Array) -> float:
    """Variance of the mean between folds, beyond the variance that sampling explains.

    Args:
        fold: Fold of each row, `(m,)`, counted from 0.
        values: `(m,)`.

    Returns:
        The variance that different members add to the mean; 0 for a single fold.
    """
    counts = np.bincount(fold)
    if len(counts) < 2:
        return 0.0
    means = np.bincount(fold, weights=values) / counts
    centred = values - means[fold]
    sampling = np.bincount(fold, weights=centred**2) / counts**2
    return max(0.0, float(means.var(ddof=1) - sampling.mean())) / len(counts)


def error_parts(points: PointValues, form: str) -> dict[str, float]:
    """The parts of the standard error that follow from the values of the evaluation rows.

    `sampling` is the cluster-robust spread of the values. `members` is the difference between
    folds beyond that.

    The forms `inner` and `orthogonal` depend on the trained members at first order. Their error
    therefore includes the variation of the members with the training rows. To first order, every
    regular estimate of mutual information varies like the mean of the pointwise log-ratio. The
    form `difference` averages this ratio, so its spread is used instead. Overfitting inflates this
    spread, so it is limited to twice the spread of the form itself.

    Args:
        points: Values of the evaluation rows.
        form: One of `FORMS`.

    Returns:
        Part -> standard error, nats.
    """
    values = points.values[FORMS.index(form)]
    variance = sampling_variance(points.cluster, values)
    if form in ("inner", "orthogonal"):
        difference = points.values[FORMS.index("difference")]
        log_ratio = sampling_variance(points.cluster, difference)
        variance = max(variance, min(log_ratio, 4 * variance))
    training = training_variance(points.fold, values)
    return {"sampling": math.sqrt(variance), "members": math.sqrt(training)}


def estimate_from_points(
    points: PointValues, form: str, parts: Mapping[str, float] | None = None
) -> Estimate:
    """Mean over the evaluation rows and its standard error.

    Args:
        points: Values of the evaluation rows.
        form: One of `FORMS`.
        parts: Parts of the error, nats; None for those of `error_parts` only.

    Returns:
        Estimate and standard error, nats.
    """
    parts = error_parts(points, form) if parts is None else parts
    return Estimate(float(points.values[FORMS.index(form)].mean()), math.hypot(*parts.values()))


def _bias_of(form: str, gain: float, points: PointValues) -> float:
    """Bias of a form, from the bias of the inner form; see `mmg_nb.mmse.gap`.

    If the prediction with y has not yet learned a fraction k of the gap, the bias is −k (inner),
    −2k (orthogonal) and −k² (other forms).
    """
    inner = _mean(points, "inner")
    squared = gain**2 / max(gain, inner, 1e-12)
    return {"inner": gain, "orthogonal": 2 * gain}.get(form, squared)


def missed_by_overfitting(points: PointValues) -> float:
    """What the networks could not learn without learning noise as well, as a standard error.

    Training ends where more steps would add as much noise v to the conditional branch as they
    would remove from its lag k. There, k² times the gap is about as large as v. The inner form
    lacks k times the gap, which is the square root of v times the gap. The orthogonal form exceeds
    the inner form by v, less what both lack.

    Args:
        points: Values of the evaluation rows.

    Returns:
        `SHARE_MISSED` of this root, nats; 0 if the orthogonal form is not larger.
    """
    inner = max(0.0, _mean(points, "inner"))
    noise = max(0.0, _mean(points, "orthogonal") - inner)
    return SHARE_MISSED * math.sqrt(noise * inner)


def undetected_information(
    knn: Estimate | None, mi: float, significant: float = KNN_SIGNIFICANT
) -> float:
    """Difference to a higher estimate by another method, nats; 0 if it is not significant.

    Args:
        knn: The other estimate, e.g. by nearest neighbours, or None.
        mi: The estimate of the networks, nats.
        significant: Standard errors of a significant difference.

    Returns:
        The difference, if the other estimate exceeds both 0 and `mi` by so many
        standard errors.
    """
    if knn is None or knn.mi - max(mi, 0.0) < significant * knn.stderr:
        return 0.0
    return knn.mi - mi


def _mean(points: PointValues, form: str) -> float:
    return float(points.values[FORMS.index(form)].mean())


def null_standard_error(n_samples: float, dim_x: int, dim_y: int) -> float:
    """Standard deviation of the likelihood-ratio estimate for independent Gaussian data, nats.

    By Wilks' theorem 2n·Î is χ² with dim_x·dim_y degrees of freedom. No estimator can distinguish
    weaker linear dependence from independence. This value is part of every standard error, which
    would otherwise vanish for independent data.

    Args:
        n_samples: Number of independent rows.
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

    Sampling errors of the terms may cancel because the terms share their rows. Therefore the
    covariances of the pointwise values are included. Errors of training do not cancel: their
    squares are added.

    Args:
        n_samples: Number of rows.
        terms: The terms, with their signs.
        pointwise: Pointwise values of each term, with the same signs.
        parts: Parts of the error of each term.

    Returns:
        Pointwise values of the sum, its standard error, and the parts of the error.
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
    """The sum at each row common to all terms, and the total covariance of their means."""
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
