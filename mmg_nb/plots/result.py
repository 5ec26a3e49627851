"""Plots of a result. Each plot first computes its data, then draws them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmg_nb.errors import MMGError, brief, cut, listed
from mmg_nb.plots.no_data import no_data
from mmg_nb.plots.rows import RowsData, draw_data, draw_pointwise, rows_data
from mmg_nb.results.facts import CEILING, NEIGHBOURS, amount, number, unit_size
from mmg_nb.results.result import MIResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "KINDS",
    "PNG_WIDTH",
    "GapData",
    "IntegrandData",
    "TrainingData",
    "gap_data",
    "integrand_data",
    "plot_result",
    "result_png",
    "training_data",
]

PNG_WIDTH = 560  # pixels of the page; twice as many are drawn
SMALL_GAP = 0.15  # a gap below this fraction of the error is drawn again, enlarged
ROUNDING = 1e-4  # a gap below this fraction of the error is noise of the arithmetic
VISIBLE = 0.02  # a difference below this fraction of the error is not visible
ROOM_FOR_NAME = 24  # letters of a name in a legend
ROOM_IN_CORNER = 16  # letters of a name in a legend between the axis and the curves
HEADROOM = 1.7  # factor that extends the axis, to leave space for the legend
MAX_EXCESS = 3.0  # heights of the reported form by which other forms may extend the axis

# Okabe and Ito's colours differ for colour-blind readers; line styles differ in grey print.
BLUE, ORANGE, GREEN, PURPLE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9"
GREY = "#777777"
BLUE_INK, ORANGE_INK = "#005A8D", "#A34500"  # the same, darker: words need more contrast
FORM_STYLES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (PURPLE, ":"))
APART = {NEIGHBOURS: f"{NEIGHBOURS} find more", CEILING: "more than the entropy"}
"""Part of the error -> why the estimate is not half of the area."""
LOGSNR = "log-SNR, ln(signal power / noise power)"

Array = NDArray[np.float64]


def _largest(values: Array) -> float:
    """The largest finite value, or 0 if it is negative or if a diverged run has none."""
    return float(np.max(values, initial=0.0, where=np.isfinite(values)))


@dataclass(frozen=True, eq=False)
class GapData:
    """Data of the gap plot; all arrays are `(k,)`.

    Attributes:
        logsnr: Centres of the bins.
        without: Denoising error without the given variable, summed over dimensions.
        with_it: `without` minus the gap. Half the area between both curves is `mi`.
        measured: Measured denoising error with the given variable. It differs from `with_it` by
            the excess error of the denoiser, which the reported form of the gap removes.
        gap: The gap, in the reported form.
        stderr: Standard error of the gap.
        form: The reported form.
        given: Name of the given variable.
        mi: The estimate of the networks, nats.
        condition: ` given z` for a conditional estimate, otherwise empty; part of the labels.
        apart: Why the estimate is not half of the area, if it is not.
    """

    logsnr: Array
    without: Array
    with_it: Array
    measured: Array
    gap: Array
    stderr: Array
    form: str
    given: str
    mi: float
    condition: str = ""
    apart: str = ""

    @property
    def enlarged(self) -> bool:
        """Whether a gap that is not noise is too small to be visible between the curves."""
        small = _largest(self.gap) < SMALL_GAP * _largest(self.without)
        return small and self.significant

    @property
    def significant(self) -> bool:
        """Whether the gap exceeds two standard errors somewhere, and rounding everywhere."""
        above = _largest(self.gap - 2 * self.stderr)
        return above > 0 and _largest(self.gap) > ROUNDING * _largest(self.without)

    @property
    def excess_visible(self) -> bool:
        """Whether `measured` and `with_it` differ visibly."""
        return _largest(self.measured - self.with_it) > VISIBLE * _largest(self.without)


@dataclass(frozen=True, eq=False)
class IntegrandData:
    """Data of the integrand plot.

    Attributes:
        logsnr: Centres of the bins, `(k,)`.
        forms: Form of the gap -> integrand and standard error, both `(k,)`, nats per unit log-SNR.
            The reported form comes first.
        labels: Form -> its legend entry.
    """

    logsnr: Array
    forms: dict[str, tuple[Array, Array]]
    labels: dict[str, str]

    @property
    def span(self) -> tuple[float, float]:
        """Limits of the vertical axis. An overfitted form must not compress the reported one."""
        value, error = next(iter(self.forms.values()))
        high, low = _largest(value + 2 * error), -_largest(2 * error - value)
        height = max(high - low, 1e-9)
        highest = max(_largest(v) for v, _ in self.forms.values())
        lowest = min(-_largest(-v) for v, _ in self.forms.values())
        low = min(low, max(lowest, low - MAX_EXCESS * height)) - 0.05 * height
        high = max(high, min(highest, high + MAX_EXCESS * height))
        return low, low + HEADROOM * (high - low)


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Data of the training plot; all arrays are `(k,)`.

    Attributes:
        step: Training steps done.
        mi: Estimate on validation rows, nats.
        loss: Validation loss.
        loss_label: Name of the loss.
        final: The result on evaluation rows, nats.
    """

    step: NDArray[np.int64]
    mi: Array
    loss: Array
    loss_label: str
    final: float


