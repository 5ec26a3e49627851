"""Mutual information as a score and a selector of scikit-learn.

May import `api` and what lies below it.
"""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from mmg_nb.api import estimate
from mmg_nb.data.choice import names_of, read_choice
from mmg_nb.data.dependent_rows import MIN_SAMPLES
from mmg_nb.data.pairs import Pairs
from mmg_nb.data.tables import column_names
from mmg_nb.errors import MMGError, brief, one_of
from mmg_nb.estimators.neighbours.ksg import KSG
from mmg_nb.results.finding import Finding
from mmg_nb.results.result import MIResult
from mmg_nb.results.status import Status
from mmg_nb.runs.context import RunContext

__all__ = ["MutualInfoSelector", "mutual_info"]

FEW_NEIGHBOURS = 3  # of ksg with fewer than `MIN_SAMPLES` rows, as in scikit-learn

Array = NDArray[np.float64]


def mutual_info(
    X: Any,
    y: Any,
    *,
    estimator: str = "ksg",
    discrete: Any = "auto",
    random_state: int = 0,
    **fields: Any,
) -> Array:
    """Mutual information of each column of X with y, a `score_func` of `SelectKBest`.

    Args:
        X: `(n, d)`, numbers; or a table with categories.
        y: `(n,)`, numbers or classes.
        estimator: Name in the registry. `mmg` is more precise, and takes seconds for a column.
        discrete: Which columns are categories: `auto`, `none`, or names of columns of X or of y,
            e.g. `"colour,size"` or `["auto", "colour"]`; `x[2]` is the third column, `y` is y. See
            `mmg_nb.estimate`.
        random_state: Seed of all random numbers.
        **fields: Fields of the estimator.

    Returns:
        `(d,)`, nats; 0 for constant columns. Negative estimates are returned as they are.

    Raises:
        MMGError: The data or a field cannot be used.
        KeyboardInterrupt: The user has interrupted an estimate.
    """
    return _scores(X, y, estimator, _of_columns(discrete, X, y), random_state, fields)[0]


class MutualInfoSelector(SelectorMixin, BaseEstimator):  # type: ignore[misc]
    """Selects the columns with the largest mutual information with y.

    Args:
        n_features: How many columns to keep. Default: those whose estimate lies more than two
            standard errors above 0, and at least one.
        estimator: Name in the registry.
        discrete: Which columns are categories; see `mutual_info`.
        random_state: Seed of all random numbers.

    Attributes:
        scores_: Mutual information of each column with y, `(d,)`, nats.
        stderrs_: Standard errors, `(d,)`, nats.
        n_features_in_: Number of columns.
        feature_names_in_: Names of the columns, if X is a table.
    """

    def __init__(
        self,
        n_features: int | None = None,
        *,
        estimator: str = "ksg",
        discrete: Any = "auto",
        random_state: int = 0,
    ) -> None:
        self.n_features = n_features
        self.estimator = estimator
        self.discrete = discrete
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:
        """Estimate the mutual information of each column with y.

        Args:
            X: `(n, d)`, numbers; or a table with categories. What follows in a pipeline must
                take those of them that are kept.
            y: `(n,)`, numbers or classes.

        Returns:
            This selector.

        Raises:
            MMGError: The data or a parameter cannot be used.
            KeyboardInterrupt: The user has interrupted an estimate.
        """
        count: Any = self.n_features
        whole = isinstance(count, Integral) and not isinstance(count, bool)
        if count is not None and not (whole and count >= 1):
            what = f"n_features must be None or at least 1; got {brief(count)}."
            raise MMGError(what, "None keeps columns whose estimate is distinguishable from 0.")
        table = X  # pandas knows which columns are categories, an array of objects does not
        target = y  # which may have a name
        X, y = validate_data(self, X, y, dtype=None, ensure_min_samples=2, y_numeric=False)
        discrete = _of_columns(self.discrete, table if column_names(table) else X, target)
        X = table if hasattr(table, "iloc") else X
        self.scores_, self.stderrs_ = _scores(
            X, y, self.estimator, discrete, self.random_state, {}
        )
        return self

    def _get_support_mask(self) -> NDArray[np.bool_]:
        check_is_fitted(self)
        order = np.argsort(-self.scores_, kind="stable")
        mask = np.zeros(len(order), dtype=bool)
        mask[order[: self.n_features or 1]] = True
        if self.n_features is None:
            mask |= self.scores_ > 2 * self.stderrs_
        return mask

    def __sklearn_tags__(self) -> Any:
        """What scikit-learn should know: columns may be categories, and y is required."""
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = tags.input_tags.string = True
        tags.target_tags.required = True
        return tags


