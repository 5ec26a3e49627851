"""Runs several estimators on the same data, one after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Unpack

from mmg_nb.api import assemble
from mmg_nb.benchmark.cells import Estimators, read_specs
from mmg_nb.errors import MMGError
from mmg_nb.estimators.acceptance import accepts, check_acceptance
from mmg_nb.estimators.registry import build
from mmg_nb.fields import field_infos
from mmg_nb.job import Job
from mmg_nb.keywords import CompareKeywords
from mmg_nb.polling import Stopped
from mmg_nb.questions.comparison import NOT_RUN, RUNNING, Comparison, Line
from mmg_nb.runs.events import Listener, Phase
from mmg_nb.runs.interrupts import stoppable
from mmg_nb.runs.watching import watched
from mmg_nb.signatures import only, shows

__all__ = ["DEFAULT_ESTIMATORS", "ComparisonJob", "compare", "prepare_comparison"]

DEFAULT_ESTIMATORS = "gcmi,ksg,infonce,mmg"


class ComparisonJob:
    """A comparison that is ready to run.

    Args:
        jobs: Label -> job, all on the same data.

    Attributes:
        order: Labels in running order. Estimators without training run first.
        trains: Whether any of them trains.
        standing: The comparison so far; may be read from any thread.
    """

    def __init__(self, jobs: Mapping[str, Job]) -> None:
        self._jobs = dict(jobs)
        self.trains = any(map(_trains, jobs.values()))
        self.order = tuple(sorted(jobs, key=lambda label: _trains(jobs[label])))
        self._lines = {label: Line(label, reason=NOT_RUN) for label in jobs}
        self.standing = Comparison(tuple(self._lines.values()))

    def with_own_data(self) -> ComparisonJob:
        """The same job on copies of the arrays. The originals may then be changed or deleted."""
        owned = {id(job.pairs): job.pairs for job in self._jobs.values()}
        owned = {key: pairs.with_own_data() for key, pairs in owned.items()}
        return ComparisonJob(
            {k: replace(job, pairs=owned[id(job.pairs)]) for k, job in self._jobs.items()}
        )

    def run(self, listen: Listener) -> Comparison:
        """Run all estimators. A job runs only once; for interrupts and errors see `compare`."""
        jobs, self._jobs = self._jobs, {}  # release the user's arrays at the end
        with stoppable(listen) as listener:
            for label in self.order:
                line = Line(label, reason=NOT_RUN)
                self._put(Line(label, reason=RUNNING))
                try:
                    stopped = listener(Phase(label))
                    if not stopped:
                        line = _outcome(label, jobs.pop(label), listener)
                finally:
                    self._put(line)
                if stopped or line.is_early:
                    break
        return self.standing

    def _put(self, line: Line) -> None:
        self._lines[line.label] = line
        self.standing = Comparison(tuple(self._lines.values()))


def _outcome(label: str, job: Job, listener: Listener) -> Line:
    try:
        check_acceptance(job.estimator, job.pairs)
        return Line(label, job.run(listener))
    except Stopped:
        return Line(label, reason=NOT_RUN)
    except MMGError as error:  # only this estimator fails; the others still run
        return Line(label, reason=error.what)


def _trains(job: Job) -> bool:
    return any(info.name == "steps" for info in field_infos(type(job.estimator)))


@shows(CompareKeywords)
def compare(
    x: Any,
    y: Any,
    estimators: Estimators = DEFAULT_ESTIMATORS,
    **keywords: Unpack[CompareKeywords],
) -> Comparison:
    """Estimate I(x; y) with several estimators.

    Args:
        x: See `mmg_nb.estimate`.
        y: See `mmg_nb.estimate`.
        estimators: Names, each with or without fields: `"ksg,mmg:steps=1000"`. Or a list of names
            and of pairs such as `("mmg", {"steps": 1000})`.
        **keywords: Those of `mmg_nb.keywords.CompareKeywords`.

    Returns:
        All results. Columns that cannot be used are left out, if others remain; a note names
        each. Estimators without training run first. An interrupt stops the estimator that is
        running, which still gives a result if it has an estimate by then, and skips those that
        follow.

    Raises:
        MMGError: The arrays, a name or a field cannot be used. If only one estimator cannot use
            the data, its line of the comparison gives the reason instead.
    """
    job = prepare_comparison(x, y, estimators, **keywords)
    names, slow = ", ".join(job.order), job.trains
    return watched(
        job.run,
        keywords.get("listen"),
        keywords.get("progress"),
        what="I(x; y)",
        estimator=names,
        slow=slow,
        table=job,
    )


def prepare_comparison(
    x: Any,
    y: Any,
    estimators: Estimators = DEFAULT_ESTIMATORS,
    **keywords: Unpack[CompareKeywords],
) -> ComparisonJob:
    """Check the arguments of `compare` without running it. The arguments are the same."""
    asked = only(CompareKeywords, keywords, "compare")
    specs = read_specs(estimators)
    made = {spec.label: build(spec.estimator, spec.fields) for spec in specs}
    jobs: dict[str, Job] = {}
    # At most two versions of the data: with categories, or all as numbers.
    read: dict[bool, Job] = {}
    for spec in specs:
        estimator = made[spec.label]
        categorical = accepts(estimator, "discrete")
        if categorical not in read:
            read[categorical] = assemble(x, y, spec.estimator, spec.fields, asked, skip=True)
        jobs[spec.label] = replace(read[categorical], estimator=estimator)
    return ComparisonJob(jobs)
