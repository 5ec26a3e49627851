"""Mutual information of all pairs of columns of a table, as a heat map."""

from __future__ import annotations

import html
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from mmg_nb.errors import MMGError
from mmg_nb.keywords import DependencyMapKeywords
from mmg_nb.polling import Stopped
from mmg_nb.questions.answer import not_looked_at, said_once
from mmg_nb.questions.asked_table import AskedTable, read_asked
from mmg_nb.questions.side_by_side import outcomes, processes
from mmg_nb.results.facts import unit_size
from mmg_nb.results.picture import Picture
from mmg_nb.results.result import MIResult
from mmg_nb.results.saved import SavedRecord
from mmg_nb.results.status import Status
from mmg_nb.results.unfinished import how_to_finish, line_so_far
from mmg_nb.runs.events import Listener, Phase, Started
from mmg_nb.runs.interrupts import stoppable
from mmg_nb.runs.watching import watched
from mmg_nb.signatures import complete, shows

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["DependencyMap", "dependency_map"]

DENSITY = 100  # pixels of the page per inch
MAX_LETTERS = 24  # of a column name in the picture
MAX_COLUMNS_WITH_VALUES = 12  # in larger maps, no values are written into the cells

Array = NDArray[np.float64]
Matrix = np.ndarray[tuple[int, int], np.dtype[np.float64]]


@dataclass(frozen=True, eq=False)
class DependencyMap(SavedRecord):
    """Mutual information of all pairs of columns of a table.

    Attributes:
        names: Names of the columns.
        mi: Estimates, `(d, d)`, symmetric, nats. NaN on the diagonal, and for pairs that a stop
            left out.
        stderr: Standard errors, `(d, d)`, nats.
        estimator: Name in the registry.
        n_samples: Rows used.
        given: Names of the condition's columns.
        notes: What the user should know about the data and the estimates.
        left_out: Columns of the table that were left out, with the reason.
        status: Interrupted, if the computation was stopped.
        stopped_after: What was done before a stop, in words; empty without a stop.
    """

    FORMAT: ClassVar[str] = "mmg_nb.DependencyMap/1"

    names: tuple[str, ...]
    mi: Matrix
    stderr: Matrix
    estimator: str
    n_samples: int
    given: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    left_out: dict[str, str] = field(default_factory=dict)
    status: Status = Status.CONVERGED
    stopped_after: str = ""

    def _check(self) -> None:
        shape = (len(self.names), len(self.names))
        if not self.mi.shape == self.stderr.shape == shape:
            raise ValueError(f"{len(self.names)} names need tables of {shape[0]} × {shape[0]}")

    @property
    def quantity(self) -> str:
        """What the cells show, in words."""
        condition = f" given {', '.join(self.given)}" if self.given else ""
        return f"mutual information{condition}"

    @property
    def ranked(self) -> list[tuple[str, str, float, float]]:
        """Both names, estimate and standard error of each pair, in nats, largest estimate first.

        Pairs without an estimate are left out.
        """
        pairs = itertools.combinations(range(len(self.names)), 2)
        known = [pair for pair in pairs if np.isfinite(self.mi[pair])]
        order = sorted(known, key=lambda pair: -self.mi[pair])
        return [
            (self.names[i], self.names[j], float(self.mi[i, j]), float(self.stderr[i, j]))
            for i, j in order
        ]

    def to_frame(self, unit: str = "nats") -> pd.DataFrame:
        """The map as a table.

        Args:
            unit: `nats` or `bits`.

        Returns:
            Names × names, NaN on the diagonal.
        """
        import pandas as pd

        return pd.DataFrame(self._in(unit), index=list(self.names), columns=list(self.names))

    def _in(self, unit: str) -> Array:
        return self.mi / unit_size(unit)

    def plot(self, ax: Axes | None = None, unit: str = "nats") -> Axes:
        """Draw the heat map, in colours that colour-blind readers can distinguish.

        Args:
            ax: Axes to draw on. Default: new axes.
            unit: `nats` or `bits`.

        Returns:
            The axes.
        """
        values = self._in(unit)
        # Imported here because importing this module must not load matplotlib.
        from mmg_nb.plots.axes import described, new_axes

        if ax is None:
            ax = new_axes(560)
            figure: Any = ax.get_figure(root=True)
            figure.set_size_inches(self._inches, 0.84 * self._inches)
            figure.set_layout_engine("compressed")  # the usual one cuts names beside square axes
            points = 72 * 0.6 * self._inches / len(self.names)
            ax.tick_params(labelsize=float(np.clip(points, 5, 10)))
        _draw(ax, self, values, unit)
        return described(ax, self.alt(unit))

    @property
    def _inches(self) -> float:
        """Width of the figure, with room for the names of the columns."""
        return max(5.6, 2.6 + 0.15 * len(self.names))

    def alt(self, unit: str = "nats") -> str:
        """The map in words, for readers who cannot see it."""
        return self._text(unit)

    def picture(self, alt: str, unit: str = "nats") -> Picture:
        """The heat map for a page.

        Args:
            alt: A description for readers who cannot see it.
            unit: `nats` or `bits`.
        """
        from mmg_nb.plots.axes import axes_png

        return Picture(axes_png(self.plot(unit=unit)), alt, round(DENSITY * self._inches))

    def __repr__(self) -> str:
        return self._text("nats")

    def _text(self, unit: str) -> str:
        size = unit_size(unit)
        pairs = (f"{a}–{b} {mi / size:.3f}" for a, b, mi, _ in self.ranked[:3])
        strongest = ", ".join(pairs) or "none"
        sizes = f"{len(self.names)} columns, {self.n_samples} rows"
        by = f", {self.estimator}" if self.estimator else ""
        found = f"{self.quantity}, strongest in {unit}: {strongest}"
        if not self.status.complete:
            found = line_so_far(found, self.stopped_after)
        return f"DependencyMap({sizes}{by}; {found}{not_looked_at(self.left_out)})"

    def bundle(self, unit: str = "nats") -> tuple[dict[str, Any], dict[str, Any]]:
        """The map as text, HTML and PNG, as `_repr_mimebundle_` returns it.

        Args:
            unit: `nats` or `bits`.
        """
        text = self._text(unit)
        picture = self.picture(self.alt(unit), unit)
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        below = f"<ul>{notes}</ul>" if notes else ""
        return picture.bundle(text, f"<div>{self._stop}{picture.tag}{below}</div>")

    @property
    def _stop(self) -> str:
        """What a page says first after a stop; empty without one."""
        if self.status.complete:
            return ""
        said = f"Not a final result. {how_to_finish(self.stopped_after)}"
        return f"<p>{html.escape(said)} Empty cells are not estimated.</p>"


