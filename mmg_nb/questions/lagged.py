"""When does one series tell about another? Mutual information at several lags."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from mmg_nb.api import prepare
from mmg_nb.errors import MMGError, brief
from mmg_nb.estimators.registry import build
from mmg_nb.job import Job
from mmg_nb.keywords import SeriesKeywords, complete, shows
from mmg_nb.polling import Stopped
from mmg_nb.questions.answer import said_once
from mmg_nb.questions.lag_profile import LagProfile
from mmg_nb.questions.moments import Clock, Moments, clock_of, read_lags, read_moments
from mmg_nb.questions.parts import begin_part, estimated
from mmg_nb.results.result import MIResult, called
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Listener, Phase, Started
from mmg_nb.runs.interrupts import stoppable
from mmg_nb.runs.watching import watched

__all__ = ["lagged", "rows_of"]

DRAWS = 1000  # of the best lag
Array = NDArray[np.float64]


@overload
def lagged(
    x: Any, y: Any, estimator: str = ..., *, lags: Any = ..., **keywords: Unpack[SeriesKeywords]
) -> LagProfile: ...
@overload
def lagged(
    x: Any,
    y: Any,
    estimator: str = ...,
    *,
    lags: Any = ...,
    seed: int = ...,
    **fields: Any,  # those of any estimator, and the other keyword arguments
) -> LagProfile: ...
@shows(SeriesKeywords, rest="fields")
def lagged(
    x: Any, y: Any, estimator: str = "ksg", *, lags: Any = range(-20, 21), **keywords: Any
) -> LagProfile:
    """Estimate the mutual information of two series at several lags.

    The estimate at a lag is I(x at t − lag; y at t). So x comes first if the lag is positive. All
    lags use the same moments t. The standard errors respect that rows are in series; see `rows` of
    `mmg_nb.estimate`. The interval of the best lag comes from blocks of rows that are drawn again
    (Künsch 1989, Ann. Stat. 17:1217), with the standard errors of the estimates.

    Args:
        x: A series, `(n,)` or `(n, dim_x)`, in the order of time.
        y: A series, `(n,)` or `(n, dim_y)`, at the same times.
        estimator: Name in the registry. `mmg` trains once for each lag.
        lags: Whole numbers of rows, or times (`datetime.timedelta`, `pandas.Timedelta`) if the
            rows have times that are evenly spaced. Or a text, `-20:20` or `0,1,12`.
        **keywords: Those of `mmg_nb.keywords.SeriesKeywords`, and fields of the estimator.

    Returns:
        The profile. An interrupt (Ctrl-C, or the stop button) leaves out the lags that follow.

    Raises:
        MMGError: The series, the lags or a field cannot be used.
    """
    asked, fields = complete(SeriesKeywords, keywords)
    chosen = build(estimator, dict(fields))
    n = rows_of(x, y, asked["given"])
    clock = Clock() if asked["series"] is not None else clock_of(x, y)
    wanted = read_lags(lags, clock)
    moments = read_moments(n, asked["series"], wanted[0], wanted[-1])
    options = {key: asked[key] for key in ("discrete", "missing", "seed", "device")} | fields
    if asked["given"] is not None:
        options["given"] = moments.at(asked["given"], "given")

    def job(lag: int) -> Job:
        return prepare(moments.at(x, "x", lag), moments.at(y, "y"), estimator, **options)

    def run(listen: Listener) -> LagProfile:
        return _profile(job, wanted, clock, chosen.name, moments, asked["seed"], listen)

    return watched(
        run,
        asked["listen"],
        asked["progress"],
        what=f"I(x; y) at {len(wanted)} lags",
        estimator=estimator,
        slow=True,
    )


def rows_of(*variables: Any) -> int:
    """The common number of rows of some variables, those that are None aside.

    Raises:
        MMGError: They differ, or an object has no rows.
    """
    try:
        counts = [len(each) for each in variables if each is not None]
    except TypeError as error:
        what = f"x and y must be arrays with one row per moment; got {brief(variables[0])}."
        raise MMGError(what, "Pass a numpy array, a pandas Series or DataFrame.") from error
    if len(set(counts)) > 1:
        what = f"All series must have equal numbers of rows; got {', '.join(map(str, counts))}."
        raise MMGError(what, "Row i of each must be the same moment.")
    return counts[0]


def _profile(
    job: Any,
    lags: Sequence[int],
    clock: Clock,
    estimator: str,
    moments: Moments,
    seed: int,
    listen: Listener,
) -> LagProfile:
    count = len(moments.places)
    with stoppable(listen) as heard:
        heard(Started(estimator, count, 1, 1, "cpu", len(lags)))
        heard(Phase("lags"))
        found, clusters = _at_lags(job, lags, heard)
    notes = [*clock.notes]
    if len(found) < len(lags):
        notes.append(f"Stopped after {len(found)} of {len(lags)} lags.")
    remarks = [(f"lag {lag}", n) for lag, r in zip(lags, found, strict=False) for n in r.notes]
    mi = np.array([each.mi for each in found])
    stderr = np.array([each.stderr or 0.0 for each in found])
    at = int(np.argmax(mi))
    known = np.asarray(lags[: len(found)])
    draws = _drawn(found, clusters[at], stderr, seed)
    x, y, z = called(found[at].names)
    return LagProfile(
        (x, y, *([z] if found[at].dim_z else [])),
        known,
        mi,
        stderr,
        int(known[at]),
        _interval(known, mi + draws),
        clock.size,
        clock.unit,
        estimator,
        count,
        Status.CONVERGED if len(found) == len(lags) else Status.INTERRUPTED,
        (*notes, *said_once(remarks)),
    )


def _at_lags(
    job: Any, lags: Sequence[int], listen: Listener
) -> tuple[list[MIResult], list[NDArray[np.int64]]]:
    """Results and clusters of rows at the lags, up to a stop.

    Raises:
        Stopped: The user has stopped the run before the first result.
    """
    found: list[MIResult] = []
    clusters: list[NDArray[np.int64]] = []
    try:
        for done, lag in enumerate(lags):
            begin_part(listen, done, len(lags))
            asked = job(lag)
            found.append(estimated(asked.run, listen))
            clusters.append(asked.pairs.clusters)
    except Stopped:
        if not found:
            raise
    return found, clusters


def _drawn(
    found: Sequence[MIResult], clusters: NDArray[np.int64], stderr: Array, seed: int
) -> Array:
    """Deviations of the estimates in random samples of blocks of rows, `(draws, k)`, nats.

    Their spread is that of the standard errors. Their correlation comes from the pointwise
    values. Estimators without these values get independent deviations, so the interval is wide.
    """
    rng = np.random.default_rng(seed)
    n = len(clusters)
    parts = [each.pointwise for each in found]
    if any(part is None or len(part.index) != n for part in parts):
        return rng.standard_normal((DRAWS, len(found))) * stderr
    values = np.empty((n, len(found)))
    for k, part in enumerate(parts):
        assert part is not None
        values[part.index, k] = part.mi
    values -= values.mean(axis=0)
    blocks = int(clusters.max()) + 1
    sums = np.zeros((blocks, len(found)))
    np.add.at(sums, clusters, values)
    times = rng.multinomial(blocks, np.full(blocks, 1 / blocks), size=DRAWS)
    deviations = times @ sums / n
    spread = deviations.std(axis=0)
    return deviations * np.where(spread > 0, stderr / np.where(spread > 0, spread, 1.0), 0.0)


def _interval(lags: NDArray[Any], drawn: Array) -> tuple[int, ...]:
    best = lags[np.argmax(drawn, axis=1)]
    return tuple(int(q) for q in np.quantile(best, [0.025, 0.975], method="nearest"))
