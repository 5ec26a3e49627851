"""The finding for a column that is a function of another one: there is nothing to be trained."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from mmg_nb.data.functions import confirmations, function_in
from mmg_nb.data.pairs import Pairs
from mmg_nb.estimators.mmg.second_look import MOST_COLUMNS, by_neighbours
from mmg_nb.estimators.neighbours.contingency import closed_form
from mmg_nb.estimators.report import with_part
from mmg_nb.results.finding import Finding

__all__ = ["of_function"]

MOST_SORTED = 4_000_000  # values that are sorted for a target of few values, in about a second
EXCEPTIONS = "unseen exceptions"  # the part of the error: rows that do not follow the function


def of_function(pairs: Pairs, seed: int) -> Finding | None:
    """The finding for a column that is a function of another one without noise.

    If the function takes few values, mutual information is its entropy. Otherwise it may be
    infinite, and what nearest neighbours find in the two columns is a lower limit.

    Args:
        pairs: The data.
        seed: Seed of the random numbers for many values.

    Returns:
        The finding. None if there is no such column, with images or a condition, or if both
        variables have several columns, more than `MOST_COLUMNS` together.

    Raises:
        Stopped: The user has stopped the run.
    """
    several = min(pairs.dim_x, pairs.dim_y) > 1 and pairs.dim_x + pairs.dim_y > MOST_COLUMNS
    if several or pairs.has_images or pairs.given is not None:
        return None
    return _without_limit(pairs) or _of_few_values(pairs, seed)


def _without_limit(pairs: Pairs) -> Finding | None:
    found = None
    if not (pairs.discrete_x or pairs.discrete_y):
        found = function_in(pairs.x, pairs.y)
    if found is None:
        return None
    name, i, j = found
    both = pairs.with_numbers("x", pairs.x[:, [i]]).with_numbers("y", pairs.y[:, [j]])
    least = by_neighbours(both)
    if least is None:
        return None
    note = (
        f"{_said(pairs, name)} without any noise, so mutual information may be infinite. The "
        f"estimate, by nearest neighbours in {pairs.n_samples} rows, is only a lower limit. Add "
        "noise of a known scale to make it finite."
    )
    return Finding(
        mi=least.mi, stderr=least.stderr, error_parts={"sampling": least.stderr}, notes=(note,)
    )


def _of_few_values(pairs: Pairs, seed: int) -> Finding | None:
    first = np.unique(pairs.clusters, return_index=True)[1]  # copies confirm nothing
    for name, target, source, codes in (
        ("y", pairs.y, pairs.x, pairs.discrete_x),
        ("x", pairs.x, pairs.y, pairs.discrete_y),
    ):
        if target.shape[1] > 1 or source.size > MOST_SORTED:
            continue
        value = target[first, 0]
        rows = max(
            confirmations(column, value, ordered=i not in codes)
            for i, column in enumerate(source[first].T)
        )
        if rows:
            return _entropy(pairs, name, target, rows, seed)
    return None


def _entropy(pairs: Pairs, name: str, target: np.ndarray, rows: int, seed: int) -> Finding:
    """The entropy of a variable of few values, nats: its table with itself."""
    levels, code = np.unique(target, return_inverse=True)
    codes = code.reshape(-1, 1).astype(np.float64)
    table = replace(pairs, x=codes, y=codes, discrete_x=(0,), discrete_y=(0,), notes=())
    found = closed_form(table, seed)
    # One row in so many may be an exception, to any other value.
    unseen = (1 + math.log(rows * len(levels))) / rows
    note = (
        f"{_said(pairs, name)} without exceptions, and takes {len(levels)} values. Mutual "
        f"information is therefore the entropy of {name}. Nothing to do."
    )
    return with_part(replace(found, notes=()), EXCEPTIONS, unseen, (note,))


def _said(pairs: Pairs, name: str) -> str:
    """Which column is a function of which one."""
    count = {"x": pairs.dim_x, "y": pairs.dim_y}
    called = {k: k if count[k] == 1 else f"one column of {k}" for k in "xy"}
    return f"{called[name]} is a function of {called['x' if name == 'y' else 'y']}"
