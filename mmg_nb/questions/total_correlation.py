"""More than two variables: total correlation, and whether they are redundant or synergistic."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Unpack, overload

import numpy as np

from mmg_nb.estimators.registry import estimator_class
from mmg_nb.keywords import TotalKeywords
from mmg_nb.polling import Stopped
from mmg_nb.questions.answer import Answer, not_looked_at, said_once
from mmg_nb.questions.asked_table import AskedTable, read_asked
from mmg_nb.questions.parts import begin_part, estimated
from mmg_nb.results.facts import Facts, amount, precision, unit_size
from mmg_nb.results.finding import Estimate
from mmg_nb.results.result import MIResult, errors_in_half
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Listener, Phase, Started
from mmg_nb.runs.interrupts import stoppable
from mmg_nb.runs.watching import watched
from mmg_nb.signatures import complete, shows

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["TotalCorrelation", "total_correlation"]

MAX_VARIABLES = 10  # nearest neighbours find too little in more columns
SHUFFLES = 2  # of each condition (LOG.md, "The O-information of a column of noise")
KIND_LEVEL = 0.99  # of the interval of the O-information; outside 0, the kind is stated


@dataclass(frozen=True, eq=False, repr=False)
class TotalCorrelation(Answer):
    """What several variables share.

    Attributes:
        names: The variables.
        total: Total correlation, nats: Σ H(xᵢ) − H(x). 0 means that all are independent.
        dual: Dual total correlation, nats: H(x) − Σ H(xᵢ | the others).
        o_information: Total minus dual, nats. Positive: redundant; negative: synergistic.
        terms: The estimates of which these are sums.
        estimator: Name in the registry.
        n_samples: Rows used.
        status: Always converged: a stop leaves no sum.
        notes: What the user should know about the data and the estimates.
        left_out: Columns of the table that were left out, with the reason.
    """

    FORMAT: ClassVar[str] = "mmg_nb.TotalCorrelation/1"

    names: tuple[str, ...]
    total: Estimate
    dual: Estimate
    o_information: Estimate
    terms: dict[str, Estimate]
    estimator: str
    n_samples: int
    status: Status = Status.CONVERGED
    notes: tuple[str, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def mi(self) -> float:
        """The total correlation, nats."""
        return self.total.mi

    @property
    def stderr(self) -> float:
        """Its standard error, nats."""
        return self.total.stderr

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Two-sided normal confidence interval of the total correlation, nats.

        Args:
            level: Nominal probability that the interval contains the truth.

        Raises:
            MMGError: `level` is not between 0 and 1.
        """
        half = errors_in_half(level) * self.stderr
        return self.mi - half, self.mi + half

    @property
    def kind(self) -> str:
        """`redundant`, `synergistic`, or neither if 0 is in the 99 % interval of O-information."""
        if abs(self.o_information.mi) <= errors_in_half(KIND_LEVEL) * self.o_information.stderr:
            return "neither redundant nor synergistic"
        return "redundant" if self.o_information.mi > 0 else "synergistic"

    def _summary(self, unit: str) -> str:
        """Total correlation and O-information in one line."""
        o = amount(self.o_information.mi, self.o_information.stderr, unit)
        size = amount(self.mi, self.stderr, unit)
        found = f"{', '.join(self.names)}: {size}; O-information {o}, {self.kind}"
        return found + not_looked_at(self.left_out)

    def to_frame(self) -> pd.DataFrame:
        """One row for each sum and each of its terms: estimate and standard error, nats."""
        import pandas as pd

        every = [*self._sums, *self.terms.items()]
        rows = [{"quantity": name, "mi": each.mi, "stderr": each.stderr} for name, each in every]
        return pd.DataFrame(rows)

    def plot(self, ax: Axes | None = None, unit: str = "nats") -> Axes:
        """Draw the three sums with 95 % intervals.

        Args:
            ax: Axes to draw on. Default: new axes.
            unit: `nats` or `bits`.

        Returns:
            The axes.
        """
        from mmg_nb.plots.forest import plot_estimates

        shown = {
            label: (each.mi, (each.mi - 1.96 * each.stderr, each.mi + 1.96 * each.stderr))
            for label, each in self._sums
        }
        return plot_estimates(shown, ax, unit=unit, alt=self.alt(unit))

    @property
    def _sums(self) -> tuple[tuple[str, Estimate], ...]:
        return (
            ("total correlation", self.total),
            ("dual total correlation", self.dual),
            ("O-information", self.o_information),
        )

    def _known(self, unit: str) -> str:
        return f"{', '.join(self.names)} share {amount(self.mi, self.stderr, unit)}"

    def _facts(self, unit: str) -> Facts:
        size = unit_size(unit)
        low, high = self.interval()
        o = amount(self.o_information.mi, self.o_information.stderr, unit)
        return Facts(
            headline=self._known(unit) + not_looked_at(self.left_out),
            badge=precision(self.mi, (low, high)),
            meaning=f"They are {self.kind}: O-information {o}.",
            interval=(low / size, high / size),
            value=self.mi / size,
            unit=unit,
            method=f"{self.estimator}, {self.n_samples} rows, {len(self.names)} variables",
            notes=self.notes,
            details=tuple(
                (label, amount(each.mi, each.stderr, unit))
                for label, each in (*self._sums, *self.terms.items())
            ),
        )


