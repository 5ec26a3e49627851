"""Mutual information of two categorical variables that depend through few latent classes.

Levels of x with the same distribution of y are grouped, so that a group has enough rows for an
estimate. A table of single cells cannot show what they have in common.
With classes c, p(x, y) = Σ_c p(c)·p(x | c)·p(y | c). A non-negative factorisation of the counts
with the Kullback–Leibler loss fits it (Hofmann 1999, SIGIR), by the multiplicative updates of Lee
& Seung (2001, NIPS). Held-out rows choose the number of classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from mmg_nb.estimators.neighbours.column_prediction import LEAST, pooled
from mmg_nb.polling import polled

__all__ = ["latent_information"]

CLASSES = (2, 5, 12)
STEPS = 40  # of the factorisation
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
    for train, held in polled(list(GroupKFold(folds).split(x, groups=clusters))):
        counts = np.bincount(y[train], minlength=levels) + LEAST
        share = (counts / counts.sum())[y]
        found[0, held] = share[held]
        for k, classes in enumerate(CLASSES):
            given = _predicted(x, y, train, classes)
            found[1 + k, held] = given[held]
            seen[k] += np.log(np.maximum(given, TINY) / share)[train].mean() / folds
    base, *predictions = found
    mixed = [pooled([base, each]) for each in predictions]
    best = int(np.argmax([np.log(each).sum() for each in mixed]))
    return np.log(mixed[best] / base), float(seen[best])


def _predicted(x: Labels, y: Labels, train: Labels, classes: int) -> Array:
    """Probability of y given x for each row; 0 for an x that `train` lacks."""
    shape = int(x.max()) + 1, int(y.max()) + 1
    key, count = np.unique(x[train] * shape[1] + y[train], return_counts=True)
    cell = key // shape[1], key % shape[1]
    rng = np.random.default_rng(classes)
    of_x, of_y = (0.5 + rng.random((levels, classes)) for levels in shape)
    for step in range(2 * STEPS):
        fitted = np.einsum("ij,ij->i", of_x[cell[0]], of_y[cell[1]])
        ratio = csr_array((count / np.maximum(fitted, TINY), cell), shape=shape)
        if step % 2:
            of_y *= (ratio.T @ of_x) / np.maximum(of_x.sum(axis=0), TINY)
        else:
            of_x *= (ratio @ of_y) / np.maximum(of_y.sum(axis=0), TINY)
    both = np.einsum("ij,ij->i", of_x[x], of_y[y])
    total = (of_x @ of_y.sum(axis=0))[x]
    return np.divide(both, total, out=np.zeros_like(both), where=total > 0)
