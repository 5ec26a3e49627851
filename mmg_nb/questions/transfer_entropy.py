"""Does the past of one series tell about another? Transfer entropy, tested by surrogates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from mmg_nb.api import prepare
from mmg_nb.data.choice import read_choice
from mmg_nb.data.columns import read_variable
from mmg_nb.errors import MMGError, brief
from mmg_nb.estimators.registry import build
from mmg_nb.job import Job
from mmg_nb.keywords import SeriesKeywords
from mmg_nb.polling import Stopped
from mmg_nb.questions.answer import said_once
from mmg_nb.questions.kept_estimates import KeptEstimates, kept_in
from mmg_nb.questions.lagged import rows_of
from mmg_nb.questions.moments import Clock, Moments, clock_of, read_moments
from mmg_nb.questions.parts import estimated
from mmg_nb.questions.permutations import count_of, most_shifts, null_estimates, shifts
from mmg_nb.questions.transfer import Direction, TransferEntropy
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Listener, Phase, Started
from mmg_nb.runs.interrupts import stoppable
from mmg_nb.runs.watching import watched
from mmg_nb.signatures import complete, shows

__all__ = ["transfer_entropy"]

SURROGATES = 99
FEW_SURROGATES = 19  # for an estimator that trains
WAYS = ("x", "y"), ("y", "x")  # source and target of each direction
NOT_CAUSATION = (
    "Transfer entropy is prediction, not causation: a third series may drive both, with different "
    "delays. If you have that series, pass it as given=."
)

Array = NDArray[np.float64]


@overload
def transfer_entropy(
    x: Any,
    y: Any,
    estimator: str = ...,
    *,
    history: tuple[int, int] = ...,
    surrogates: int | None = ...,
    **keywords: Unpack[SeriesKeywords],
) -> TransferEntropy: ...
@overload
def transfer_entropy(
    x: Any,
    y: Any,
    estimator: str = ...,
    *,
    history: tuple[int, int] = ...,
    surrogates: int | None = ...,
    seed: int = ...,
    **fields: Any,  # those of any estimator, and the other keyword arguments
) -> TransferEntropy: ...
@shows(SeriesKeywords, rest="fields")
def transfer_entropy(
    x: Any,
    y: Any,
    estimator: str = "ksg",
    *,
    history: tuple[int, int] = (1, 1),
    surrogates: int | None = None,
    **keywords: Any,
) -> TransferEntropy:
    """Estimate how much the past of one series tells about another, beyond that one's own past.

    From x to y it is I(y at t; x at t − 1, …, t − l | y at t − 1, …, t − k) (Schreiber 2000,
    PRL 85:461, eq. 4), and likewise from y to x. Each is tested against surrogates: the source is
    shifted by up to a quarter of the moments, and what overlaps is estimated. That keeps its
    autocorrelation; the test is approximate. It is prediction, not causation.

    Args:
        x: A series of numbers, `(n,)` or `(n, dim_x)`, in the order of time. Categories are
            refused in x, y and the condition, also those that `discrete` names or finds.
            `discrete='none'` reads few whole numbers as numbers.
        y: A series of numbers, `(n,)` or `(n, dim_y)`, at the same times.
        estimator: Name in the registry. An estimator that trains is trained again for each
            surrogate. `ksg` uses the norm `chebyshev`, which is faster.
        history: Numbers of past values: k of the series that is predicted (the target), and l of
            the other one (the source).
        surrogates: Number of surrogates. The least p-value is 1 / (surrogates + 1). Default: 99,
            or 19 for an estimator that trains. n moments have at most 2 · (n // 4).
        **keywords: Those of `mmg_nb.keywords.SeriesKeywords`, and fields of the estimator. With
            `given=z`, the last k values of z are known, too.

    Returns:
        Both directions. An interrupt (Ctrl-C, or the stop button) ends it early.

    Raises:
        MMGError: The series, a field or a number cannot be used.
    """
    asked, fields = complete(SeriesKeywords, keywords)
    trains = build(estimator, dict(fields), besides=asked).trains
    count = count_of(surrogates, "surrogates", FEW_SURROGATES if trains else SURROGATES)
    depths = _history(history)
    n = rows_of(x, y, asked["given"])
    clock = Clock() if asked["series"] is not None else clock_of(x, y)
    moments = read_moments(n, asked["series"], 0, max(depths))
    if estimator == "ksg":
        fields = {"metric": "chebyshev", **fields}
    question = _Question(moments, depths, estimator, asked, fields, {"x": x, "y": y})
    kept = kept_in(asked["checkpoint"])

    def run(listen: Listener) -> TransferEntropy:
        return _both(question, clock, count, listen, kept)

    return watched(
        run,
        asked["listen"],
        asked["progress"],
        what="transfer entropy",
        estimator=estimator,
        slow=True,
    )


def _history(history: Any) -> tuple[int, int]:
    try:
        target, source = (int(each) for each in history)
        whole = (target, source) == tuple(history) and min(target, source) > 0
    except (TypeError, ValueError):
        whole = False
    if not whole:
        what = f"history must be two whole numbers of at least 1; got {brief(history)}."
        remedy = "Try history=(2, 1): two past values of the target, one of the source."
        raise MMGError(what, remedy)
    return target, source


@dataclass(frozen=True, eq=False)
class _Question:
    moments: Moments
    history: tuple[int, int]
    estimator: str
    asked: SeriesKeywords
    fields: dict[str, Any]
    series: dict[str, Any]

    def job(self, source: str, target: str) -> Job:
        """The estimate of one direction: x is the past of the source, y the target now."""
        back, ahead = self.history
        values = self._read(target)
        now = values[self.moments.order[self.moments.places]]
        known = [self.moments.past(values, target, back)]
        if self.asked["given"] is not None:
            known.append(self.moments.past(self._read("given"), "given", back))
        past = self.moments.past(self._read(source), source, ahead)
        options = {key: self.asked[key] for key in ("missing", "seed", "device")}
        chosen = {"given": np.concatenate(known, axis=1), "discrete": "none", **options}
        return prepare(past, now, self.estimator, **chosen, **self.fields)

    def _read(self, name: str) -> Array:
        values = self.asked["given"] if name == "given" else self.series[name]
        read = read_variable(values, name, read_choice(self.asked["discrete"]))
        if read.discrete:
            what = f"{name} must hold numbers for transfer entropy; got categories."
            raise MMGError(what, "Pass numbers, or use discrete='none' if codes have an order.")
        return read.values

    def name(self, name: str) -> str:
        """The user's name of a series."""
        read = read_variable(self.series[name], name, read_choice("none"))
        labels = [label for label in read.labels if not label.isdigit()]
        return ", ".join(labels) or name


def _both(
    question: _Question, clock: Clock, count: int, listen: Listener, kept: KeptEstimates
) -> TransferEntropy:
    found: list[Direction] = []
    remarks: list[tuple[str, str]] = []
    n, wanted = len(question.moments.places), count
    with stoppable(listen) as heard:
        heard(Started(question.estimator, n, 1, 1, "cpu", min(count, most_shifts(n))))
        for source, target in WAYS:
            job = question.job(source, target)
            names = question.name(source), question.name(target)
            heard(Phase(f"{names[0]} → {names[1]}"))
            rows = job.pairs.n_samples  # fewer than n if some were dropped
            tried = min(count, most_shifts(rows))
            try:
                result = estimated(partial(kept.result, job), heard)
                moved = shifts(rows, tried, np.random.default_rng(job.seed))
                null = null_estimates(job, moved, tried, heard, kept)
                if not null:
                    raise Stopped
            except Stopped:
                if not found:
                    raise
                break
            n, wanted = min(n, rows), tried
            found.append(Direction(*names, result.mi, result.stderr or 0.0, tuple(null)))
            remarks += [(found[-1].arrow, note) for note in result.notes]
            if len(null) < wanted:
                break
    after = _stopped_after(found, wanted)
    return TransferEntropy(
        tuple(found),
        question.history,
        "z" if question.asked["given"] is not None else "",
        question.estimator,
        n,
        Status.INTERRUPTED if after else Status.CONVERGED,
        (*clock.notes, NOT_CAUSATION, *said_once(remarks)),
        after,
    )


def _stopped_after(found: Sequence[Direction], count: int) -> str:
    """What was done before a stop, in words; empty if nothing is missing."""
    last = found[-1]
    done = last.arrow
    if len(last.null) < count:
        done = f"{len(last.null)} of {count} surrogates of {last.arrow}"
    if len(found) < len(WAYS):
        return f"{done}, before {last.target} → {last.source} was tried"
    return done if len(last.null) < count else ""