def gap_data(result: MIResult) -> GapData:
    """Data of `plot(kind="gap")`.

    Raises:
        MMGError: The result has no error curves.
    """
    curve, form = result.curve, result.gap
    if curve is None or form is None:
        raise no_data(result, "gap")
    gap = curve.gaps[form]
    apart = next((why for part, why in APART.items() if part in result.error_parts), "")
    x, y, z = result.called
    return GapData(
        curve.logsnr,
        curve.mse,
        curve.mse - gap,
        curve.mse_given_y,
        gap,
        curve.stderrs[form],
        form,
        _literal(x if curve.noised == "y" else y),
        result.forms[form].mi if apart else result.mi,
        f" given {_literal(z)}" if z else "",
        apart,
    )


def _literal(name: str) -> str:
    """A short name, whose dollar signs matplotlib does not read as mathematics."""
    return cut(name, ROOM_FOR_NAME).replace("$", r"\$")


def integrand_data(result: MIResult, unit: str = "nats") -> IntegrandData:
    """Data of `plot(kind="integrand")`, in a unit.

    Raises:
        MMGError: The result has no error curves.
    """
    curve = result.curve
    if curve is None or result.gap is None:
        raise no_data(result, "integrand")
    order = sorted(curve.gaps, key=lambda form: form != result.gap)
    size = unit_size(unit)
    forms = {f: (curve.integrand(f) / size, 0.5 * curve.stderrs[f] / size) for f in order}
    labels = {form: form for form in order}
    for form, estimate in result.forms.items():
        labels[form] = f"{form}: {amount(estimate.mi, estimate.stderr, unit)}".replace("-", "−")
    labels[result.gap] += " (reported)"
    return IntegrandData(curve.logsnr, forms, labels)


def training_data(result: MIResult, unit: str = "nats") -> TrainingData:
    """Data of `plot(kind="training")`, in a unit.

    Raises:
        MMGError: The result has no training history.
    """
    history = result.history
    if history is None or len(history.step) == 0:
        raise no_data(result, "training")
    label = "loss" if result.curve is None else "squared error of the predicted noise"
    size = unit_size(unit)
    return TrainingData(history.step, history.mi / size, history.loss, label, result.mi / size)


def _rows(kind: str) -> Callable[[MIResult, str], RowsData]:
    """Computes the data of a plot of rows."""

    def compute(result: MIResult, unit: str) -> RowsData:
        data = rows_data(result, kind == "pointwise", unit)
        if data is None:
            raise no_data(result, kind)
        return data

    return compute


