"""Invertible maps of one variable, which leave mutual information unchanged."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from scipy.stats import norm

from mmg_nb.data.t_copula import TCopula
from mmg_nb.errors import MMGError

__all__ = [
    "NormalScores",
    "SmoothScores",
    "Standardize",
    "Whiten",
    "fit_transform",
    "image_transform",
    "suited_transform",
]

Array = NDArray[np.float64]
GRID = 2000  # quantiles kept for each coordinate
KNOTS = (8, 16, 32, 64, 128)  # of a smooth map
STRAIGHT = 6.0  # scores up to which a linear map is one; beyond, it is a tail
TAIL = 20  # quantiles that set the scale of a tail
TAIL_SLOPE = 0.3  # growth of a tail in normal scores per e-fold of distance
CHOICE_ROWS = 2000  # enough to choose a transform by
LINEAR_LOSS = 0.01  # nats of linear information that the choice may cost, beside chance
DEGENERATE = 1e-9  # directions with less than this share of the largest variance are dropped


@dataclass(frozen=True, eq=False)
class NormalScores:
    """Each coordinate mapped monotonically so that its sample looks like N(0, 1).

    Between the outermost quantiles the map interpolates linearly; beyond them it grows like a
    logarithm, so that new extremes of heavy tails stay near.

    Attributes:
        quantiles: `(q, d)`, increasing.
        scores: `(q, d)`, the normal score of each quantile.
    """

    quantiles: Array
    scores: Array

    @classmethod
    def fit(cls, values: Array) -> NormalScores:
        """Fit to `(n, d)` values. Repeated values share the mean of their scores."""
        levels = (np.arange(min(GRID, len(values))) + 0.5) / min(GRID, len(values))
        quantiles = np.quantile(values, levels, axis=0)
        scores = np.empty_like(quantiles)
        for j, column in enumerate(quantiles.T):
            low, high = (np.searchsorted(column, column, side=s) for s in ("left", "right"))
            scores[:, j] = norm.ppf((low + high) / 2 / len(column))
        return cls(quantiles, scores)

    def __call__(self, values: Array) -> Array:
        """Map `(n, d)` values to scores of the same shape."""
        columns = zip(values.T, self.quantiles.T, self.scores.T, strict=True)
        return np.stack([_score(v, q, s) for v, q, s in columns], axis=1)


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
    """Value per unit of score over the lower tail, which holds two values at least.

    Small but positive where there is one value only.
    """
    other = int(np.searchsorted(quantiles, quantiles[0], side="right"))
    end = min(max(TAIL, other), len(quantiles) - 1)
    rise, run = float(quantiles[end] - quantiles[0]), float(scores[end] - scores[0])
    return max(rise, np.finfo(np.float64).eps) / max(run, 1e-12)


@dataclass(frozen=True, eq=False)
class SmoothScores:
    """Normal scores by as smooth a map as the sample allows: linear, or a monotone cubic spline.

    The scores of `NormalScores` hold the chance in each quantile. Between neighbours it does not
    average out, so that a smooth function of a column is none of its scores: at n rows they are
    rough by √(h/n) over a distance h, which hides what columns tell of each other beyond that.

    Attributes:
        maps: One a column.
    """

    maps: tuple[Callable[[Array], Array], ...]

    @classmethod
    def fit(cls, values: Array) -> SmoothScores:
        """Fit to `(n, d)` values; columns with no smooth map keep that of `NormalScores`."""
        exact = NormalScores.fit(values)
        columns = zip(values.T, exact.quantiles.T, exact.scores.T, strict=True)
        return cls(tuple(_smooth_map(*column) for column in columns))

    def __call__(self, values: Array) -> Array:
        """Map `(n, d)` values to scores of the same shape."""
        columns = zip(self.maps, values.T, strict=True)
        return np.stack([smooth(column) for smooth, column in columns], axis=1)


def _smooth_map(values: Array, quantiles: Array, scores: Array) -> Callable[[Array], Array]:
    """The simplest one that differs from the scores by no more than their own chance."""
    levels, chance = norm.cdf(scores), 1 / math.sqrt(len(values))

    def fits(smooth: Callable[[Array], Array]) -> bool:
        return bool(np.abs(norm.cdf(smooth(quantiles)) - levels).max() <= chance)

    mean, deviation = values.mean(), max(values.std(), 1e-300)
    ends = np.array([-STRAIGHT, STRAIGHT])
    line = partial(_score, quantiles=mean + deviation * ends, scores=ends)
    if fits(line):
        return line
    for count in KNOTS:
        even = np.linspace(scores[0], scores[-1], count)
        knots = np.interp(even, scores, quantiles)
        if not np.all(np.diff(knots) > 0):
            break
        inside = PchipInterpolator(knots, even)
        spline = partial(_score, quantiles=knots, scores=even, inside=inside)
        if fits(spline):
            return spline
    return partial(_score, quantiles=quantiles, scores=scores)


@dataclass(frozen=True, eq=False)
class Standardize:
    """Each coordinate shifted and scaled to mean 0 and variance 1.

    Attributes:
        mean: `(d,)`.
        scale: `(d,)`.
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


