"""The methods of a map of pairs: which estimate is shown, and which of them disagree."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["CONFLICTS", "METHODS", "best_of", "conflicts_of"]

METHODS = ("gcmi", "ksg", "mmg")  # from the first look to the refinement
APART_ERRORS = 4.0  # standard errors between estimates of all pairs that disagree; not measured
REFINED_ERRORS = 2.0  # the same for a refined pair, of which there are few; not measured
APART_NATS = 0.05  # and nats: below it, both say "weak"; not measured
CONFLICTS = {"neighbours and denoisers": 1, "closed form higher": 2}

Array = NDArray[np.float64]


def best_of(found: Mapping[str, Array], settled: NDArray[np.bool_]) -> Array:
    """Estimates and standard errors of the best method of each pair.

    Neighbours replace the closed form, which sees monotonic dependence only. Denoisers and
    neighbours that agree confirm each other: the one with the smaller error is shown. If they
    disagree, denoisers are shown only if their training was complete.

    Args:
        found: Method -> estimates and standard errors, `(2, d, d)`, NaN where there is none.
        settled: Whether the training of the denoisers was complete, `(d, d)`.

    Returns:
        `(2, d, d)`.
    """
    first, counted, refined = (found[method] for method in METHODS)
    best = np.where(np.isnan(counted[0]), first, counted)
    smaller = (refined[1] < counted[1]) | np.isnan(counted[1])
    better = np.where(_apart(refined, counted, REFINED_ERRORS), settled, smaller)
    better &= ~np.isnan(refined[0])
    better |= ~np.isnan(refined[0]) & np.isnan(counted[0])
    return np.where(better, refined, best)


def conflicts_of(found: Mapping[str, Array], best: Array) -> NDArray[np.uint8]:
    """Which methods differ clearly.

    A closed form that is lower is no conflict: it cannot see all dependence.

    Args:
        found: As in `best_of`.
        best: What `best_of` returns.

    Returns:
        0, or a sum of `CONFLICTS`, `(d, d)`.
    """
    first, counted, refined = (found[method] for method in METHODS)
    apart = _apart(counted, refined, REFINED_ERRORS)
    with np.errstate(invalid="ignore"):
        higher = _apart(first, best, APART_ERRORS) & (first[0] > best[0])
    marks = (
        CONFLICTS["neighbours and denoisers"] * apart + CONFLICTS["closed form higher"] * higher
    )
    return marks.astype(np.uint8)


def _apart(a: Array, b: Array, errors: float) -> NDArray[np.bool_]:
    """Pairs for which two methods differ clearly, `(d, d)`; False where one has no estimate."""
    joint = np.hypot(np.nan_to_num(a[1]), np.nan_to_num(b[1]))
    with np.errstate(invalid="ignore"):
        apart: NDArray[np.bool_] = abs(a[0] - b[0]) > np.maximum(errors * joint, APART_NATS)
    return apart
