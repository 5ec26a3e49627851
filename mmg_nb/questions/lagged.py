"""When does one series tell about another? Mutual information at several lags."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from mmg_nb.api import prepare
from mmg_nb.errors import MMGError, brief
from mmg_nb.estimators.registry import build
from mmg_nb.job import Job
from mmg_nb.keywords import LagKeywords
from mmg_nb.polling import Stopped
from mmg_nb.questions.answer import said_once
from mmg_nb.questions.kept_estimates import kept_in
from mmg_nb.questions.lag_profile import LagProfile
from mmg_nb.questions.moments import Clock, clock_of, read_lags, read_moments
from mmg_nb.questions.side_by_side import Part, outcomes, processes
from mmg_nb.results.result import MIResult, called
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Listener, Phase, Started
from mmg_nb.runs.interrupts import stoppable
from mmg_nb.runs.watching import watched
from mmg_nb.signatures import complete, shows

__all__ = ["lagged", "rows_of"]

DRAWS = 1000  # of the best lag
Array = NDArray[np.float64]


@overload
def lagged(
    x: Any, y: Any, estimator: str = ..., *, lags: Any = ..., **keywords: Unpack[LagKeywords]
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
@shows(LagKeywords, rest="fields")
def lagged(
    x: Any, y: Any, estimator: str = "ksg", *, lags: Any = range(-20, 21), **keywords: Any
) -> LagProfile:
    """Estimate the mutual information of two series at several lags.

    The estimate at a lag is I(x at t − lag; y at t). So x comes first if the lag is positive. All
    lags use the same moments t, less those that `missing='drop'` leaves out. The standard errors
    allow for dependence of neighbouring rows; see `rows` of `mmg_nb.estimate`. The interval of the
    best lag comes from blocks of rows that are drawn again (Künsch 1989, Ann. Stat. 17:1217), with
    the standard errors of the estimates.

    Args:
        x: A series, `(n,)` or `(n, dim_x)`, in the order of time.
        y: A series, `(n,)` or `(n, dim_y)`, at the same times.
        estimator: Name in the registry. `mmg` is trained again for each lag; see `workers`.
        lags: Whole numbers of rows, or times (`datetime.timedelta`, `pandas.Timedelta`) if the
            rows have times that are evenly spaced. Or a text, `-20:20` or `0,1,12`.
        **keywords: Those of `mmg_nb.keywords.LagKeywords`, and fields of the estimator.

    Returns:
        The profile. An interrupt (Ctrl-C, or the stop button) leaves out the lags that follow.

    Raises:
        MMGError: The series, the lags or a field cannot be used.
    """
    asked, fields = complete(LagKeywords, keywords)
    chosen = build(estimator, dict(fields), besides=asked)
    n = rows_of(x, y, asked["given"])
    clock = Clock() if asked["series"] is not None else clock_of(x, y)
    wanted = read_lags(lags, clock)
    moments = read_moments(n, asked["series"], wanted[0], wanted[-1])
    options = {key: asked[key] for key in ("discrete", "missing", "seed", "device")} | fields
    if asked["given"] is not None:
        options["given"] = moments.at(asked["given"], "given")

    workers = processes(asked["workers"], chosen.name, len(wanted))
    kept = kept_in(asked["checkpoint"])

    def job(lag: int) -> Job:
        return prepare(moments.at(x, "x", lag), moments.at(y, "y"), estimator, **options)

    def here(lag: int, listen: Listener) -> MIResult:
        return kept.result(job(lag), listen)

    def run(listen: Listener) -> LagProfile:
        alone = workers == 1  # then only one job at a time takes memory
        parts = [partial(here, k) if alone else partial(kept.result, job(k)) for k in wanted]
        return _profile(job, parts, wanted, clock, workers, len(moments.places), listen)

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
    job: Callable[[int], Job],
    parts: Sequence[Part],
    lags: Sequence[int],
    clock: Clock,
    workers: int,
    count: int,
    listen: Listener,
) -> LagProfile:
    first = job(lags[0])
    name = first.estimator.name
    with stoppable(listen) as heard:
        heard(Started(name, count, 1, 1, "cpu", len(lags)))
        heard(Phase("lags"))
        by_place = _at_lags(parts, workers, heard)
    early = len(by_place) < len(lags)
    places = sorted(by_place)
    found = [by_place[k] for k in places]
    known = np.asarray(lags)[places]
    remarks = [(f"lag {lag}", n) for lag, r in zip(known, found, strict=True) for n in r.notes]
    mi = np.array([each.mi for each in found])
    stderr = np.array([each.stderr or 0.0 for each in found])
    at = int(np.argmax(mi))
    draws = _drawn(found, job(known[at]).pairs.clusters, stderr, first.seed)
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
        name,
        min(each.n_samples for each in found),
        Status.INTERRUPTED if early else Status.CONVERGED,
        (*clock.notes, *said_once(remarks)),
        f"{len(found)} of {len(lags)} lags" if early else "",
    )


def _at_lags(parts: Sequence[Part], workers: int, listen: Listener) -> dict[int, MIResult]:
    """Results by their place among the lags, up to a stop.

    Raises:
        MMGError: There is no estimate at a lag.
        Stopped: The user has stopped the run before the first result.
    """
    found: dict[int, MIResult] = {}
    try:
        for place, outcome in outcomes(parts, workers, listen):
            if isinstance(outcome, MMGError):
                raise outcome
            found[place] = outcome
    except Stopped:
        if not found:
            raise
    return found


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