@dataclass(frozen=True, eq=False)
class Whiten:
    """A linear map to unit covariance, without directions in which nothing varies.

    Attributes:
        mean: `(d,)`.
        matrix: `(d, kept)`.
    """

    mean: Array
    matrix: Array

    @classmethod
    def fit(cls, values: Array) -> Whiten:
        """Fit to `(n, d)` values; the covariance is shrunk (Ledoit & Wolf 2004) for small n."""
        mean, std = values.mean(axis=0), values.std(axis=0)
        varies = (values != values[0]).any(axis=0) & (std > 0)
        std = np.where(varies, std, np.inf)  # a column may be constant on the rows fitted on
        scaled = (values - mean) / std
        # In units of each coordinate, so that a badly scaled column is not taken for noise.
        covariance = scaled.T @ scaled / len(scaled)
        variances, directions = np.linalg.eigh(covariance)
        # An eigenvector has no sign of its own: without a rule, rounding would choose it.
        directions = directions * np.where(
            (1 / np.arange(1, len(std) + 1)) @ directions < 0, -1.0, 1.0
        )
        kept = variances > DEGENERATE * variances[-1]
        shrinkage = _ledoit_wolf_shrinkage(scaled, covariance)
        shrunk = (1 - shrinkage) * variances[kept] + shrinkage * variances.mean()
        matrix = directions[:, kept] / np.sqrt(shrunk) / std[:, None]
        return cls(mean, matrix)

    @property
    def dropped(self) -> int:
        """Number of directions without variance."""
        return self.matrix.shape[0] - self.matrix.shape[1]

    def __call__(self, values: Array) -> Array:
        """Map `(n, d)` values to `(n, kept)`."""
        return (values - self.mean) @ self.matrix


def _ledoit_wolf_shrinkage(scaled: Array, covariance: Array) -> float:
    """Optimal weight of the identity in the covariance (Ledoit & Wolf 2004).

    Args:
        scaled: Centred data, `(n, d)`.
        covariance: Their covariance, `(d, d)`.

    Returns:
        A weight from 0 to 1; 0 in one dimension.
    """
    n, d = scaled.shape
    target = np.trace(covariance) / d
    spread = np.sum((covariance - target * np.eye(d)) ** 2)
    if spread == 0:
        return 0.0
    fourth = np.sum(np.sum(scaled**2, axis=1) ** 2) / n
    noise = (fourth - np.sum(covariance**2)) / n
    return float(np.clip(noise / spread, 0.0, 1.0))


def fit_transform(
    values: Array,
    name: str,
    transform: str,
    fit_rows: NDArray[np.int64] | slice,
    discrete: tuple[int, ...] = (),
    *,
    smooth: bool = False,
) -> tuple[Array, tuple[str, ...]]:
    """Map one variable for the denoisers: by coordinate, then to unit covariance.

    Args:
        values: `(n, d)`.
        name: `x` or `y`, for the notes.
        transform: `normal_scores`, `elliptical` (these, made independent by a t copula where that
            fits better than a normal one), `standardize` or `none`.
        fit_rows: Rows to fit on. Cross-fitting fits on all: the folds need one common space,
            mutual information is unchanged by any invertible map of one variable, and pairs of
            x and y are not looked at, so nothing of the dependence leaks.
        discrete: Columns of categories, as codes 0, 1, …; each becomes one indicator a category
            but the first.
        smooth: Whether normal scores are to be smooth functions of the values.

    Returns:
        `(n, kept)` values and notes on what was found or dropped.
    """
    indicators = _indicators(values[:, list(discrete)])
    values = np.delete(values, discrete, axis=1)
    peak = np.abs(values).max(axis=0)  # else squares of extreme units overflow
    values = values / np.where(peak > 0, peak, 1.0)  # a pixel may always be black
    notes: tuple[str, ...] = ()
    if transform in ("normal_scores", "elliptical") and values.shape[1]:
        scores = SmoothScores if smooth else NormalScores
        values = scores.fit(values[fit_rows])(values)
        if transform == "elliptical" and (copula := TCopula.fit(values[fit_rows])):
            values = copula(values)
            notes = (
                f"{name}: columns large together, a t copula (ν = {copula.dof:.2g}) was undone.",
            )
    elif transform == "standardize":
        values = Standardize.fit(values[fit_rows])(values)
    values = np.concatenate([values, indicators], axis=1)
    whiten = Whiten.fit(values[fit_rows])
    if not whiten.matrix.shape[1]:
        raise _constant(name, "column is constant")
    if whiten.dropped:
        notes += (f"{name}: {whiten.dropped} direction(s) of zero variance dropped.",)
    return whiten(values), notes


