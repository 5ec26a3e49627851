"""Mutual information of all pairs of columns of a table, as a heat map."""

from __future__ import annotations

import html
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack, overload

import numpy as np
from numpy.typing import NDArray

from mmg_nb.api import check_seed, estimate
from mmg_nb.data.columns import Choice, read_choice
from mmg_nb.data.dependent_rows import MIN_SAMPLES
from mmg_nb.data.description import describe
from mmg_nb.data.readings import Reading
from mmg_nb.data.tables import KINDS_OF_TABLE, frame_of
from mmg_nb.errors import MMGError, brief, listed, one_of
from mmg_nb.estimators.acceptance import accepts
from mmg_nb.estimators.registry import build
from mmg_nb.keywords import MapKeywords, complete, shows
from mmg_nb.polling import Stopped
from mmg_nb.results.facts import unit_size
from mmg_nb.results.picture import Picture
from mmg_nb.results.result import MIResult
from mmg_nb.runs.events import Listener, Phase, Started, Step, Working
from mmg_nb.runs.interrupts import stoppable
from mmg_nb.runs.watching import watched

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

__all__ = ["DependencyMap", "check_rows", "dependency_map"]

WIDTH = 560  # pixels of the page
MAX_LETTERS = 24  # of a column name in the picture
MAX_PAIRS = 3  # listed with one note
MAX_COLUMNS_WITH_VALUES = 12  # in larger maps, no values are written into the cells

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DependencyMap:
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
    """

    names: tuple[str, ...]
    mi: Array
    stderr: Array
    estimator: str
    n_samples: int
    given: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

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
        if ax is None:
            # Imported here because importing this module must not load matplotlib.
            from mmg_nb.plots.axes import new_axes

            ax = new_axes(WIDTH)
            ax.get_figure(root=True).set_size_inches(5.6, 4.7)  # type: ignore[union-attr]
        _draw(ax, self, values, unit)
        return ax

    def __repr__(self) -> str:
        return self._text("nats")

    def _text(self, unit: str) -> str:
        size = unit_size(unit)
        pairs = (f"{a}–{b} {mi / size:.3f}" for a, b, mi, _ in self.ranked[:3])
        strongest = ", ".join(pairs) or "none"
        return (
            f"DependencyMap({len(self.names)} columns, {self.n_samples} rows, {self.estimator}; "
            f"{self.quantity}, strongest in {unit}: {strongest})"
        )

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.bundle()

    def bundle(self, unit: str = "nats") -> tuple[dict[str, Any], dict[str, Any]]:
        """The map as text, HTML and PNG, as `_repr_mimebundle_` returns it.

        Args:
            unit: `nats` or `bits`.
        """
        from mmg_nb.plots.axes import axes_png

        text = self._text(unit)
        picture = Picture(axes_png(self.plot(unit=unit)), text, WIDTH)
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        below = f"<ul>{notes}</ul>" if notes else ""
        return picture.bundle(text, f"<div>{picture.tag}{below}</div>")


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


@overload
def dependency_map(
    table: Any, estimator: str = ..., **keywords: Unpack[MapKeywords]
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
@shows(MapKeywords, rest="fields")
def dependency_map(table: Any, estimator: str = "ksg", **keywords: Any) -> DependencyMap:
    """Estimate the mutual information of all pairs of columns of a table.

    Args:
        table: A table of numbers and categories: a DataFrame of pandas or Polars, a PyArrow table
            or an xarray Dataset. Columns that cannot be used are left out, with a note each.
        estimator: Name in the registry. The default accepts numbers and categories and needs no
            training. For a more precise estimate of one pair, use `mmg_nb.estimate`.
        **keywords: Those of `mmg_nb.keywords.MapKeywords`, and fields of the estimator.

    Returns:
        The map. An interrupt (Ctrl-C, or the stop button) leaves out the pairs that follow.

    Raises:
        MMGError: The table cannot be used, or no pair can be estimated. The cell of a single
            pair that cannot be estimated is empty, and a note says why.
    """
    asked, fields = complete(MapKeywords, keywords)
    rows, seed, discrete = asked["rows"], asked["seed"], asked["discrete"]
    check_seed(seed)
    check_rows(rows)
    table, condition = _read_table(table, asked["given"])
    choice = read_choice(discrete)
    for name in choice.named:
        _check_column(name, table.columns)
    _names(table, condition, {})
    notes: tuple[str, ...] = ()
    if rows is not None and len(table) > rows:
        chosen = np.sort(np.random.default_rng(seed).choice(len(table), rows, replace=False))
        notes = (f"{rows} of {len(table)} rows were drawn at random. rows=None uses all rows.",)
        table = table.iloc[chosen]
    readings, categorical = _readings(table, discrete, choice, estimator, fields)
    lost = _left_out(
        readings, asked["missing"], "" if categorical else f"{estimator} takes numbers only"
    )
    names = _names(table, condition, lost)
    notes += tuple(f"{name} was left out because {lost[name]}." for name in lost)
    used = {*names, *condition}
    codes = [r for r in readings if r.kind == "codes" and r.name in used and categorical]
    notes += tuple(f"{r.name}: Codes, because {r.evidence}. Or use {r.change}." for r in codes)
    choice = replace(choice, named=choice.named | {each.name for each in codes})
    options = {"missing": asked["missing"], "seed": seed, **fields}

    def estimated(a: str, b: str, listen: Listener) -> MIResult:
        roles = {"x": [a], "y": [b]} | ({"given": list(condition)} if condition else {})
        return _estimated(table, roles, choice, estimator, listen, **options)

    count = len(names)
    started = Started(estimator, len(table), count, count, "cpu", count * (count - 1) // 2)
    mi, stderr, remarks = watched(
        partial(_all_pairs, names, estimated, started),
        None,
        asked["progress"],
        what=f"mutual information of {count} columns",
        estimator=estimator,
        slow=True,
    )
    return DependencyMap(names, mi, stderr, estimator, len(table), condition, notes + remarks)


def _all_pairs(
    names: Sequence[str],
    estimated: Callable[[str, str, Listener], MIResult],
    started: Started,
    listen: Listener,
) -> tuple[Array, Array, tuple[str, ...]]:
    """Estimates and their errors, `(d, d)`, and notes. A stop leaves out the pairs that follow."""
    mi, stderr = np.full((2, len(names), len(names)), np.nan)
    pairs = list(itertools.combinations(range(len(names)), 2))
    remarks: dict[str, list[str]] = {}  # note -> its pairs, because many pairs may share one
    notes: tuple[str, ...] = ()
    failed: MMGError | None = None
    with stoppable(listen) as asked:
        asked(started)
        asked(Phase("pairs of columns"))
        for done, (i, j) in enumerate(pairs):
            try:
                if asked(Step(done, len(pairs))):
                    raise Stopped
                found = estimated(names[i], names[j], lambda event: asked(Working()))
            except Stopped:
                notes = (
                    f"Stopped after {done} of {len(pairs)} pairs. The other cells are empty.",
                )
                break
            except MMGError as error:  # the other pairs can still be estimated
                failed = failed or MMGError(
                    f"{names[i]} and {names[j]}: {error.what}", error.remedy
                )
                said: tuple[str, ...] = (f"No estimate. {error.what}",)
            else:
                mi[i, j] = mi[j, i] = found.mi
                stderr[i, j] = stderr[j, i] = np.nan if found.stderr is None else found.stderr
                said = _remarks(found)
            for remark in said:
                remarks.setdefault(remark, []).append(f"{names[i]} and {names[j]}")
    if failed and not np.isfinite(mi).any():
        raise failed
    return mi, stderr, notes + tuple(f"{_listed(w)}: {r}" for r, w in remarks.items())


def _read_table(table: Any, given: Any) -> tuple[Any, tuple[str, ...]]:
    """The table with its column names as strings, and the names of the condition's columns."""
    frame = None if getattr(table, "ndim", 2) != 2 else frame_of(table, "table")
    if frame is None:
        what = f"table must be {KINDS_OF_TABLE}; got {type(table).__name__}."
        raise MMGError(what, "Convert it: pandas.DataFrame(values, columns=[...]).")
    table = frame
    known = [str(name) for name in table.columns]
    if len(set(known)) < len(known):
        what = f"Column names must differ from each other; got {listed(known)}."
        raise MMGError(what, "Rename the repeated columns.")
    single = isinstance(given, str) or not isinstance(given, Iterable)
    condition = () if given is None else tuple(map(str, [given] if single else given))
    for name in condition:
        _check_column(name, known)
    return table.set_axis(known, axis=1), condition


