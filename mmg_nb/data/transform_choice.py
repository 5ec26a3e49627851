"""Which invertible maps one variable is passed through before the denoisers see it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmg_nb.data.marginals import NormalScores, SmoothScores, Standardize
from mmg_nb.data.t_copula import TCopula
from mmg_nb.data.whitening import Whiten
from mmg_nb.errors import MMGError

__all__ = ["fit_transform", "image_transform", "suited_transform"]

Array = NDArray[np.float64]
MAX_ROWS_FOR_CHOICE = 2000  # rows that are enough to choose a transform
MAX_LINEAR_LOSS = 0.01  # nats of linear information that the choice may cost, beyond chance


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
    rows = rows[:: -(-len(rows) // MAX_ROWS_FOR_CHOICE)]
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
    return "normal_scores" if loss > MAX_LINEAR_LOSS + chance else "elliptical"


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
