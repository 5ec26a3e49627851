"""Mutual information of several columns of categories, from the prediction of held-out rows.

With several columns nearly every row can be a cell of its own, and the table of all columns shows
nothing. Here each column of y is predicted from the columns of x by logistic regression, by
boosted trees, and by one number, the best linear combination of their levels. The mean of these
predictions has weights that suit the rows of other folds. By the chain rule, with y_<j the
columns before y_j,

    I(x; y | z) = Σ_j E[ln p(y_j | x, z, y_<j) − ln p(y_j | z, y_<j)].

Predictions of rows that were not used for training make this too low, but right at independence.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmg_nb.polling import polled

__all__ = ["LEAST", "LEVELS_AT_ONCE", "held_out_information", "pooled"]

MOST_LEVELS = 50  # of a predicted column
LEVELS_AT_ONCE = 8  # of all columns of y, if they are predicted together
LEVELS_OF_TREES = 8  # of a predicted column: with more, trees take long
BINS = 255  # levels of a column that trees can read
LEAST_SHARE = 0.005  # weight of the shares of levels, so that every level stays possible
ROUNDS = 100  # of expectation and maximisation
SETTLED = 1e-4  # change of a weight in a round; below it, the weights are found
LEAST = 0.5  # rows added to each level before shares are taken

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
Folds = Sequence[tuple[Labels, Labels]]


def held_out_information(
    x: Labels, y: Labels, z: Labels, clusters: Labels, folds: int
) -> Array | None:
    """Log-ratios ln p(y | x, z) / p(y | z) of held-out rows, nats.

    Args:
        x: Codes 0, 1, … of each column, `(n, dim_x)`.
        y: Codes of the variable that is predicted, `(n, dim_y)`.
        z: Codes of the condition, `(n, dim_z)`.
        clusters: No fold separates rows with one label, `(n,)`.
        folds: Number of folds.

    Returns:
        `(n,)`, or None if a column of y has too many levels or there are too few clusters.

    Raises:
        Stopped: The user has stopped the run.
    """
    from sklearn.model_selection import GroupKFold

    if max(len(np.unique(column)) for column in y.T) > MOST_LEVELS:
        return None
    if len(np.unique(clusters)) < folds:
        return None
    split = list(GroupKFold(folds).split(x, groups=clusters))
    found = np.zeros(len(x))
    for j, column in enumerate(y.T):
        known = np.concatenate([z, y[:, :j]], axis=1)
        without = _predictions(known, column, split)
        every = _predictions(np.concatenate([x, known], axis=1), column, split)
        base = pooled(without, split)
        found += np.log(pooled([base, *every[1:]], split) / base)
    return found


def _predictions(features: Labels, target: Labels, folds: Folds) -> list[Array]:
    """Probability that each prediction gave to the level of each held-out row, `(n,)` each.

    The first one is the share of the level.
    """
    levels = len(np.unique(target))
    learners = _learners(features, levels) if features.shape[1] else []
    found = np.empty((1 + len(learners), len(target)))
    for train, held in polled(folds):
        counts = np.bincount(target[train], minlength=levels)
        shares = (counts + LEAST) / (counts + LEAST).sum()
        found[:, held] = shares[target[held]]
        often = train[counts[target[train]] > 1]  # one row of a level shows nothing of its scatter
        for row, (learner, inputs) in zip(found[1:], learners, strict=True):
            if len(np.unique(target[often])) < 2 or not _fitted(learner, inputs, target, often):
                continue
            given = np.zeros((len(held), levels))
            given[:, learner.classes_] = learner.predict_proba(inputs[held])
            row[held] = given[np.arange(len(held)), target[held]]
    return list(found)


def _fitted(learner: Any, inputs: Any, target: Labels, rows: Labels) -> bool:
    """Fit a model. Returns whether that is possible: a discriminant needs scatter in levels."""
    try:
        learner.fit(inputs[rows], target[rows])
    except np.linalg.LinAlgError:
        return False
    return True


def _learners(features: Labels, levels: int) -> list[tuple[Any, Any]]:
    """Models and the inputs of each."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import OneHotEncoder

    columns = OneHotEncoder().fit_transform(features).tocsr()
    learners: list[tuple[Any, Any]] = [
        (LogisticRegression(C=0.3, max_iter=1000), columns),
        (_by_one_number(), features.astype(np.float64)),
    ]
    if levels <= LEVELS_OF_TREES and features.max() < BINS:
        trees = HistGradientBoostingClassifier(
            max_iter=60,
            max_leaf_nodes=8,
            min_samples_leaf=10,
            l2_regularization=1.0,
            early_stopping=False,
            categorical_features=list(range(features.shape[1])),
        )
        learners.append((trees, features))
    return learners


def _by_one_number() -> Any:
    """Levels in order, such as answers from 1 to 5: their best linear combination predicts."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import PolynomialFeatures, StandardScaler

    return make_pipeline(
        StandardScaler(),
        LinearDiscriminantAnalysis(n_components=1, solver="eigen", shrinkage="auto"),
        StandardScaler(),
        PolynomialFeatures(2, include_bias=False),
        LogisticRegression(C=10, max_iter=1000),
    )


def pooled(predictions: Sequence[Array], folds: Folds) -> Array:
    """A weighted mean of predictions; the weights give rows of other folds the largest likelihood.

    Args:
        predictions: Probabilities of what was observed, `(n,)` each; the first one positive.
        folds: Training rows and held-out rows.

    Returns:
        `(n,)`, positive.
    """
    if len(predictions) == 1:
        return predictions[0]
    given = np.stack(predictions)
    found = np.empty(given.shape[1])
    for others, held in polled(folds):
        found[held] = _weights(given[:, others]) @ given[:, held]
    return found


def _weights(given: Array) -> Array:
    """Weights of the largest likelihood, `(k,)`, by expectation and maximisation."""
    weights = np.full(len(given), 1 / len(given))
    for _ in polled(range(ROUNDS)):
        parts = weights[:, None] * given
        before, weights = weights, (parts / parts.sum(axis=0)).mean(axis=1)
        if np.abs(weights - before).max() < SETTLED:
            break
    weights *= 1 - LEAST_SHARE
    weights[0] += LEAST_SHARE
    return weights
