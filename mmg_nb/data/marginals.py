"""Maps of single columns: normal scores, smooth scores, standardisation; and heavy tails."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from mmg_nb.polling import poll, polled

__all__ = ["NormalScores", "SmoothScores", "Standardize", "heavy_tailed"]

Array = NDArray[np.float64]
MAX_QUANTILES = 2000  # quantiles kept for each column
KNOT_COUNTS = (8, 16, 32, 64, 128)  # knots of a smooth map; the first number that fits is used
SPLINE_SHARE = 0.4  # of the sampling noise (LOG.md, "Smooth scores from the start")
LINEAR_RANGE = 6.0  # normal scores within which a linear map is not treated as a tail
TAIL_QUANTILES = 20  # outermost quantiles that set the scale of a tail
HEAVY = 4.0  # times a normal standard deviation (LOG.md, "Heavy tails and nearest neighbours")
QUARTILES = 1.349  # distance of the quartiles of N(0, 1)
TAIL_SLOPE = 0.3  # growth of a tail, in normal scores per e-fold of distance


@dataclass(frozen=True, eq=False)
class NormalScores:
    """A monotone map of each column that makes its sample look like N(0, 1).

    Between the outermost quantiles the map interpolates linearly. Beyond them it grows
    logarithmically. New extreme values of heavy tails therefore get moderate scores.

    Attributes:
        quantiles: Quantiles of each column, increasing, `(q, d)`.
        scores: Normal score of each quantile, `(q, d)`.
    """

    quantiles: Array
    scores: Array

    @classmethod
    def fit(cls, values: Array) -> NormalScores:
        """Fit to `(n, d)` values. Equal values get one common score."""
        count = min(MAX_QUANTILES, len(values))
        levels = (np.arange(count) + 0.5) / count
        quantiles = np.stack([np.quantile(v, levels) for v in polled(values.T)], axis=1)
        scores = np.empty_like(quantiles)
        for j, column in enumerate(quantiles.T):
            poll()
            low, high = (np.searchsorted(column, column, side=s) for s in ("left", "right"))
            scores[:, j] = ndtri((low + high) / 2 / len(column))
        return cls(quantiles, scores)

    def __call__(self, values: Array) -> Array:
        """Map `(n, d)` values to scores of the same shape."""
        columns = zip(values.T, self.quantiles.T, self.scores.T, strict=True)
        return np.stack([_score(v, q, s) for v, q, s in polled(columns)], axis=1)


def _score(
    values: Array,
    quantiles: Array,
    scores: Array,
    inside: Callable[[Array], Array] | None = None,
) -> Array:
    if inside is None:
        out = np.interp(values, quantiles, scores)
    else:
        out = inside(np.clip(values, quantiles[0], quantiles[-1]))
    below, above = values < quantiles[0], values > quantiles[-1]
    out[below] -= TAIL_SLOPE * np.log1p((quantiles[0] - values[below]) / _slope(quantiles, scores))
    out[above] += TAIL_SLOPE * np.log1p(
        (values[above] - quantiles[-1]) / _slope(-quantiles[::-1], -scores[::-1])
    )
    return out


def _slope(quantiles: Array, scores: Array) -> float:
    """Change in value per unit of score over the lower tail.

    The tail is extended until it holds two different values. A constant column has a
    tiny positive slope.
    """
    other = int(np.searchsorted(quantiles, quantiles[0], side="right"))
    end = min(max(TAIL_QUANTILES, other), len(quantiles) - 1)
    rise, run = float(quantiles[end] - quantiles[0]), float(scores[end] - scores[0])
    return (rise or np.finfo(np.float64).eps) / max(run, 1e-12)


@dataclass(frozen=True, eq=False)
class SmoothScores:
    """Normal scores by the smoothest map that fits: linear, or a monotone cubic spline.

    The map of `NormalScores` follows the sampling noise of every quantile. With n rows, the
    noise over a distance h is about √(h/n). A smooth function of a column is therefore a rough
    function of its scores. This roughness hides the finest part of a very strong dependence.

    Attributes:
        maps: One map per column.
    """

    maps: tuple[Callable[[Array], Array], ...]

    @classmethod
    def fit(cls, values: Array) -> SmoothScores:
        """Fit to `(n, d)` values. A column that no smooth map fits uses `NormalScores`."""
        exact = NormalScores.fit(values)
        columns = zip(values.T, exact.quantiles.T, exact.scores.T, strict=True)
        return cls(tuple(_smooth_map(*column) for column in polled(columns)))

    def __call__(self, values: Array) -> Array:
        """Map `(n, d)` values to scores of the same shape."""
        columns = zip(self.maps, values.T, strict=True)
        return np.stack([smooth(column) for smooth, column in polled(columns)], axis=1)


def _smooth_map(values: Array, quantiles: Array, scores: Array) -> Callable[[Array], Array]:
    """The simplest map whose difference from the scores is within their sampling noise.

    A spline must be closer than a line, because it can be: steep places need more knots.
    """
    from scipy.interpolate import PchipInterpolator  # slow to import

    levels, chance = ndtr(scores), 1 / math.sqrt(len(values))

    def fits(smooth: Callable[[Array], Array], share: float = 1.0) -> bool:
        return bool(np.abs(ndtr(smooth(quantiles)) - levels).max() <= share * chance)

    mean, deviation = values.mean(), max(values.std(), 1e-300)
    ends = np.array([-LINEAR_RANGE, LINEAR_RANGE])
    line = partial(_score, quantiles=mean + deviation * ends, scores=ends)
    if fits(line):
        return line
    for count in KNOT_COUNTS:
        even = np.linspace(scores[0], scores[-1], count)
        knots = np.interp(even, scores, quantiles)
        if not np.all(np.diff(knots) > 0):
            break
        inside = PchipInterpolator(knots, even)
        spline = partial(_score, quantiles=knots, scores=even, inside=inside)
        if fits(spline, SPLINE_SHARE):
            return spline
    return partial(_score, quantiles=quantiles, scores=scores)


@dataclass(frozen=True, eq=False)
class Standardize:
    """A shift and a scaling of each column to mean 0 and variance 1.

    Attributes:
        mean: Mean of each column, `(d,)`.
        scale: Standard deviation of each column, `(d,)`.
    """

    mean: Array
    scale: Array

    @classmethod
    def fit(cls, values: Array) -> Standardize:
        """Fit to `(n, d)` values."""
        return cls(values.mean(axis=0), np.maximum(values.std(axis=0), 1e-300))

    def __call__(self, values: Array) -> Array:
        """Map `(n, d)` values."""
        return (values - self.mean) / self.scale


def heavy_tailed(values: Array) -> NDArray[np.bool_]:
    """Which columns have heavy tails or outliers, so that a few rows set the standard deviation.

    It is then more than 4 times that of a normal column with the same quartiles. The quartiles do
    not depend on outliers as long as fewer than a quarter of the rows are outliers on either side.

    Args:
        values: `(n, d)`, scaled so that their squares do not overflow.

    Returns:
        One truth value for each column, `(d,)`.
    """
    low, high = np.quantile(values, [0.25, 0.75], axis=0)
    return np.asarray(values.std(axis=0) > HEAVY * (high - low) / QUARTILES)
