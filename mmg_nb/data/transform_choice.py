"""Chooses and applies the invertible maps of one variable that precede the networks."""

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
    """Transform one variable: first each column by itself, then to unit covariance.

    Args:
        values: `(n, d)`.
        name: `x` or `y`, for the notes.
        transform: `normal_scores`, `elliptical`, `standardize` or `none`. `elliptical` first
            computes normal scores. It then removes a t copula, if that fits clearly better than
            a Gaussian copula.
        fit_rows: Rows to fit on. Cross-fitting uses all rows, because all folds need the same
            transform. This leaks no dependence: the fit uses one variable only. Invertible maps
            of one variable leave mutual information unchanged.
        discrete: Columns of categories, as codes 0, 1, …. A column with k categories becomes
            k − 1 indicator columns.
        smooth: Whether to use `SmoothScores` instead of `NormalScores`.

    Returns:
        Transformed values `(n, kept)`, and notes for the user.

    Raises:
        MMGError: No column varies in the rows to fit on.
    """
    indicators = _indicators(values[:, list(discrete)])
    values = np.delete(values, discrete, axis=1)
    peak = np.abs(values).max(axis=0)  # avoids overflow of squares in extreme units
    values = values / np.where(peak > 0, peak, 1.0)  # a pixel may be 0 in every image
    notes: tuple[str, ...] = ()
    if transform in ("normal_scores", "elliptical") and values.shape[1]:
        scores = SmoothScores if smooth else NormalScores
        values = scores.fit(values[fit_rows])(values)
        if transform == "elliptical" and (copula := TCopula.fit(values[fit_rows])):
            values = copula(values)
            notes = (
                f"{name}: heavy-tailed columns are large in the same rows. This common scale was "
                f"removed (t copula, ν = {copula.dof:.2g}). Mutual information is unchanged.",
            )
    elif transform == "standardize":
        values = Standardize.fit(values[fit_rows])(values)
    values = np.concatenate([values, indicators], axis=1)
    whiten = Whiten.fit(values[fit_rows])
    if not whiten.matrix.shape[1]:
        raise _constant_error(name, "Every column is constant there.")
    if whiten.dropped:
        notes += (
            f"{name}: {whiten.dropped} direction(s) of zero variance were dropped. Some columns "
            "are constant or linear combinations of others in the training rows. Leave such "
            "columns out to avoid this note.",
        )
    return whiten(values), notes


def suited_transform(
    x: Array,
    y: Array,
    fit_rows: NDArray[np.int64] | slice,
    discrete_x: tuple[int, ...] = (),
    discrete_y: tuple[int, ...] = (),
) -> str:
    """Choose `elliptical` if t copulas fit both x and y, otherwise `normal_scores`.

    `elliptical` is rejected if it loses linear dependence. This happens where single columns of
    x depend on single columns of y: rescaling whole rows then hides their relation. This choice
    uses pairs of x and y, but both transforms leave mutual information unchanged.

    Args:
        x: `(n, dim_x)`.
        y: `(n, dim_y)`; row i belongs to row i of x.
        fit_rows: Rows to choose by. At most `MAX_ROWS_FOR_CHOICE` of them are used.
        discrete_x: Columns of x that are categories.
        discrete_y: Columns of y that are categories.

    Returns:
        `elliptical` or `normal_scores`.
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
    """Gaussian information of the canonical correlations, minus its bias, in nats.

    The information is −½ Σ log(1 − ρ²). Its bias at n rows is ½ Σ E[x_i² y_j²] / n over
    whitened columns. The bias exceeds dim_x · dim_y / 2n if x and y are large in the same rows.
    Covariances are shrunk slightly; see `Whiten`.
    """
    x, y = (Whiten.fit(values)(values) for values in (x, y))
    correlations = np.linalg.svd(x.T @ y / len(x), compute_uv=False)
    found = -0.5 * np.log1p(-(np.minimum(correlations, 1 - 1e-12) ** 2)).sum()
    chance = np.mean(np.square(x).sum(axis=1) * np.square(y).sum(axis=1)) / (2 * len(x))
    return float(found - chance)


def image_transform(values: Array, name: str, fit_rows: NDArray[np.int64] | slice) -> Array:
    """Centre each pixel, then scale all images by one factor to a mean square of 1.

    Args:
        values: `(n, pixels)`.
        name: `x` or `y`, for the error message.
        fit_rows: Rows to fit on; see `fit_transform`.

    Returns:
        Transformed images, `(n, pixels)`.

    Raises:
        MMGError: All images are equal in the rows to fit on.
    """
    values = values / np.abs(values).max()  # avoids overflow of squares in extreme units
    centred = values - values[fit_rows].mean(axis=0)
    scale = float(np.sqrt(np.mean(centred[fit_rows] ** 2)))
    if not scale:
        raise _constant_error(name, "All images are equal there.")
    return centred / scale


def _constant_error(name: str, found: str) -> MMGError:
    what = f"{name} must vary in the rows used for training. {found}"
    return MMGError(what, f"Collect more rows in which {name} varies, or use folds=3.")


def _indicators(codes: Array) -> Array:
    """Indicator columns of each category of each column, except the first category."""
    parts = [c[:, None] == np.arange(1, int(c.max()) + 1) for c in codes.T]
    return np.concatenate([codes[:, :0], *parts], axis=1).astype(np.float64)
