"""Mutual information of two series at several lags, as a profile with its best lag."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from mmg_nb.questions.answer import Answer
from mmg_nb.questions.moments import Clock
from mmg_nb.results.facts import Badge, Facts, amount, unit_size
from mmg_nb.results.result import errors_in_half
from mmg_nb.results.status import Status

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["FALSE_ALARM", "LagProfile"]

FALSE_ALARM = 0.025  # probability that the best of all lags looks distinguishable by chance

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class LagProfile(Answer):
    """Mutual information of two series at several lags.

    Attributes:
        names: Names of x, y and the condition.
        lag: The lags, rows, `(k,)`. If a lag is positive, x comes first.
        mi: I(x at t − lag; y at t), `(k,)`, nats.
        stderr: Standard errors, `(k,)`, nats. They allow for dependence of neighbouring rows.
        best: The lag with the largest estimate.
        best_interval: 95 % interval of the best lag.
        size: Units of time between two rows.
        unit_of_time: `row`, `day`, `month` and so on.
        estimator: Name in the registry.
        n_samples: Moments used; if rows were dropped, at the lag that has fewest.
        status: Interrupted, if the computation was stopped.
        notes: What the user should know about the data and the estimates.
        stopped_after: What was done before a stop, in words; empty without a stop.
    """

    FORMAT: ClassVar[str] = "mmg_nb.LagProfile/1"

    names: tuple[str, ...]
    lag: NDArray[np.int64]
    mi: Array
    stderr: Array
    best: int
    best_interval: tuple[int, ...]
    size: int
    unit_of_time: str
    estimator: str
    n_samples: int
    status: Status = Status.CONVERGED
    notes: tuple[str, ...] = ()
    stopped_after: str = ""

    def interval(self, level: float = 0.95) -> tuple[Array, Array]:
        """Two-sided normal confidence intervals, each alone, nats: lower and upper ends, `(k,)`.

        Args:
            level: Nominal probability that an interval contains its truth.

        Raises:
            MMGError: `level` is not between 0 and 1.
        """
        half = errors_in_half(level) * self.stderr
        return self.mi - half, self.mi + half

    @property
    def distinguishable(self) -> bool:
        """Whether the best lag is distinguishable from 0, among so many lags."""
        from scipy.stats import norm

        at = int(np.argmax(self.mi))
        return bool(self.mi[at] > norm.isf(FALSE_ALARM / len(self.lag)) * self.stderr[at])

    def _summary(self, unit: str) -> str:
        """The best lag in one line."""
        at = int(np.argmax(self.mi))
        x, y = self.names[:2]
        size = amount(self.mi[at], self.stderr[at], unit)
        if not self.distinguishable:
            return f"{x} and {y}: not distinguishable from 0 at any of {len(self.lag)} lags"
        low, high = self.best_interval
        return f"{x} and {y}: most at lag {self.best} ({low} to {high}), {size}"

    def to_frame(self) -> pd.DataFrame:
        """One row per lag: time, estimate, standard error and 95 % interval, nats."""
        import pandas as pd

        low, high = self.interval()
        columns = {"time": self.lag * self.size, "mi": self.mi, "stderr": self.stderr}
        table = pd.DataFrame({"lag": self.lag, **columns, "low": low, "high": high})
        return table.set_index("lag").rename(columns={"time": f"{self.unit_of_time}s"})

    def plot(self, ax: Axes | None = None, unit: str = "nats") -> Axes:
        """Draw the profile with its 95 % band, and the interval of the best lag.

        Args:
            ax: Axes to draw on. Default: new axes.
            unit: `nats` or `bits`.

        Returns:
            The axes.
        """
        from mmg_nb.plots.band import plot_band

        x, y = self.names[:2]
        size = unit_size(unit)
        low, high = self.interval()
        time = self.lag * self.size
        ax = plot_band(time, self.mi / size, (low / size, high / size), ax, self.alt(unit))
        if self.distinguishable:
            first, last = (place * self.size for place in self.best_interval)
            ax.axvspan(first - 0.3 * self.size, last + 0.3 * self.size, color="0.5", alpha=0.2)
        ax.set_xlabel(f"lag, {self.unit_of_time}s: ← {y} first | {x} first →", parse_math=False)
        ax.set_ylabel(unit)
        return ax

    def _facts(self, unit: str) -> Facts:
        x, y = self.names[:2]
        at, size = int(np.argmax(self.mi)), unit_size(unit)
        nothing = f"{x} tells nothing measurable about {y} at any lag{self._given}"
        low, high = (float(each[at]) / size for each in self.interval())
        return Facts(
            headline=self._known(unit) if self.distinguishable else nothing,
            badge=Badge.RELIABLE,
            meaning=self._meaning,
            interval=(low, high),
            value=float(self.mi[at]) / size,
            unit=unit,
            method=f"{self.estimator}, {self.n_samples} moments, {len(self.lag)} lags",
            notes=self.notes,
            details=tuple(
                (f"lag {lag}", amount(mi, stderr, unit))
                for lag, mi, stderr in zip(self.lag, self.mi, self.stderr, strict=True)
            ),
        )

    def _known(self, unit: str) -> str:
        x, y = self.names[:2]
        at = int(np.argmax(self.mi))
        most = amount(self.mi[at], self.stderr[at], unit)
        return f"{x} tells most about {y}{self._when(self.best)}{self._given}: {most}"

    @property
    def _given(self) -> str:
        return f", given {self.names[2]}" if len(self.names) > 2 and self.names[2] else ""

    @property
    def _meaning(self) -> str:
        """How certain the best lag is; of some lags only, that is not known."""
        if not self.distinguishable:
            return f"The largest of {len(self.lag)} estimates can be as large by chance."
        if not self.status.complete:
            return ""
        first, last = self.best_interval
        span = Clock(self.size, self.unit_of_time).words(last)
        if first < last:
            span = f"{first * self.size} to {span}"
        return f"95 % interval of the best lag: {span}."

    def _when(self, lag: int) -> str:
        if not lag:
            return " at the same time"
        time = Clock(self.size, self.unit_of_time).words(abs(lag))
        return f" {time} {'later' if lag > 0 else 'earlier'}"