def _draw(ax: Axes, found: DependencyMap, values: Array, unit: str) -> None:
    from matplotlib import colormaps

    ink = ax.xaxis.label.get_color()
    top = float(np.nanmax(values, initial=1e-9))
    # Few steps, because the PNG file is saved with few colours.
    colours = colormaps["cividis"].resampled(16)
    image = ax.imshow(np.ma.masked_invalid(values), cmap=colours, vmin=0, vmax=top)
    places = range(len(found.names))
    names = [
        name if len(name) <= MAX_LETTERS else name[: MAX_LETTERS - 1] + "…" for name in found.names
    ]
    literal = {"parse_math": False}  # a column name may contain dollar signs
    ax.set_xticks(places, names, rotation=45, ha="right", rotation_mode="anchor", **literal)
    ax.set_yticks(places, names, **literal)
    ax.tick_params(length=0, colors=ink)
    for spine in ax.spines.values():
        spine.set_visible(False)
    if len(found.names) <= MAX_COLUMNS_WITH_VALUES:
        for i, j in np.argwhere(np.isfinite(values)):
            light = values[i, j] < 0.55 * top
            text = f"{values[i, j]:.2f}".replace("-", "−").replace("−0.00", "0.00")
            colour = "white" if light else "black"
            size = "small" if len(found.names) <= 8 else "x-small"
            ax.text(j, i, text, ha="center", va="center", size=size, color=colour)
    figure = ax.get_figure(root=True)
    if figure is not None:
        bar = figure.colorbar(image, ax=ax, shrink=0.85)
        bar.set_label(f"{found.quantity}, {unit}", color=ink)
        bar.ax.tick_params(colors=ink)
        bar.outline.set_edgecolor(ink)