def suited_transform(
    x: Array,
    y: Array,
    fit_rows: NDArray[np.int64] | slice,
    discrete_x: tuple[int, ...] = (),
    discrete_y: tuple[int, ...] = (),
) -> str:
    """`elliptical` if columns are large together, in x and in y; otherwise `normal_scores`.

    Not if that lowers what the linear-Gaussian part of the dependence tells: of columns that go
    along with single ones of the other variable, lengths are none of the matter. Pairs of x and y
    are looked at for this one choice between two maps that both keep all information.

    Args:
        x: `(n, dim_x)`.
        y: `(n, dim_y)`, row by row with x.
        fit_rows: Rows to look at; some of them will do.
        discrete_x: Columns of x that are categories.
        discrete_y: Those of y.
    """
    rows = np.arange(len(x))[fit_rows]
    rows = rows[:: -(-len(rows) // CHOICE_ROWS)]
    plain, curved = [], []
    for values, discrete in ((x, discrete_x), (y, discrete_y)):
        numbers = np.delete(values[rows], discrete, axis=1)
        if numbers.shape[1] < 2:
            return "normal_scores"
        scores = NormalScores.fit(numbers)(numbers)
        copula = TCopula.fit(scores)
        if copula is None:
            return "normal_scores"
        plain.append(scores)
        curved.append(copula(scores))
    chance = plain[0].shape[1] * plain[1].shape[1] / (2 * len(rows))
    loss = _linear_information(*plain) - _linear_information(*curved)
    return "normal_scores" if loss > LINEAR_LOSS + chance else "elliptical"


def _linear_information(x: Array, y: Array) -> float:
    """−½ Σ log(1 − ρ²) over canonical correlations, less what chance adds to it, nats.

    Chance adds ½ Σ E[x_i² y_j²] / n over white columns: more than dim_x · dim_y / 2n where the
    two are large together. Covariances are shrunk a little, see `Whiten`.
    """
    x, y = (Whiten.fit(values)(values) for values in (x, y))
    correlations = np.linalg.svd(x.T @ y / len(x), compute_uv=False)
    found = -0.5 * np.log1p(-(np.minimum(correlations, 1 - 1e-12) ** 2)).sum()
    chance = np.mean(np.square(x).sum(axis=1) * np.square(y).sum(axis=1)) / (2 * len(x))
    return float(found - chance)


def image_transform(values: Array, name: str, fit_rows: NDArray[np.int64] | slice) -> Array:
    """Centre each pixel, and scale the whole image to a mean square of 1 a pixel.

    Args:
        values: `(n, pixels)`.
        name: `x` or `y`, for the message.
        fit_rows: Rows to fit on, see `fit_transform`.

    Returns:
        `(n, pixels)`.

    Raises:
        MMGError: The images do not vary in the rows fitted on.
    """
    values = values / np.abs(values).max()  # else squares of extreme units overflow
    centred = values - values[fit_rows].mean(axis=0)
    scale = float(np.sqrt(np.mean(centred[fit_rows] ** 2)))
    if not scale:
        raise _constant(name, "image is the same")
    return centred / scale


def _constant(name: str, what: str) -> MMGError:
    what = f"{name} must vary in the rows used for training; there every {what}."
    return MMGError(what, "Collect more rows in which it varies, or use folds=3.")


def _indicators(codes: Array) -> Array:
    """1 where a category is met, for each category of each column but its first."""
    parts = [c[:, None] == np.arange(1, int(c.max()) + 1) for c in codes.T]
    return np.concatenate([codes[:, :0], *parts], axis=1).astype(np.float64)
