"""Which columns of a table depend on a target: alone, together, and given each other."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from mmg_nb.questions.answer import Answer, not_looked_at
from mmg_nb.results.facts import Badge, Facts, amount, number, unit_size
from mmg_nb.results.status import Status

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["Gain", "Ranking", "Relevance", "Shared"]

MAX_DRAWN = 20  # columns in the picture

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Relevance:
    """Mutual information of one column and the target.

    Attributes:
        name: The column, or the set of columns.
        mi: I(column; target), nats.
        stderr: Its standard error, nats.
        estimator: Name in the registry.
    """

    name: str
    mi: float
    stderr: float
    estimator: str


@dataclass(frozen=True)
class Gain:
    """A step of the selection: what is added, and its gain given what is chosen already.

    Attributes:
        names: The column; two columns, if they add more together than alone.
        mi: I(columns; target | chosen), nats.
        stderr: Its standard error, nats.
        estimator: Name in the registry.
    """

    names: tuple[str, ...]
    mi: float
    stderr: float
    estimator: str


@dataclass(frozen=True)
class Shared:
    """Why a column with a large estimate alone is not selected.

    Attributes:
        name: The column.
        other: The selected column that depends on it most.
        mi: Mutual information of both, nats.
        stderr: Its standard error, nats.
    """

    name: str
    other: str
    mi: float
    stderr: float


@dataclass(frozen=True, eq=False, repr=False)
class Ranking(Answer):
    """Which columns of a table depend on a target.

    Attributes:
        target: Name of the target.
        columns: The estimate of each column alone, the largest first.
        steps: The selection, in order.
        shared: Columns with large estimates alone that add nothing to those selected.
        n_samples: Rows used.
        given: Names of the condition's columns.
        status: Interrupted, if the computation was stopped.
        notes: What the user should know about the data and the estimates.
        limited: Whether the selection ended at the number of columns that was asked for.
        left_out: Columns of the table that were left out, with the reason.
        stopped_after: What was done before a stop, in words; empty without a stop.
    """

    FORMAT: ClassVar[str] = "mmg_nb.Ranking/1"

    target: str
    columns: tuple[Relevance, ...]
    steps: tuple[Gain, ...]
    shared: tuple[Shared, ...]
    n_samples: int
    given: tuple[str, ...] = ()
    status: Status = Status.CONVERGED
    notes: tuple[str, ...] = ()
    limited: bool = False
    left_out: dict[str, str] = field(default_factory=dict)
    stopped_after: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, the most relevant one first."""
        return tuple(each.name for each in self.columns)

    @property
    def mi(self) -> Array:
        """The estimate of each column alone, `(d,)`, nats."""
        return np.array([each.mi for each in self.columns])

    @property
    def stderr(self) -> Array:
        """Standard errors of `mi`, `(d,)`, nats."""
        return np.array([each.stderr for each in self.columns])

    @property
    def selected(self) -> tuple[str, ...]:
        """The columns that the selection has chosen, in order."""
        return tuple(name for step in self.steps for name in step.names)

    @property
    def together(self) -> float:
        """The estimate of the selected columns together, nats: the sum of the gains."""
        return math.fsum(step.mi for step in self.steps)

    def _summary(self, unit: str) -> str:
        """The selection in one line."""
        if not self.steps:
            count = len(self.columns)
            nothing = f"no column of {count} tells anything measurable about {self.target}"
            return nothing + not_looked_at(self.left_out)
        chosen = " → ".join(" & ".join(step.names) for step in self.steps)
        size = f"{amount(self.together, None, unit)} together"
        found = f"{chosen} of {len(self.columns)} columns for {self.target}: {size}"
        return found + not_looked_at(self.left_out)

    def to_frame(self) -> pd.DataFrame:
        """One row per column: its estimate alone, with the 95 % interval, and its step.

        Nats. `step` is 1 for what was selected first, and missing for what was not selected.
        """
        import pandas as pd

        step = {name: k for k, each in enumerate(self.steps) for name in each.names}
        shared = {each.name: each.other for each in self.shared}
        half = 1.96 * self.stderr
        table = pd.DataFrame([dataclasses.asdict(each) for each in self.columns])
        table.insert(3, "low", self.mi - half)
        table.insert(4, "high", self.mi + half)
        gains = [self.steps[step[name]] if name in step else None for name in self.names]
        table["step"] = pd.array(
            [step[name] + 1 if name in step else None for name in self.names], dtype="Int64"
        )
        table["gain"] = [math.nan if each is None else each.mi for each in gains]
        table["gain_stderr"] = [math.nan if each is None else each.stderr for each in gains]
        table["shared_with"] = [shared.get(name, "") for name in self.names]
        return table.set_index("name")

    def plot(self, ax: Axes | None = None, unit: str = "nats") -> Axes:
        """Draw the estimate of each column alone, with 95 % intervals; the selected in bold.

        Args:
            ax: Axes to draw on. Default: new axes.
            unit: `nats` or `bits`.

        Returns:
            The axes.
        """
        from mmg_nb.plots.forest import plot_estimates

        shown = {
            each.name: (each.mi, (each.mi - 1.96 * each.stderr, each.mi + 1.96 * each.stderr))
            for each in self.columns[:MAX_DRAWN]
        }
        ax = plot_estimates(shown, ax, unit=unit, alt=self.alt(unit))
        ax.set_xlabel(f"alone, {unit}, with 95 % intervals; bold: selected")
        if len(shown) < len(self.columns):
            ax.set_title(
                f"the first {len(shown)} of {len(self.columns)} columns", fontsize="small"
            )
        for label, name in zip(ax.get_yticklabels(), shown, strict=True):
            label.set_fontweight("bold" if name in self.selected else "normal")
        return ax

    def _facts(self, unit: str) -> Facts:
        nothing = f"No column tells anything measurable about {self._about}"
        headline = self._selection(unit) if self.steps else nothing
        return Facts(
            headline=headline + not_looked_at(self.left_out),
            badge=Badge.RELIABLE,
            meaning=self._path(unit),
            interval=None,
            value=self.together / unit_size(unit),
            unit=unit,
            method=f"{self._methods}, {self.n_samples} rows, {len(self.columns)} columns",
            notes=self.notes,
            details=tuple(
                (each.name, amount(each.mi, each.stderr, unit)) for each in self.columns
            ),
        )

    def _known(self, unit: str) -> str:
        if self.steps:
            return self._selection(unit)
        best, count = self.columns[0], len(self.columns)
        most = f", the most of {count} columns" if count > 1 else ""
        return f"{best.name} alone tells {amount(best.mi, best.stderr, unit)} about " + (
            f"{self._about}{most}"
        )

    def _selection(self, unit: str) -> str:
        verb = "tell" if len(self.selected) > 1 else "tells"
        size = amount(self.together, None, unit)
        return f"{', '.join(self.selected)} {verb} {size} about {self._about}"

    @property
    def _about(self) -> str:
        return self.target + (f", given {', '.join(self.given)}" if self.given else "")

    @property
    def _methods(self) -> str:
        used = [each.estimator for each in self.columns] + [each.estimator for each in self.steps]
        return ", ".join(dict.fromkeys(used))

    def _path(self, unit: str) -> str:
        """The steps of the selection in words, and what the columns left out share."""
        size = unit_size(unit)
        parts = [
            f"{' with '.join(step.names)} {number(step.mi / size)} ± {number(step.stderr / size)}"
            for step in self.steps
        ]
        said = ["First " + "; then ".join(parts) + "."] if parts else []
        if self.limited:
            said.append(
                f"The selection ends at {len(self.selected)} columns; others may add more."
            )
        elif self.status.complete and len(self.selected) < len(self.columns):
            which = " that was tried" if self.left_out else ""
            said.append(f"No other column{which} adds anything measurable.")
        said += [
            f"{each.name} depends on {each.other} ({number(each.mi / size)} {unit})."
            for each in self.shared
        ]
        return " ".join(said)
