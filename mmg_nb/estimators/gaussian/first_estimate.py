"""A closed-form estimate that is known before PyTorch is loaded."""

from __future__ import annotations

from mmg_nb.data.marginals import NormalScores
from mmg_nb.data.pairs import Pairs
from mmg_nb.estimators.gaussian.closed_form import gaussian_mi
from mmg_nb.results.finding import Estimate

__all__ = ["first_estimate"]

MOST_ROWS = 10_000  # limits the computing time
MOST_COLUMNS = 100  # of x, y and the condition together; likewise
LEAST_ROWS = 2  # rows per column


def first_estimate(pairs: Pairs) -> Estimate | None:
    """The estimate as if the normal scores of all columns were jointly normal.

    It takes a few milliseconds. It is right for Gaussian copulas only, and usually too low
    otherwise.

    Args:
        pairs: The data.

    Returns:
        Estimate and standard error, nats. None with categories, images, many columns or few rows.
    """
    columns = pairs.dim_x + pairs.dim_y + pairs.dim_z
    numbers = not (pairs.discrete_x or pairs.discrete_y or pairs.discrete_z or pairs.has_images)
    if not numbers or columns > MOST_COLUMNS or pairs.n_samples < LEAST_ROWS * columns:
        return None
    rows = slice(None, None, -(-pairs.n_samples // MOST_ROWS))
    parts = (values[rows] for values in (pairs.x, pairs.y, pairs.z))
    scores = [NormalScores.fit(part)(part) if part.shape[1] else part for part in parts]
    return gaussian_mi(*scores)
