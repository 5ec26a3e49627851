"""Directions of a variable that models predict best from the other one.

A variable of many columns often depends on the other one in one or two directions only. Networks
that predict all columns find them late; nearest neighbours need few columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import RidgeCV
from sklearn.neighbors import KNeighborsRegressor

from mmg_nb.data.marginals import NormalScores
from mmg_nb.estimators.mmg.predictions import RIDGES
from mmg_nb.polling import poll

__all__ = ["Predictable", "most_predictable"]

# Models of all columns of a variable at once; evidence: LOG.md, "Directions of many columns".
TREES, LEAF = 30, 5
PORTION = 5  # trees that are fitted between two polls
TRIED = 16  # columns at each split of a tree, at most half of them
NEIGHBOURS = 16
INNER_FOLDS = 4  # of a half of the rows, in which directions are chosen
TINY = 0.01  # of the largest standard deviation; directions with less are left out

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Predictable:
    """The directions of a variable that models predict best.

    Attributes:
        directions: Their values in all rows, the best predicted first, `(n, k)`.
        held_out: For each half of the modelled rows, predictions and values of the directions
            that were chosen in the other half, each `(m, k)`.
    """

    directions: Array
    held_out: tuple[tuple[Array, Array], ...]


def most_predictable(
    source: Array, target: Array, rows: NDArray[np.int64], count: int
) -> Predictable:
    """Choose directions of the target.

    Directions that are chosen from the same rows in which they are predicted would seem to
    depend on the source. So there are two halves: one chooses, the other one is predicted.

    Args:
        source: `(n, d)`.
        target: `(n, e)`.
        rows: Independent rows to which models are fitted, `(m,)`, in random order.
        count: Number of directions k, at most e.

    Returns:
        The directions.

    Raises:
        Stopped: The user has stopped the run.
    """
    inputs, white = NormalScores.fit(source)(source), _white(target)
    halves = rows[::2], rows[1::2]
    products, held_out = [], []
    for own, other in (halves, halves[::-1]):
        product, weights = _chosen(inputs[own], white[own])
        best = _leading(product, count)
        guess = _guesses(inputs[own], white[own], inputs[other])
        products.append(product)
        held_out.append((_combined(guess, weights) @ best, white[other] @ best))
    return Predictable(white @ _leading(products[0] + products[1], count), tuple(held_out))


def _white(values: Array) -> Array:
    """Principal components of normal scores with variance 1."""
    scores = NormalScores.fit(values)(values)
    own, spread, _ = np.linalg.svd(scores - scores.mean(axis=0), full_matrices=False)
    return np.asarray(own[:, spread > TINY * spread[0]] * np.sqrt(len(scores)))


def _chosen(inputs: Array, target: Array) -> tuple[Array, Array]:
    """How well every direction is predicted, `(e, e)`, and the weights of the models, `(k, e)`."""
    fold = np.arange(len(inputs)) % INNER_FOLDS
    guesses = np.stack([np.zeros_like(target) for _ in _models(inputs.shape[1])])
    for k in range(INNER_FOLDS):
        held = fold == k
        guesses[:, held] = _guesses(inputs[~held], target[~held], inputs[held])
    centred = target - target.mean(axis=0)
    weights = np.column_stack(
        [nnls(guesses[:, :, j].T, centred[:, j])[0] for j in range(target.shape[1])]
    )
    product = target.T @ _combined(guesses, weights)
    return product + product.T, weights


def _leading(product: Array, count: int) -> Array:
    """Directions of the largest eigenvalues, `(e, count)`."""
    _, directions = np.linalg.eigh(product)
    return np.asarray(directions[:, ::-1][:, :count])


def _combined(guesses: Array, weights: Array) -> Array:
    return np.einsum("mnj,mj->nj", guesses, weights)


def _guesses(inputs: Array, target: Array, held: Array) -> Array:
    """Predictions of all models, less the mean of the target, `(models, rows, e)`."""
    centred = target - target.mean(axis=0)
    found = []
    for model in _models(inputs.shape[1]):
        poll()
        found.append(_fitted(model, inputs, centred).predict(held).reshape(len(held), -1))
    return np.stack(found)


def _fitted(model: Any, inputs: Array, target: Array) -> Any:
    """The model, fitted. A forest grows in portions, because many targets take long."""
    if not isinstance(model, ExtraTreesRegressor):
        return model.fit(inputs, target)
    for count in range(PORTION, TREES + 1, PORTION):
        poll()
        model.set_params(n_estimators=count, warm_start=True).fit(inputs, target)
    return model


def _models(columns: int) -> list[Any]:
    tried = min(TRIED, -(-columns // 2))
    return [
        ExtraTreesRegressor(TREES, min_samples_leaf=LEAF, max_features=tried, random_state=0),
        KNeighborsRegressor(NEIGHBOURS),
        RidgeCV(RIDGES),
    ]