@overload
def dependency_map(
    table: Any, estimator: str = ..., **keywords: Unpack[DependencyMapKeywords]
) -> DependencyMap: ...
@overload
def dependency_map(
    table: Any,
    estimator: str = ...,
    *,
    rows: int | None = ...,
    seed: int = ...,
    **fields: Any,  # those of any estimator, and the other keyword arguments
) -> DependencyMap: ...
@shows(DependencyMapKeywords, rest="fields")
def dependency_map(table: Any, estimator: str = "ksg", **keywords: Any) -> DependencyMap:
    """Estimate the mutual information of all pairs of columns of a table.

    Args:
        table: A table of numbers and categories: a DataFrame of pandas or Polars, a PyArrow table
            or an xarray Dataset. Columns that cannot be used are left out, with a note each.
        estimator: Name in the registry. The default accepts numbers and categories and needs no
            training. For a more precise estimate of one pair, use `mmg_nb.estimate`.
        **keywords: Those of `mmg_nb.keywords.DependencyMapKeywords`, and fields of the estimator.

    Returns:
        The map. An interrupt (Ctrl-C, or the stop button) leaves out the pairs that follow.

    Raises:
        MMGError: The table cannot be used, or no pair can be estimated. The cell of a single
            pair that cannot be estimated is empty, and a note says why.
    """
    asked, fields = complete(DependencyMapKeywords, keywords)
    question = read_asked(table, estimator, asked, fields)
    names = question.names

    count = len(names)
    pairs = list(itertools.combinations(range(count), 2))
    workers = processes(asked["workers"], estimator, len(pairs))
    parts = [partial(question.estimate, [names[i]], [names[j]]) for i, j in pairs]
    return watched(
        partial(_all_pairs, question, pairs, parts, workers),
        None,
        asked["progress"],
        what=f"mutual information of {count} columns",
        estimator=estimator,
        slow=True,
    )


def _all_pairs(
    question: AskedTable,
    pairs: Sequence[tuple[int, int]],
    parts: Sequence[Callable[[Listener], MIResult]],
    workers: int,
    listen: Listener,
) -> DependencyMap:
    """The map. A stop leaves out the pairs that follow."""
    found: dict[int, MIResult | MMGError] = {}
    after, count = "", len(question.names)
    with stoppable(listen) as asked:
        sizes = question.n_samples, count, count
        asked(Started(question.estimator, *sizes, "cpu", len(pairs)))
        asked(Phase("pairs of columns"))
        try:
            found.update(outcomes(parts, workers, asked))
        except Stopped:
            if not found:
                raise
            after = f"{len(found)} of {len(pairs)} pairs"
    mi, stderr, remarks = _matrices(question.names, {pairs[k]: found[k] for k in sorted(found)})
    return DependencyMap(
        question.names,
        mi,
        stderr,
        question.estimator,
        question.n_samples,
        question.condition,
        question.notes + remarks + question.on_readings,
        question.left_out,
        Status.INTERRUPTED if after else Status.CONVERGED,
        after,
    )


def _matrices(
    names: Sequence[str], found: Mapping[tuple[int, int], MIResult | MMGError]
) -> tuple[Array, Array, tuple[str, ...]]:
    """Estimates and their errors, `(d, d)`, and notes."""
    mi, stderr = np.full((2, len(names), len(names)), np.nan)
    remarks: list[tuple[str, str]] = []
    for (i, j), outcome in found.items():
        said: tuple[str, ...]
        if isinstance(outcome, MMGError):  # the other pairs can still be estimated
            said = (f"No estimate. {outcome.what}",)
        else:
            mi[i, j] = mi[j, i] = outcome.mi
            stderr[i, j] = stderr[j, i] = np.nan if outcome.stderr is None else outcome.stderr
            said = _remarks(outcome)
        remarks += [(f"{names[i]} and {names[j]}", remark) for remark in said]
    failed = [(pair, each) for pair, each in found.items() if isinstance(each, MMGError)]
    if failed and not np.isfinite(mi).any():
        (i, j), error = failed[0]
        raise MMGError(f"{names[i]} and {names[j]}: {error.what}", error.remedy)
    return mi, stderr, said_once(remarks, of_columns=True)


def _remarks(result: MIResult) -> tuple[str, ...]:
    if result.status.complete:
        return result.notes
    return (*result.notes, result.status.remedy)