def plot_result(
    result: MIResult, ax: Axes | None = None, kind: str = "gap", unit: str = "nats"
) -> Axes:
    """Draw a result.

    Args:
        result: The result.
        ax: Axes to draw on. Default: axes on a new figure that is not registered with pyplot.
            The value of a cell displays them; `ax.figure.savefig(path)` saves them.
        kind: `gap`, `integrand`, `training`, `pointwise` or `data`, see `MIResult.plot`.
        unit: `nats` or `bits`.

    Returns:
        The axes.

    Raises:
        MMGError: `kind` or `unit` is unknown, or the result has no data for it.
    """
    if isinstance(ax, str):
        raise MMGError(
            f"ax must be matplotlib axes; got {brief(ax)}.", f"Write plot(kind={brief(ax)})."
        )
    if kind not in KINDS:
        raise MMGError(f"There is no plot of kind {brief(kind)}.", f"Kinds: {listed(KINDS)}.")
    compute, draw = KINDS[kind]
    unit_size(unit)  # an unknown one is refused
    data = compute(result, unit)
    # Imported here because `import mmg_nb.plots.result` must not load matplotlib.
    from mmg_nb.plots.axes import described, new_axes

    if ax is None:
        ax = new_axes(PNG_WIDTH)
    draw(ax, data, unit)
    return described(ax, result.alt(kind, unit))


def result_png(result: MIResult, unit: str = "nats") -> bytes:
    """The gap plot as a PNG file, drawn without pyplot. May be called in any thread."""
    from mmg_nb.plots.axes import axes_png

    return axes_png(plot_result(result, unit=unit))


def _draw_gap(ax: Axes, data: GapData, unit: str) -> None:
    ax.fill_between(data.logsnr, data.with_it, data.without, color=SKY, alpha=0.35, lw=0)
    ax.plot(
        data.logsnr, data.without, color=BLUE, lw=2, label=f"without {data.given}{data.condition}"
    )
    ax.plot(
        data.logsnr,
        data.with_it,
        color=ORANGE,
        lw=2,
        ls="--",
        label=f"with {data.given}{data.condition}",
    )
    if data.excess_visible:
        ax.plot(
            data.logsnr, data.measured, color=GREY, lw=1.2, ls=":", label="the same, as measured"
        )
    ax.set_xlabel(LOGSNR)
    ax.set_ylabel("squared error of the predicted noise")
    ax.margins(x=0)
    # Both curves are high on the right, so a long name needs a place of its own.
    long = len(data.given) + len(data.condition) > ROOM_IN_CORNER
    place: Any = {"loc": "lower left", "bbox_to_anchor": (0, 1)} if long else {"loc": "upper left"}
    ax.legend(**place, frameon=False, labelcolor=_ink(ax))
    (_enlarge if data.enlarged else _name_area)(ax, data, _area(data, unit))


def _area(data: GapData, unit: str) -> str:
    """The area in words. It is 2·MI in nats, and therefore 2·ln 2·MI in bits."""
    if unit == "bits":
        mi = f"{_number(data.mi / unit_size(unit))} bits"
        area = f"area = {2 * unit_size(unit):.2f}·{mi if data.apart else f'MI, MI = {mi}'}"
    else:
        area = f"area = {'' if data.apart else '2·MI = '}{_number(2 * data.mi)} nats"
    return area + (f"\n({data.apart})" if data.apart else "")


def _ink(ax: Axes) -> Any:
    """The text colour, which is light if the session has a dark matplotlib style."""
    return ax.xaxis.label.get_color()


def _number(value: float) -> str:
    return number(value).replace("-", "−")