def _readings(
    table: Any, discrete: Any, choice: Choice, estimator: str, fields: Mapping[str, Any]
) -> tuple[tuple[Reading, ...], bool]:
    """What each column is read as, and whether the estimator takes categories."""
    categorical = accepts(build(estimator, dict(fields)), "discrete")
    # Without support for categories, whole numbers are numbers.
    found = describe(table, discrete=discrete if categorical or not choice.auto else "none")
    return found.readings, categorical


def _left_out(readings: Sequence[Reading], missing: str, numbers_only: str) -> dict[str, str]:
    """The columns that cannot be used -> the reason."""
    lost = {}
    for each in readings:
        if each.kind == "constant":
            lost[each.name] = "it is constant"
        elif not each.usable:
            lost[each.name] = f"it is {each.kind} ({each.evidence.rstrip('.')})"
        elif numbers_only and each.discrete:
            lost[each.name] = f"{numbers_only} ({each.kind})"
        elif each.missing and missing == "refuse":
            remedy = "missing='drop' and missing='category' use it"
            lost[each.name] = f"{each.missing} values are missing; {remedy}"
    return lost


def _names(table: Any, condition: Sequence[str], lost: Mapping[str, str]) -> tuple[str, ...]:
    """The columns of the map."""
    for name in condition:
        if name in lost:
            what = f"The condition {brief(name)} cannot be used: {lost[name]}."
            raise MMGError(what, "Condition on other columns.")
    names = tuple(name for name in table.columns if name not in {*condition, *lost})
    if len(names) < 2:
        what = f"A map needs at least two columns that vary; got {listed(names) or 'none'}."
        why = "; ".join(f"{name}: {reason}" for name, reason in lost.items())
        raise MMGError(what, f"Left out: {why}." if why else "Add columns, or condition on fewer.")
    return names


