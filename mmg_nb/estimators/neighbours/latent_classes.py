"""Mutual information of two categorical variables that depend through few latent classes.

Levels of x with the same distribution of y are grouped, so that a group has enough rows for an
estimate. A table of single cells cannot show what they have in common.
With classes c, p(x, y) = Σ_c p(c)·p(x | c)·p(y | c). A non-negative factorisation of the counts
with the Kullback–Leibler loss fits it (Hofmann 1999, SIGIR), by the multiplicative updates of Lee
& Seung (2001, NIPS). Held-out rows choose the number of classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from mmg_nb.estimators.neighbours.column_prediction import LEAST, pooled
from mmg_nb.polling import polled

__all__ = ["latent_information"]

CLASSES = (2, 5, 12)
STEPS = 40  # of the factorisation
ROWS_AT_ONCE = 100_000  # of several folds; more need much memory and are not faster
TINY = 1e-300

Array = NDArray[np.float64]
Labels = NDArray[np.int64]


def latent_information(
    x: Labels, y: Labels, clusters: Labels, folds: int
) -> tuple[Array, float] | None:
    """Log-ratios ln p(y | x) / p(y) of held-out rows, nats.

    Args:
        x: Labels 0, 1, …, `(n,)`.
        y: Labels 0, 1, …, `(n,)`.
        clusters: No fold separates rows with one label, `(n,)`.
        folds: Number of folds.

    Returns:
        The ratios, `(n,)`, and their mean over rows that were used for training. None if there
        are too few clusters.

    Raises:
        Stopped: The user has stopped the run.
    """
    from sklearn.model_selection import GroupKFold

    if len(np.unique(clusters)) < folds:
        return None
    found, seen = np.zeros((1 + len(CLASSES), len(x))), np.zeros(len(CLASSES))
    levels = int(y.max()) + 1
    splits = list(GroupKFold(folds).split(x, groups=clusters))
    trains = [train for train, _ in splits]
    size = max(1, ROWS_AT_ONCE // len(x))
    for k, classes in enumerate(CLASSES):
        parts = [trains[i : i + size] for i in range(0, folds, size)]
        fitted = np.concatenate([_predicted(x, y, part, classes) for part in parts])
        for (train, held), given in zip(splits, fitted, strict=True):
            counts = np.bincount(y[train], minlength=levels) + LEAST
            share = (counts / counts.sum())[y]
            found[0, held], found[1 + k, held] = share[held], given[held]
            seen[k] += np.log(np.maximum(given, TINY) / share)[train].mean() / folds
    base, *predictions = found
    mixed = [pooled([base, each], splits) for each in predictions]
    best = int(np.argmax([np.log(each).sum() for each in mixed]))
    return np.log(mixed[best] / base), float(seen[best])


def _predicted(x: Labels, y: Labels, trains: Sequence[Labels], classes: int) -> Array:
    """Probability of y given x for each row, `(folds, n)`; 0 for an x that a fold lacks.

    The tables of all folds are the blocks of one sparse matrix.
    """
    levels_x, levels_y, folds = int(x.max()) + 1, int(y.max()) + 1, len(trains)
    table = [
        (k * levels_x + x[train]) * levels_y * folds + k * levels_y + y[train]
        for k, train in enumerate(trains)
    ]
    key, count = np.unique(np.concatenate(table), return_counts=True)
    shape = folds * levels_x, folds * levels_y
    cell = key // shape[1], key % shape[1]
    ratio = csr_array((count.astype(np.float64), cell), shape=shape)
    turned = ratio.T  # has the same data
    rng = np.random.default_rng(classes)
    of_x, of_y = (
        np.tile(0.5 + rng.random((levels, classes)), (folds, 1, 1))
        for levels in (levels_x, levels_y)
    )
    flat_x, flat_y = of_x.reshape(-1, classes), of_y.reshape(-1, classes)
    for step in polled(range(2 * STEPS)):
        near_x, near_y = flat_x.take(cell[0], axis=0), flat_y.take(cell[1], axis=0)
        fitted = np.einsum("ij,ij->i", near_x, near_y)
        ratio.data[:] = count / np.maximum(fitted, TINY)
        if step % 2:
            wanted, given = (turned @ flat_x).reshape(of_y.shape), of_x
            of_y *= wanted / np.maximum(given.sum(axis=1, keepdims=True), TINY)
        else:
            wanted, given = (ratio @ flat_y).reshape(of_x.shape), of_y
            of_x *= wanted / np.maximum(given.sum(axis=1, keepdims=True), TINY)
    both = np.einsum("fij,fij->fi", of_x[:, x], of_y[:, y])
    total = np.stack([(a @ b.sum(axis=0))[x] for a, b in zip(of_x, of_y, strict=True)])
    return np.divide(both, total, out=np.zeros_like(both), where=total > 0)