def _name_area(ax: Axes, data: GapData, text: str) -> None:
    """Write into the area, or beside it with a line that points into it."""
    ink = _ink(ax)
    area = np.cumsum(np.maximum(0, np.nan_to_num(data.gap)))
    middle = int(np.searchsorted(area, 0.5 * area[-1]))
    centre = data.logsnr[middle], data.without[middle] - 0.5 * data.gap[middle]
    if not data.significant:
        ax.text(0.98, 0.1, f"no gap: {text}", transform=ax.transAxes, ha="right", color=ink)
        return
    if data.gap[middle] > 0.5 * _largest(data.without):
        ax.annotate(text, centre, ha="center", va="center", color=ink)
        return
    low, high = data.logsnr[[0, -1]]
    beside = min(0.98, 0.52 + (centre[0] - low) / (high - low)), 0.22
    line = {"arrowstyle": "-", "color": ink, "lw": 0.8, "relpos": (0.2, 1)}
    ax.annotate(
        text, centre, beside, textcoords="axes fraction", ha="right", color=ink, arrowprops=line
    )


def _enlarge(ax: Axes, data: GapData, text: str) -> None:
    """Draw the gap again in the empty corner, on a larger scale."""
    ink = _ink(ax)
    inset = ax.inset_axes((0.6, 0.12, 0.38, 0.36), facecolor="none")
    band = 2 * data.stderr
    inset.fill_between(data.logsnr, 0, data.gap, color=SKY, alpha=0.35, lw=0)
    inset.fill_between(data.logsnr, data.gap - band, data.gap + band, color=ink, alpha=0.2, lw=0)
    inset.plot(data.logsnr, data.gap, color=ink, lw=1.2)
    inset.axhline(0, color=GREY, lw=0.6)
    inset.margins(x=0)
    inset.tick_params(labelsize="x-small", colors=ink)
    for spine in inset.spines.values():
        spine.set_color(ink)
    inset.set_title(f"the gap, enlarged\n{text}", fontsize="small", loc="right", color=ink)


def _draw_integrand(ax: Axes, data: IntegrandData, unit: str) -> None:
    ax.axhline(0, color=GREY, lw=0.6)
    for place, (form, (value, error)) in enumerate(data.forms.items()):
        colour, style = FORM_STYLES[place % len(FORM_STYLES)]
        width, alpha = (2.2, 0.25) if place == 0 else (1.2, 0.1)
        low, high = value - 2 * error, value + 2 * error
        ax.fill_between(data.logsnr, low, high, color=colour, alpha=alpha, lw=0)
        ax.plot(data.logsnr, value, style, color=colour, lw=width, label=data.labels[form])
    ax.set_xlabel(LOGSNR)
    ax.set_ylabel(f"integrand, {unit} per unit log-SNR")
    ax.margins(x=0)
    ax.set_ylim(*data.span)
    legend = ax.legend(loc="upper right", frameon=False, labelcolor=_ink(ax))
    legend.set_title("form of the gap, ±2 standard errors")
    legend.get_title().set_color(_ink(ax))


def _draw_training(ax: Axes, data: TrainingData, unit: str) -> None:
    # Imported here because importing this module must not load matplotlib.
    from mmg_nb.plots.axes import legend_above

    lines = ax.plot(data.step, data.mi, "-o", color=BLUE, lw=2, ms=4, label="validation estimate")
    lines.append(ax.axhline(data.final, color=_ink(ax), lw=1, ls=":", label="result"))
    ax.set_xlabel("training steps")
    ax.set_ylabel(f"mutual information, {unit}", color=BLUE_INK)
    right = ax.twinx()
    label = "validation loss (right axis)"
    lines += right.plot(data.step, data.loss, "--s", color=ORANGE, lw=1.5, ms=4, label=label)
    right.set_ylabel(data.loss_label, color=ORANGE_INK)
    right.tick_params(colors=_ink(ax))
    for spine in right.spines.values():
        spine.set_color(_ink(ax))
    legend_above(ax, handles=lines, ncols=3, fontsize="small")


KINDS: dict[str, tuple[Callable[[MIResult, str], Any], Callable[[Axes, Any, str], None]]] = {
    "gap": (lambda result, _: gap_data(result), _draw_gap),
    "integrand": (integrand_data, _draw_integrand),
    "training": (training_data, _draw_training),
    "pointwise": (_rows("pointwise"), draw_pointwise),
    "data": (_rows("data"), draw_data),
}
