"""Second looks: cheap estimates from the same rows, for dependence that networks do not detect.

    neighbours   nearest neighbours in the data as they are, in few columns
    columns      nearest neighbours in single columns: fine structure that noise columns hide
    directions   nearest neighbours in the directions of many columns that models predict best
    correlations of values and magnitudes, if dependence is weak: many columns hold a little each
    predictions  nearest neighbours in cross-fitted predictions of one variable from the other one

None can be far above the mutual information: nearest neighbours are biased downwards. A
prediction of y is a function of x, and so is a column. They contain at most the information of x.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mmg_nb.data.dependent_rows import MIN_SAMPLES
from mmg_nb.data.marginals import NormalScores
from mmg_nb.data.pairs import Pairs
from mmg_nb.estimators.mmg.column_screen import most_dependent
from mmg_nb.estimators.mmg.weak_dependence import by_correlations
from mmg_nb.estimators.neighbours.ksg import KSG
from mmg_nb.polling import Stopped
from mmg_nb.results.finding import Estimate
from mmg_nb.results.status import Status
from mmg_nb.runs.context import RunContext

__all__ = [
    "LACKING",
    "MODELS",
    "Look",
    "SecondLooks",
    "by_columns",
    "by_directions",
    "by_neighbours",
    "by_predictions",
    "gain_of_rows",
    "second_looks",
    "too_many_columns",
]

MODELS = "trees, neighbours and a linear map, fitted to other rows"
MOST_COLUMNS = 6  # of x and y together; with more, neighbours are too far apart
FEW_COLUMNS = 3  # likewise; with so few, rows are hardly lacking (LOG.md, "What intervals miss")
MOST_ROWS = 10_000  # limits the computing time of neighbours
LEAST_PREDICTED = 80  # independent rows from which models are fitted; not measured
MOST_TARGETS = 2  # columns that are predicted; not measured
MOST_LEVELS = 4  # of a label that is predicted: its log-odds have one column fewer; not measured
WORTH_ANOTHER_RUN = 2.5  # standard errors; not measured
LACKING = 2.0  # gains of rows that are lacking (LOG.md, "Second looks")
LEAST_ROWS = 4  # rows per column, with fewer of which networks overfit; not measured
SCREENED = 4  # pairs of columns of which neighbours are asked; not measured
MOST_SCREENED = 10_000  # pairs of columns; not measured
MOST_MODELLED = 4_000  # rows in which directions are chosen; limits the time
FOLDS, FEW_FOLDS = 5, 2  # of the predictions: models see 4/5 or 1/2 of the rows

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Look:
    """Nearest-neighbour estimate of data in which a variable is replaced by something smaller.

    Attributes:
        estimate: The estimate.
        pairs: The data with the replacement.
        replacement: What replaced what, for a note.
        predictor: The variable that a prediction replaces, `x` or `y`; None for columns or
            directions.
    """

    estimate: Estimate
    pairs: Pairs
    replacement: str
    predictor: str | None = None

    def exceeds(self, mi: float) -> bool:
        """Whether the look is so far above an estimate that networks should try again."""
        above = self.estimate.mi - max(mi, 0.0)
        return above > WORTH_ANOTHER_RUN * self.estimate.stderr


@dataclass(frozen=True, eq=False)
class SecondLooks:
    """What all second looks found.

    Attributes:
        best: The highest estimate.
        look: The look at predictions.
        more_rows: Nats that more rows may add, as a standard error.
        correlations: The estimate from correlations, if dependence is weak.
    """

    best: Estimate | None = None
    look: Look | None = None
    more_rows: float = 0.0
    correlations: Estimate | None = None


def second_looks(pairs: Pairs, mi: float, least: Estimate | None) -> SecondLooks:
    """Look at the data by neighbours and, unless this was done before, by predictions.

    Neighbours miss fine structure, for example waves of many periods, in any number of rows.
    Predictions of one variable from the other show it (LOG.md, "Second looks").

    Args:
        pairs: The data.
        mi: The estimate of the networks, nats.
        least: What a look at predictions found before, or None.

    Returns:
        What was found.

    Raises:
        Stopped: The user has stopped the run.
    """
    near = by_neighbours(pairs)
    few = pairs.dim_x + pairs.dim_y <= FEW_COLUMNS
    look = None if least is not None else by_predictions(pairs)
    known = (near, least, None if look is None else look.estimate)
    best = max(filter(None, known), key=lambda each: each.mi, default=None)
    numbers = not (pairs.discrete_x or pairs.discrete_y)
    weak = by_correlations(_independent(pairs)) if numbers and _suits(pairs) else None
    if look is None or few or look.estimate.mi < mi / 2:  # these models see something else
        return SecondLooks(best, look, correlations=weak)
    return SecondLooks(best, look, LACKING * gain_of_rows(pairs, look), weak)


def by_neighbours(pairs: Pairs) -> Estimate | None:
    """Nearest-neighbour estimate of the data as they are.

    Nearest neighbours usually give a lower estimate than the networks. They give a higher one if
    dependence is too local for the networks, for example in one row of twenty.

    Args:
        pairs: The data.

    Returns:
        The estimate. None with more columns, with two categories, images, a condition, few rows,
        or a constant column.

    Raises:
        Stopped: The user has stopped the run.
    """
    if pairs.dim_x + pairs.dim_y > MOST_COLUMNS or not _suits(pairs):
        return None
    some = _independent(pairs)
    if len(some.x) < MIN_SAMPLES or not all(np.ptp(v, axis=0).all() for v in (some.x, some.y)):
        return None
    found = KSG(metric="chebyshev", transform="normal_scores").estimate(some, RunContext())
    if found.status is Status.INTERRUPTED:
        raise Stopped
    return Estimate(found.mi, found.stderr or 0.0)


def by_columns(pairs: Pairs) -> Look | None:
    """The highest nearest-neighbour estimate between single columns of x and of y.

    It shows dependence of two columns among others that have nothing to do with it, however fine
    it is. The estimate is lowered by what the highest of so many gains by chance.

    Args:
        pairs: The data.

    Returns:
        The look. None for two columns, for more than `MOST_SCREENED` pairs, or
        for data that `by_neighbours` does not take.

    Raises:
        Stopped: The user has stopped the run.
    """
    count = pairs.dim_x * pairs.dim_y
    numbers = not (pairs.discrete_x or pairs.discrete_y)
    if count < 2 or count > MOST_SCREENED or not (numbers and _suits(pairs)):
        return None
    some = _independent(pairs)
    found = []
    for i, j in most_dependent(some.x, some.y, SCREENED):
        one = pairs.with_numbers("x", pairs.x[:, [i]]).with_numbers("y", pairs.y[:, [j]])
        estimate = by_neighbours(one)
        if estimate is not None:
            chance = math.sqrt(2 * math.log(count)) * estimate.stderr
            lowered = Estimate(estimate.mi - chance, estimate.stderr)
            what = f"x and y were replaced by single columns: number {i + 1} of x and {j + 1} of y"
            found.append(Look(lowered, one, what))
    return max(found, key=lambda look: look.estimate.mi, default=None)


def by_directions(pairs: Pairs) -> Look | None:
    """The highest estimate between predictions of directions and these directions.

    Only for variables of many columns: `by_predictions` predicts all columns of the others. The
    estimate is lowered by what the highest of several gains by chance.

    Args:
        pairs: The data.

    Returns:
        The look, with the directions in the place of the variable. None without many columns, or
        for data that `by_columns` does not take.

    Raises:
        Stopped: The user has stopped the run.
    """
    numbers = not (pairs.discrete_x or pairs.discrete_y)
    if not (numbers and _suits(pairs)) or len(pairs.first_of_each) < 2 * LEAST_PREDICTED:
        return None
    found = []
    for predictor, source, target in (("x", pairs.x, pairs.y), ("y", pairs.y, pairs.x)):
        if target.shape[1] > MOST_TARGETS:
            found += _directions(pairs, predictor, source, target)
    return max(found, key=lambda look: look.estimate.mi, default=None)


def _directions(pairs: Pairs, predictor: str, source: Array, target: Array) -> list[Look]:
    """Looks at one direction, at two, …, of one variable."""
    # scikit-learn is slow to import
    from mmg_nb.estimators.mmg.predictable_directions import most_predictable

    rows = np.random.default_rng(0).permutation(pairs.first_of_each)[:MOST_MODELLED]
    best = most_predictable(source, target, rows, MOST_TARGETS)
    name, looks = "y" if predictor == "x" else "x", []
    for count in range(1, best.directions.shape[1] + 1):
        halves = [
            by_neighbours(_plain(guess[:, :count], value[:, :count]))
            for guess, value in best.held_out
        ]
        found = [each for each in halves if each is not None]
        if len(found) < len(halves):  # nothing is predicted
            continue
        error = math.hypot(*(each.stderr for each in found)) / len(found)
        chance = math.sqrt(2 * math.log(2 * MOST_TARGETS)) * error
        mean = sum(each.mi for each in found) / len(found)
        what = (
            f"{name} was replaced by its {count} direction(s) that are predicted best from "
            f"{predictor} ({MODELS})"
        )
        fewer = pairs.with_numbers(name, best.directions[:, :count])
        looks.append(Look(Estimate(mean - chance, error), fewer, what))
    return looks


def _plain(x: Array, y: Array) -> Pairs:
    return Pairs(x, y, np.arange(len(x)))


def by_predictions(pairs: Pairs, predictors: Sequence[str] = ("x", "y")) -> Look | None:
    """The higher estimate of two: with y predicted from x, and with x predicted from y.

    Args:
        pairs: The data.
        predictors: The variables from which the other one is predicted.

    Returns:
        The look. None if the models predict no better than a constant, or for data that
        `by_neighbours` does not take (except for their number of columns).

    Raises:
        Stopped: The user has stopped the run.
    """
    enough = len(np.unique(pairs.clusters)) >= LEAST_PREDICTED
    if not (enough and _suits(pairs)):
        return None
    found = []
    for predictor in predictors:
        replaced = _with_predictions(pairs, predictor, FOLDS)
        estimate = None if replaced is None else by_neighbours(replaced)
        if replaced is not None and estimate is not None:
            target = "y" if predictor == "x" else "x"
            what = f"{predictor} was replaced by a prediction of {target} from it ({MODELS})"
            found.append(Look(estimate, replaced, what, predictor))
    return max(found, key=lambda look: look.estimate.mi, default=None)


def too_many_columns(pairs: Pairs) -> str | None:
    """The variable that has too many columns for networks.

    Args:
        pairs: The data.

    Returns:
        `x` or `y`; None if networks can see all columns, or if the other variable has too many
        columns to be predicted.
    """
    if not _suits(pairs):
        return None
    most = pairs.n_samples / LEAST_ROWS
    for name, own, other in (("x", pairs.dim_x, pairs.dim_y), ("y", pairs.dim_y, pairs.dim_x)):
        if own > most and other <= MOST_TARGETS:
            return name
    return None


def gain_of_rows(pairs: Pairs, look: Look) -> float:
    """Nats that models gain if they are fitted to 4/5 of the rows instead of 1/2.

    What even more rows would add is assumed to fall with the number of rows n, at a rate between
    1/√n and 1/n. It is then 1.7 to 3.8 times the gain.

    Args:
        pairs: The data.
        look: The look at them.

    Raises:
        Stopped: The user has stopped the run.
    """
    assert look.predictor is not None, "single columns are not fitted"
    replaced = _with_predictions(pairs, look.predictor, FEW_FOLDS)
    estimate = None if replaced is None else by_neighbours(replaced)
    before = 0.0 if estimate is None else max(0.0, estimate.mi)
    return max(0.0, look.estimate.mi - before)


def _suits(pairs: Pairs) -> bool:
    """Whether there are numbers in one variable, and numbers or one label in the other one."""
    both = bool(pairs.discrete_x) and bool(pairs.discrete_y)
    images = pairs.shape_x is not None or pairs.shape_y is not None
    mixed = any(
        discrete and count > 1
        for discrete, count in ((pairs.discrete_x, pairs.dim_x), (pairs.discrete_y, pairs.dim_y))
    )
    return not (both or images or mixed or pairs.given is not None)


def _with_predictions(pairs: Pairs, predictor: str, folds: int) -> Pairs | None:
    """The data with a prediction in the place of a variable; None if it predicts nothing."""
    variables = [(pairs.x, pairs.discrete_x), (pairs.y, pairs.discrete_y)]
    (source, in_source), (target, in_target) = variables if predictor == "x" else variables[::-1]
    levels = len(np.unique(target)) if in_target else 0
    if in_source or target.shape[1] > MOST_TARGETS or levels > MOST_LEVELS:
        return None
    if not in_target:
        target = NormalScores.fit(target)(target)
    from mmg_nb.estimators.mmg.predictions import predicted  # scikit-learn is slow to import

    found = predicted(source, target, _folds(pairs.clusters, folds), labels=bool(in_target))
    if found is None:
        return None
    return pairs.with_numbers(predictor, found)


def _folds(clusters: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """A random fold of each cluster, `(n,)`."""
    labels, index = np.unique(clusters, return_inverse=True)
    fold = np.random.default_rng(0).permutation(len(labels)) % count
    return fold[index.reshape(-1)]


def _independent(pairs: Pairs) -> Pairs:
    """At most `MOST_ROWS` rows, one of each cluster: rows of a cluster would be neighbours."""
    first = pairs.first_of_each
    rows = first[:: -(-len(first) // MOST_ROWS)]
    return replace(
        pairs, x=pairs.x[rows], y=pairs.y[rows], clusters=np.arange(len(rows)), notes=()
    )
