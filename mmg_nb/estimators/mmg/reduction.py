"""Leave out directions of many columns that add nothing, before anything is learned.

In many columns most directions often hold hardly any variance. Scaled up to variance 1, each is
one more column that a network has to learn, and it overfits. A projection can only lose
information about the other variable, so the smallest one that loses nothing is right.

A direction is kept for one of two reasons. It lies before the largest step of the spectrum, or
models of the other variable predict better with it, on rows that they were not fitted to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mmg_nb.data.marginals import NormalScores
from mmg_nb.data.pairs import Pairs
from mmg_nb.polling import poll, polled
from mmg_nb.runs.devices import threads_for

__all__ = ["Reduction", "reduced"]

# Evidence: LOG.md, "Reduction", unless a line says otherwise.
FEW_COLUMNS = 6  # a variable with at most as many is not reduced
WORTHWHILE = 0.7  # of the columns: with more directions than that nothing is left out
CLEAR_STEP = 3.0  # ratio of neighbouring variances that separates directions; not measured
SMALL_REST = 0.02  # of the variance, that is left out without a clear step; not measured
MOST_ROWS = 1200  # from which models are fitted and compared; limits the time
SHARE_FITTED = 2 / 3  # of these rows
MOST_TARGETS = 10  # directions of the other variable that are predicted; not measured
TARGET_REST = 0.02  # of its variance, that need not be predicted; not measured
COUNTS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 17, 20, 24, 28, 32, 40, 50, 64)  # directions to try
RIDGES = np.logspace(-1, 4, 8)  # of the linear model
SMOOTHNESS = (0.3, 3.0, 30.0)  # of the kernel models
TINY = 1e-9  # of the largest variance; directions with less are rounding

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Reduction:
    """The data in fewer directions.

    Attributes:
        pairs: The data, with principal components of normal scores in the place of the columns.
        notes: What was left out.
        lost: Nats that the directions left out may hold.
    """

    pairs: Pairs
    notes: tuple[str, ...] = ()
    lost: float = 0.0


@dataclass(frozen=True, eq=False)
class _Spectrum:
    """Principal components of normal scores, largest first.

    Attributes:
        scores: Components of each row, `(n, d)`.
        variance: Variance of each component, `(d,)`.
    """

    scores: Array
    variance: Array

    @classmethod
    def of(cls, columns: Array) -> _Spectrum:
        from sklearn.decomposition import PCA  # slow to import

        scores = NormalScores.fit(columns)(columns)
        poll()
        pca = PCA(svd_solver="full").fit(scores)
        kept = pca.explained_variance_ > TINY * pca.explained_variance_[0]
        return cls(pca.transform(scores)[:, kept], pca.explained_variance_[kept])

    @property
    def step(self) -> int:
        """Directions before the largest step, or those that hold nearly all of the variance."""
        if len(self.variance) < 2:
            return 1
        ratio = self.variance[:-1] / self.variance[1:]
        half = max(1, len(ratio) // 2)
        place = int(ratio[:half].argmax())
        return place + 1 if ratio[place] > CLEAR_STEP else self.holding(SMALL_REST)

    def holding(self, rest: float) -> int:
        """Directions that hold all of the variance but a fraction `rest`."""
        left = 1 - np.cumsum(self.variance) / self.variance.sum()
        return int(np.argmax(left <= rest)) + 1

    def targets(self) -> Array:
        """Leading components with variance 1, and the logarithm of their mean square."""
        count = min(MOST_TARGETS, self.holding(TARGET_REST))
        leading = self.scores[:, :count] / np.sqrt(self.variance[:count])
        return np.column_stack([leading, _standard(_log_power(leading))])


def reduced(pairs: Pairs) -> Reduction:
    """Leave out directions of x and of y that do not help to predict the other variable.

    Args:
        pairs: The data.

    Returns:
        The reduction; the same data if nothing is left out. Variables with categories, images or
        few columns are never reduced, and nothing is with a condition.

    Raises:
        Stopped: The user has stopped the run.
    """
    images = pairs.shape_x is not None or pairs.shape_y is not None
    wide = {
        name: not discrete and values.shape[1] > FEW_COLUMNS
        for name, values, discrete in (
            ("x", pairs.x, pairs.discrete_x),
            ("y", pairs.y, pairs.discrete_y),
        )
    }
    if images or pairs.given is not None or not any(wide.values()):
        return Reduction(pairs)
    spectrum = {
        name: None if discrete else _Spectrum.of(values)
        for name, values, discrete in (
            ("x", pairs.x, pairs.discrete_x),
            ("y", pairs.y, pairs.discrete_y),
        )
    }
    found = Reduction(pairs)
    for name, other in (("x", "y"), ("y", "x")):
        own, against = spectrum[name], spectrum[other]
        if not wide[name] or own is None:
            continue
        labels = pairs.y if other == "y" else pairs.x
        targets = _indicators(labels) if against is None else against.targets()
        count, lost = _enough(own, targets)
        if count <= WORTHWHILE * len(own.variance):
            found = Reduction(
                found.pairs.with_numbers(name, own.scores[:, :count]),
                (*found.notes, _note(name, getattr(pairs, name).shape[1], count)),
                found.lost + lost,
            )
    return found


def _note(name: str, columns: int, count: int) -> str:
    return (
        f"{name}: {columns} columns were replaced by {count} principal component(s) of their "
        "normal scores. More components did not help to predict the other variable."
    )


def _enough(spectrum: _Spectrum, targets: Array) -> tuple[int, float]:
    """Directions that are enough to predict the targets, and nats that the others may hold.

    The smallest number is taken whose loss does not exceed that of the best number by more than
    one standard error of their difference.
    """
    rows = np.random.default_rng(0).permutation(len(targets))[:MOST_ROWS]
    every = len(spectrum.variance)
    least = min(spectrum.step, every)
    counts = [count for count in (*COUNTS, least) if least <= count < every]
    with threads_for(0, torch.device("cpu")):  # several would wait for the slowest one
        losses = {
            count: _losses(spectrum.scores[rows, :count], spectrum.variance[:count], targets[rows])
            for count in polled((*sorted(set(counts)), every))
        }
    best = min(losses.values(), key=lambda each: float(np.log(each.mean(axis=0)).sum()))
    for count, loss in losses.items():
        worse = 0.5 * ((loss - best) / best.mean(axis=0)).sum(axis=1)
        error = float(worse.std() / np.sqrt(len(worse)))
        if worse.mean() <= error:
            return count, max(0.0, float(worse.mean())) + error
    return every, 0.0


def _losses(scores: Array, variance: Array, targets: Array) -> Array:
    """Squared errors of the best model of each target on rows it was not fitted to, `(m, k)`."""
    from sklearn.linear_model import RidgeCV  # slow to import

    cut = round(SHARE_FITTED * len(targets))
    known = targets[:cut]
    whole = scores / np.sqrt(variance.sum())
    white = scores / np.sqrt(variance)
    linear = np.column_stack([white, _log_power(white)])
    ridge = RidgeCV(RIDGES, alpha_per_target=True).fit(linear[:cut], known)
    guesses = [
        np.broadcast_to(known.mean(axis=0), targets[cut:].shape),
        ridge.predict(linear[cut:]).reshape(targets[cut:].shape),
        *_smooth_guesses(whole, known, gamma=0.5),
        *_smooth_guesses(white, known, gamma=0.5 / len(variance)),
    ]
    errors = (targets[cut:] - np.stack(guesses)) ** 2
    best = errors.mean(axis=1).argmin(axis=0)
    return np.asarray(errors[best, :, np.arange(targets.shape[1])].T)


def _smooth_guesses(inputs: Array, known: Array, gamma: float) -> Array:
    """Kernel ridge regressions: targets of the rows after the known ones, for each smoothness.

    The kernel is computed once for all; scikit-learn's class would compute it for each.
    """
    poll()
    cut, rows, values = len(known), torch.from_numpy(inputs), torch.from_numpy(known)
    kernel = torch.exp(-gamma * torch.cdist(rows, rows[:cut]).square())
    ridges = torch.diag_embed(torch.tensor(SMOOTHNESS).to(kernel)[:, None].expand(-1, cut))
    weights = torch.cholesky_solve(values, torch.linalg.cholesky(kernel[:cut] + ridges))
    return np.asarray(kernel[cut:] @ weights)


def _log_power(values: Array) -> Array:
    return np.asarray(np.log((values**2).mean(axis=1) + 1e-3))


def _standard(values: Array) -> Array:
    return np.asarray((values - values.mean()) / max(values.std(), 1e-12))


def _indicators(labels: Array) -> Array:
    """A column for each of the most frequent cells of the labels, with variance 1."""
    _, cell = np.unique(labels, axis=0, return_inverse=True)
    counts = np.bincount(cell.reshape(-1))
    frequent = np.argsort(-counts, kind="stable")[:MOST_TARGETS]
    return np.column_stack([_standard((cell.reshape(-1) == k).astype(float)) for k in frequent])
