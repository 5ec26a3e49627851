"""Is there anything at all? A test of independence by permutations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Unpack, overload

import numpy as np

from mmg_nb.api import prepare
from mmg_nb.job import Job
from mmg_nb.keywords import IndependenceKeywords
from mmg_nb.polling import Stopped
from mmg_nb.questions.answer import Answer
from mmg_nb.questions.kept_estimates import KeptEstimates, kept_in
from mmg_nb.questions.parts import estimated
from mmg_nb.questions.permutations import (
    AMONG_NEIGHBOURS,
    NEIGHBOURS_IN_Z,
    SHIFTS,
    count_of,
    most_shifts,
    null_estimates,
    orders,
    scheme,
)
from mmg_nb.results.facts import Badge, Facts, amount, unit_size
from mmg_nb.results.held_out_test import CLEAR, HeldOutTest
from mmg_nb.results.result import MIResult
from mmg_nb.results.status import Status
from mmg_nb.runs.events import Listener, Phase
from mmg_nb.runs.interrupts import stoppable
from mmg_nb.runs.watching import watched
from mmg_nb.signatures import complete, shows

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["IndependenceTest", "independence_test", "p_value"]

PERMUTATIONS = 199
FEW_PERMUTATIONS = 19  # for an estimator that trains for each of them
HELD_OUT = "permutations of rows that no network was trained on"


@dataclass(frozen=True, eq=False, repr=False)
class IndependenceTest(Answer):
    """The estimate of x and y beside those of data in which they are independent.

    Attributes:
        estimate: The estimate of the data.
        null: The estimates of permuted data, nats. If `mmg` was trained only once: the statistic
            of its test for some of the permutations, in standard deviations.
        how: How x was permuted, in words.
        status: Interrupted, if the computation was stopped.
        notes: What the user should know about the data and the estimates.
        stopped_after: What was done before a stop, in words; empty without a stop.
    """

    FORMAT: ClassVar[str] = "mmg_nb.IndependenceTest/1"

    estimate: MIResult
    null: tuple[float, ...]
    how: str
    status: Status = Status.CONVERGED
    notes: tuple[str, ...] = ()
    stopped_after: str = ""

    @property
    def mi(self) -> float:
        """The estimate, nats."""
        return self.estimate.mi

    @property
    def stderr(self) -> float | None:
        """Its standard error, nats."""
        return self.estimate.stderr

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The interval of the estimate, nats; see `MIResult.interval`."""
        return self.estimate.interval(level)

    @property
    def p_value(self) -> float:
        """Probability of such a large estimate if x and y are independent.

        It is the share of data sets whose estimate is at least as large as that of the data. The
        data sets are all permuted ones and the data, so the share is at least `floor`. For `mmg`
        see `mmg_nb.MIResult.p_value`.
        """
        return self._held_out.p_value if self._held_out else p_value(self.mi, self.null)

    @property
    def floor(self) -> float:
        """The least p-value that so many permutations can give."""
        return self._held_out.floor if self._held_out else 1 / (len(self.null) + 1)

    @property
    def count(self) -> int:
        """The number of permutations, of each fold if networks were not trained again."""
        return self._held_out.permutations if self._held_out else len(self.null)

    @property
    def _held_out(self) -> HeldOutTest | None:
        return self.estimate.test if self.how == HELD_OUT else None

    @property
    def _moved(self) -> str:
        """How rows were moved, with the name of the condition."""
        z = self.estimate.called[2]
        return f"{AMONG_NEIGHBOURS} in {z}" if z and self.how == NEIGHBOURS_IN_Z else self.how

    def _summary(self, unit: str) -> str:
        """The p-value and the estimate in one line."""
        size = amount(self.mi, self.stderr, unit)
        return f"p = {self.p_value:.3g} by {self.count} {self._moved}; {size}"

    def to_frame(self) -> pd.DataFrame:
        """One row: what `MIResult.to_frame` gives, the p-value and the number of permutations."""
        return self.estimate.to_frame().assign(p_value=self.p_value, permutations=self.count)

    def plot(self, ax: Axes | None = None, unit: str = "nats") -> Axes:
        """Draw the estimates of permuted data, and that of the data; for `mmg`, statistics.

        Args:
            ax: Axes to draw on. Default: new axes.
            unit: `nats` or `bits`.

        Returns:
            The axes.
        """
        from mmg_nb.plots.axes import described, legend_above, new_axes
        from mmg_nb.plots.result import BLUE, GREY, ORANGE, PNG_WIDTH

        ax = new_axes(PNG_WIDTH) if ax is None else ax
        size = 1.0 if self._held_out else unit_size(unit)
        ax.hist(np.array(self.null) / size, bins="auto", color=GREY, alpha=0.6, label="permuted")
        high = float(np.quantile(self.null, 0.95)) / size
        ax.axvline(high, color=ORANGE, lw=1.5, ls="--", label="95 % of the permuted")
        observed = self._held_out.observed if self._held_out else self.mi
        ax.axvline(observed / size, color=BLUE, lw=2.5, label="the data")
        name = "statistic of the test, standard deviations"
        ax.set_xlabel(name if self._held_out else f"estimate, {unit}")
        ax.set_ylabel("permutations")
        legend_above(ax, ncols=3)
        return described(ax, self.alt(unit))

    def _facts(self, unit: str) -> Facts:
        x, y, _ = self.estimate.called
        clear = self.p_value <= CLEAR
        verdict = "depend on each other" if clear else "show no clear dependence"
        least = f" With {self.count}, p cannot be smaller." if self.p_value == self.floor else ""
        low, high = (end / unit_size(unit) for end in self.interval())
        return Facts(
            headline=f"{x} and {y} {verdict}{self._given}: p = {self.p_value:.3g}",
            badge=Badge.RELIABLE,
            meaning=f"{amount(self.mi, self.stderr, unit)}. {self._against(unit)}{least}",
            interval=(low, high) if np.isfinite(high - low) else None,
            value=self.mi / unit_size(unit),
            unit=unit,
            method=f"{self.estimate.estimator}, {self.estimate.size}",
            notes=self.notes,
            details=(),
        )

    def _known(self, unit: str) -> str:
        x, y, _ = self.estimate.called
        size = amount(self.mi, self.stderr, unit)
        return f"{x} and {y}{self._given}: {size}, p = {self.p_value:.3g}"

    @property
    def _given(self) -> str:
        z = self.estimate.called[2]
        return f", given {z}" if z else ""

    def _against(self, unit: str) -> str:
        high = float(np.quantile(self.null, 0.95))
        usual = f"Of {self.count} {self._moved}, 95 % give at most"
        if self._held_out is None:
            return f"{usual} {amount(high, None, unit)}."
        return f"The statistic of the test is {self._held_out.observed:.1f}. {usual} {high:.1f}."