def check_rows(rows: Any) -> None:
    """Refuse an invalid number of rows.

    Raises:
        MMGError: It is neither None nor a whole number of at least 50.
    """
    whole = isinstance(rows, (int, np.integer)) and not isinstance(rows, bool)
    if rows is not None and not (whole and rows >= MIN_SAMPLES):
        what = (
            f"rows must be a whole number of at least {MIN_SAMPLES}, or None; got {brief(rows)}."
        )
        raise MMGError(what, "rows: maximum number of rows, drawn at random. None uses all rows.")


def _check_column(name: str, known: Sequence[str]) -> None:
    if name not in known:
        what = f"The table has no column {brief(name)}."
        raise MMGError(what, one_of(name, known, "Columns"))


def _estimated(
    table: Any,
    roles: Mapping[str, list[str]],
    choice: Choice,
    estimator: str,
    listen: Listener,
    **asked: Any,
) -> MIResult:
    """The estimate of one pair; `roles` names the columns of x, of y and of the condition."""
    # By position, because a column may have the name of another column's role.
    named = [
        f"{role}[{k}]"
        for role, columns in roles.items()
        for k, column in enumerate(columns)
        if column in choice.named
    ]
    asked |= {role: table[columns] for role, columns in roles.items()}
    if choice.auto:
        asked["discrete"] = ["auto", *named] if named else "auto"
    else:
        asked["discrete"] = named or "none"
    return estimate(asked.pop("x"), asked.pop("y"), estimator, listen=listen, **asked)


def _remarks(result: MIResult) -> tuple[str, ...]:
    if result.status.complete:
        return result.notes
    return (*result.notes, result.status.remedy)


def _listed(pairs: Sequence[str]) -> str:
    if len(pairs) <= MAX_PAIRS:
        return "; ".join(pairs)
    return "; ".join(pairs[:MAX_PAIRS]) + f" and {len(pairs) - MAX_PAIRS} more"