@overload
def total_correlation(
    table: Any, estimator: str = ..., **keywords: Unpack[TotalKeywords]
) -> TotalCorrelation: ...
@overload
def total_correlation(
    table: Any,
    estimator: str = ...,
    *,
    rows: int | None = ...,
    seed: int = ...,
    **fields: Any,  # those of any estimator, and the other keyword arguments
) -> TotalCorrelation: ...
@shows(TotalKeywords, rest="fields")
def total_correlation(table: Any, estimator: str = "ksg", **keywords: Any) -> TotalCorrelation:
    """Estimate what the columns of a table share: total correlation and O-information.

    The total correlation (Watanabe 1960, IBM J. 4:66) is the sum of I(xᵢ; x₁, …, xᵢ₋₁). The dual
    one is the sum of I(xᵢ; x₁, …, xᵢ₋₁ | xᵢ₊₁, …, x_d). Their difference is the O-information
    (Rosas et al. 2019, PRE 100:032305): positive if the columns are redundant, negative if they
    are synergistic. The standard errors use how the terms vary together from row to row.

    An estimate in more columns has another bias, so a condition without effect would look like
    redundancy. Estimators that do not train therefore estimate each term with a condition twice
    more, with the rows of the condition shuffled. This has the same columns and estimates
    I(xᵢ; x₁, …, xᵢ₋₁). Its excess over that term is taken off the dual total correlation. Half of
    the squared difference between the two shuffles is a part of the squared error.

    All terms use the same rows, because they are added up. So `missing="drop"` leaves out the rows
    in which any of the columns is missing.

    Args:
        table: A table with 2 to 10 columns; see `mmg_nb.dependency_map`.
        estimator: Name in the registry. `mmg` trains once for each of 2d − 3 terms
            of d columns.
        **keywords: Those of `mmg_nb.keywords.TotalKeywords`, and fields of the estimator.

    Returns:
        The sums and their terms.

    Raises:
        MMGError: The table or a field cannot be used, or the computation was stopped.
    """
    asked, fields = complete(TotalKeywords, keywords)
    question = read_asked(table, estimator, asked, fields, together=MAX_VARIABLES)

    def run(listen: Listener) -> TotalCorrelation:
        return _summed(question, listen)

    return watched(
        run,
        asked["listen"],
        asked["progress"],
        what=f"what {len(question.names)} columns share",
        estimator=estimator,
        slow=True,
    )


@dataclass(frozen=True)
class _Term:
    """I(x_k; x_1, …), alone or given the columns after x_k; `shuffle` 0 is in their own order."""

    k: int
    given: bool = False
    shuffle: int = 0

    def label(self, names: Sequence[str]) -> str:
        k = self.k
        rest = f" | {', '.join(names[k + 1 :])}" if self.given else ""
        order = f", shuffle {self.shuffle}" if self.shuffle else ""
        return f"I({names[k]}; {', '.join(names[:k])}{rest}{order})"