def p_value(observed: float, null: tuple[float, ...]) -> float:
    """The share of estimates that are at least as large, the observed one among them.

    Phipson & Smyth 2010, Stat. Appl. Genet. Mol. Biol. 9:39.
    """
    return (1 + sum(each >= observed for each in null)) / (len(null) + 1)


@overload
def independence_test(
    x: Any, y: Any, estimator: str = ..., **keywords: Unpack[IndependenceKeywords]
) -> IndependenceTest: ...
@overload
def independence_test(
    x: Any,
    y: Any,
    estimator: str = ...,
    *,
    permutations: int | None = ...,
    seed: int = ...,
    **fields: Any,  # those of any estimator, and the other keyword arguments
) -> IndependenceTest: ...
@shows(IndependenceKeywords, rest="fields")
def independence_test(x: Any, y: Any, estimator: str = "ksg", **keywords: Any) -> IndependenceTest:
    """Test whether x and y are independent, or independent given z.

    The estimate is repeated with the rows of x in other orders. Without a condition, the test is
    exact: if x and y are independent and the rows are, too, p ≤ α has a probability of at most α.
    With categories as the condition, rows are exchanged within them, which is exact as well. With
    numbers, they are exchanged among neighbours in z (Runge 2018, AISTATS 84:938), which is
    approximate.

    Rows in series are shifted against each other by up to a quarter of the rows. What overlaps is
    estimated: n rows have 2 · (n // 4) shifts, so that is the most of `permutations`. The test is
    approximate: at the level of 5 % it rejected 3 to 7 % of independent series of several kinds
    (notebooks/results/LOG.md).

    Of each group of `groups`, only the first row is used: the rows of a group cannot be permuted.

    `mmg` is trained only once. It then permutes rows that no network was trained on. There are two
    statistics: the gap that the networks found, and a score of HSIC from the same training rows.
    The larger one counts, each in standard deviations. So the test can detect dependence that is
    too weak to be measured. It is made in each fold of the rows, and is exact without a condition.
    The smallest p-value is multiplied by the number of folds (Bonferroni), which is valid however
    folds depend on each other. With a condition, only the networks count, and rows are exchanged
    within blocks of 4 to 7 neighbours in z, which is approximate.

    Args:
        x: See `mmg_nb.estimate`.
        y: See `mmg_nb.estimate`.
        estimator: Name in the registry. An estimator that trains is trained again for each
            permutation. `mmg` is so only if you pass `permutations`, or if `MIResult.p_value` is
            None.
        **keywords: Those of `mmg_nb.keywords.IndependenceKeywords`, and fields of the estimator.

    Returns:
        The test. An interrupt (Ctrl-C, or the stop button) leaves out permutations that follow.

    Raises:
        MMGError: The data, a field or a number cannot be used.
    """
    asked, fields = complete(IndependenceKeywords, keywords)
    passed = ("given", "groups", "discrete", "missing", "rows", "seed", "device")
    job = prepare(x, y, estimator, **{key: asked[key] for key in passed}, **fields)  # type: ignore[literal-required]
    if job.estimator.trains and (asked["groups"] is not None or job.pairs.mostly_copies):
        job = replace(job, pairs=job.pairs.one_of_each())  # single rows could not be permuted
    usual = FEW_PERMUTATIONS if job.estimator.trains else PERMUTATIONS
    count = count_of(asked["permutations"], "permutations", usual)
    again = asked["permutations"] is not None
    kept = kept_in(asked["checkpoint"])

    def run(listen: Listener) -> IndependenceTest:
        return _tested(job, count, again, listen, kept)

    what = f"test of {job.what}"
    return watched(
        run, asked["listen"], asked["progress"], what=what, estimator=estimator, slow=True
    )


def _tested(
    job: Job, count: int, again: bool, listen: Listener, kept: KeptEstimates
) -> IndependenceTest:
    """The test; `again` to estimate again for each permutation, even if that is not necessary."""
    with stoppable(listen) as heard:
        found = estimated(partial(kept.result, job), heard)
        if found.test is not None and not again:
            return IndependenceTest(found, found.test.null, HELD_OUT, notes=found.notes)
        how = scheme(job.pairs)
        if how == SHIFTS:
            count = min(count, most_shifts(job.pairs.n_samples))
        heard(Phase(how))
        generator = np.random.default_rng(job.seed)
        moved = orders(job.pairs, count, generator)
        null = null_estimates(job, moved, count, heard, kept)
    if not null:
        raise Stopped
    early = len(null) < count
    after = f"{len(null)} of {count} permutations" if early else ""
    status = Status.INTERRUPTED if early else Status.CONVERGED
    return IndependenceTest(found, tuple(null), how, status, found.notes, after)
