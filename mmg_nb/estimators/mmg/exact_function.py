"""The finding for a column that is a function of another one: no network can come to an end."""

from __future__ import annotations

from mmg_nb.data.functions import function_in
from mmg_nb.data.pairs import Pairs
from mmg_nb.estimators.mmg.second_look import MOST_COLUMNS, by_neighbours
from mmg_nb.results.finding import Finding

__all__ = ["of_function"]


def of_function(pairs: Pairs) -> Finding | None:
    """What nearest neighbours find in a column and a function of it, as a lower limit.

    Args:
        pairs: The data.

    Returns:
        The finding. None if there is no such column, with images or a condition, or if both
        variables have several columns, more than `MOST_COLUMNS` together.

    Raises:
        Stopped: The user has stopped the run.
    """
    several = min(pairs.dim_x, pairs.dim_y) > 1 and pairs.dim_x + pairs.dim_y > MOST_COLUMNS
    categories = pairs.discrete_x or pairs.discrete_y
    if several or categories or pairs.has_images or pairs.given is not None:
        return None
    found = function_in(pairs.x, pairs.y)
    if found is None:
        return None
    name, i, j = found
    both = pairs.with_numbers("x", pairs.x[:, [i]]).with_numbers("y", pairs.y[:, [j]])
    least = by_neighbours(both)
    if least is None:
        return None
    argument = "x" if name == "y" else "y"
    note = (
        f"{_called(pairs, name)} is a function of {_called(pairs, argument)} without any noise, "
        "so mutual information may be infinite. The estimate is only a lower limit: what nearest "
        f"neighbours resolve with {pairs.n_samples} rows. Add noise of a known scale to make it "
        "finite."
    )
    return Finding(
        mi=least.mi, stderr=least.stderr, error_parts={"sampling": least.stderr}, notes=(note,)
    )


def _called(pairs: Pairs, name: str) -> str:
    return name if getattr(pairs, name).shape[1] == 1 else f"one column of {name}"
