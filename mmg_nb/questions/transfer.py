"""Transfer entropy between two series in both directions: the estimates and their tests."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from mmg_nb.errors import MMGError
from mmg_nb.questions.answer import Answer
from mmg_nb.questions.independence import p_value
from mmg_nb.results.facts import Badge, Facts, amount, unit_size
from mmg_nb.results.held_out_test import CLEAR
from mmg_nb.results.result import errors_in_half
from mmg_nb.results.status import Status

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["Direction", "TransferEntropy"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Direction:
    """The transfer entropy in one direction.

    Attributes:
        source: Name of the series whose past is used.
        target: Name of the series that is predicted.
        mi: I(target now; past of the source | past of the target), nats.
        stderr: Its standard error, nats.
        null: Estimates with the source shifted in time, nats.
    """

    source: str
    target: str
    mi: float
    stderr: float
    null: tuple[float, ...]

    @property
    def p_value(self) -> float:
        """Probability of such a large estimate if the source tells nothing; see `floor`."""
        return p_value(self.mi, self.null)

    @property
    def floor(self) -> float:
        """The least p-value that so many surrogates can give."""
        return 1 / (len(self.null) + 1)

    @property
    def arrow(self) -> str:
        """The direction, e.g. `x → y`."""
        return f"{self.source} → {self.target}"


@dataclass(frozen=True, eq=False, repr=False)
class TransferEntropy(Answer):
    """Transfer entropy in both directions; `forward` is from x to y.

    Attributes:
        directions: From x to y, and from y to x; one if the computation was stopped.
        history: Past values of the target, and of the source.
        given: Name of the condition; empty without one.
        estimator: Name in the registry.
        n_samples: Moments used; if rows were dropped, in the direction that has fewer.
        status: Interrupted, if the computation was stopped.
        notes: What the user should know about the data and the estimates.
        stopped_after: What was done before a stop, in words; empty without a stop.
    """

    FORMAT: ClassVar[str] = "mmg_nb.TransferEntropy/1"

    directions: tuple[Direction, ...]
    history: tuple[int, ...]
    given: str
    estimator: str
    n_samples: int
    status: Status = Status.CONVERGED
    notes: tuple[str, ...] = ()
    stopped_after: str = ""

    @property
    def forward(self) -> Direction:
        """From x to y."""
        return self.directions[0]

    @property
    def backward(self) -> Direction:
        """From y to x.

        Raises:
            MMGError: The computation was stopped before this direction.
        """
        if len(self.directions) < 2:
            what = f"The computation was stopped after {self.forward.arrow}."
            raise MMGError(what, "Run it again to the end.")
        return self.directions[1]

    @property
    def mi(self) -> Array:
        """Both estimates, from x to y and from y to x, `(2,)`, nats; after a stop, `(1,)`."""
        return np.array([each.mi for each in self.directions])

    @property
    def stderr(self) -> Array:
        """Their standard errors, `(2,)`, nats."""
        return np.array([each.stderr for each in self.directions])

    @property
    def p_value(self) -> Array:
        """Their p-values, `(2,)`."""
        return np.array([each.p_value for each in self.directions])

    def interval(self, level: float = 0.95) -> tuple[Array, Array]:
        """Two-sided normal confidence intervals, nats: lower and upper ends, `(2,)`.

        Args:
            level: Nominal probability that an interval contains its truth.

        Raises:
            MMGError: `level` is not between 0 and 1.
        """
        half = errors_in_half(level) * self.stderr
        return self.mi - half, self.mi + half

    def _summary(self, unit: str) -> str:
        """Both directions in one line."""
        return self._known(unit)

    def _known(self, unit: str) -> str:
        each_way = (
            f"{each.arrow} {amount(each.mi, each.stderr, unit)} (p = {each.p_value:.2g})"
            for each in self.directions
        )
        return "; ".join(each_way) + self._given

    @property
    def _given(self) -> str:
        return f", given {self.given}" if self.given else ""

    def to_frame(self) -> pd.DataFrame:
        """One row per direction: estimate, standard error and 95 % interval (nats), p-value."""
        import pandas as pd

        low, high = self.interval()
        rows = [dataclasses.asdict(each) for each in self.directions]
        table = pd.DataFrame(rows).drop(columns="null")
        return table.assign(low=low, high=high, p_value=self.p_value)

    def plot(self, ax: Axes | None = None, unit: str = "nats") -> Axes:
        """Draw both directions with 95 % intervals, and the range of the surrogates.

        Args:
            ax: Axes to draw on. Default: new axes.
            unit: `nats` or `bits`.

        Returns:
            The axes.
        """
        from mmg_nb.plots.axes import legend_above
        from mmg_nb.plots.forest import plot_estimates
        from mmg_nb.plots.result import ORANGE

        size = unit_size(unit)
        ends = zip(*self.interval(), strict=True)
        shown = {
            each.arrow: (each.mi, (float(low), float(high)))
            for each, (low, high) in zip(self.directions, ends, strict=True)
        }
        ax = plot_estimates(shown, ax, unit=unit, alt=self.alt(unit))
        for place, each in enumerate(self.directions):
            spread = np.quantile(each.null, [0.05, 0.95]) / size
            label = "90 % of the surrogates" if place == 0 else None
            ax.plot(spread, [place + 0.27] * 2, color=ORANGE, lw=5, alpha=0.6, label=label)
        legend_above(ax)
        ax.set_xlabel(f"transfer entropy, {unit}, with 95 % intervals")
        return ax

    def _facts(self, unit: str) -> Facts:
        clear = [each for each in self.directions if each.p_value <= CLEAR]
        first = self.directions[0]
        nothing = f"No measurable transfer between {first.source} and {first.target}"
        headline = nothing + self._given
        if clear:
            said = (f"{each.arrow}: {amount(each.mi, each.stderr, unit)}" for each in clear)
            headline = "; ".join(said) + self._given
        # A stop may leave fewer surrogates of one direction.
        counts = " and ".join(dict.fromkeys(str(len(each.null)) for each in self.directions))
        least = " and ".join(dict.fromkeys(f"{each.floor:.2g}" for each in self.directions))
        tested = ", ".join(f"{each.arrow} p = {each.p_value:.2g}" for each in self.directions)
        back, ahead = self.history
        return Facts(
            headline=headline,
            badge=Badge.RELIABLE,
            meaning=f"{tested}, from {counts} shifted copies of the source (surrogates). "
            f"With so many, p cannot be below {least}.",
            interval=None,
            value=first.mi / unit_size(unit),
            unit=unit,
            method=f"{self.estimator}, {self.n_samples} moments, past values: {back} (target), "
            f"{ahead} (source)",
            notes=self.notes,
            details=tuple(
                (each.arrow, amount(each.mi, each.stderr, unit)) for each in self.directions
            ),
        )
