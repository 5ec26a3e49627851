"""The plain Python interface; the magics and panels call these same functions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mmg_nb.data import Pairs, make_pairs
from mmg_nb.errors import MMGError
from mmg_nb.estimators.acceptance import accepts, check_acceptance
from mmg_nb.estimators.base import Estimator
from mmg_nb.estimators.registry import build
from mmg_nb.events import Finished, Listener, silent
from mmg_nb.interrupts import stoppable
from mmg_nb.results import MIResult

__all__ = ["Job", "assemble", "estimate", "prepare"]


@dataclass(frozen=True, eq=False)
class Job:
    """An estimate that is ready to run: what was asked for, checked.

    Attributes:
        estimator: With its fields.
        pairs: The data.
        seed: Seed of everything random.
        device: Where to compute, as asked for.
    """

    estimator: Estimator
    pairs: Pairs
    seed: int
    device: str

    def with_own_data(self) -> Job:
        """The same on copies of the arrays, which may be changed or deleted from now on."""
        return replace(self, pairs=self.pairs.with_own_data())

    def run(self, listen: Listener) -> MIResult:
        """Estimate; see `estimate` for interrupts and what is raised."""
        with stoppable(listen) as listener:
            result = self.estimator.estimate(
                self.pairs, seed=self.seed, listen=listener, device=self.device
            )
            listener(Finished(result))
        return result


def estimate(
    x: Any,
    y: Any,
    estimator: str = "mmg",
    *,
    given: Any = None,
    groups: Any = None,
    discrete: Any = "auto",
    missing: str = "refuse",
    seed: int = 0,
    device: str = "auto",
    listen: Listener | None = None,
    **fields: Any,
) -> MIResult:
    """Estimate the mutual information I(x; y), or I(x; y | z) with `given=z`.

    Args:
        x: Numbers or categories, `(n,)` or `(n, dim_x)`: numpy, pandas, torch, or lists. Never
            modified.
        y: The same, `(n,)` or `(n, dim_y)`, row i belonging to row i of x.
        estimator: Name in the registry, e.g. `mmg`, `gcmi`.
        given: What is conditioned on, `(n,)` or `(n, dim_z)`, for I(x; y | given): how much x
            and y tell about each other once this is known.
        groups: `(n,)` labels; rows with one label (repeated measures, a block of time) are kept
            on one side of every split. Without it rows are taken as independent.
        discrete: Which columns are categories. `auto`: texts, categories, truth values, and whole
            numbers of at most 20 values with at least 10 rows each; a note says so. `none`: only
            what cannot be a number. Or names of variables and columns, e.g. `"y"`,
            `"sex,x[2]"`, `["sex"]`: these, and what cannot be a number.
        missing: `refuse` missing values (NaN, None, NA), or `drop` the rows that have any, with
            a note that says how many.
        seed: Seed of everything random. The global random state is neither read nor changed.
        device: `auto` (CUDA when there is one), `cpu`, `cuda` or `cuda:<index>`.
        listen: Called with each event of the run (`mmg_nb.events`); a true answer stops the run.
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
        **fields,
    )
    return job.run(listen or silent)


def prepare(
    x: Any,
    y: Any,
    estimator: str = "mmg",
    *,
    given: Any = None,
    groups: Any = None,
    discrete: Any = "auto",
    missing: str = "refuse",
    seed: int = 0,
    device: str = "auto",
    **fields: Any,
) -> Job:
    """Check what `estimate` is given, and run nothing yet; the arguments are the same.

    Returns:
        The job, on the arrays given as far as they need not be changed.

    Raises:
        MMGError: The arrays or fields cannot be used; the message says why and what to do.
    """
    job = assemble(
        x,
        y,
        estimator,
        given=given,
        groups=groups,
        discrete=discrete,
        missing=missing,
        seed=seed,
        device=device,
        **fields,
    )
    check_acceptance(job.estimator, job.pairs)
    return job


def assemble(
    x: Any,
    y: Any,
    estimator: str,
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
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
        raise MMGError(f"seed must be a whole number of at least 0; got {seed!r}.", "Try seed=0.")
    chosen = build(estimator, fields)
    if not accepts(chosen, "discrete") and discrete == "auto":
        discrete = "none"  # whole numbers are numbers to those who know nothing else
    pairs = make_pairs(x, y, groups, given, discrete=discrete, missing=missing)
    return Job(chosen, pairs, int(seed), device)