def _summed(question: AskedTable, listen: Listener) -> TotalCorrelation:
    names = question.names
    shuffles = 0 if estimator_class(question.estimator).trains else SHUFFLES
    wanted = list(_terms(len(names), shuffles))
    generator = np.random.default_rng(question.options["seed"])
    found: dict[_Term, MIResult] = {}
    with stoppable(listen) as heard:
        heard(Started(question.estimator, question.n_samples, len(names), 1, "cpu", len(wanted)))
        heard(Phase("estimating the terms of the sum"))
        try:
            for done, term in enumerate(wanted):
                begin_part(heard, done, len(wanted))
                before, after = names[: term.k], names[term.k + 1 :] if term.given else ()
                asked = question.shuffled(after, generator) if term.shuffle else question
                found[term] = estimated(
                    partial(asked.estimate, names[term.k : term.k + 1], before, given=after), heard
                )
        except Stopped as stop:
            labelled = {each.label(names): result for each, result in found.items()}
            raise (_without_sum(labelled, len(wanted)) if found else stop) from None
    total, dual, o_information = _sums_of(found)
    remarks = [
        (each.label(names), note)
        for each, result in found.items()
        if not each.shuffle
        for note in result.notes
    ]
    return TotalCorrelation(
        names,
        total,
        dual,
        o_information,
        {t.label(names): Estimate(each.mi, each.stderr or 0.0) for t, each in found.items()},
        question.estimator,
        question.n_samples,
        notes=(*question.notes, *said_once(remarks, of_columns=True), *question.on_readings),
        left_out=question.left_out,
    )


def _without_sum(found: dict[str, MIResult], count: int) -> Stopped:
    """What to say if the user stops before all terms are known."""
    known = (f"{name} = {amount(each.mi, each.stderr)}" for name, each in found.items())
    return Stopped(
        f"The run was stopped after {len(found)} of {count} terms, so their sum is unknown. "
        f"Estimated: {', '.join(known)}."
    )


def _terms(count: int, shuffles: int) -> Iterator[_Term]:
    """The terms of that many columns. Nothing follows the last one, so it has no condition."""
    for k in range(1, count):
        yield _Term(k)
        if k < count - 1:
            yield from (_Term(k, True, shuffle) for shuffle in range(shuffles + 1))


def _sums_of(found: Mapping[_Term, MIResult]) -> tuple[Estimate, Estimate, Estimate]:
    """Total correlation, dual total correlation and O-information."""
    total = {term: 1.0 for term in found if not term.given}
    difference: dict[_Term, float] = {}
    chance = 0.0
    for term in (each for each in found if each.given and not each.shuffle):
        shuffled = [each for each in found if each.k == term.k and each.shuffle]
        without = shuffled or [_Term(term.k)]
        difference |= {term: -1.0} | dict.fromkeys(without, 1 / len(without))
        if shuffled:
            chance += float(np.var([found[each].mi for each in shuffled], ddof=1))
    dual = {term: total.get(term, 0.0) - difference.get(term, 0.0) for term in found}
    return (
        _sum(found, total),
        _sum(found, dual, chance),
        _sum(found, difference, chance),
    )


def _sum(
    found: Mapping[_Term, MIResult], weights: Mapping[_Term, float], chance: float = 0.0
) -> Estimate:
    """A weighted sum of estimates from the same rows, with its standard error.

    `chance` is a variance that the rows do not show.
    """
    terms = [(found[term], weight) for term, weight in weights.items() if weight]
    factors = np.array([weight for _, weight in terms], dtype=np.float64)
    errors = np.array([each.stderr or 0.0 for each, _ in terms]) * factors
    mi = math.fsum(weight * each.mi for each, weight in terms)
    points = [each.pointwise for each, _ in terms]
    n = terms[0][0].n_samples if terms else 0
    if not terms or any(part is None or len(part.index) != n for part in points):
        most = float(np.abs(errors).sum())  # at most: all errors have the same sign
        return Estimate(mi, math.hypot(most, math.sqrt(chance)))
    values = np.array([p.mi[np.argsort(p.index)] for p in points if p is not None])
    values -= values.mean(axis=1, keepdims=True)
    size = np.sqrt((values**2).mean(axis=1))
    together = (values @ values.T) / values.shape[1] / np.maximum(np.outer(size, size), 1e-300)
    return Estimate(mi, math.sqrt(max(0.0, float(errors @ together @ errors)) + chance))
