"""Mutual information of two categorical variables that depend through few latent classes.

Levels of x with the same law of y support each other, which a table of single cells cannot show.
With classes c, p(x, y) = Σ_c p(c)·p(x | c)·p(y | c). A non-negative factorisation of the counts
with the Kullback–Leibler loss fits it (Hofmann 1999, SIGIR; Ding, Li & Peng 2008, CSDA 52:3913).
Held-out rows choose the number of classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmg_nb.estimators.neighbours.column_prediction import LEAST, pooled
from mmg_nb.polling import polled

__all__ = ["latent_information"]

CLASSES = (2, 5, 12)
STEPS = 40  # of the factorisation

Array = NDArray[np.float64]
Labels = NDArray[np.int64]


def latent_information(x: Labels, y: Labels, clusters: Labels, folds: int) -> Array | None:
    """Log-ratios ln p(y | x) / p(y) of held-out rows, nats.

    Args:
        x: Labels 0, 1, …, `(n,)`.
        y: Labels 0, 1, …, `(n,)`.
        clusters: No fold separates rows with one label, `(n,)`.
        folds: Number of folds.

    Returns:
        `(n,)`, or None if there are too few clusters.

    Raises:
        Stopped: The user has stopped the run.
    """
    from sklearn.model_selection import GroupKFold

    if len(np.unique(clusters)) < folds:
        return None
    found = np.zeros((1 + len(CLASSES), len(x)))
    levels = int(y.max()) + 1
    for train, held in polled(list(GroupKFold(folds).split(x, groups=clusters))):
        counts = np.bincount(y[train], minlength=levels) + LEAST
        found[0, held] = (counts / counts.sum())[y[held]]
        for row, classes in zip(found[1:], CLASSES, strict=True):
            row[held] = _predicted(x, y, train, held, classes)
    base, *predictions = found
    best = max((pooled([base, each]) for each in predictions), key=lambda p: np.log(p).sum())
    return np.asarray(np.log(best / base))


def _predicted(x: Labels, y: Labels, train: Labels, held: Labels, classes: int) -> Array:
    """Probability of y given x for the rows `held`; 0 for an x that `train` lacks."""
    from scipy.sparse import coo_array
    from sklearn.decomposition import NMF

    shape = int(x.max()) + 1, int(y.max()) + 1
    table = coo_array((np.ones(len(train)), (x[train], y[train])), shape=shape).tocsr()
    model = NMF(
        min(classes, *shape),
        init="random",
        solver="mu",
        beta_loss="kullback-leibler",
        max_iter=STEPS,
        tol=0,
        random_state=0,
    )
    of_x = model.fit_transform(table)
    of_y = model.components_
    both = np.sum(of_x[x[held]] * of_y[:, y[held]].T, axis=1)
    total = (of_x @ of_y.sum(axis=1))[x[held]]
    return np.asarray(np.divide(both, total, out=np.zeros_like(both), where=total > 0))
