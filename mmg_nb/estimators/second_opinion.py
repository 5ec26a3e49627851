"""What nearest neighbours say of the same rows, in few columns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mmg_nb.data import Pairs
from mmg_nb.estimators.ksg import KSG
from mmg_nb.events import silent
from mmg_nb.results import Estimate

__all__ = ["by_neighbours", "surplus"]

MOST_COLUMNS = 6  # of x and y together, in which neighbours are near
MOST_ROWS = 10_000  # for the sake of time
SIGNIFICANT = 3.0  # standard errors of its own by which the opinion must be higher


def by_neighbours(pairs: Pairs) -> Estimate | None:
    """An estimate that needs no learning, and sees what is too local to be learnt.

    Nearest neighbours tell too little of nearly everything, but of what networks never begin to
    learn, say of a channel that works in one row of twenty, they may tell more.

    Args:
        pairs: The data.

    Returns:
        The estimate; None for what it is not made for: more columns, categories, images, a
        condition, rows that depend on each other, columns that hardly vary.
    """
    discrete = pairs.discrete_x or pairs.discrete_y
    images = pairs.shape_x is not None or pairs.shape_y is not None
    dependent = int(pairs.blocks.max()) + 1 < pairs.n_samples
    many = pairs.dim_x + pairs.dim_y > MOST_COLUMNS
    if many or discrete or images or dependent or pairs.given is not None:
        return None
    every = -(-pairs.n_samples // MOST_ROWS)
    some = replace(
        pairs, x=pairs.x[::every], y=pairs.y[::every], blocks=pairs.blocks[::every], notes=()
    )
    if not all(np.ptp(v, axis=0).all() for v in (some.x, some.y)):
        return None
    ksg = KSG(metric="chebyshev", transform="normal_scores")
    found = ksg.estimate(some, seed=0, listen=silent)
    return Estimate(found.mi, found.stderr or 0.0)


def surplus(opinion: Estimate | None, mi: float) -> float:
    """How many nats an opinion is higher than an estimate; 0 if that may be chance."""
    if opinion is None or opinion.mi - mi < SIGNIFICANT * opinion.stderr:
        return 0.0
    return opinion.mi - mi
