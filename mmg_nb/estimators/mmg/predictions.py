"""Cross-fitted predictions of one variable from the other one.

A prediction of y is a function of x, so it cannot hold more information about y than x does. It
often holds nearly all of it in very few columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.special import ndtri
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_selection import SelectKBest, f_classif, f_regression
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeCV
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline

from mmg_nb.data.marginals import NormalScores
from mmg_nb.polling import poll, polled

__all__ = ["predicted"]

# Models of one column of numbers, and of a label; evidence: LOG.md, "Second looks".
BOOSTING = {
    "learning_rate": 0.2,
    "max_iter": 30,
    "max_leaf_nodes": 8,
    "min_samples_leaf": 10,
    "early_stopping": False,
}
NEIGHBOURS = (4, 16, 32)
RIDGES = np.logspace(-2, 5, 15)  # chosen by cross-validation in the training rows
MOST_COLUMNS = 100  # that trees and neighbours see: those that the target depends on most
MANY_COLUMNS = 0.25  # of the rows, above which few columns are tried, too
FEW_COLUMNS = (1, 2, 4, 8, 16)  # their number is chosen by cross-validation in the training rows
LEAST_OF_A_LEVEL = 20  # rows of every level of a label, for this cross-validation; not measured

Array = NDArray[np.float64]


def predicted(
    source: Array, target: Array, folds: NDArray[np.int64], *, labels: bool
) -> Array | None:
    """Predict the target of each row by models that were fitted to the other folds.

    The models are boosted trees, nearest neighbours and a linear map; with more columns than a
    quarter of the rows also a linear map of few columns. For numbers, the result is their best
    combination with positive weights. For a label, it is the log-odds of the model that gives the
    labels the highest probability.

    Args:
        source: `(n, d)`, numbers.
        target: `(n, k)`; normal scores, or one column of the codes of a label.
        folds: Fold of each row, `(n,)`.
        labels: Whether the target is a label.

    Returns:
        Normal scores of the predictions, `(n, k)`, or `(n, levels − 1)` for a label; equal
        predictions get neighbouring scores in random order. None if no model predicts better than
        a constant.

    Raises:
        Stopped: The user has stopped the run.
    """
    scores = NormalScores.fit(source)(source)
    if labels:
        found = _log_odds(scores, target[:, 0].astype(np.int64), folds)
    else:
        found = np.column_stack([_combined(scores, each, folds) for each in polled(target.T)])
    if found is None or not np.ptp(found, axis=0).any():
        return None
    return np.column_stack([_distinct_scores(each) for each in found.T if np.ptp(each)])


def _distinct_scores(values: Array) -> Array:
    """Normal scores, `(n,)`. Otherwise networks must also learn which few values occur."""
    order = np.lexsort((np.random.default_rng(0).random(len(values)), values))
    rank = np.empty(len(values))
    rank[order] = np.arange(len(values))
    return np.asarray(ndtri((rank + 0.5) / len(values)))


def _combined(source: Array, target: Array, folds: NDArray[np.int64]) -> Array:
    """Best combination of all models for one column of numbers, `(n,)`."""
    models = [
        _screened(HistGradientBoostingRegressor(**BOOSTING), source),
        *(_screened(KNeighborsRegressor(count), source) for count in NEIGHBOURS),
        RidgeCV(RIDGES),
    ]
    if _is_wide(source):
        models.append(_of_few_columns(LinearRegression(), None))
    each = np.column_stack([_out_of_fold(model, source, target, folds) for model in models])
    weights, _ = nnls(each, target - target.mean())
    return np.asarray(each @ weights)


def _screened(model: Any, source: Array) -> Any:
    """The model of those columns, or of their squares, that the target depends on most."""
    if source.shape[1] <= MOST_COLUMNS:
        return model
    return make_pipeline(SelectKBest(_dependence, k=MOST_COLUMNS), model)


def _is_wide(source: Array) -> bool:
    return source.shape[1] > MANY_COLUMNS * len(source)


def _of_few_columns(model: Any, scoring: str | None) -> Any:
    """The model of the few columns that the target depends on most."""
    screened = make_pipeline(SelectKBest(_dependence), model)
    parts = KFold(5, shuffle=True, random_state=0)
    return GridSearchCV(screened, {"selectkbest__k": FEW_COLUMNS}, scoring=scoring, cv=parts)


def _dependence(source: Array, target: Array) -> Array:
    """F of each column or its square, whichever is larger, `(d,)`."""
    score = f_classif if np.issubdtype(target.dtype, np.integer) else f_regression
    return np.maximum(*(score(values, target)[0] for values in (source, source**2)))


def _out_of_fold(model: Any, source: Array, target: Array, folds: NDArray[np.int64]) -> Array:
    """Predictions, less the mean of the rows that the model was fitted to, `(n,)`."""
    out = np.zeros(len(target))
    for fold in np.unique(folds):
        poll()
        held = folds == fold
        mean = target[~held].mean()
        model.fit(source[~held], target[~held] - mean)
        out[held] = model.predict(source[held])
    return out


def _log_odds(source: Array, label: NDArray[np.int64], folds: NDArray[np.int64]) -> Array | None:
    """Log-odds of the best model against the first level, `(n, levels − 1)`."""
    n, levels = len(label), int(label.max()) + 1
    counts = np.bincount(label, minlength=levels)
    best, least = None, -float(counts @ np.log(np.maximum(counts, 1) / n)) / n
    models = [
        _screened(HistGradientBoostingClassifier(**BOOSTING), source),
        *(_screened(KNeighborsClassifier(count), source) for count in NEIGHBOURS),
        LogisticRegression(),
    ]
    if _is_wide(source) and counts.min() >= LEAST_OF_A_LEVEL:
        models.append(_of_few_columns(LogisticRegression(), "neg_log_loss"))
    for model in models:
        chances = np.full((n, levels), 0.0)
        for fold in np.unique(folds):
            poll()
            held = folds == fold
            if not np.ptp(label[~held]):  # the only rows of another level are held out
                chances[held, label[~held][0]] = 1
                continue
            model.fit(source[~held], label[~held])
            chances[np.ix_(held, model.classes_)] = model.predict_proba(source[held])
        # One row more of each level: no probability is 0.
        logs = np.log((n * chances + 1) / (n + levels))
        loss = -float(logs[np.arange(n), label].mean())
        if loss < least:
            best, least = logs[:, 1:] - logs[:, :1], loss
    return best
