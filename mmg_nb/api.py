"""The plain Python interface. The magics and panels call these functions too."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Unpack, overload

import numpy as np

from mmg_nb.data.make_pairs import make_pairs
from mmg_nb.errors import MMGError, brief
from mmg_nb.estimators.acceptance import accepts, check_acceptance
from mmg_nb.estimators.base import Estimator
from mmg_nb.estimators.registry import build
from mmg_nb.job import Job, reopened
from mmg_nb.keywords import EVERY, CompareKeywords, EstimateKeywords
from mmg_nb.results.result import MIResult
from mmg_nb.runs.device_names import check_device
from mmg_nb.runs.events import Listener
from mmg_nb.runs.surroundings import usual_surroundings
from mmg_nb.runs.watching import watched
from mmg_nb.signatures import complete, keywords_of, shows

__all__ = [
    "EVERY",
    "MAX_SEED",
    "assemble",
    "check_seed",
    "estimate",
    "prepare",
    "reopen",
    "resume",
]

MAX_SEED = 2**63 - 1  # of torch's generators


@overload
def estimate(
    x: Any, y: Any, estimator: str | Estimator = ..., **keywords: Unpack[EstimateKeywords]
) -> MIResult: ...
@overload
def estimate(
    x: Any,
    y: Any,
    estimator: str | Estimator = ...,
    *,
    seed: int = ...,
    device: str = ...,
    checkpoint: str | Path | None = ...,
    listen: Listener | None = ...,
    **fields: Any,  # those of any estimator, and the other keyword arguments
) -> MIResult: ...
@shows(EstimateKeywords, rest="fields")
def estimate(x: Any, y: Any, estimator: str | Estimator = "mmg", **keywords: Any) -> MIResult:
    """Estimate the mutual information I(x; y), or I(x; y | z) with `given=z`.

    Args:
        x: Numbers or categories, `(n,)` or `(n, dim_x)`, from NumPy, pandas, Polars, PyArrow,
            xarray, PyTorch or lists. Or images, `(n, height, width)` or `(n, channels, height,
            width)`. The array is never modified. It is copied only if it must be converted, so do
            not change it before this function returns.
        y: The same, `(n,)` or `(n, dim_y)`. Row i of y belongs to row i of x. Pandas tables must
            have equal indexes, so that no row is paired with a wrong one.
        estimator: Name in the registry, e.g. `mmg` or `gcmi`, or an instance, `MMG(steps=100)`.
        **keywords: Those of `mmg_nb.keywords.EstimateKeywords`, and fields of the estimator, e.g.
            `steps=8000`.

    Returns:
        The result, in nats. An interrupt (Ctrl-C, or the stop button) ends the run early. The
        result is then computed from what is known by then; its status is `interrupted`, and a
        line in place of the progress says so.

    Raises:
        MMGError: The arrays or fields cannot be used, or the run was stopped before anything was
            estimated. The message says why and what to do.
    """
    job = prepare(x, y, estimator, **keywords)
    return _run(job, keywords.get("listen"), keywords.get("progress"))


def _run(job: Job, listen: Listener | None, progress: bool | None) -> MIResult:
    name, trains = job.estimator.name, job.estimator.trains
    return watched(
        job.run, listen, progress, what=job.what, estimator=name, slow=trains, trains=trains
    )


def resume(
    checkpoint: str | Path,
    *,
    every: float | None = None,
    listen: Listener | None = None,
    progress: bool | None = None,
) -> MIResult:
    """Continue a run from its checkpoint file, which holds the data, fields and seed.

    On the CPU, the result equals that of the uninterrupted run to the last bit. The file is still
    updated, so this run can be resumed too.

    Args:
        checkpoint: The file that was passed to `estimate` as `checkpoint`.
        every: Seconds between two writes of the file. Default: as in the original run.
        listen: Called with each event of the run. A true return value stops the run.
        progress: Whether to show the progress; see `estimate`.

    Returns:
        The result, in nats. An interrupt ends training early, as in `estimate`.

    Raises:
        MMGError: The file does not exist, is damaged, is not a checkpoint, or was written by a
            version of the package that does not fit this one. The file is not changed.
    """
    return _run(reopen(checkpoint, every), listen, progress)


def reopen(checkpoint: str | Path, every: float | None = None) -> Job:
    """Read a checkpoint without continuing its run. The arguments are those of `resume`.

    Returns:
        The job.

    Raises:
        MMGError: The file does not exist, is damaged, is not a checkpoint, or was written by a
            version of the package that does not fit this one.
    """
    if every is not None:
        _check_every(every)
    return reopened(checkpoint, every)


def prepare(x: Any, y: Any, estimator: str | Estimator = "mmg", **keywords: Any) -> Job:
    """Check the arguments of `estimate` without running it. The arguments are the same.

    Returns:
        The job. It shares memory with the arrays that needed no conversion.

    Raises:
        MMGError: The arrays or fields cannot be used. The message says why and what to do.
    """
    asked, fields = complete(EstimateKeywords, keywords)
    job = assemble(x, y, estimator, fields, asked)
    check_acceptance(job.estimator, job.pairs)
    if asked["checkpoint"] is None:
        return job
    _check_every(asked["every"])
    return job.kept_in(asked["checkpoint"], float(asked["every"]))


@usual_surroundings()
def assemble(
    x: Any,
    y: Any,
    estimator: str | Estimator,
    fields: Mapping[str, Any],
    asked: CompareKeywords,
    *,
    skip: bool = False,
) -> Job:
    """`prepare` without the check that the estimator accepts such data.

    Args:
        x: See `estimate`.
        y: See `estimate`.
        estimator: See `estimate`.
        fields: Fields of the estimator.
        asked: All keyword arguments, of an estimate or a comparison.
        skip: Whether columns that cannot be used are left out with a note.

    Returns:
        The job, without a checkpoint.

    Raises:
        MMGError: The arrays or fields cannot be used.
    """
    check_seed(asked["seed"])
    check_device(asked["device"])
    chosen = build(estimator, fields, besides=keywords_of(EstimateKeywords))
    discrete = asked["discrete"]
    if not accepts(chosen, "discrete") and isinstance(discrete, str) and discrete == "auto":
        discrete = "none"  # without support for categories, whole numbers are numbers
    pairs = make_pairs(
        x,
        y,
        asked["groups"],
        asked["given"],
        discrete=discrete,
        missing=asked["missing"],
        rows=asked["rows"],
        skip=skip,
    )
    if not chosen.trains and (asked["groups"] is not None or pairs.mostly_copies):
        pairs = pairs.one_of_each()  # without training there are no splits to keep rows apart
    return Job(chosen.for_data(pairs), pairs, int(asked["seed"]), asked["device"])


def check_seed(seed: Any) -> None:
    """Refuse an invalid seed.

    Raises:
        MMGError: The seed is not a whole number of at least 0.
    """
    whole = isinstance(seed, (int, np.integer)) and not isinstance(seed, bool)
    if not whole or not 0 <= seed <= MAX_SEED:
        what = f"seed must be a whole number of at least 0; got {brief(seed)}."
        remedy = "Try seed=0." if not whole or seed < 0 else f"The largest seed is {MAX_SEED}."
        raise MMGError(what, remedy)


def _check_every(every: Any) -> None:
    number = isinstance(every, (int, float)) and not isinstance(every, bool)
    if not (number and math.isfinite(every) and every >= 0):
        what = f"every must be a number of at least 0 seconds; got {brief(every)}."
        remedy = f"Try every={EVERY:g}: the checkpoint is then written every {EVERY:g} seconds."
        raise MMGError(what, remedy)
