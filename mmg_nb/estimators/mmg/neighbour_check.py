"""A nearest-neighbour estimate of the same rows, as a check, in few columns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mmg_nb.data.dependent_rows import MIN_SAMPLES
from mmg_nb.data.pairs import Pairs
from mmg_nb.estimators.neighbours.ksg import KSG
from mmg_nb.polling import Stopped
from mmg_nb.results.finding import Estimate
from mmg_nb.results.status import Status
from mmg_nb.runs.context import RunContext

__all__ = ["by_neighbours"]

MOST_COLUMNS = 6  # of x and y together; with more, neighbours are too far apart
MOST_ROWS = 10_000  # limits the computing time


def by_neighbours(pairs: Pairs) -> Estimate | None:
    """An estimate without training, which detects dependence that networks miss.

    Nearest neighbours usually give a lower estimate than the networks. They give a higher one if
    dependence is too local for the networks, for example in one row of twenty.

    Args:
        pairs: The data.

    Returns:
        The estimate. None with more columns, categories, images, a condition, few rows, or a
        constant column.

    Raises:
        Stopped: The user has stopped the run.
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
    if found.status is Status.INTERRUPTED:
        raise Stopped
    return Estimate(found.mi, found.stderr or 0.0)


def _independent(pairs: Pairs) -> Pairs:
    """At most `MOST_ROWS` rows, one of each cluster: rows of a cluster would be neighbours."""
    _, first = np.unique(pairs.clusters, return_index=True)
    rows = np.sort(first)[:: -(-len(first) // MOST_ROWS)]
    return replace(
        pairs, x=pairs.x[rows], y=pairs.y[rows], clusters=np.arange(len(rows)), notes=()
    )
