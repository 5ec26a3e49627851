"""Data in which x does not depend on y: permuted, shifted in time, exchanged among neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmg_nb.data.columns import Shape
from mmg_nb.data.pairs import Pairs
from mmg_nb.errors import MMGError, brief
from mmg_nb.job import Job
from mmg_nb.questions.kept_estimates import KeptEstimates
from mmg_nb.questions.parts import working
from mmg_nb.runs.context import RunContext
from mmg_nb.runs.events import Listener, Step, Working

__all__ = ["SHIFTS", "count_of", "most_shifts", "null_estimates", "orders", "scheme", "shifts"]

NEIGHBOURS = 5  # of a row in z, among which x is permuted (Runge 2018, section 3)
FARTHEST = 4  # shifts reach n / FARTHEST rows (LOG.md, "Shifts of series")

SHIFTS = "shifts in time"  # how series are moved, in words
AMONG_NEIGHBOURS = "permutations among neighbours"
NEIGHBOURS_IN_Z = f"{AMONG_NEIGHBOURS} in z"

Rows = NDArray[np.int64]


def scheme(pairs: Pairs) -> str:
    """How x is moved for such data, in words."""
    if pairs.inflation > 1:
        return SHIFTS
    if not pairs.dim_z:
        return "permutations"
    whole = len(pairs.discrete_z) == pairs.dim_z
    return "permutations within categories" if whole else NEIGHBOURS_IN_Z


def orders(
    pairs: Pairs, count: int, generator: np.random.Generator
) -> Iterator[tuple[Rows, Rows]]:
    """Rows of x, and rows of y and z beside them, that keep all but the dependence of x on y.

    Independent rows are permuted. Rows in series are shifted against each other, which keeps
    their autocorrelation. With a condition, rows of x are exchanged within the same categories,
    or among the nearest neighbours in z (Runge 2018, AISTATS 84:938, algorithm 1).

    Args:
        pairs: The data.
        count: How many orders; of series, at most `most_shifts`.
        generator: Source of the random numbers.

    Yields:
        Rows of x, and of y and z, both `(m,)`: all of them, or fewer if they are shifted.
    """
    how, every = scheme(pairs), np.arange(pairs.n_samples)
    if how == SHIFTS:
        yield from shifts(pairs.n_samples, count, generator)
        return
    strata = np.unique(pairs.z, axis=0, return_inverse=True)[1].reshape(-1)
    near = _neighbours(pairs) if how == NEIGHBOURS_IN_Z else None
    for _ in range(count):
        if near is not None:
            yield _exchanged(near, generator), every
        elif how == "permutations":
            yield generator.permutation(pairs.n_samples), every
        else:
            order = np.empty(len(strata), dtype=np.int64)
            order[np.argsort(strata, kind="stable")] = np.lexsort(
                (generator.random(len(strata)), strata)
            )
            yield order, every


def most_shifts(n: int) -> int:
    """How many shifts so many rows have."""
    return 2 * (n // FARTHEST)


def shifts(n: int, count: int, generator: np.random.Generator) -> Iterator[tuple[Rows, Rows]]:
    """The rows that overlap if x is shifted in time, each distance once.

    The ends of a series are not joined, as a joint breaks the autocorrelation and the seasons.
    Short distances are among them: without these, the data would stand alone beside a gap, and
    too often have the largest estimate. An overlap has fewer rows, so its estimate varies a
    little more, which makes the test conservative. (Compare the truncated shifts of Yuan & Shou
    2024, PLOS Biol. 22:e3002758, which use fewer rows for the data, too.)

    Args:
        n: Rows.
        count: How many distances, at most `most_shifts`.
        generator: Source of the random numbers.

    Yields:
        Rows of x, and rows of the others beside them.
    """
    far = n // FARTHEST
    distances = np.delete(np.arange(-far, far + 1), far)
    for distance in generator.permutation(distances)[:count]:
        common = np.arange(n - abs(distance))
        yield common + max(distance, 0), common + max(-distance, 0)


def _neighbours(pairs: Pairs) -> Rows:
    """The nearest rows in z of each row, itself among them, `(n, k)`."""
    from scipy.spatial import cKDTree
    from scipy.stats import rankdata

    numbers = np.delete(pairs.z, list(pairs.discrete_z), axis=1)
    ranks = rankdata(numbers, axis=0) / len(numbers)
    # Codes are at least 1 apart, ranks at most 1, so categories come first.
    codes = pairs.z[:, list(pairs.discrete_z)] * (1 + numbers.shape[1])
    found = cKDTree(np.concatenate([ranks, codes], axis=1)).query(
        np.concatenate([ranks, codes], axis=1), NEIGHBOURS
    )[1]
    return np.asarray(found)


def _exchanged(near: Rows, generator: np.random.Generator) -> Rows:
    """For each row one of its neighbours, each used once as far as possible."""
    n, k = near.shape
    mixed = np.take_along_axis(near, generator.random((n, k)).argsort(axis=1), axis=1).tolist()
    used = [False] * n
    order = np.empty(n, dtype=np.int64)
    for row in generator.permutation(n).tolist():
        choice = next((each for each in mixed[row] if not used[each]), mixed[row][-1])
        used[choice] = True
        order[row] = choice
    return order


def null_estimates(
    job: Job,
    moved: Iterator[tuple[Rows, Rows]],
    count: int,
    heard: Listener,
    kept: KeptEstimates,
) -> list[float]:
    """Estimates for the rows of x in other orders, nats; fewer after a stop.

    Args:
        job: The estimate.
        moved: Rows of x, and rows of the others; see `orders`.
        count: Their number.
        heard: Called with the progress.
        kept: Stores the estimates.
    """
    found: list[float] = []
    for done, rows in enumerate(moved):
        if heard(Step(done, count)):
            break
        mi = kept.number(job, rows, partial(_null_estimate, job, rows, heard))
        if mi is None:
            break
        found.append(mi)
    return found


def _null_estimate(job: Job, rows: tuple[Rows, Rows], heard: Listener) -> float | None:
    """The estimate for rows of x beside other rows, nats; None after a stop."""
    other = _beside(job.pairs, *rows)
    if not (other.dim_x and other.dim_y):
        return 0.0  # a constant has no information
    run = RunContext(seed=job.seed, device=job.device, listen=working(heard))
    mi = float(job.estimator.method_for(other)(other, run).mi)
    return None if heard(Working()) else mi  # what a stop leaves is not comparable


def _beside(pairs: Pairs, rows_x: Rows, rows: Rows) -> Pairs:
    """Rows of x beside other rows of y and z, which keep their clusters."""
    return pairs.with_variables(
        _varying(pairs.x[rows_x], pairs.discrete_x, pairs.shape_x),
        _varying(pairs.y[rows], pairs.discrete_y, pairs.shape_y),
        _varying(pairs.z[rows], pairs.discrete_z),
        clusters=np.unique(pairs.clusters[rows], return_inverse=True)[1].reshape(-1),
    )


def _varying(
    values: NDArray[np.float64], discrete: tuple[int, ...], shape: Shape | None = None
) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    """The columns that are not constant, and those of them that are categories; all of images."""
    varies = np.ptp(values, axis=0) > 0
    if shape is not None or varies.all():
        return values, discrete
    place = np.cumsum(varies) - 1
    return values[:, varies], tuple(int(place[j]) for j in discrete if varies[j])


def count_of(count: Any, name: str, usual: int) -> int:
    """A number of permutations; the usual one for None.

    Raises:
        MMGError: It is no whole number of at least 19.
    """
    if count is None:
        return usual
    whole = isinstance(count, (int, np.integer)) and not isinstance(count, bool)
    if not whole or count < 19:
        what = f"{name} must be a whole number of at least 19; got {brief(count)}."
        raise MMGError(what, f"With fewer, no p-value is as low as 0.05. Try {name}={usual}.")
    return int(count)
