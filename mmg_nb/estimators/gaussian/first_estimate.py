"""A closed-form estimate with its denoising errors, known before PyTorch is loaded."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from mmg_nb.data.marginals import NormalScores
from mmg_nb.data.pairs import Pairs
from mmg_nb.data.whitening import MIN_VARIANCE_SHARE
from mmg_nb.estimators.gaussian.closed_form import gaussian_mi
from mmg_nb.runs.events import FirstEstimate

__all__ = ["first_estimate"]

Array = NDArray[np.float64]
MOST_ROWS = 10_000  # limits the computing time
MOST_COLUMNS = 100  # of x, y and the condition together; likewise
LEAST_ROWS = 2  # rows per column
SINGULAR = 1e-12  # 1 − ρ² that float64 can distinguish from 0
LOWEST, HIGHEST, STEP = -8.0, (12.0, 24.0), 0.5  # of log-SNR, about as in training
BEYOND = 5.5  # a direction of residual variance v has a gap of 0.004 at this log-SNR minus ln v


def first_estimate(
    pairs: Pairs, denoises: Callable[[Pairs], str] = lambda _: ""
) -> FirstEstimate | None:
    """The estimate as if the normal scores of all columns were jointly normal.

    It takes a few milliseconds. It is right for Gaussian copulas only, and usually too low
    otherwise.

    Args:
        pairs: The data.
        denoises: Returns the variable whose denoising errors are wanted, see `Estimator.denoises`.

    Returns:
        Estimate, standard error and curves. None with categories, images, many columns or few
        rows.
    """
    columns = pairs.dim_x + pairs.dim_y + pairs.dim_z
    numbers = not (pairs.discrete_x or pairs.discrete_y or pairs.discrete_z or pairs.has_images)
    if not numbers or columns > MOST_COLUMNS or pairs.n_samples < LEAST_ROWS * columns:
        return None
    rows = slice(None, None, -(-pairs.n_samples // MOST_ROWS))
    parts = (values[rows] for values in (pairs.x, pairs.y, pairs.z))
    x, y, z = (NormalScores.fit(part)(part) if part.shape[1] else part for part in parts)
    found = gaussian_mi(x, y, z)
    if found.stderr is None or not math.isfinite(found.mi):
        return None
    curves = [np.empty(0)] * 3
    if denoised := denoises(pairs):
        in_x, in_y = (_white(_white(values), _white(z)) for values in (x, y))
        noised, other = (in_x, in_y) if denoised == "x" else (in_y, in_x)
        curves = _curves(noised, other, found.mi)
    return FirstEstimate(found.mi, found.stderr, *curves)


def _white(values: Array, condition: Array | None = None) -> Array:
    """Values of unit covariance, beyond a linear map of a white condition, `(n, kept)`."""
    values = values - values.mean(axis=0)
    if condition is not None:
        values = values - condition @ (condition.T @ values) / len(values)
    variances, directions = np.linalg.eigh(values.T @ values / len(values))
    kept = variances > MIN_VARIANCE_SHARE  # normal scores have unit variance
    return values @ (directions[:, kept] / np.sqrt(variances[kept]))


def _curves(noised: Array, other: Array, mi: float) -> list[Array]:
    """Grid of log-SNR λ, error of the ideal denoiser of `noised`, and the same given `other`.

    Along the canonical directions, white normal variables have the residual variances
    vᵢ = 1 − ρᵢ², with the canonical correlations ρᵢ. Without y, each of d directions has the
    ε-error σ(λ); with y, it is α²v / (α²v + σ²) = σ(λ + ln v). So half the area between both
    curves is −½ Σ ln vᵢ. All ln vᵢ are multiplied by one factor that makes this area the
    estimate, because correlations of a sample are too large.

    Args:
        noised: White, `(n, d)`.
        other: White, `(n, …)`.
        mi: Estimate, nats.
    """
    correlations = np.linalg.svd(noised.T @ other / len(noised), compute_uv=False)
    log_variances = np.zeros(noised.shape[1])
    log_variances[: len(correlations)] = np.log(np.maximum(1 - correlations**2, SINGULAR))
    area = -0.5 * log_variances.sum()
    log_variances *= mi / area if area > 0 else 0.0
    high = np.clip(BEYOND - log_variances.min(initial=0.0), *HIGHEST)
    logsnr = np.arange(LOWEST + STEP / 2, high, STEP)
    given = expit(logsnr[:, None] + log_variances).sum(axis=1)
    return [logsnr, len(log_variances) * expit(logsnr), given]
