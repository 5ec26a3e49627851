"""Plots of rows: what was compared, and which rows carry the information."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mmg_nb.errors import cut
from mmg_nb.results.facts import unit_size
from mmg_nb.results.result import MIResult
from mmg_nb.results.sample import Sample

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["RowsData", "draw_data", "draw_pointwise", "rows_data"]

MAX_LEVELS = 12  # categories on an axis; the rarest ones are drawn together
NAMED = 3  # rows with the largest and with the smallest value that are named, if there is room
CROWDED = 1  # rows under a name, above which it cannot be read
NAME_HEIGHT, LETTER_WIDTH = 0.055, 0.019  # shares of the plot
SATURATED = 0.98  # quantile of |ln p(x, y) / p(x) p(y)| that gets the full colour
ROOM_FOR_NAME = 24  # letters of a name on an axis
HIGH, MIDDLE, LOW, PLAIN = "#D55E00", "#999999", "#0072B2", "#3a8fc7"

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RowsData:
    """Data of the plots of rows; all arrays are `(m,)`.

    Attributes:
        x: Values of x; places 0, 1, … on the axis if it holds categories.
        y: Values of y.
        levels: Names of the places on the axes of `x` and `y`; no entry for numbers.
        names: Names of x, of y, and of the condition, which is empty without one.
        mi: Pointwise MI, in the unit that was asked for; empty if there is none.
        labels: Names of the rows.
        about: How many rows and columns are shown, in words.
    """

    x: Array
    y: Array
    levels: dict[str, tuple[str, ...]]
    names: tuple[str, str, str]
    mi: Array
    labels: tuple[str, ...]
    about: str

    def table(self, values: Array) -> Array:
        """Sum of values in each cell of two categories, `(levels of y, levels of x)`."""
        cells = np.zeros((len(self.levels["y"]), len(self.levels["x"])))
        np.add.at(cells, (self.y.astype(int), self.x.astype(int)), values)
        return cells


def rows_data(result: MIResult, pointwise: bool, unit: str = "nats") -> RowsData | None:
    """Data of `plot(kind="data")` and `plot(kind="pointwise")`.

    Args:
        result: The result.
        pointwise: Whether only rows with a pointwise value are wanted.
        unit: `nats` or `bits`.

    Returns:
        The data; None if the result has none.
    """
    sample, known = result.sample, result.pointwise
    if sample is None or (pointwise and known is None):
        return None
    mi, chosen = np.empty(0), np.arange(len(sample.index))
    if pointwise and known is not None:
        chosen, places = np.intersect1d(sample.index, known.index, return_indices=True)[1:]
        mi = known.mi[places] / unit_size(unit)
    x, y, z = result.called
    levels: dict[str, tuple[str, ...]] = {}
    shown = {name: _placed(getattr(sample, name)[chosen], name, sample, levels) for name in "xy"}
    names = tuple(own or whole for own, whole in zip(sample.columns, (x, y), strict=True))
    labels = tuple(sample.labels[k] if sample.labels else str(sample.index[k]) for k in chosen)
    about = _about(result, len(chosen))
    return RowsData(shown["x"], shown["y"], levels, (names[0], names[1], z), mi, labels, about)


def _about(result: MIResult, shown: int) -> str:
    n, z = result.n_samples, result.called[2]
    parts = [f"{shown} of {n} rows" if shown < n else f"{n} rows"]
    for name, count in (("x", result.dim_x), ("y", result.dim_y)):
        parts += [f"1 of {count} columns of {name}"] if count > 1 else []
    return ", ".join(parts) + (f"; given {z}" if z else "")


def _placed(values: Array, name: str, sample: Sample, levels: dict[str, tuple[str, ...]]) -> Array:
    """Numbers as they are; categories as places on the axis, the rarest ones at a common one."""
    if name not in sample.levels:
        return values
    names = sample.levels[name]
    codes = values.astype(int)
    counts = np.bincount(codes, minlength=len(names))
    kept = np.sort(np.argsort(-counts, kind="stable")[: MAX_LEVELS - 1])
    if len(names) <= MAX_LEVELS:
        kept = np.arange(len(names))
    place = np.full(len(names), len(kept))
    place[kept] = np.arange(len(kept))
    others = ("others",) if len(kept) < len(names) else ()
    levels[name] = (*(names[k] for k in kept), *others)
    return place[codes].astype(float)


def draw_data(ax: Axes, data: RowsData, unit: str = "nats") -> None:
    """Draw the rows: a scatter plot, or a table of counts for two categories."""
    if len(data.levels) == 2:
        counts = data.table(np.ones(len(data.x)))
        _draw_table(ax, counts, counts, "Blues", (0.0, float(counts.max())))
    else:
        x, y = _spread(data)
        ax.scatter(x, y, s=_size(data), color=PLAIN, alpha=0.7, lw=0)
    _name_axes(ax, data)


def draw_pointwise(ax: Axes, data: RowsData, unit: str = "nats") -> None:
    """Draw the rows, coloured by ln p(x, y) / p(x) p(y); extreme ones have their names."""
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("mmg", [LOW, MIDDLE, HIGH])
    known = np.abs(data.mi[np.isfinite(data.mi)])
    limit = max(float(np.quantile(known, SATURATED)) if len(known) else 0.0, 1e-3)
    if len(data.levels) == 2:
        counts = data.table(np.ones(len(data.x)))
        with np.errstate(invalid="ignore"):
            means = data.table(data.mi) / counts
        drawn = _draw_table(ax, means, counts, colours, (-limit, limit))
    else:
        x, y = _spread(data)
        order = np.argsort(np.abs(data.mi))  # the rows that matter lie on top
        drawn = ax.scatter(
            x[order],
            y[order],
            c=data.mi[order],
            s=_size(data),
            cmap=colours,
            lw=0,
            vmin=-limit,
            vmax=limit,
        )
        _name_rows(ax, data, x, y)
    _name_axes(ax, data)
    _add_scale(ax, drawn, data, unit)


def _draw_table(
    ax: Axes, values: Array, counts: Array, colours: Any, limits: tuple[float, float]
) -> Any:
    """Cells coloured by values, with their counts."""
    shown = np.ma.masked_where(counts == 0, values)
    low, high = limits
    drawn = ax.pcolormesh(shown, cmap=colours, vmin=low, vmax=high, edgecolors="none")
    for (row, column), count in np.ndenumerate(counts):
        if count:
            fill = drawn.cmap(drawn.norm(values[row, column]))
            ink = "#111111" if np.dot(fill[:3], (0.3, 0.6, 0.1)) > 0.5 else "#ffffff"
            ax.text(column + 0.5, row + 0.5, f"{count:g}", ha="center", va="center", color=ink)
    return drawn


def _spread(data: RowsData) -> tuple[Array, Array]:
    """The rows, with those of one category side by side. The same rows lie at the same place."""
    rng = np.random.default_rng(0)
    x, y = (
        values + 0.5 + rng.uniform(-0.3, 0.3, len(values)) if name in data.levels else values
        for name, values in (("x", data.x), ("y", data.y))
    )
    return x, y


def _size(data: RowsData) -> float:
    return float(np.clip(6000 / len(data.x), 10, 40))


def _name_axes(ax: Axes, data: RowsData) -> None:
    ink = ax.xaxis.label.get_color()
    ax.set_title(_literal(data.about, 80), fontsize="medium", loc="left", color=ink)
    for axis, name, text in ((ax.xaxis, "x", data.names[0]), (ax.yaxis, "y", data.names[1])):
        axis.set_label_text(_literal(text, ROOM_FOR_NAME))
        if name in data.levels:
            levels = data.levels[name]
            axis.set_ticks(np.arange(len(levels)) + 0.5, [_literal(each, 14) for each in levels])
            axis.set_tick_params(length=0)
    if len(data.levels.get("x", ())) > 5:
        ax.tick_params("x", labelrotation=40)
        for label in ax.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")


def _name_rows(ax: Axes, data: RowsData, x: Array, y: Array) -> None:
    """Write the names of extreme rows beside them where there is room."""
    order = [int(k) for k in np.argsort(-data.mi)]
    places = np.stack([(v - v.min()) / max(np.ptp(v), 1e-300) for v in (x, y)], axis=1)
    taken: list[Array] = []
    for end in (order[: 3 * NAMED], order[3 * NAMED :][: -3 * NAMED - 1 : -1]):
        named = 0
        for k in end:
            name = _literal(data.labels[k], ROOM_FOR_NAME)
            side = _side(places, places[k], len(name), taken)
            if side and named < NAMED:
                named += 1
                taken.append(_box(places[k], side, len(name)))
                ax.annotate(
                    name,
                    (x[k], y[k]),
                    (5 * side, 0),
                    textcoords="offset points",
                    ha="left" if side > 0 else "right",
                    va="center",
                    fontsize="small",
                    color=ax.xaxis.label.get_color(),
                )


def _box(place: Array, side: int, letters: int) -> Array:
    """Left, right, lower and upper end of a name, as shares of the plot."""
    ends = sorted((place[0] + 0.01 * side, place[0] + side * LETTER_WIDTH * (letters + 1)))
    return np.array([*ends, place[1] - NAME_HEIGHT / 2, place[1] + NAME_HEIGHT / 2])


def _side(places: Array, place: Array, letters: int, taken: list[Array]) -> int:
    """Where a name covers fewest rows: 1 on the right, −1 on the left; 0 if nowhere."""
    best, fewest = 0, CROWDED + 1
    for side in (1, -1):
        left, right, low, high = box = _box(place, side, letters)
        crossed = any(left < b and a < right and low < d and c < high for a, b, c, d in taken)
        x, y = places.T
        count = int(np.sum((x > left) & (x < right) & (y > low) & (y < high)))
        if not crossed and box[0] > -0.04 and box[1] < 1.04 and count < fewest:
            best, fewest = side, count
    return best


def _add_scale(ax: Axes, drawn: Any, data: RowsData, unit: str) -> None:
    """The meaning of the colours. Without a condition it is ln p(x, y) / p(x) p(y)."""
    ink = ax.xaxis.label.get_color()
    figure: Any = ax.get_figure(root=True)
    scale = figure.colorbar(drawn, ax=ax, extend="both", pad=0.02)
    ratio = "p(x, y | z) / p(x | z) p(y | z)" if data.names[2] else "p(x, y) / p(x) p(y)"
    scale.set_label(f"{'log₂' if unit == 'bits' else 'ln'} {ratio}, {unit}", color=ink)
    scale.ax.tick_params(colors=ink)
    scale.outline.set_edgecolor(ink)


def _literal(name: str, room: int) -> str:
    """A short name, whose dollar signs matplotlib does not read as mathematics."""
    return cut(name, room).replace("$", r"\$")
