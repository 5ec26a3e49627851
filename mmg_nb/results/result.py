"""The result of an estimate: value, uncertainty, curves, status and provenance."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from mmg_nb.errors import MMGError, brief
from mmg_nb.results.card import as_html, as_latex, as_markdown, as_text, latex
from mmg_nb.results.curves import MMSECurve, PointwiseMI, TrainingHistory
from mmg_nb.results.facts import (
    NATS_PER_BIT,
    NEIGHBOURS,
    OTHER_COLUMNS,
    amount,
    facts,
    found_by_test,
)
from mmg_nb.results.finding import Estimate
from mmg_nb.results.held_out_test import HeldOutTest
from mmg_nb.results.picture import Picture
from mmg_nb.results.sample import Sample
from mmg_nb.results.saved import SavedRecord
from mmg_nb.results.status import Status
from mmg_nb.results.unfinished import line_so_far

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["NATS_PER_BIT", "NEIGHBOURS", "MIResult", "called", "errors_in_half"]


@dataclass(frozen=True, eq=False)
class MIResult(SavedRecord):
    """Mutual information with its uncertainty, curves, status and provenance.

    Attributes:
        mi: The estimate, nats. Negative values are returned as they are.
        stderr: Its standard error, nats; None if the estimator gives none.
        estimator: Name in the registry.
        n_samples: Rows given, splits included.
        dim_x: Columns of x in use.
        dim_y: Columns of y in use.
        gap: The form of the gap that `mi` uses; None for other methods.
        forms: Every form of the gap -> estimate and standard error.
        curve: Denoising errors against log-SNR.
        pointwise: Pointwise MI of the evaluation rows.
        history: Estimates and losses on validation rows during training.
        status: How the run ended.
        notes: What to check in the data or the fit, and what to do.
        fields: The estimator's fields in this run.
        provenance: Seed, versions, device, wall time in seconds.
        dim_z: Columns of the condition in use; 0 for I(x; y).
        terms: Signed terms whose sum is the estimate; empty if the estimate is not a sum.
        error_parts: Parts of the standard error, nats. Their squares add up to its square.
            Empty if the estimator does not report parts.

            * `sampling`: the rows are a sample.
            * `members`: networks trained on different rows differ.
            * `late learning`: the estimate still rose in the second half of training.
            * `overfitting`: networks of many columns cannot learn more without learning noise.
            * `more rows`: models that see more rows predict better.
            * `correlations`: dependence is weak; correlations of values and magnitudes find more.
            * `other columns`: single columns or directions were used, and others may add to it.
            * `beyond the entropy`: networks found more than the entropy of a label, which is
              impossible; the estimate is the entropy.
            * `canonical pairs`: the fitted pairs have limited precision.
            * `nearest neighbours`: they found more than networks; the estimate is theirs.
            * `rows in series`: even independent series look dependent by chance.
            * `detection`: weaker dependence is not distinguishable from 0 with so few rows. Or
              nearest neighbours hint at more, but not significantly.
            * `tables drawn`: random tables that resemble a sparse table differ in their bias.
            * `sparse table`: rows of a sparse table, if predicted from others, show less.
        names: The user's names of x, y and z; empty texts if unnamed.
        entropies: Entropy in nats of `x` and of `y`, if it holds categories only and there is no
            condition.
        sample: Up to 520 of the rows, for plots; None for images. `save` writes them, too.
        test: Test of independence on rows that no network was trained on, by `mmg`; see `p_value`.
    """

    FORMAT: ClassVar[str] = "mmg_nb.MIResult/1"

    mi: float
    stderr: float | None
    estimator: str
    n_samples: int
    dim_x: int
    dim_y: int
    gap: str | None = None
    forms: dict[str, Estimate] = dataclasses.field(default_factory=dict)
    curve: MMSECurve | None = None
    pointwise: PointwiseMI | None = None
    history: TrainingHistory | None = None
    status: Status = Status.CONVERGED
    notes: tuple[str, ...] = ()
    fields: dict[str, Any] = dataclasses.field(default_factory=dict)
    provenance: dict[str, Any] = dataclasses.field(default_factory=dict)
    dim_z: int = 0
    terms: dict[str, Estimate] = dataclasses.field(default_factory=dict)
    error_parts: dict[str, float] = dataclasses.field(default_factory=dict)
    names: tuple[str, ...] = ()
    entropies: dict[str, float] = dataclasses.field(default_factory=dict)
    sample: Sample | None = None
    test: HeldOutTest | None = None

    @property
    def quantity(self) -> str:
        """What was estimated, `I(x; y)` or `I(x; y | z)`."""
        return "I(x; y | z)" if self.dim_z else "I(x; y)"

    @property
    def size(self) -> str:
        """Rows and columns in words, e.g. `1000 rows, 2×1`, or `1000 rows, 2×1 given 3`."""
        given = f" given {self.dim_z}" if self.dim_z else ""
        return f"{self.n_samples} rows, {self.dim_x}×{self.dim_y}{given}"

    @property
    def bits(self) -> float:
        """The estimate in bits."""
        return self.mi / NATS_PER_BIT

    @property
    def correlation(self) -> float:
        """Correlation of two normal variables with the same mutual information (Linfoot 1957).

        √(1 − exp(−2·I)), from 0 to 1; 0 if the estimate is negative.
        """
        return math.sqrt(-math.expm1(-2 * max(0.0, self.mi)))

    @property
    def share(self) -> float | None:
        """The estimate divided by the entropy of y, or of x if only x is categories.

        None without categories, with a condition, or if the entropy is 0.
        """
        found = [self.mi / self.entropies[k] for k in ("y", "x") if self.entropies.get(k, 0.0) > 0]
        return found[0] if found else None

    @property
    def p_value(self) -> float | None:
        """P-value of a test that x and y are independent (given z); None if it was not made.

        `mmg` makes this test on rows that no network was trained on; see
        `mmg_nb.independence_test`. The p-value may be small although the estimate is about 0:
        dependence may be clear, but too weak to be measured. The test is not made by other
        estimators, and not for images, rows that depend on each other, directions that were left
        out, and sums over categories. `mmg_nb.independence_test` tests these, too, in more time.
        """
        return None if self.test is None else self.test.p_value

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Two-sided normal confidence interval.

        Args:
            level: Nominal probability that the interval contains the truth.

        Returns:
            Lower and upper end, nats; infinite if the estimator gives no standard error.

        Raises:
            MMGError: `level` is not between 0 and 1.
        """
        errors = errors_in_half(level)
        half = math.inf if self.stderr is None else errors * self.stderr
        return self.mi - half, self.mi + half

    @property
    def distinguishable(self) -> bool:
        """Whether the estimate lies more than two standard errors above 0.

        Or whether nearest neighbours have found it, in the data or in a few of the columns. That
        is significant by itself; the standard error then also holds what more there may be.
        """
        seen = not self.terms and bool({NEIGHBOURS, OTHER_COLUMNS} & set(self.error_parts))
        return self.stderr is not None and (seen or self.mi > 2 * self.stderr)

    @property
    def called(self) -> tuple[str, str, str]:
        """The names of x, y and z as a text shows them; `z` is empty without a condition."""
        x, y, z = called(self.names)
        return x, y, z if self.dim_z else ""

    @property
    def summary(self) -> str:
        """The estimate in words, in one line."""
        return self.summary_in("nats")

    def summary_in(self, unit: str) -> str:
        """The same, in `nats` or `bits` first."""
        other = "nats" if unit == "bits" else "bits"
        text = f"{amount(self.mi, self.stderr, unit)} ({amount(self.mi, None, other)})"
        if self.status is Status.INTERRUPTED:
            return line_so_far(text)
        if self.stderr is None or self.distinguishable or not self.status.complete:
            return text
        if found_by_test(self):
            return f"{text}, a test finds dependence (p = {self.p_value:.3g})"
        return text + ", not distinguishable from 0"

    def to_frame(self) -> pd.DataFrame:
        """One row: the estimate, its standard error and 95 % interval in nats, and the rest.

        Results can be put together with `pandas.concat`.
        """
        import pandas as pd  # loading the extension must take no time for it

        low, high = self.interval()
        x, y, z = self.called
        row = {"x": x, "y": y, "given": z, "mi": self.mi, "stderr": self.stderr}
        row |= {"low": low, "high": high, "correlation": self.correlation}
        row |= {"estimator": self.estimator, "rows": self.n_samples, "status": str(self.status)}
        return pd.DataFrame([row])

    def __repr__(self) -> str:
        count = len(self.notes)
        notes = "" if not count else f", {count} note{'s' if count > 1 else ''}"
        said = "" if self.status is Status.INTERRUPTED else f", {self.status.words}"
        return f"MIResult({self.summary}; {self.estimator}, {self.size}{said}{notes})"

    def plot(self, ax: Axes | None = None, kind: str = "gap", unit: str = "nats") -> Axes:
        """Draw the result.

        Args:
            ax: Axes to draw on; new ones if None.
            kind: `gap` (both error curves; the area between them is 2·MI), `integrand`
                (nats or bits per unit log-SNR, every form), `training` (validation record),
                `pointwise` (which rows carry the information: ln p(x, y) / p(x) p(y) of each row)
                or `data` (rows of what was compared; a table of counts for categories).
            unit: `nats` or `bits`.

        Returns:
            The axes. `result.plot().figure.savefig("figure.pdf")` saves the figure.

        Raises:
            MMGError: `kind` or `unit` is unknown, or this result has no data of that kind.
        """
        # Imported here because plotting imports results and matplotlib.
        from mmg_nb.plots import result as plotting

        return plotting.plot_result(self, ax, kind, unit)

    def _check(self) -> None:
        """Check that the error curves have the reported form, and each form its error.

        Raises:
            ValueError: They do not.
        """
        if self.curve is None:
            return
        known = self.curve.gaps.keys()
        complete = known == self.curve.stderrs.keys() and self.gap in (None, *known)
        if not complete or self.curve.noised not in ("x", "y"):
            raise ValueError("the forms of the gap do not match")

    def bundle(self, unit: str = "nats") -> tuple[dict[str, Any], dict[str, Any]]:
        """The result as text, HTML, Markdown and LaTeX, with its plot if it has error curves.

        Args:
            unit: `nats` or `bits`.

        Returns:
            Data and metadata by MIME type, as `_repr_mimebundle_` returns them.
        """
        said = facts(self, unit)
        texts = {"text/markdown": as_markdown(said), "text/latex": as_latex(said, self._drawn())}
        if self.curve is None:
            return {"text/plain": as_text(said), "text/html": as_html(said), **texts}, {}
        from mmg_nb.plots import result as plotting

        alt = self.alt(unit=unit)
        picture = Picture(plotting.result_png(self, unit), alt, plotting.PNG_WIDTH)
        data, metadata = picture.bundle(as_text(said), as_html(said, picture.tag))
        return {**data, **texts}, metadata

    def alt(self, kind: str = "gap", unit: str = "nats") -> str:
        """A plot in words, for readers who cannot see it; `kind` and `unit` as for `plot`."""
        shown = {
            "integrand": f"{unit.capitalize()} per unit log-SNR",
            "training": "Validation estimate against training steps",
            "pointwise": "Information of single rows",
            "data": "Rows of x and y",
        }
        if self.curve is not None:
            given = self.curve.given
            shown["gap"] = f"Denoising error against log-SNR with and without {given}"
        return f"{shown[kind]}; {self.summary_in(unit)}"

    def _drawn(self) -> str:
        """The error curves as LaTeX; empty if there are none."""
        if self.curve is None or self.gap is None:
            return ""
        x, y, _ = self.called
        given = latex(x if self.curve.given == "x" else y)
        # Imported here because loading the extension must take no time for it.
        from mmg_nb.results.latex_curves import curves_in_latex

        return curves_in_latex(self.curve, self.curve.gaps[self.gap], given)


def errors_in_half(level: float) -> float:
    """Standard errors in half of a two-sided normal interval.

    Args:
        level: Nominal probability that the interval contains the truth.

    Raises:
        MMGError: `level` is not between 0 and 1.
    """
    number = isinstance(level, (int, float, np.floating)) and not isinstance(level, bool)
    if not (number and 0 < level < 1):
        raise MMGError(f"level must lie between 0 and 1; got {brief(level)}.", "Try level=0.95.")
    # Imported here because loading the extension must take no time for it.
    from statistics import NormalDist

    return NormalDist().inv_cdf(0.5 + level / 2)


def called(names: tuple[str, ...]) -> tuple[str, str, str]:
    """Names of x, y and z, with these letters for the names that are missing or empty."""
    x, y, z = (own or letter for own, letter in zip((*names, "", "", ""), "xyz", strict=False))
    return x, y, z