def _of_columns(discrete: Any, X: Any, y: Any) -> Callable[[int], list[str]]:
    """What `discrete` says of a column and y, which are estimated as x and y.

    Raises:
        MMGError: It names a column that does not exist.
    """
    choice = read_choice(discrete)
    labels = list(map(str, column_names(X) or range(np.shape(X)[1])))
    of_y = "0" if getattr(y, "name", None) is None else str(y.name)
    names = [label for label in (*labels, of_y) if not label.isdigit()]
    known = {*names, *names_of("y", 0)}.union(*(names_of("x", k) for k in range(len(labels))))
    for name in sorted(choice.named - known):
        what = f"discrete names {brief(name)}, but no such column exists."
        valid = one_of(name, ["auto", "none", "x", "y", *names], "Valid names")
        raise MMGError(what, f"{valid} Write x[0] for the first column.")

    def of_column(k: int) -> list[str]:
        named = ["x"] * choice.names("x", labels[k], k) + ["y"] * choice.names("y", of_y, 0)
        return ["auto", *named] if choice.auto else named or ["none"]

    return of_column


def _scores(
    X: Any,
    y: Any,
    estimator: str,
    discrete: Callable[[int], list[str]],
    seed: int | None,
    fields: dict[str, Any],
) -> tuple[Array, Array]:
    """Estimates and standard errors of all columns, `(d,)`, nats; rows are in no order."""
    table: Any = X if hasattr(X, "iloc") else np.asarray(X)
    y = np.asarray(y)
    scores, stderrs = np.zeros((2, table.shape[1]))
    found: MIResult | Finding
    if len(y) == 0 or (y == y[0]).all():
        return scores, stderrs
    for k in range(table.shape[1]):
        column = table.iloc[:, [k]] if hasattr(X, "iloc") else table[:, [k]]
        values = np.asarray(column)[:, 0]
        if (values == values[0]).all():
            continue
        if len(y) < MIN_SAMPLES:
            found = _of_few_rows(values, y, seed or 0)
        else:
            asked: dict[str, Any] = {
                "discrete": discrete(k),
                "seed": seed or 0,
                "rows": "independent",
            }
            found = estimate(column, y, estimator, progress=False, **asked, **fields)
        if found.status is Status.INTERRUPTED:
            raise KeyboardInterrupt  # numbers alone could not say that they are preliminary
        scores[k], stderrs[k] = found.mi, found.stderr or 0.0
    return scores, stderrs


def _of_few_rows(x: NDArray[Any], y: NDArray[Any], seed: int) -> Finding:
    """The estimate by few neighbours, as scikit-learn makes it: good for a ranking at most."""
    (a, discrete_x), (b, discrete_y) = _few_values(x), _few_values(y)
    pairs = Pairs(a, b, np.arange(len(y)), discrete_x=discrete_x, discrete_y=discrete_y)
    k = min(FEW_NEIGHBOURS, len(y) - 2)
    return KSG(k=k).estimate(pairs, RunContext(seed=seed)) if k > 0 else Finding(mi=0.0)


def _few_values(values: NDArray[Any]) -> tuple[Array, tuple[int, ...]]:
    """A column of numbers, or of codes of categories; and which columns are categories."""
    try:
        if values.dtype.kind not in "bUS":
            return values.astype(np.float64)[:, None], ()
    except (TypeError, ValueError):  # Python objects that are no numbers
        values = values.astype(str)
    codes = np.unique(values, return_inverse=True)[1].reshape(-1, 1)
    return codes.astype(np.float64), (0,)
