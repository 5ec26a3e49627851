"""The plain Python interface; the magics and panels call these same functions."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from mmg_nb.data.pairs import make_pairs
from mmg_nb.errors import MMGError
from mmg_nb.estimators.acceptance import accepts, check_acceptance
from mmg_nb.estimators.base import Estimator
from mmg_nb.estimators.registry import build
from mmg_nb.job import Job, reopened
from mmg_nb.results.result import MIResult
from mmg_nb.runs.events import Listener, silent

__all__ = ["EVERY", "assemble", "estimate", "prepare", "reopen", "resume"]

EVERY = 60.0  # seconds between two writes of a checkpoint


def estimate(
    x: Any,
    y: Any,
    estimator: str | Estimator = "mmg",
    *,
    given: Any = None,
    groups: Any = None,
    discrete: Any = "auto",
    missing: str = "refuse",
    seed: int = 0,
    device: str = "auto",
    checkpoint: str | Path | None = None,
    every: float = EVERY,
    listen: Listener | None = None,
    **fields: Any,
) -> MIResult:
    """Estimate the mutual information I(x; y), or I(x; y | z) with `given=z`.

    Args:
        x: Numbers or categories, `(n,)` or `(n, dim_x)`: numpy, pandas, torch, or lists; or
            images, `(n, height, width)` or `(n, channels, height, width)`. Never modified, nor
            copied if it need not be: not to be modified by others before this returns.
        y: The same, `(n,)` or `(n, dim_y)`, row i belonging to row i of x. Tables of pandas must
            have the same index, for else it may be another row.
        estimator: Name in the registry, e.g. `mmg`, `gcmi`, or an estimator, `MINE(steps=100)`.
        given: What is conditioned on, `(n,)` or `(n, dim_z)`, for I(x; y | given): how much x
            and y tell about each other once this is known.
        groups: `(n,)` labels; rows with one label (repeated measures, a block of time) are kept
            on one side of every split. Without it rows are taken as independent.
        discrete: Which columns are categories. `auto`: texts, categories, truth values, and whole
            numbers of at most 20 values with at least 10 rows each; a note says so. `none`: only
            what cannot be a number. Or names of variables and columns, e.g. `"y"`,
            `"sex,x[2]"`, `["sex"]`: these, and what cannot be a number. Columns whose names are
            numbers go by their place, `x[0]`.
        missing: `refuse` missing values (NaN, None, NA), or `drop` the rows that have any, with
            a note that says how many.
        seed: Seed of everything random. The global random state is neither read nor changed.
        device: `auto` (CUDA when there is one), `cpu`, `cuda` or `cuda:<index>`.
        checkpoint: File that keeps the run, with its data, so that `mmg_nb.resume` can go on
            with it after the process has ended; it must not hold another unfinished run.
        every: Seconds between two writes of the checkpoint, which is also written at a stop.
        listen: Called with each event of the run (`mmg_nb.runs.events`); a true answer stops it.
        **fields: Fields of the estimator, e.g. `steps=8000`.

    Returns:
        The result, in nats. An interrupt (Ctrl-C, or the stop button) ends training early and
        the result of what was learnt is returned, with status `interrupted`.

    Raises:
        MMGError: The arrays or fields cannot be used; the message says why and what to do.
    """
    job = prepare(
        x,
        y,
        estimator,
        given=given,
        groups=groups,
        discrete=discrete,
        missing=missing,
        seed=seed,
        device=device,
        checkpoint=checkpoint,
        every=every,
        **fields,
    )
    return job.run(listen or silent)


def resume(
    checkpoint: str | Path, *, every: float | None = None, listen: Listener | None = None
) -> MIResult:
    """Go on with a run that was kept in a file: data, fields and seed are in it.

    On the CPU the result is the one that the run would have had without the break, to the last
    bit. The file is kept up to date as before, so that this run, too, can be resumed.

    Args:
        checkpoint: The file that `estimate` was given as `checkpoint`.
        every: Seconds between two writes; None for as often as before.
        listen: Called with each event of the run; a true answer stops the run.

    Returns:
        The result, in nats; an interrupt ends training early as with `estimate`.

    Raises:
        MMGError: There is no such file, or it is damaged, something else, or too new; it is left
            as it is.
    """
    return reopen(checkpoint, every).run(listen or silent)


def reopen(checkpoint: str | Path, every: float | None = None) -> Job:
    """Read what `resume` is given, and run nothing yet; the arguments are the same.

    Returns:
        The job.

    Raises:
        MMGError: There is no such file, or it is damaged, something else, or too new.
    """
    if every is not None:
        _check_every(every)
    return reopened(checkpoint, every)


def prepare(
    x: Any,
    y: Any,
    estimator: str | Estimator = "mmg",
    *,
    checkpoint: str | Path | None = None,
    every: float = EVERY,
    **asked: Any,
) -> Job:
    """Check what `estimate` is given, and run nothing yet; the arguments are the same.

    Returns:
        The job, on the arrays given as far as they need not be changed.

    Raises:
        MMGError: The arrays or fields cannot be used; the message says why and what to do.
    """
    job = assemble(x, y, estimator, **asked)
    check_acceptance(job.estimator, job.pairs)
    if checkpoint is None:
        return job
    _check_every(every)
    return job.kept_in(checkpoint, float(every))


def assemble(
    x: Any,
    y: Any,
    estimator: str | Estimator,
    *,
    given: Any = None,
    groups: Any = None,
    discrete: Any = "auto",
    missing: str = "refuse",
    seed: int = 0,
    device: str = "auto",
    **fields: Any,
) -> Job:
    """`prepare`, but for the question whether the estimator has a method for such data."""
    check_seed(seed)
    chosen = build(estimator, fields)
    if not accepts(chosen, "discrete") and isinstance(discrete, str) and discrete == "auto":
        discrete = "none"  # whole numbers are numbers to those who know nothing else
    pairs = make_pairs(x, y, groups, given, discrete=discrete, missing=missing)
    return Job(chosen.for_data(pairs), pairs, int(seed), device)


def check_seed(seed: Any) -> None:
    """Refuse what is no seed.

    Raises:
        MMGError: It is no whole number of at least 0.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise MMGError(f"seed must be a whole number of at least 0; got {seed!r}.", "Try seed=0.")


def _check_every(every: Any) -> None:
    number = isinstance(every, (int, float)) and not isinstance(every, bool)
    if not (number and math.isfinite(every) and every >= 0):
        what = f"every must be a number of seconds of at least 0; got {every!r}."
        raise MMGError(what, f"every: seconds between two writes of a checkpoint ({EVERY:g}).")
