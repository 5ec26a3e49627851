"""Rank the columns of a table by mutual information with a target, and select some of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any, Unpack, overload

import numpy as np

from mmg_nb.errors import MMGError, brief, cut, listed
from mmg_nb.estimators.registry import build
from mmg_nb.keywords import RankKeywords
from mmg_nb.polling import Stopped
from mmg_nb.questions.answer import said_once
from mmg_nb.questions.asked_table import AskedTable, check_column, read_asked
from mmg_nb.questions.parts import begin_part, estimated, working
from mmg_nb.questions.ranking import Gain, Ranking, Relevance, Shared
from mmg_nb.results.result import MIResult
from mmg_nb.results.status import Status
from mmg_nb.runs.device_names import check_device
from mmg_nb.runs.events import Listener, Phase, Started
from mmg_nb.runs.interrupts import stoppable
from mmg_nb.runs.watching import watched
from mmg_nb.signatures import complete, shows

__all__ = ["rank"]

SCREEN = "ksg"  # estimates all columns, if the estimator of the user trains
REFINED = 5  # columns whose relevance the training estimator estimates; not measured
MAX_CLOSE = 3  # candidates of a step that it estimates; not measured
CLOSE = 2.0  # standard errors of a difference; the same
FALSE_ALARM = 0.0125  # probability that a column of a step passes by chance; the same for pairs
SHUFFLES = (10, 40)  # of what a step adds: at first, and if these leave it open (LOG.md)
MAX_PAIRS = 200  # tried if no single column adds anything; a pair takes 0.05 to 0.3 s
ROOM = 60  # letters for the names of the columns chosen so far
MAX_SHARED = 10  # columns left out for which the selected column that they share is sought

Unit = tuple[str, ...]
"""One column, or a set or a pair of them."""


@overload
def rank(
    table: Any, target: str, estimator: str = ..., **keywords: Unpack[RankKeywords]
) -> Ranking: ...
@overload
def rank(
    table: Any,
    target: str,
    estimator: str = ...,
    *,
    rows: int | None = ...,
    seed: int = ...,
    **fields: Any,  # those of any estimator, and the other keyword arguments
) -> Ranking: ...
@shows(RankKeywords, rest="fields")
def rank(table: Any, target: str, estimator: str = "ksg", **keywords: Any) -> Ranking:
    """Rank the columns of a table by mutual information with a target, and select some of them.

    The selection goes forward (Brown et al. 2012, JMLR 13:27, eq. 8): the next column is the one
    with the largest I(column; target | those chosen). If no column adds anything that is
    distinguishable from 0, pairs of columns are tried, as two may matter only together.
    The selection ends where no pair adds anything, either. The threshold grows with the number of
    candidates: if none of them adds anything, a step still selects one in about 2.5 % of cases.

    Args:
        table: A table of numbers and categories; see `mmg_nb.dependency_map`.
        target: Name of the column that the others are compared with.
        estimator: Name in the registry. If it trains, as `mmg` does, `ksg` screens all columns.
            Then the estimator decides among those that are close.
        **keywords: Those of `mmg_nb.keywords.RankKeywords`, and fields of the estimator.

    Returns:
        The ranking. An interrupt (Ctrl-C, or the stop button) ends it early with what is known.

    Raises:
        MMGError: The table or the target cannot be used, or no column can be estimated.
    """
    asked, fields = complete(RankKeywords, keywords)
    check_device(asked["device"])
    trains = build(estimator, dict(fields), besides=asked).trains
    question = read_asked(table, SCREEN if trains else estimator, asked, {} if trains else fields)
    target = str(target)
    _check_target(target, question)
    _check_most(asked["most"])
    units = _units([name for name in question.names if name != target], asked["sets"])
    precise = question.by(estimator, {**fields, "device": asked["device"]}) if trains else None
    search = _Search(question, precise, target, units, asked["pairs"], asked["most"])
    return watched(
        search.run,
        asked["listen"],
        asked["progress"],
        what=f"{len(units)} columns against {target}",
        estimator=estimator,
        slow=True,
    )


def _check_target(target: str, question: AskedTable) -> None:
    check_column(target, [str(name) for name in question.frame.columns])
    if target in question.names:
        return
    why = question.left_out.get(target, "")
    why = f"{target} was left out because {why}." if why else ""
    what = f"The target {brief(target)} cannot be used."
    raise MMGError(what, why or "It is also a condition. Leave it out of given=.")


def _check_most(most: Any) -> None:
    whole = isinstance(most, (int, np.integer)) and not isinstance(most, bool)
    if not (whole and most >= 1):
        what = f"most must be a whole number of at least 1; got {brief(most)}."
        raise MMGError(what, "Try most=10, the default.")


def _units(names: Iterable[str], sets: Any) -> dict[str, Unit]:
    """Label -> columns of what is ranked: single columns, and the user's sets of columns.

    Raises:
        MMGError: A set is no list of columns, or names one that cannot be used or is in two sets.
    """
    left = list(names)
    units: dict[str, Unit] = {}
    if sets is not None and not isinstance(sets, Mapping):
        what = f"sets must map names to lists of columns; got {brief(sets)}."
        raise MMGError(what, "Try sets={'lipids': ['ldl', 'hdl']}, with columns of the table.")
    for label, members in (sets or {}).items():
        columns = tuple(map(str, [members] if isinstance(members, str) else members))
        for name in columns:
            if name not in left:
                what = f"The set {brief(label)} names {brief(name)}, which cannot be used."
                raise MMGError(what, f"Columns that are in no other set: {listed(left, name)}.")
            left.remove(name)
        units[str(label)] = columns
    return {**units, **{name: (name,) for name in left}}


class _Search:
    """The search for columns. It runs once, in one thread."""

    def __init__(
        self,
        question: AskedTable,
        precise: AskedTable | None,
        target: str,
        units: dict[str, Unit],
        pairs: bool | None,
        most: int,
    ) -> None:
        self._question = question
        self._precise = precise
        self._target = target
        self._units = units
        self._pairs = pairs
        self._most = most
        self._limited = False  # whether it ends there
        self._left_out = dict(question.left_out)
        self._columns: dict[str, Relevance] = {}
        self._steps: list[Gain] = []
        self._shared: list[Shared] = []
        self._remarks: list[tuple[str, str]] = []
        self._notes: list[str] = []
        self._after = ""  # what a stop would have left, in words

    def run(self, listen: Listener) -> Ranking:
        """Rank and select; see `rank`."""
        status = Status.CONVERGED
        sizes = self._question.n_samples, len(self._units), 1
        with stoppable(listen) as heard:
            heard(Started(self._question.estimator, *sizes, "cpu", len(self._units)))
            try:
                self._rank(heard)
                self._select(heard)
                self._share(heard)
            except Stopped:
                if not self._columns:
                    raise
                status = Status.INTERRUPTED
        columns = sorted(self._columns.values(), key=lambda each: -each.mi)
        return Ranking(
            self._target,
            tuple(columns),
            tuple(self._steps),
            tuple(self._shared),
            self._question.n_samples,
            self._question.condition,
            status,
            (
                *self._question.notes,
                *self._notes,
                *said_once(self._remarks, of_columns=True),
                *self._question.on_readings,
            ),
            self._limited,
            self._left_out,
            self._after if status is Status.INTERRUPTED else "",
        )

    # --- the three parts

    def _rank(self, heard: Listener) -> None:
        heard(Phase("each column alone"))
        failed: MMGError | None = None
        for done, label in enumerate(self._units):
            self._after = f"{done} of {len(self._units)} columns, before any was selected"
            begin_part(heard, done, len(self._units))
            try:
                found = self._estimate(self._question, (label,), heard)
            except Stopped:
                raise
            except MMGError as error:  # the other columns can still be estimated
                failed = failed or MMGError(f"{label}: {error.what}", error.remedy)
                self._remarks.append((label, f"No estimate. {error.what}"))
                self._left_out[label] = "it has no estimate"
                continue
            self._remarks += [(label, note) for note in found.notes]
            self._columns[label] = _line(label, found)
        if not self._columns:
            raise failed or MMGError("There is no column to rank.", "Add columns.")
        self._after = "the estimates of single columns, before any was selected"
        if self._precise is None:
            return
        heard(Phase(f"estimating the best columns by {self._precise.estimator}"))
        best = sorted(self._columns, key=lambda label: -self._columns[label].mi)[:REFINED]
        for done, label in enumerate(best):
            begin_part(heard, done, len(best))
            found = self._estimate(self._precise, (label,), heard)
            self._remarks += [(label, note) for note in found.notes]
            self._columns[label] = _line(label, found)

    def _select(self, heard: Listener) -> None:
        while len(self._chosen) < self._most:
            left = [label for label in self._columns if label not in self._chosen]
            if self._steps:
                count = f"{len(self._steps)} step{'s' if len(self._steps) > 1 else ''}"
                self._after = f"{count} of the selection, which may select more columns"
            so_far = f" after {cut(', '.join(self._chosen), ROOM)}" if self._chosen else ""
            heard(Phase(f"choosing column {len(self._chosen) + 1}{so_far}"))
            step = self._best([(label,) for label in left], heard) if left else None
            room = min(len(left), self._most - len(self._chosen))
            if step is None and room > 1 and self._tries_pairs(len(left)):
                heard(Phase("trying pairs of columns"))
                step = self._best(list(itertools.combinations(left, 2)), heard)
                step = step and self._without_idle(step, len(left), heard)
            if step is None:
                return
            self._steps.append(step)
        self._limited = len(self._chosen) < len(self._columns)

    def _without_idle(self, pair: Gain, candidates: int, heard: Listener) -> Gain:
        """The pair, or one of its columns if it tells something and the other adds nothing."""
        question = self._precise or self._question
        alone = [
            self._added(question, (name,), heard, (done, 2))
            for done, name in enumerate(pair.names)
        ]
        tell = [gain for gain in alone if gain and gain.mi > _quantile(candidates) * gain.stderr]
        better = max(tell, key=lambda gain: gain.mi, default=pair)
        adds = pair.mi - better.mi > CLOSE * math.hypot(pair.stderr, better.stderr)
        return pair if adds else better

    def _tries_pairs(self, left: int) -> bool:
        count = left * (left - 1) // 2
        if self._pairs is None and count > MAX_PAIRS:
            self._notes.append(
                f"Some columns may matter only together, but {count} pairs were too many to try. "
                "To try them all, use pairs=True, or pass fewer columns."
            )
            return False
        return self._pairs is not False

    def _share(self, heard: Listener) -> None:
        """Find the selected column that explains why a relevant one was not selected."""
        self._after = "the selection, before it was compared with the other columns"
        enough = _quantile(len(self._units))
        left = [
            each
            for each in sorted(self._columns.values(), key=lambda each: -each.mi)
            if each.name not in self._chosen and each.mi > enough * each.stderr
        ][: MAX_SHARED if self._chosen else 0]
        heard(Phase("comparing other columns with the selected ones"))
        pairs = [(each.name, other) for each in left for other in self._chosen]
        found = []
        for done, (name, other) in enumerate(pairs):
            begin_part(heard, done, len(pairs))
            result = self._question.estimate(self._units[name], self._units[other], working(heard))
            found.append(Shared(name, other, result.mi, result.stderr or 0.0))
        for each in left:
            mine = max((one for one in found if one.name == each.name), key=lambda one: one.mi)
            if mine.mi > CLOSE * mine.stderr:
                self._shared.append(mine)

    # --- estimates

    @property
    def _chosen(self) -> list[str]:
        return [name for step in self._steps for name in step.names]

    def _best(self, candidates: list[Unit], heard: Listener) -> Gain | None:
        """The candidate that adds most; None if that is not distinguishable from 0."""
        known: dict[Unit, Gain] = {}
        if not self._chosen:  # estimates of single columns are known already
            known = {(each.name,): _gain((each.name,), each) for each in self._columns.values()}
        asked = [
            known.get(each) or self._added(self._question, each, heard, (done, len(candidates)))
            for done, each in enumerate(candidates)
        ]
        found = sorted(filter(None, asked), key=lambda gain: -gain.mi)
        if self._precise is not None and found:
            found = self._decided(self._precise, found, heard)
        if not found:
            return None
        best = found[0]
        # The second comparison takes time, so it is only made for what passes the first one.
        passes = best.mi > _quantile(len(candidates)) * best.stderr
        return best if passes and self._exceeds_chance(best, len(candidates), heard) else None

    def _exceeds_chance(self, gain: Gain, candidates: int, heard: Listener) -> bool:
        """Whether the best of so many candidates adds more than with shuffled rows.

        The standard error of `ksg` is too small where there is nothing. That of a training
        estimator is not, so its gain is not compared.
        """
        if gain.estimator != self._question.estimator:
            return True
        columns = self._columns_of(gain.names)
        generator = np.random.default_rng(self._question.options["seed"])
        null: list[float] = []
        for count in SHUFFLES:
            while len(null) < count:
                shuffled = self._question.shuffled(columns, generator)
                null.append(self._estimate(shuffled, gain.names, heard).mi)
            above = (gain.mi - np.mean(null)) / np.std(null, ddof=1)
            if above > _quantile(candidates, count):
                return True
            if above < _quantile(candidates):
                return False
        return False

    def _decided(self, precise: AskedTable, found: list[Gain], heard: Listener) -> list[Gain]:
        """Those that are close to the best one, by the precise estimator; the best one first."""
        best = found[0]
        close = [
            gain
            for gain in found[:MAX_CLOSE]
            if best.mi - gain.mi <= CLOSE * math.hypot(best.stderr, gain.stderr)
        ]
        exact = [
            gain
            if gain.estimator == precise.estimator
            else self._added(precise, gain.names, heard, (done, len(close)))
            for done, gain in enumerate(close)
        ]
        return sorted(filter(None, exact), key=lambda gain: -gain.mi)

    def _added(
        self, question: AskedTable, labels: Unit, heard: Listener, at: tuple[int, int]
    ) -> Gain | None:
        """What some columns add to those chosen; None if that cannot be estimated."""
        begin_part(heard, *at)
        try:
            found = self._estimate(question, labels, heard)
        except Stopped:
            raise
        except MMGError as error:
            self._remarks.append((" & ".join(labels), f"Not added. {error.what}"))
            return None
        return Gain(labels, found.mi, found.stderr or 0.0, question.estimator)

    def _estimate(self, question: AskedTable, labels: Unit, heard: Listener) -> MIResult:
        x, given = self._columns_of(labels), self._columns_of(self._chosen)
        return estimated(partial(question.estimate, x, [self._target], given=given), heard)

    def _columns_of(self, labels: Iterable[str]) -> list[str]:
        return [name for label in labels for name in self._units[label]]


def _line(label: str, found: MIResult) -> Relevance:
    return Relevance(label, found.mi, found.stderr or 0.0, found.estimator)


def _gain(labels: Unit, each: Relevance) -> Gain:
    return Gain(labels, each.mi, each.stderr, each.estimator)


def _quantile(candidates: int, draws: float = math.inf) -> float:
    """Standard errors that the best of so many irrelevant candidates rarely exceeds.

    Args:
        candidates: Their number.
        draws: Number of values from which the standard error is known.
    """
    from scipy.stats import t

    return float(t.isf(FALSE_ALARM / candidates, draws - 1))
