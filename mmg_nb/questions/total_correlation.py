"""More than two variables: total correlation, and whether they are redundant or synergistic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Unpack, overload

import numpy as np

from mmg_nb.errors import MMGError
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
        """`redundant`, `synergistic`, or neither if the O-information is about 0."""
        if abs(self.o_information.mi) <= 2 * self.o_information.stderr:
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

    Args:
        table: A table with 2 to 10 columns; see `mmg_nb.dependency_map`.
        estimator: Name in the registry. `mmg` trains once for each of 2d − 3 terms.
        **keywords: Those of `mmg_nb.keywords.TotalKeywords`, and fields of the estimator.

    Returns:
        The sums and their terms.

    Raises:
        MMGError: The table or a field cannot be used, or the computation was stopped.
    """
    asked, fields = complete(TotalKeywords, keywords)
    question = read_asked(table, estimator, asked, fields)
    if len(question.names) > MAX_VARIABLES:
        what = f"At most {MAX_VARIABLES} columns can be used; got {len(question.names)}."
        raise MMGError(what, "Select columns: df[[...]].")

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


def _summed(question: AskedTable, listen: Listener) -> TotalCorrelation:
    names = question.names
    wanted = [(k, given) for k in range(1, len(names)) for given in (False, True)]
    wanted.pop()  # nothing follows the last one: both of its terms are the same
    found: dict[tuple[int, bool], MIResult] = {}
    with stoppable(listen) as heard:
        heard(Started(question.estimator, question.n_samples, len(names), 1, "cpu", len(wanted)))
        heard(Phase("estimating the terms of the sum"))
        try:
            for done, (k, given) in enumerate(wanted):
                begin_part(heard, done, len(wanted))
                rest = names[k + 1 :] if given else ()
                term = partial(question.estimate, names[k : k + 1], names[:k], given=rest)
                found[k, given] = estimated(term, heard)
        except Stopped as stop:
            labelled = {_label(names, *key): each for key, each in found.items()}
            raise (_without_sum(labelled, len(wanted)) if found else stop) from None
    last = len(names) - 1
    total = [found[k, False] for k in range(1, len(names))]
    dual = [found[k, True] for k in range(1, last)] + [found[last, False]]
    signed = [(found[k, given], -1 if given else 1) for k, given in found if k < last]
    labelled = {_label(names, *key): each for key, each in found.items()}
    remarks = [(label, note) for label, each in labelled.items() for note in each.notes]
    return TotalCorrelation(
        names,
        _sum([(each, 1) for each in total]),
        _sum([(each, 1) for each in dual]),
        _sum(signed),
        {name: Estimate(each.mi, each.stderr or 0.0) for name, each in labelled.items()},
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


def _label(names: Sequence[str], k: int, given: bool) -> str:
    rest = f" | {', '.join(names[k + 1 :])}" if given else ""
    return f"I({names[k]}; {', '.join(names[:k])}{rest})"


def _sum(terms: Sequence[tuple[MIResult, int]]) -> Estimate:
    """A signed sum of estimates from the same rows, with its standard error."""
    signs = np.array([sign for _, sign in terms], dtype=np.float64)
    errors = np.array([each.stderr or 0.0 for each, _ in terms])
    mi = math.fsum(sign * each.mi for each, sign in terms)
    points = [each.pointwise for each, _ in terms]
    n = terms[0][0].n_samples if terms else 0
    if not terms or any(part is None or len(part.index) != n for part in points):
        return Estimate(mi, float(errors.sum()))  # at most: all errors have the same sign
    values = np.array([p.mi[np.argsort(p.index)] for p in points if p is not None])
    values -= values.mean(axis=1, keepdims=True)
    size = np.sqrt((values**2).mean(axis=1))
    together = (values @ values.T) / values.shape[1] / np.maximum(np.outer(size, size), 1e-300)
    weights = signs * errors
    return Estimate(mi, float(math.sqrt(max(0.0, weights @ together @ weights))))
