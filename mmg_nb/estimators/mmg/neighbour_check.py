"""What nearest neighbours say of the same rows, in few columns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mmg_nb.data.dependent_rows import MIN_SAMPLES
from mmg_nb.data.pairs import Pairs
from mmg_nb.estimators.neighbours.ksg import KSG
from mmg_nb.results.finding import Estimate
from mmg_nb.runs.context import RunContext

__all__ = ["by_neighbours"]

MOST_COLUMNS = 6  # of x and y together, in which neighbours are near
MOST_ROWS = 10_000  # for the sake of time


def by_neighbours(pairs: Pairs) -> Estimate | None:
    """An estimate that needs no learning, and sees what is too local to be learnt.

    Nearest neighbours tell too little of nearly everything, but of what networks never begin to
    learn, say of a channel that works in one row of twenty, they may tell more.

    Args:
        pairs: The data.

    Returns:
        The estimate; None for what it is not made for: more columns, categories, images, a
        condition, columns that hardly vary.
    """
    discrete = pairs.discrete_x or pairs.discrete_y
    images = pairs.shape_x is not None or pairs.shape_y is not None
    many = pairs.dim_x + pairs.dim_y > MOST_COLUMNS
    if many or discrete or images or pairs.given is not None:
        return None
    some = _independent(pairs)
    if len(some.x) < MIN_SAMPLES or not all(np.ptp(v, axis=0).all() for v in (some.x, some.y)):
        return None
    ksg = KSG(metric="chebyshev", transform="normal_scores")
    found = ksg.estimate(some, RunContext())
    return Estimate(found.mi, found.stderr or 0.0)


def _independent(pairs: Pairs) -> Pairs:
    """One row of each block, for others of it would be its neighbours, and not too many."""
    _, first = np.unique(pairs.blocks, return_index=True)
    rows = np.sort(first)[:: -(-len(first) // MOST_ROWS)]
    return replace(pairs, x=pairs.x[rows], y=pairs.y[rows], blocks=np.arange(len(rows)), notes=())
